//! A plain HTTP/1.1 client: one connection for each request.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::soon;

/// What is asked.
pub(crate) struct Request<'a> {
    method: Method,
    path: &'a str,
    headers: HeaderMap,
    body: Bytes,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn get(path: &'a str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &'a str) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn delete(path: &'a str) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a header's value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    pub(crate) fn json(self, body: Value) -> Self {
        self.text("application/json", body.to_string())
    }

    pub(crate) fn text(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let content_type = HeaderValue::from_static(content_type);
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = body.into();
        self
    }
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }

    /// Holds the status against the body's code, which must be one problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
        for key in ["type", "title", "detail", "retryable", "request_id"] {
            assert!(!problem[key].is_null(), "no {key} in {problem}");
        }
        let code = problem["code"].as_str().expect("a code");
        (self.status.as_u16(), code.to_owned())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {:?} {body}", self.status, self.headers)
    }
}

/// Asks and reads the whole answer.
pub(crate) async fn ask(address: SocketAddr, request: Request<'_>) -> Answer {
    let response = open(address, request).await;
    let (parts, body) = response.into_parts();
    let body = soon(body.collect()).await.expect("the answer is whole");
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.to_bytes(),
    }
}

/// Asks and leaves the answer's body to be read.
pub(crate) async fn open(address: SocketAddr, request: Request<'_>) -> http::Response<Incoming> {
    let stream = soon(TcpStream::connect(address)).await.expect("it listens");
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.expect("a connection");
    tokio::spawn(connection);
    let mut wanted = http::Request::new(Full::new(request.body));
    *wanted.method_mut() = request.method;
    *wanted.uri_mut() = request.path.parse().expect("a path");
    *wanted.headers_mut() = request.headers;
    let host = HeaderValue::try_from(address.to_string()).expect("a host");
    wanted.headers_mut().insert(HOST, host);
    soon(sender.send_request(wanted)).await.expect("it answers")
}
