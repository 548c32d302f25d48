//! Backends that are processes of their own: they can be stopped, killed and started again.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::interval;

use super::client::{self, Answer, Request};
use super::folder::Folder;
use super::soon;

/// A backend of the program under test.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    config: PathBuf,
    child: Child,
}

impl Process {
    /// Starts one on `store`, with these lines of configuration besides the least, and waits
    /// until it answers.
    pub(crate) async fn start(folder: &Folder, endpoint: &str, store: &str, lines: &str) -> Self {
        // free a moment ago; it is bound again at once
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("bound");
        drop(free);
        let config = folder.path().join(format!("{endpoint}.yaml"));
        let text = format!("endpoint: {endpoint}\nlisten: {address}\n{store}\n{lines}\n");
        std::fs::write(&config, text).expect("the configuration is written");
        let child = run(&config);
        let process = Self {
            address,
            config,
            child,
        };
        process.answers().await;
        process
    }

    /// Waits until it listens.
    async fn answers(&self) {
        let listening = async {
            let mut ticks = interval(Duration::from_millis(5));
            while tokio::net::TcpStream::connect(self.address).await.is_err() {
                ticks.tick().await;
            }
        };
        soon(listening).await;
    }

    /// Another process of the same configuration, in the place of one that was killed.
    pub(crate) async fn start_again(&mut self) {
        self.child = run(&self.config);
        self.answers().await;
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a process of ours");
        self.child.wait().expect("its end");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a pid is positive");
        kill_process(pid, signal).expect("a process of ours");
    }

    /// Stops it where it is, and waits until each of its threads stands.
    pub(crate) async fn stop(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.child.id());
        let standing = async {
            let mut ticks = interval(Duration::from_millis(5));
            while !all_stand(&tasks) {
                ticks.tick().await;
            }
        };
        soon(standing).await;
    }

    /// Waits for its end after a signal.
    pub(crate) async fn ended(&mut self) {
        let ended = async {
            let mut ticks = interval(Duration::from_millis(20));
            while self.child.try_wait().expect("a process of ours").is_none() {
                ticks.tick().await;
            }
        };
        soon(ended).await;
    }

    pub(crate) async fn ask(&self, request: Request<'_>) -> Answer {
        client::ask(self.address, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path)).await
    }

    /// Waits until `/health` says so.
    pub(crate) async fn health(&self, what: &str, wanted: impl Fn(&serde_json::Value) -> bool) {
        let asked = async {
            let mut ticks = interval(Duration::from_millis(20));
            while !wanted(&self.get("/health").await.json()) {
                ticks.tick().await;
            }
        };
        let asked = tokio::time::timeout(super::PATIENCE, asked).await;
        assert!(asked.is_ok(), "never healthy as wanted: {what}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may have been killed by the test, or be stopped
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn all_stand(tasks: &str) -> bool {
    let mut tasks = std::fs::read_dir(tasks).expect("threads of a process of ours");
    tasks.all(|task| {
        let stat = task.expect("a thread").path().join("stat");
        let stat = std::fs::read_to_string(stat).unwrap_or_default();
        // number (name) state ...
        let state = stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]);
        matches!(state, Some("T"))
    })
}

fn run(config: &PathBuf) -> Child {
    Command::new(env!("CARGO_BIN_EXE_holdfast-backend"))
        .args(["run", "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}
