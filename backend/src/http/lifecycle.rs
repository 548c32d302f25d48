//! The life of a session by REST: its market begins anew, it branches, a client comes back to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use holdfast_session::message::{Command, SessionRestart};
use holdfast_session::view::{Session, Snapshot};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::describe::{Repeatable, SessionPath};
use super::extract::{Named, OptionalBody, Parameters, idempotency_key};
use super::problem::{Forked, OfCommand, OfSession};
use super::sessions::{client_id, made};
use crate::app::Backend;
use crate::failure::Failure;
use crate::sessions::{ForkRequest, Present};

/// Begins the session's market anew: orders, positions and trades are gone, connections stay and
/// are sent `reset` and a snapshot.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/restart", tag = "sessions",
    operation_id = "restart_session",
    params(SessionPath, Repeatable), request_body = Option<SessionRestart>,
    responses((status = 200, description = "The session now", body = Session), OfCommand)
)]
pub(super) async fn restart(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    OptionalBody(again): OptionalBody<SessionRestart>,
) -> Result<Json<Session>, Failure> {
    let (key, command) = (idempotency_key(&headers)?, Command::SessionRestart(again));
    let (id, ask) = (named.id, &named.ask);
    let look = backend.sessions.read(id, ask);
    let session = backend.execute_then(id, ask, key, command, look).await?;
    Ok(Json(session))
}

/// Creates another session from a point of this one: the same market, orders and positions, and
/// from there on its own way. The same commands lead both to the same market.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/fork", tag = "sessions", operation_id = "fork_session",
    params(SessionPath, Repeatable), request_body = Option<ForkRequest>,
    responses((status = 201, description = "The new session", body = Session), Forked)
)]
pub(super) async fn fork(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<ForkRequest>,
) -> Result<Response, Failure> {
    let key = idempotency_key(&headers)?;
    backend.feature("fork", backend.config.features.fork)?;
    let forked = backend
        .sessions
        .fork(named.id, &named.ask, request, key.as_ref())
        .await?;
    made(forked)
}

/// Reads everything at one moment: the same value as a stream's `snapshot`.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/snapshot", tag = "sessions",
    operation_id = "read_snapshot", params(SessionPath),
    responses((status = 200, description = "Everything", body = Snapshot), OfSession)
)]
pub(super) async fn snapshot(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Snapshot>, Failure> {
    let snapshot = backend.sessions.snapshot(named.id, &named.ask).await?;
    Ok(Json(snapshot))
}

/// Who is connected to a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Presence {
    /// WebSockets and streams that are open, oldest first.
    connections: Vec<Present>,
}

/// Lists who is connected to a session.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/presence", tag = "sessions",
    operation_id = "read_presence", params(SessionPath),
    responses((status = 200, description = "Open connections", body = Presence), OfSession)
)]
pub(super) async fn presence(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Presence>, Failure> {
    let connections = backend.sessions.presence(named.id, &named.ask).await?;
    Ok(Json(Presence { connections }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ResumeQuery {
    /// The client that comes back, as it named itself with `?client=`.
    #[param(pattern = "^[A-Za-z0-9._-]{1,96}$", example = "tab-1")]
    client: Option<String>,
}

/// What a client that comes back needs to go on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Resume {
    /// The session, as its owner sees it.
    session: Session,
    /// The place to resume from when nothing was received yet: the newest entry. Else the last id
    /// that was received.
    last_event_id: String,
    /// The highest command number of this client that was answered; the next is the one above.
    n: u64,
    /// Where to connect.
    websocket: String,
    /// Where to connect when WebSockets do not get through.
    events: String,
    /// How often the other side is pinged, in milliseconds; silence for much longer is a loss.
    heartbeat_ms: u64,
    /// The longest wait before the first try, in milliseconds; to be drawn at random.
    retry_ms: u64,
}

/// Tells a client that comes back what it needs to go on.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/resume", tag = "sessions", operation_id = "resume_session",
    params(SessionPath, ResumeQuery),
    responses((status = 200, description = "How to go on", body = Resume), OfSession)
)]
pub(super) async fn resume(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<ResumeQuery>,
) -> Result<Json<Resume>, Failure> {
    let client = query.client.as_deref().map(client_id).transpose()?;
    let session = backend.sessions.read(named.id, &named.ask).await?;
    let n = match &client {
        Some(client) => {
            let sessions = &backend.sessions;
            sessions.answered(named.id, &named.ask, client).await?
        }
        None => 0,
    };
    let heartbeat = backend.config.heartbeat.interval;
    let path = format!("/api/v1/sessions/{}", session.id);
    Ok(Json(Resume {
        last_event_id: format!("{}.{}", session.epoch, session.seq),
        session,
        n,
        websocket: format!("{path}/ws"),
        events: format!("{path}/events"),
        heartbeat_ms: u64::try_from(heartbeat.as_millis()).unwrap_or(u64::MAX),
        retry_ms: RETRY_MS,
    }))
}

const RETRY_MS: u64 = 500;
