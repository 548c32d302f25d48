//! Sessions by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use holdfast_session::id::ClientId;
use holdfast_session::view::{Session, SessionRequest, Snapshot};
use http::header::{HeaderMap, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Named, OptionalBody, Parameters, ask};
use super::problem::{Any, OfSession};
use crate::app::Backend;
use crate::failure::Failure;

/// The caller's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionList {
    /// Newest first.
    sessions: Vec<Session>,
}

/// Creates a session with its own exchange.
#[utoipa::path(
    post, path = "/api/v1/sessions", tag = "sessions", request_body = Option<SessionRequest>,
    responses((status = 201, description = "It runs", body = Session), Any)
)]
pub(super) async fn create(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<SessionRequest>,
) -> Result<Response, Failure> {
    let ask = ask(&headers)?;
    let session = backend
        .create_session(ask.subject.as_deref(), request)
        .await?;
    let location = format!("/api/v1/sessions/{}", session.id);
    let location = HeaderValue::try_from(location).map_err(Failure::internal)?;
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(session)).into_response())
}

/// Lists the caller's sessions, whichever endpoint runs them.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions",
    responses((status = 200, description = "Newest first", body = SessionList), Any)
)]
pub(super) async fn list(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
) -> Result<Json<SessionList>, Failure> {
    let ask = ask(&headers)?;
    let sessions = backend.sessions.list(ask.subject.as_deref()).await?;
    Ok(Json(SessionList { sessions }))
}

/// Reads a session.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "The session", body = Session), OfSession)
)]
pub(super) async fn read(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Session>, Failure> {
    let session = backend.sessions.read(named.id, &named.ask).await?;
    Ok(Json(session))
}

/// Ends a session for good.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session")),
    responses((status = 204, description = "It is over"), OfSession)
)]
pub(super) async fn end(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<StatusCode, Failure> {
    backend.sessions.end(named.id, &named.ask).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads everything at one moment: the same value as a stream's `snapshot`.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/snapshot", tag = "sessions",
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "Everything", body = Snapshot), OfSession)
)]
pub(super) async fn snapshot(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Snapshot>, Failure> {
    let snapshot = backend.sessions.snapshot(named.id, &named.ask).await?;
    Ok(Json(snapshot))
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct ResumeQuery {
    /// The client that comes back, as it named itself with `?client=`.
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
    get, path = "/api/v1/sessions/{id}/resume", tag = "sessions",
    params(("id" = String, Path, description = "The session"), ResumeQuery),
    responses((status = 200, description = "How to go on", body = Resume), OfSession)
)]
pub(super) async fn resume(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<ResumeQuery>,
) -> Result<Json<Resume>, Failure> {
    let session = backend.sessions.read(named.id, &named.ask).await?;
    let n = match &query.client {
        Some(client) => {
            let client = client_id(client)?;
            let page = backend
                .sessions
                .commands(named.id, &named.ask, &client)
                .await?;
            page.commands.last().map_or(0, |command| command.n)
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

/// A client's name from the query.
pub(super) fn client_id(text: &str) -> Result<ClientId, Failure> {
    let wrong = |error| Failure::bad_request(format!("client {text:?}: {error}"));
    text.parse().map_err(wrong)
}

const RETRY_MS: u64 = 500;
