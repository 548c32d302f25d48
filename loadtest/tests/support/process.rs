//! Programs under test, killed when the test is over.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::SOON;

/// The program of this crate.
pub(crate) const LOADTEST: &str = env!("CARGO_BIN_EXE_holdfast-loadtest");

/// The directory with holdfast-proxy and holdfast-backend, which are built if they are not there.
pub(crate) fn bin_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(LOADTEST)
            .parent()
            .expect("directory of the program")
            .to_owned();
        if !["holdfast-proxy", "holdfast-backend"]
            .iter()
            .all(|name| dir.join(name).is_file())
        {
            build();
        }
        dir
    })
}

fn build() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = std::process::Command::new(cargo)
        .args([
            "build",
            "--bins",
            "-p",
            "holdfast-proxy",
            "-p",
            "holdfast-backend",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo build runs");
    assert!(built.success(), "cargo build --bins: {built}");
}

/// For a program that does many things one after the other.
const OUTPUT_MAX: Duration = Duration::from_secs(300);

/// A running program with its standard output.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("program starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("still running")
    }

    /// Reads standard output up to the line that contains `text`; says why if there is none.
    pub(crate) async fn says(&mut self, text: &str) -> String {
        let read = async {
            while let Some(line) = self.lines.next_line().await.expect("stdout") {
                if line.contains(text) {
                    return Some(line);
                }
            }
            None
        };
        match timeout(SOON, read).await.unwrap_or(None) {
            Some(line) => line,
            None => {
                signal(self.pid(), Signal::KILL);
                panic!(
                    "it never said {text:?}; its errors:\n{}",
                    self.errors().await
                )
            }
        }
    }

    /// Everything it writes to standard output, to its end.
    pub(crate) async fn output(&mut self) -> String {
        let mut text = String::new();
        let read = async {
            while let Some(line) = self.lines.next_line().await.expect("stdout") {
                text.push_str(&line);
                text.push('\n');
            }
        };
        timeout(OUTPUT_MAX, read)
            .await
            .expect("it comes to its end");
        text
    }

    /// Waits for the end; everything it wrote to standard error is given back too.
    pub(crate) async fn end(&mut self) -> (ExitStatus, String) {
        let errors = self.errors().await;
        (
            timeout(SOON, self.child.wait())
                .await
                .expect("ends soon")
                .expect("waited for"),
            errors,
        )
    }

    /// What it wrote to standard error, if it has ended.
    pub(crate) async fn errors_if_ended(&mut self) -> Option<String> {
        match self.child.try_wait().expect("waited for") {
            Some(_) => Some(self.errors().await),
            None => None,
        }
    }

    pub(crate) fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    async fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let read = timeout(SOON, stderr.read_to_string(&mut text)).await;
            read.expect("stderr ends with the process").expect("UTF-8");
        }
        text
    }
}

pub(crate) fn signal(pid: u32, which: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a pid is positive");
    kill_process(pid, which).expect("signal a process of this test");
}

/// Is there such a process, and has it not ended yet?
pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // pid (name) state ...: Z and X have ended and wait to be collected.
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
