//! Processes of the example backend, or of a copy with a mistake in it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use holdfast_loadtest::lab::plan::loopback;
use tokio::net::TcpStream;

use super::eventually;
use super::process::Running;
use super::python::{python, root};

/// One process of it.
pub(crate) struct Room {
    pub(crate) id: String,
    port: u16,
    script: PathBuf,
    store: PathBuf,
    /// `None` between an end and the next start.
    process: Option<Running>,
}

impl Room {
    /// Starts `script` under this id and waits until it listens.
    pub(crate) async fn start(script: &Path, id: &str, port: u16, dir: &Path) -> Self {
        let mut room = Self {
            id: id.to_owned(),
            port,
            script: script.to_owned(),
            store: dir.join("rooms.db"),
            process: None,
        };
        room.restart().await;
        room
    }

    pub(crate) fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Starts it again under its id, as a ReplicaSet would; whatever still runs is killed.
    pub(crate) async fn restart(&mut self) {
        self.process = None;
        let arguments = [
            self.script.display().to_string(),
            self.id.clone(),
            self.port.to_string(),
            self.store.display().to_string(),
        ];
        let arguments = arguments.each_ref().map(String::as_str);
        self.process = Some(Running::start(python(), &arguments));
        let address = self.address();
        let process = self.process();
        eventually("the example backend listens", async || {
            if let Some(errors) = process.errors_if_ended().await {
                panic!("it ended before it listened: {errors}");
            }
            TcpStream::connect(address).await.ok()
        })
        .await;
    }

    pub(crate) fn process(&mut self) -> &mut Running {
        self.process.as_mut().expect("it runs")
    }
}

/// The example as it is in the documents.
pub(crate) fn example() -> PathBuf {
    root().join("docs/examples/rooms/rooms.py")
}
