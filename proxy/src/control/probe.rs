//! Asks an endpoint whether it is well.
//!
//! A new connection each time: what is asked is whether a client could
//! connect, so nothing is pooled. Every question ends within its timeout, and whatever an
//! endpoint sends back is bounded.

mod grpc;
mod http;
pub(super) mod http1;
mod tcp;
#[cfg(test)]
mod tests;
mod websocket;

use std::net::SocketAddr;

use holdfast_core::health::{ProbeKind, ProbeSettings, Readiness};
use thiserror::Error;

/// Asks once. The error says in words what was wrong.
pub async fn ask(address: SocketAddr, settings: &ProbeSettings) -> Result<Readiness, String> {
    let question = async {
        match &settings.kind {
            ProbeKind::Tcp => tcp::ask(address).await,
            ProbeKind::Http {
                path,
                host,
                status_min,
                status_max,
            } => http::ask(address, path, host.as_deref(), *status_min..=*status_max).await,
            ProbeKind::Grpc { service } => grpc::ask(address, service).await,
            ProbeKind::WebSocket { path, host } => {
                websocket::ask(address, path, host.as_deref()).await
            }
        }
    };
    match tokio::time::timeout(settings.timeout, question).await {
        Ok(Ok(readiness)) => Ok(readiness),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {:?}", settings.timeout)),
    }
}

/// Why an endpoint is not well.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("connect: {0}")]
    Connect(std::io::Error),
    #[error("connect: {0}")]
    Refused(Box<pingora_core::Error>),
    #[error("exchange: {0}")]
    Exchange(#[from] hyper::Error),
    #[error("request: {0}")]
    Request(#[from] ::http::Error),
    #[error("status {found}, wanted {wanted}")]
    Status { found: u16, wanted: String },
    #[error("answer of more than {max} bytes")]
    Large { max: usize },
    #[error("read: {0}")]
    Read(std::io::Error),
    #[error("{0}")]
    Protocol(&'static str),
    #[error("health status {0}, wanted 1 (SERVING)")]
    NotServing(u64),
    #[error("grpc-status {0}")]
    Grpc(String),
}
