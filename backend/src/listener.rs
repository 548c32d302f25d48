//! Accepts connections, bounded in number, head size and time, and serves HTTP/1.1 and HTTP/2 on
//! each: gRPC and everything else share one port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::config::{Limits, Timeouts};

/// The peer's address, as an extension of every request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Accepts connections for a router.
pub struct Listener {
    /// Where.
    pub tcp: TcpListener,
    /// What answers.
    pub router: Router,
    /// How much a connection may ask for.
    pub limits: Limits,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Says when to stop: no new connections, and those there are end after their answer.
    pub stop: CancellationToken,
    /// Holds every connection, so that leaving can wait for them.
    pub tracker: TaskTracker,
}

impl Listener {
    /// Accepts until told to stop. At the bound of connections, the next ones wait in the kernel.
    pub async fn run(self) {
        let server = self.server();
        let room = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            let accepted = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                (self.tcp.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepted => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    let served = self.serve(server.clone(), stream, address);
                    self.tracker.spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                Err(cause) => {
                    // out of descriptors, most likely: breathe, since accepting again at once
                    // would fail again
                    tracing::warn!(%cause, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn server(&self) -> auto::Builder<TokioExecutor> {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.timeouts.head)
            .max_buf_size(self.limits.head)
            .max_headers(HEADERS_MAX);
        server
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(self.limits.head).unwrap_or(u32::MAX))
            .max_concurrent_streams(H2_STREAMS_MAX)
            .initial_stream_window_size(H2_WINDOW)
            .keep_alive_interval(H2_PING)
            .keep_alive_timeout(H2_PING);
        server
    }

    fn serve(
        &self,
        server: auto::Builder<TokioExecutor>,
        stream: TcpStream,
        address: SocketAddr,
    ) -> impl Future<Output = ()> + use<> {
        let (router, stop) = (self.router.clone(), self.stop.clone());
        let service = service_fn(move |request| answer(router.clone(), request, address));
        async move {
            // small messages must not wait for more to come; a socket that refuses is about to fail
            let _ = stream.set_nodelay(true);
            let serving = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
            let mut serving = pin!(serving);
            let served = tokio::select! {
                served = serving.as_mut() => served,
                () = stop.cancelled() => {
                    serving.as_mut().graceful_shutdown();
                    timeout(STOP_GRACE, serving).await.unwrap_or(Ok(()))
                }
            };
            if let Err(cause) = served {
                tracing::debug!(%address, %cause, "a connection broke");
            }
        }
    }
}

async fn answer(
    mut router: Router,
    request: Request<Incoming>,
    address: SocketAddr,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(PeerAddress(address));
    router.call(request).await
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// For answers under way when the process stops.
const STOP_GRACE: Duration = Duration::from_secs(3);
const HEADERS_MAX: usize = 100;
const H2_STREAMS_MAX: u32 = 1_024;
/// Bytes of a stream that nobody has taken yet: what HTTP/2 begins with (RFC 9113 section 6.9.2).
/// So pressure reaches whoever sends, and one stream that is not taken holds up no other.
const H2_WINDOW: u32 = 65_535;
/// Finds proxies that vanished without a word.
const H2_PING: Duration = Duration::from_secs(20);
