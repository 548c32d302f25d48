//! Backends in this process, and clients that are strangers to them.

pub(crate) mod client;
pub(crate) mod folder;
pub(crate) mod live;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod scripted;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_backend::app::{App, Backend};
use holdfast_backend::config::Config;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use client::{Answer, Request};
use folder::Folder;

/// A backend that serves until it is told to leave.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) backend: Arc<Backend>,
    leave: oneshot::Sender<()>,
    served: JoinHandle<()>,
    /// Holds the store's file until the last backend of the test is gone.
    _folder: Arc<Folder>,
}

impl Running {
    /// A backend of its own, with these lines of configuration besides the least.
    pub(crate) async fn start(lines: &str) -> Self {
        Self::beside(Arc::new(Folder::new()), "a", lines).await
    }

    /// A backend on the store in `folder`.
    pub(crate) async fn beside(folder: Arc<Folder>, endpoint: &str, lines: &str) -> Self {
        let least = "listen: 127.0.0.1:0\nstore: { sqlite: { file: holdfast.sqlite } }";
        let text = format!("endpoint: {endpoint}\n{least}\n{lines}\n");
        let path = folder.path().join("backend.yaml");
        let config = Config::parse(&path, &text).expect("the configuration is valid");
        let app = App::start(config).await.expect("it starts");
        let (leave, left) = oneshot::channel();
        Self {
            address: app.address(),
            backend: Arc::clone(app.backend()),
            served: tokio::spawn(app.serve(async {
                // a test that is over drops the sender, which is as good
                let _ = left.await;
            })),
            leave,
            _folder: folder,
        }
    }

    /// Asks over a connection of its own.
    pub(crate) async fn ask(&self, request: Request<'_>) -> Answer {
        client::ask(self.address, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: serde_json::Value) -> Answer {
        self.ask(Request::post(path).json(body)).await
    }

    /// A gRPC channel to it.
    pub(crate) async fn grpc(&self) -> tonic::transport::Channel {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", self.address));
        let endpoint = endpoint.expect("an address");
        soon(endpoint.connect()).await.expect("it takes HTTP/2")
    }

    /// Tells it to leave and waits until it has.
    pub(crate) async fn stop(self) {
        // a receiver that is gone has left already
        let _ = self.leave.send(());
        soon(self.served).await.expect("it leaves without a panic");
    }
}

/// What must happen soon; a test that waits longer than this has failed.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it happens soon")
}

const PATIENCE: Duration = Duration::from_secs(60);
