//! A client that keeps cookies, as a browser does.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_loadtest::client::Client;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::SOON;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One person's browser, talking to one edge.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    edge: SocketAddr,
    host: String,
    offers_compression: bool,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(edge: SocketAddr) -> Self {
        Self {
            client: Client::new(SOON),
            edge,
            host: edge.to_string(),
            offers_compression: false,
            cookies: BTreeMap::new(),
        }
    }

    /// The same person, with the same cookies, at another edge.
    pub(crate) fn at(self, edge: SocketAddr) -> Self {
        Self {
            edge,
            host: edge.to_string(),
            ..self
        }
    }

    /// Asks for another host than the address says.
    pub(crate) fn with_host(self, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            ..self
        }
    }

    /// Offers `permessage-deflate`, as real browsers do. This client cannot read what is
    /// compressed: look at the head of the answer only.
    pub(crate) fn offering_compression(self) -> Self {
        Self {
            offers_compression: true,
            ..self
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response<Bytes> {
        self.ask(Method::GET, path, "").await
    }

    /// With a JSON body, unless it is empty.
    pub(crate) async fn ask(&mut self, method: Method, path: &str, body: &str) -> Response<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.edge))
            .header(header::HOST, &self.host)
            .header(header::ORIGIN, format!("http://{}", self.host));
        if !self.cookies.is_empty() {
            request = request.header(header::COOKIE, self.cookie_header());
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::from(body.to_owned()))
            .expect("a request");
        let answer = self.client.ask(request).await.expect("an answer");
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            self.keep(cookie);
        }
        answer
    }

    /// Opens a WebSocket with the cookies so far.
    pub(crate) async fn websocket(&mut self, path: &str) -> Socket {
        self.upgrade(path).await.0
    }

    /// Opens a WebSocket; the head of the answer comes with it.
    pub(crate) async fn upgrade(&mut self, path: &str) -> (Socket, HeaderMap) {
        let mut request = format!("ws://{}{path}", self.edge)
            .into_client_request()
            .expect("an address");
        let headers = request.headers_mut();
        headers.insert(header::HOST, value(&self.host));
        headers.insert(header::ORIGIN, value(&format!("http://{}", self.host)));
        if self.offers_compression {
            headers.insert(
                header::SEC_WEBSOCKET_EXTENSIONS,
                value("permessage-deflate"),
            );
        }
        if !self.cookies.is_empty() {
            headers.insert(header::COOKIE, value(&self.cookie_header()));
        }
        let dial = tokio_tungstenite::connect_async(request);
        let (socket, answer) = timeout(SOON, dial)
            .await
            .expect("in time")
            .expect("an upgrade");
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            self.keep(cookie);
        }
        (socket, answer.headers().clone())
    }

    fn keep(&mut self, cookie: &HeaderValue) {
        let text = cookie.to_str().expect("ASCII");
        let (name, value) = text
            .split(';')
            .next()
            .and_then(|pair| pair.split_once('='))
            .expect("name=value");
        self.cookies
            .insert(name.trim().to_owned(), value.trim().to_owned());
    }

    fn cookie_header(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }
}

/// The next message with data; pings are answered on the way.
pub(crate) async fn next_text(socket: &mut Socket) -> String {
    loop {
        let message = timeout(SOON, socket.next())
            .await
            .expect("in time")
            .expect("still open");
        match message.expect("a whole message") {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("expected text, got {other:?}"),
        }
    }
}

/// The next message as JSON.
pub(crate) async fn next_json(socket: &mut Socket) -> serde_json::Value {
    serde_json::from_str(&next_text(socket).await).expect("JSON")
}

/// The body as JSON.
pub(crate) fn json(answer: &Response<Bytes>) -> serde_json::Value {
    serde_json::from_slice(answer.body()).unwrap_or_else(|error| {
        panic!("{}: {error}: {:?}", answer.status(), answer.body());
    })
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a header value")
}
