//! One dial of our own: connect, ask, read the head of the answer.
//!
//! A relay keeps no request and no parser for the life of a connection: a request is a few
//! hundred bytes that are said again to the next endpoint, and what follows the answer's head
//! is the relay's.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use pingora_http::ResponseHeader;
use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Opens connections to endpoints.
#[derive(Clone, Copy, Debug)]
pub struct Dialler {
    /// How long a connection may take to be opened (`timeouts.connect`).
    pub connect: Duration,
}

/// An endpoint's answer.
pub struct Dialled {
    /// Its connection, behind the answer's head.
    pub stream: TcpStream,
    /// The head.
    pub head: Box<ResponseHeader>,
    /// What came with the head and follows it.
    pub early: Vec<u8>,
}

/// Why a dial has no answer.
#[derive(Debug, Error)]
pub enum DialError {
    /// No connection within the limit.
    #[error("{address}: no connection within {limit:?}")]
    ConnectTimeout {
        /// Whom.
        address: SocketAddr,
        /// `timeouts.connect`.
        limit: Duration,
    },
    /// No connection.
    #[error("{address}: {source}")]
    Connect {
        /// Whom.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The connection broke before the answer was whole.
    #[error("broke off before its answer: {0}")]
    Broken(#[from] io::Error),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The answer is no HTTP/1 head, or one above the limit.
    #[error("answer is not understood: {0}; an HTTP/1.1 head of at most {HEAD_BYTES_MAX} bytes is")]
    Malformed(&'static str),
}

impl DialError {
    /// Whether the endpoint was not reached at all.
    pub const fn unreached(&self) -> bool {
        matches!(self, Self::ConnectTimeout { .. } | Self::Connect { .. })
    }
}

impl Dialler {
    /// Connects to `address`, says `request`, and reads the head of the answer. Interim answers
    /// (1xx but for 101) are passed over.
    pub async fn dial(&self, address: SocketAddr, request: &[u8]) -> Result<Dialled, DialError> {
        let limit = self.connect;
        let connecting = timeout(limit, TcpStream::connect(address)).await;
        let mut stream = connecting
            .map_err(|_| DialError::ConnectTimeout { address, limit })?
            .map_err(|source| DialError::Connect { address, source })?;
        watch(&stream)?;
        stream.write_all(request).await?;
        let mut read = Vec::with_capacity(READ_BYTES);
        loop {
            if let Some((head, len)) = parse_head(&read)? {
                read.drain(..len);
                if head.status.is_informational() && head.status != 101 {
                    continue;
                }
                return Ok(Dialled {
                    stream,
                    head,
                    early: read,
                });
            }
            if read.len() >= HEAD_BYTES_MAX {
                return Err(DialError::Malformed("head too large"));
            }
            read.reserve(READ_BYTES);
            if stream.read_buf(&mut read).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

/// Small frames must not wait for large ones, and a host that fell silent must be noticed.
fn watch(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// A whole head at the start of `bytes`, and its length; `None` if there is not all of it yet.
pub fn parse_head(bytes: &[u8]) -> Result<Option<(Box<ResponseHeader>, usize)>, DialError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut fields);
    let len = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(DialError::Malformed("too many fields"));
        }
        Err(_) => return Err(DialError::Malformed("no HTTP/1 head")),
    };
    let malformed = |_| DialError::Malformed("bad field");
    let code = answer.code.unwrap_or_default();
    let mut head = ResponseHeader::build(code, Some(answer.headers.len()))
        .map_err(|_| DialError::Malformed("bad status"))?;
    for field in answer.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| DialError::Malformed("bad field name"))?;
        let value = HeaderValue::from_bytes(field.value)
            .map_err(|_| DialError::Malformed("bad field value"))?;
        head.append_header(name, value).map_err(malformed)?;
    }
    // An answer with two lengths has two readings (RFC 9112 section 6.3).
    let lengths = head.headers.get_all(header::CONTENT_LENGTH).iter().count();
    if lengths > 1 || (lengths > 0 && head.headers.contains_key(header::TRANSFER_ENCODING)) {
        return Err(DialError::Malformed("two lengths"));
    }
    Ok(Some((Box::new(head), len)))
}

/// The largest head of an answer.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// The most fields in it.
const FIELDS_MAX: usize = 100;
/// Room made for each read.
const READ_BYTES: usize = 1024;
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
