//! What probes, proxies and Prometheus ask.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, UPGRADE};
use tokio::time::timeout;

use super::problem::Any;
use crate::app::Backend;
use crate::failure::Failure;
use crate::health::{Health, Live, Readiness, WebSocketHealth};

/// How this endpoint is, with everything it depends on.
#[utoipa::path(
    get, path = "/health", tag = "health", operation_id = "read_health",
    responses((status = 200, description = "Also when degraded", body = Health), Any)
)]
pub(super) async fn health(State(backend): State<Arc<Backend>>) -> Response {
    fresh(Json(backend.health()))
}

/// The process lives: it answers.
#[utoipa::path(
    get, path = "/health/live", tag = "health", operation_id = "read_liveness",
    responses((status = 200, description = "It lives", body = Live), Any)
)]
pub(super) async fn live() -> Response {
    fresh(Json(Live { status: "live" }))
}

/// Whether to send clients here. 200 while draining, too: the state says it, and every proxy
/// draws its own conclusion.
#[utoipa::path(
    get, path = "/health/ready", tag = "health", operation_id = "read_readiness",
    responses((status = 200, description = "Its state", body = Readiness), Any)
)]
pub(super) async fn ready(State(backend): State<Arc<Backend>>) -> Response {
    fresh(Json(backend.readiness()))
}

/// Whether WebSockets get through: in words, or, asked with an upgrade, by taking one and
/// answering its pings.
#[utoipa::path(
    get, path = "/health/websocket", tag = "health", operation_id = "read_websocket_health",
    responses(
        (status = 200, description = "Asked without an upgrade", body = WebSocketHealth),
        (status = 101, description = "A WebSocket that answers pings"),
        Any,
    )
)]
pub(super) async fn websocket(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    match upgrade {
        Err(_) if !headers.contains_key(UPGRADE) => Ok(fresh(Json(backend.websocket_health()))),
        Err(rejection) => Err(Failure::bad_request(rejection.body_text())),
        Ok(upgrade) => {
            let token = backend.tracker.token();
            let upgrade = upgrade.max_message_size(PROBE_MAX);
            Ok(upgrade.on_upgrade(|socket| async move {
                answer_pings(socket).await;
                drop(token);
            }))
        }
    }
}

pub(super) async fn metrics(State(backend): State<Arc<Backend>>) -> Response {
    let content = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
    let counts = backend.sessions.counts();
    let (draining, ledger) = (backend.sessions.is_draining(), backend.ledger.as_deref());
    let text = backend.metrics.text(counts, draining, ledger);
    (content, text).into_response()
}

/// The library answers pings while it is read.
async fn answer_pings(mut socket: WebSocket) {
    let answered = async {
        for _ in 0..PROBE_MESSAGES_MAX {
            match socket.recv().await {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
        }
    };
    if timeout(PROBE_TIME, answered).await.is_err() {
        let frame = CloseFrame {
            code: 1000,
            reason: "a probe need not take so long".into(),
        };
        // whoever is still there will hear it
        let _ = timeout(
            Duration::from_secs(1),
            socket.send(Message::Close(Some(frame))),
        )
        .await;
    }
}

fn fresh(answer: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}

const PROBE_TIME: Duration = Duration::from_secs(60);
const PROBE_MESSAGES_MAX: usize = 1_000;
const PROBE_MAX: usize = 4 << 10;
