//! Live connections: a WebSocket and an event stream, as strangers hold them.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::client::{Answer, Request, open};
use super::{Running, soon};

/// A WebSocket.
pub(crate) struct Socket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The headers of the 101.
    pub(crate) headers: HeaderMap,
    /// Payloads of Pongs that came since this was last emptied.
    pub(crate) pongs: Vec<String>,
}

impl Socket {
    /// Connects, or is told why not.
    pub(crate) async fn dial(
        backend: &Running,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Answer> {
        Self::dial_at(backend.address, path, headers).await
    }

    /// The same at any address.
    pub(crate) async fn dial_at(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Answer> {
        let url = format!("ws://{address}{path}");
        let mut request = url.into_client_request().expect("an address");
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a header's value");
            request.headers_mut().append(*name, value);
        }
        match soon(connect_async(request)).await {
            Ok((socket, response)) => Ok(Self {
                socket,
                headers: response.headers().clone(),
                pongs: Vec::new(),
            }),
            Err(Error::Http(response)) => {
                let (parts, body) = response.into_parts();
                Err(Answer {
                    status: parts.status,
                    headers: parts.headers,
                    body: body.unwrap_or_default().into(),
                })
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn open(backend: &Running, path: &str) -> Self {
        let dialled = Self::dial(backend, path, &[]).await;
        dialled.unwrap_or_else(|answer| panic!("{answer:?}"))
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        soon(self.socket.send(message)).await.expect("it is sent");
    }

    /// The next message; Pongs on the way are kept.
    pub(crate) async fn next(&mut self) -> Value {
        match self.frame().await {
            Ok(text) => serde_json::from_str(&text).expect("messages are JSON"),
            Err(close) => panic!("closed with {close:?}"),
        }
    }

    /// The next message of this type; others on the way are handed over.
    pub(crate) async fn until(&mut self, kind: &str, mut other: impl FnMut(&Value)) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
            other(&message);
        }
    }

    /// Reads until the other side closes, and says how it did.
    pub(crate) async fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            if let Err(close) = self.frame().await {
                return close.map(|close| (close.code.into(), close.reason.to_string()));
            }
        }
    }

    async fn frame(&mut self) -> Result<String, Option<CloseFrame>> {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Pong(payload))) => {
                    let payload = String::from_utf8(payload.to_vec()).expect("text");
                    self.pongs.push(payload);
                }
                Some(Ok(Message::Close(close))) => return Err(close),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }
}

/// An event stream.
pub(crate) struct Events {
    body: Incoming,
    text: String,
    ready: VecDeque<Event>,
    /// The headers of the answer.
    pub(crate) headers: HeaderMap,
}

/// One block of an event stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) data: Option<Value>,
    pub(crate) retry: Option<u64>,
    pub(crate) comment: bool,
}

impl Events {
    pub(crate) async fn open(backend: &Running, request: Request<'_>) -> Self {
        Self::open_at(backend.address, request).await
    }

    /// The same at any address.
    pub(crate) async fn open_at(address: SocketAddr, request: Request<'_>) -> Self {
        let response = open(address, request).await;
        assert_eq!(response.status(), 200, "{response:?}");
        let (parts, body) = response.into_parts();
        Self {
            body,
            text: String::new(),
            ready: VecDeque::new(),
            headers: parts.headers,
        }
    }

    /// The next block, or nothing when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            let frame = soon(self.body.frame()).await?.ok()?;
            let data = frame.into_data().expect("data");
            self.text
                .push_str(std::str::from_utf8(&data).expect("text"));
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                self.ready.push_back(parse(&block));
            }
        }
        self.ready.pop_front()
    }

    /// The next message of the output log.
    pub(crate) async fn until_log(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.id.is_some() && event.data.is_some() {
                return event;
            }
        }
    }

    /// The next event of a type.
    pub(crate) async fn until(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.kind.as_deref() == Some(kind) {
                return event;
            }
        }
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => event.comment |= line.starts_with(':'),
            "id" => event.id = Some(value.to_owned()),
            "event" => event.kind = Some(value.to_owned()),
            "data" => event.data = Some(serde_json::from_str(value).expect("data is JSON")),
            "retry" => event.retry = Some(value.parse().expect("milliseconds")),
            other => panic!("no field of an event stream: {other}"),
        }
    }
    event
}
