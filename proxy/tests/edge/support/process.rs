//! A proxy as a process of its own, with signals and a log.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A running proxy, and whoever replaced it; dropping it kills them.
pub(crate) struct Process {
    pub(crate) config: PathBuf,
    pub(crate) address: SocketAddr,
    child: Child,
    successor: Option<Pid>,
    log: mpsc::UnboundedReceiver<Value>,
}

impl Process {
    /// Starts it with this file, and waits until it listens.
    pub(crate) async fn start(file: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let config = folder.join(format!("process-{}-{count}.yaml", std::process::id()));
        std::fs::write(&config, file).expect("the file is written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast-proxy"))
            .args(["run", "--config"])
            .arg(&config)
            .env("HOLDFAST_LOG", "info")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, log) = mpsc::unbounded_channel();
        let errors = child.stderr.take().expect("piped");
        std::thread::spawn(move || forward(errors, &sender));
        let mut process = Self {
            config,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            child,
            successor: None,
            log,
        };
        let line = process.logged("listening").await;
        let address = line["fields"]["address"].as_str().expect("an address");
        process.address = address.parse().expect("an address");
        process
    }

    /// The next line of the log with this message; also of its successor.
    pub(crate) async fn logged(&mut self, message: &str) -> Value {
        let found = async {
            loop {
                let line = self.log.recv().await.expect("the log goes on");
                if let Some(pid) = line["fields"]["pid"].as_i64() {
                    let pid = i32::try_from(pid).expect("a process id");
                    self.successor = Pid::from_raw(pid);
                }
                if line["fields"]["message"] == message {
                    return line;
                }
            }
        };
        match timeout(SOON, found).await {
            Ok(line) => line,
            Err(_) => panic!("within {SOON:?} nobody logged {message:?}"),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Sends it to the process that took over.
    pub(crate) fn signal_successor(&self, signal: Signal) {
        let successor = self.successor.expect("there is one");
        kill_process(successor, signal).expect("it runs");
    }

    /// How the first process ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                if let Some(status) = self.child.try_wait().expect("a child") {
                    return status;
                }
            }
        };
        timeout(SOON, ended).await.expect("it ends in time")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(successor) = self.successor {
            let _ = kill_process(successor, Signal::KILL);
        }
        let _ = std::fs::remove_file(&self.config);
    }
}

fn forward(errors: ChildStderr, to: &mpsc::UnboundedSender<Value>) {
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if let Ok(line) = serde_json::from_str(&line) {
            let _ = to.send(line);
        }
    }
}

/// For anything that takes a moment unless it is broken, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
