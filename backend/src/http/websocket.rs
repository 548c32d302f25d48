//! `GET /api/v1/sessions/{id}/ws`: a live connection, both ways.

mod heartbeat;
mod leg;
mod unlucky;

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::HeaderMap;

pub use unlucky::Unlucky;

use super::describe::SessionPath;
use super::dial::{self, DialQuery};
use super::extract::{Named, Parameters};
use super::problem::Live;
use crate::app::Backend;
use crate::failure::Failure;
use crate::sessions::Transport;
use leg::Leg;

/// Opens a WebSocket: market data, orders and answers as JSON text messages; see /schemas.json.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/ws", tag = "live",
    operation_id = "open_websocket", params(SessionPath, DialQuery),
    responses((status = 101, description = "A WebSocket (RFC 6455)"), Live)
)]
pub(super) async fn open(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Parameters(query): Parameters<DialQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|rejection| {
        Failure::bad_request(format!("here is a WebSocket: {}", rejection.body_text()))
    })?;
    let client = query.client.clone();
    let (dial, contract) = dial::read(&headers, query, Transport::WebSocket)?;
    let counted = backend.open_stream(named.ask.subject.as_deref())?;
    let attachment = backend.sessions.open(named.id, &named.ask, dial).await?;

    let mut told = HeaderMap::new();
    dial::answer(contract, &attachment, &mut told);
    let unlucky = client.map(|client| format!("{}/{client}", named.id));
    let token = backend.tracker.token();
    let limit = backend.config.limits.message;
    let mut response = upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| async move {
            Leg::new(backend, socket, attachment, contract, (&named, unlucky))
                .run()
                .await;
            drop((counted, token));
        });
    response.headers_mut().extend(told);
    Ok(response)
}

/// Bytes read and gathered for writing at once. Most messages are smaller; an idle connection
/// should not hold more.
const BUFFER: usize = 4 << 10;
