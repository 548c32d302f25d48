//! Tells an endpoint that it drains, or is ready again: `POST /holdfast/drain | ready`.

use std::net::SocketAddr;

use holdfast_core::control::{Heard, TELL_TIMEOUT};
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Bytes;

use super::probe::http1;
use crate::config::SecretBytes;

/// Tells it; always ends within [`TELL_TIMEOUT`].
pub(super) async fn tell(address: SocketAddr, drain: bool, key: Option<&SecretBytes>) -> Heard {
    let path = if drain {
        "/holdfast/drain"
    } else {
        "/holdfast/ready"
    };
    let mut request = Request::post(path)
        .header(header::HOST, address.to_string())
        .header("content-length", "0");
    if let Some(key) = key {
        request = request.header("holdfast-cluster-key", key.hex());
    }
    let Ok(request) = request.body(Empty::<Bytes>::new()) else {
        return Heard::NotNow;
    };
    let exchange = async {
        let mut connection = http1::Connection::open(address).await?;
        connection.send(request).await
    };
    match tokio::time::timeout(TELL_TIMEOUT, exchange).await {
        Ok(Ok(answer)) if answer.status().is_success() => Heard::Yes,
        Ok(Ok(answer)) if matches!(answer.status(), UNKNOWN_PATH | UNKNOWN_METHOD) => Heard::Never,
        Ok(Ok(answer)) => {
            tracing::warn!(%address, path, status = answer.status().as_u16(), "was not heard");
            Heard::NotNow
        }
        Ok(Err(error)) => {
            tracing::warn!(%address, path, %error, "could not be told");
            Heard::NotNow
        }
        Err(_) => Heard::NotNow,
    }
}

const UNKNOWN_PATH: StatusCode = StatusCode::NOT_FOUND;
const UNKNOWN_METHOD: StatusCode = StatusCode::METHOD_NOT_ALLOWED;
