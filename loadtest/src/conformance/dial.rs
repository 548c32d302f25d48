//! Dials as the edge does, and reads the answer's head.

use std::time::Duration;

use bytes::Bytes;
use holdfast_wire::contract::EventId;
use holdfast_wire::websocket::accept_key;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::rule::Transport;

/// Where something is served.
#[derive(Clone, Debug)]
pub(super) struct Target {
    authority: String,
    path: String,
}

/// A URL that cannot be dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is no http:// or ws:// URL with a host; TLS is not spoken here")]
pub struct BadUrl {
    url: String,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, BadUrl> {
        let bad = || BadUrl {
            url: url.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let plain = matches!(uri.scheme_str(), Some("http" | "ws"));
        let authority = uri.authority().filter(|_| plain).ok_or_else(bad)?;
        let port = authority.port_u16().unwrap_or(80);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            authority: format!("{}:{port}", authority.host()),
            path: path.to_owned(),
        })
    }

    /// The same path at another endpoint.
    pub(super) fn at(&self, other: &Self) -> Self {
        Self {
            authority: other.authority.clone(),
            path: self.path.clone(),
        }
    }

    fn with_query(&self, name: &str, value: &str) -> String {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{joint}{name}={value}", self.path)
    }
}

/// What one dial says.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    /// `None`: as somebody who is no edge.
    pub(super) connection: Option<String>,
    pub(super) attempt: u32,
    pub(super) last_event_id: Option<EventId>,
    /// `?last_event_id=` in the path.
    pub(super) path_id: Option<EventId>,
    pub(super) generation: Option<String>,
    pub(super) moved_from: Option<String>,
}

/// What is the same for all dials.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    pub(super) headers: HeaderMap,
    pub(super) subprotocols: Option<HeaderValue>,
    pub(super) wait: Duration,
}

/// The answer to a dial.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// What follows, if it was taken.
    pub(super) stream: Option<Stream>,
}

/// What follows a head.
#[derive(Debug)]
pub(super) enum Stream {
    /// A socket and what was already read from it.
    Socket(TcpStream, Bytes),
    Events(Incoming),
}

impl Answer {
    /// A header that is there once, as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }
}

/// Dials; an error says in words what went wrong.
pub(super) async fn dial(
    target: &Target,
    transport: Transport,
    ask: &Ask,
    manners: &Manners,
) -> Result<Answer, String> {
    let dialling = async {
        let request = request(target, transport, ask, manners)?;
        let stream = TcpStream::connect(&target.authority).await;
        let stream = stream.map_err(|error| format!("no connection: {error}"))?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        exchange(stream, transport, request).await
    };
    let late = |_| format!("no answer within {:?}", manners.wait);
    timeout(manners.wait, dialling).await.map_err(late)?
}

async fn exchange(
    stream: TcpStream,
    transport: Transport,
    request: Request<Empty<Bytes>>,
) -> Result<Answer, String> {
    let broken = |error: hyper::Error| format!("no HTTP answer: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    tokio::spawn(connection.with_upgrades());
    let mut answer = sender.send_request(request).await.map_err(broken)?;
    let upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let stream = match transport {
        Transport::WebSocket if upgraded => {
            check_upgrade(answer.headers())?;
            let io = hyper::upgrade::on(&mut answer).await.map_err(broken)?;
            let parts = io.downcast::<TokioIo<TcpStream>>();
            let parts = parts.map_err(|_| "the connection went astray".to_owned())?;
            Some(Stream::Socket(parts.io.into_inner(), parts.read_buf))
        }
        Transport::EventStream if answer.status() == StatusCode::OK => {
            let kind = answer.headers().get(header::CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if !kind.starts_with("text/event-stream") {
                return Err(format!(
                    "200 with Content-Type {kind:?}, not text/event-stream"
                ));
            }
            let (head, body) = answer.into_parts();
            let stream = Some(Stream::Events(body));
            return Ok(Answer {
                status: head.status,
                headers: head.headers,
                stream,
            });
        }
        _ => None,
    };
    Ok(Answer {
        status: answer.status(),
        headers: answer.headers().clone(),
        stream,
    })
}

fn check_upgrade(headers: &HeaderMap) -> Result<(), String> {
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    let right = accept_key(KEY.as_bytes());
    if accept.is_none_or(|accept| accept.as_bytes() != right) {
        return Err("101 with a wrong Sec-WebSocket-Accept".to_owned());
    }
    let upgrade = headers.get(header::UPGRADE).map(HeaderValue::as_bytes);
    if upgrade.is_none_or(|upgrade| !upgrade.eq_ignore_ascii_case(b"websocket")) {
        return Err("101 without Upgrade: websocket".to_owned());
    }
    Ok(())
}

fn request(
    target: &Target,
    transport: Transport,
    ask: &Ask,
    manners: &Manners,
) -> Result<Request<Empty<Bytes>>, String> {
    let path = match &ask.path_id {
        Some(id) => target.with_query("last_event_id", id.as_str()),
        None => target.path.clone(),
    };
    let mut request = Request::get(path).header(header::HOST, &target.authority);
    if transport == Transport::WebSocket {
        request = request
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, KEY);
        if let Some(offered) = &manners.subprotocols {
            request = request.header(header::SEC_WEBSOCKET_PROTOCOL, offered);
        }
    } else {
        request = request.header(header::ACCEPT, "text/event-stream");
    }
    if let Some(connection) = &ask.connection {
        request = request
            .header(CONNECTION, connection)
            .header(ATTEMPT, ask.attempt);
    }
    let last = ask.last_event_id.map(|id| id.to_string());
    let optional = [
        (LAST_EVENT_ID, last.as_ref()),
        (GENERATION, ask.generation.as_ref()),
        (MOVED_FROM, ask.moved_from.as_ref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let mut request = request
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    for (name, value) in &manners.headers {
        request.headers_mut().append(name, value.clone());
    }
    Ok(request)
}

/// The key of every handshake: its bytes mean nothing, and a client of the edge has one for all
/// its legs too.
const KEY: &str = "aG9sZGZhc3QtY29uZm9ybQ==";
const CONNECTION: HeaderName = HeaderName::from_static("holdfast-connection");
const ATTEMPT: HeaderName = HeaderName::from_static("holdfast-attempt");
const GENERATION: HeaderName = HeaderName::from_static("holdfast-generation");
const MOVED_FROM: HeaderName = HeaderName::from_static("holdfast-moved-from");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn a_url_needs_a_host_and_no_tls() {
        let target = Target::parse("ws://127.0.0.1:9001/a/ws?x=1").expect("a URL");
        assert_eq!(target.authority, "127.0.0.1:9001");
        assert_eq!(target.with_query("y", "2"), "/a/ws?x=1&y=2");
        let other = Target::parse("http://localhost").expect("a URL");
        assert_eq!(target.at(&other).authority, "localhost:80");
        assert_eq!(target.at(&other).path, "/a/ws?x=1");
        for url in ["wss://a/", "a:9001", "/ws", "", "http://"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_handshake_key_is_sixteen_bytes() {
        assert_eq!(BASE64_STANDARD.decode(KEY).expect("base64").len(), 16);
    }
}
