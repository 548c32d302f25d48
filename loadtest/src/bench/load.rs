//! The clients: one closed loop per connection, or streams that are only read.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

/// What clients do, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Work {
    /// GET with the affinity cookie, on a kept connection
    Http,
    /// 64 bytes to and fro on an open WebSocket
    Echo,
    /// Connect, upgrade, close
    Connect,
    /// Read an event stream
    Sse,
}

/// Why a client gave up; the whole measurement is void then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("connect")]
    Connect(#[from] std::io::Error),
    #[error("HTTP")]
    Http(#[from] hyper::Error),
    #[error("request")]
    Request(#[from] http::Error),
    #[error("WebSocket")]
    WebSocket(#[from] Box<tungstenite::Error>),
    #[error("the answer was {0}")]
    Status(http::StatusCode),
    #[error("the peer closed")]
    Closed,
    #[error("a client did not answer within {STEP_MAX:?}")]
    Late,
}

/// Operations done so far, all connections together.
pub(super) type Count = Rc<Cell<u64>>;

/// Running clients; dropping them cuts their connections.
pub(super) struct Load {
    clients: JoinSet<Result<(), LoadError>>,
    pub(super) done: Count,
}

impl Load {
    /// Starts `connections` clients. Must run inside a [`tokio::task::LocalSet`].
    pub(super) fn start(work: Work, target: SocketAddr, connections: usize) -> Self {
        let done = Count::default();
        let mut clients = JoinSet::new();
        for _ in 0..connections {
            let done = done.clone();
            clients.spawn_local(async move {
                match work {
                    Work::Http => requests(target, &done).await,
                    Work::Echo => echoes(target, &done).await,
                    Work::Connect => connects(target, &done).await,
                    Work::Sse => events(target, connections, &done).await,
                }
            });
        }
        Self { clients, done }
    }

    /// The first client that failed; never ends while all are well.
    pub(super) async fn failure(&mut self) -> LoadError {
        match self.clients.join_next().await {
            Some(Ok(Err(error))) => error,
            _ => LoadError::Closed,
        }
    }
}

async fn requests(target: SocketAddr, done: &Count) -> Result<(), LoadError> {
    let mut connection = connect(target).await?;
    let mut cookie = None;
    loop {
        let mut request = Request::get("/").header(header::HOST, "bench");
        if let Some(cookie) = &cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let answer = late(connection.send_request(request.body(Empty::new())?)).await??;
        if answer.status() != http::StatusCode::OK {
            return Err(LoadError::Status(answer.status()));
        }
        if let Some(set) = answer.headers().get(header::SET_COOKIE) {
            let pair = set
                .as_bytes()
                .split(|&byte| byte == b';')
                .next()
                .unwrap_or_default();
            cookie = http::HeaderValue::from_bytes(pair).ok();
        }
        late(answer.into_body().collect()).await??;
        done.set(done.get() + 1);
    }
}

async fn echoes(target: SocketAddr, done: &Count) -> Result<(), LoadError> {
    let mut socket = websocket(target).await?;
    let message = Message::binary(vec![b'x'; ECHO_BYTES]);
    loop {
        socket.send(message.clone()).await.map_err(Box::new)?;
        loop {
            let answer = late(socket.next()).await?.ok_or(LoadError::Closed)?;
            if answer.map_err(Box::new)?.is_binary() {
                break;
            }
        }
        done.set(done.get() + 1);
    }
}

async fn connects(target: SocketAddr, done: &Count) -> Result<(), LoadError> {
    loop {
        let mut socket = websocket(target).await?;
        socket.close(None).await.map_err(Box::new)?;
        // Until the peer has closed too: a connection counts when all of it is over.
        while let Some(Ok(_)) = late(socket.next()).await? {}
        done.set(done.get() + 1);
    }
}

async fn events(target: SocketAddr, connections: usize, done: &Count) -> Result<(), LoadError> {
    let mut connection = connect(target).await?;
    let every = 1_000_000 * connections / EVENTS_PER_SECOND;
    let request = Request::get(format!("/events?every_us={every}"))
        .header(header::HOST, "bench")
        .header(header::ACCEPT, "text/event-stream")
        .body(Empty::new())?;
    let answer = late(connection.send_request(request)).await??;
    if answer.status() != http::StatusCode::OK {
        return Err(LoadError::Status(answer.status()));
    }
    let mut body = answer.into_body();
    let mut last = b' ';
    while let Some(frame) = late(body.frame()).await? {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        // An event ends with an empty line, which may be split between two parts.
        for &byte in &data {
            if byte == b'\n' && last == b'\n' {
                done.set(done.get() + 1);
            }
            last = byte;
        }
    }
    Err(LoadError::Closed)
}

/// Opens `count` WebSockets one after the other; they stay open while the result lives.
pub(super) async fn idle(
    target: SocketAddr,
    count: usize,
) -> Result<Vec<WebSocketStream<TcpStream>>, LoadError> {
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        sockets.push(websocket(target).await?);
    }
    Ok(sockets)
}

async fn connect(target: SocketAddr) -> Result<SendRequest<Empty<Bytes>>, LoadError> {
    let stream = late(TcpStream::connect(target)).await??;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the sender; what went wrong is told there.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

async fn websocket(target: SocketAddr) -> Result<WebSocketStream<TcpStream>, LoadError> {
    let stream = late(TcpStream::connect(target)).await??;
    stream.set_nodelay(true)?;
    let request = format!("ws://{target}/ws")
        .into_client_request()
        .map_err(Box::new)?;
    let (socket, _) = late(tokio_tungstenite::client_async(request, stream))
        .await?
        .map_err(Box::new)?;
    Ok(socket)
}

async fn late<F: Future>(step: F) -> Result<F::Output, LoadError> {
    tokio::time::timeout(STEP_MAX, step)
        .await
        .map_err(|_| LoadError::Late)
}

/// All connections together.
pub(super) const EVENTS_PER_SECOND: usize = 2_000;
const ECHO_BYTES: usize = 64;
const STEP_MAX: Duration = Duration::from_secs(10);
