//! One small HTTP client for asking processes of the lab how they are.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("request")]
    Request(#[from] http::Error),
    #[error("connection: {}", root_cause(.0))]
    Connection(#[from] legacy::Error),
    #[error("body: {0}")]
    Body(String),
}

/// Keeps connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    inner: legacy::Client<HttpConnector, Full<Bytes>>,
    deadline: Duration,
}

impl Client {
    /// Every request has to be answered, body included, within `deadline`.
    #[must_use]
    pub fn new(deadline: Duration) -> Self {
        let inner = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { inner, deadline }
    }

    /// Sends `request` and reads the whole answer, at most [`BODY_MAX`] bytes.
    pub async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, AskError> {
        let exchange = async {
            let (head, body) = self.inner.request(request).await?.into_parts();
            let body = Limited::new(body, BODY_MAX)
                .collect()
                .await
                .map_err(|error| AskError::Body(error.to_string()))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(self.deadline, exchange)
            .await
            .unwrap_or(Err(AskError::Late(self.deadline)))
    }

    /// A request without a body.
    pub async fn call(
        &self,
        method: Method,
        address: SocketAddr,
        path: &str,
    ) -> Result<Response<Bytes>, AskError> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(address.to_string())
            .path_and_query(path)
            .build()?;
        self.ask(
            Request::builder()
                .method(method)
                .uri(uri)
                .body(Full::default())?,
        )
        .await
    }
}

/// "connection refused" says more than the layers around it.
fn root_cause(error: &legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Bound of an answer's body, in bytes.
pub const BODY_MAX: usize = 4 << 20;
