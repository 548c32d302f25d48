//! What every request passes first: who asks is settled, its time is bounded, it has an id, and
//! whatever failed gets its shape.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use holdfast_proto::error::Code;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode};
use tokio::time::timeout;

use crate::app::Backend;
use crate::failure::Failure;
use crate::http::arrival::Arrival;
use crate::http::problem;
use crate::identity::Peer;
use crate::listener::PeerAddress;
use crate::{random, service};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CONTRACT: HeaderName = HeaderName::from_static("holdfast-contract");

pub(super) async fn enter(
    State(backend): State<Arc<Backend>>,
    mut request: Request,
    next: Next,
) -> Response {
    let address = request
        .extensions()
        .get::<PeerAddress>()
        .map(|peer| peer.0.ip());
    let peer = match address {
        Some(address) => backend.trust.screen(request.headers_mut(), address),
        None => Peer::Stranger,
    };
    request.extensions_mut().insert(peer);
    let believed = matches!(peer, Peer::Trusted);
    let id = request_id(request.headers());
    let grpc = is_grpc(request.headers());
    tracing::debug!(
        request_id = %id, method = %request.method(), path = request.uri().path(), "request"
    );

    let limit = backend.config.timeouts.request;
    let (request, arrival) = Arrival::watch(request);
    let answered = timeout(limit, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| late(limit, &arrival).into_response());
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        response = match grpc {
            true => service::status(unimplemented(failure)).into_http(),
            false => problem::render(&failure, Some(&id)),
        };
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if believed && !opens_stream(&response) {
        // plain answers and refusals say it too, so that a proxy knows from the first one on
        let headers = response.headers_mut();
        headers.insert(CONTRACT, HeaderValue::from_static("1"));
    }
    backend.metrics.answered(response.status());
    response
}

/// Nothing is executed before its body is whole, so a body that did not come is no timeout of ours.
fn late(limit: Duration, arrival: &Arrival) -> Failure {
    let seconds = limit.as_secs_f32();
    if arrival.is_awaited() {
        let detail = format!("the body was not whole within {seconds} s; nothing was executed");
        return Failure::new(Code::BodyTimeout, detail);
    }
    let detail = format!("not done within {seconds} s; whether it was executed is unknown");
    Failure::new(Code::Timeout, detail)
}

/// A stream keeps the contract or not by how it was asked for: its own handler says so.
fn opens_stream(response: &Response) -> bool {
    let content = response.headers().get(CONTENT_TYPE);
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        || content.is_some_and(|content| content.as_bytes().starts_with(b"text/event-stream"))
}

/// The id that the request came with, if it is fit for logs; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let fit = |id: &&str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        (1..=128).contains(&id.len()) && id.chars().all(letter)
    };
    let given = headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(fit);
    given.map_or_else(|| format!("{:032x}", random::bits128()), str::to_owned)
}

/// In gRPC, a path that is not there is a method that is not there.
fn unimplemented(failure: Failure) -> Failure {
    match failure.class {
        Code::NotFound => Failure::new(Code::MethodNotAllowed, "there is no such method"),
        _ => failure,
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE);
    content.is_some_and(|content| content.as_bytes().starts_with(b"application/grpc"))
}
