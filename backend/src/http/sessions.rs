//! Sessions by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use holdfast_session::id::ClientId;
use holdfast_session::message::{Command, SessionUpdate};
use holdfast_session::view::{Session, SessionPage, SessionRequest, SimulatorState};
use http::header::{HeaderMap, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::describe::{Repeatable, SessionPath};
use super::extract::{Body, Named, OptionalBody, Parameters, ask, idempotency_key};
use super::problem::{Listed, Made, OfCommand, OfSession};
use crate::app::Backend;
use crate::failure::Failure;
use crate::sessions::SessionsQuery;

/// Creates a session with its own exchange.
#[utoipa::path(
    post, path = "/api/v1/sessions", tag = "sessions", operation_id = "create_session",
    params(Repeatable), request_body = Option<SessionRequest>,
    responses((status = 201, description = "It runs", body = Session), Made)
)]
pub(super) async fn create(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<SessionRequest>,
) -> Result<Response, Failure> {
    let (ask, key) = (ask(&headers)?, idempotency_key(&headers)?);
    let session = backend
        .sessions
        .create_once(&ask, request, key.as_ref())
        .await?;
    made(session)
}

/// 201 and where it is.
pub(super) fn made(session: Session) -> Result<Response, Failure> {
    let location = format!("/api/v1/sessions/{}", session.id);
    let location = HeaderValue::try_from(location).map_err(Failure::internal)?;
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(session)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only sessions with all of these labels: `key` or `key=value`, with commas between.
    #[param(example = "desk=fx")]
    labels: Option<String>,
    /// Only those whose market is in this state.
    #[param(inline)]
    state: Option<SimulatorState>,
    /// At most so many; 100 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists the caller's sessions, whichever endpoint runs them: the newest 1,000 at most.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", operation_id = "list_sessions",
    params(ListQuery),
    responses((status = 200, description = "Newest first", body = SessionPage), Listed)
)]
pub(super) async fn list(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<SessionPage>, Failure> {
    let ask = ask(&headers)?;
    let labels = query.labels.as_deref().unwrap_or_default().split(',');
    let labels = labels.filter(|label| !label.is_empty());
    let query = SessionsQuery {
        labels: labels.map(label).collect(),
        state: query.state,
        limit: within("limit", query.limit, 100)?,
        cursor: query.cursor,
    };
    Ok(Json(backend.sessions.page(&ask, &query).await?))
}

/// `key` or `key=value`.
pub(crate) fn label(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// Reads a session.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "read_session",
    params(SessionPath),
    responses((status = 200, description = "The session", body = Session), OfSession)
)]
pub(super) async fn read(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Session>, Failure> {
    let session = backend.sessions.read(named.id, &named.ask).await?;
    Ok(Json(session))
}

/// Changes labels and times of a session; what is left out stays.
#[utoipa::path(
    patch, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "update_session",
    params(SessionPath, Repeatable), request_body = SessionUpdate,
    responses((status = 200, description = "The session now", body = Session), OfCommand)
)]
pub(super) async fn update(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Body(update): Body<SessionUpdate>,
) -> Result<Json<Session>, Failure> {
    let (key, command) = (idempotency_key(&headers)?, Command::SessionUpdate(update));
    let (id, ask) = (named.id, &named.ask);
    let look = backend.sessions.read(id, ask);
    let session = backend.execute_then(id, ask, key, command, look).await?;
    Ok(Json(session))
}

/// Ends a session for good.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "end_session",
    params(SessionPath),
    responses((status = 204, description = "It is over"), OfSession)
)]
pub(super) async fn end(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<StatusCode, Failure> {
    backend.sessions.end(named.id, &named.ask).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A client's name from the query.
pub(super) fn client_id(text: &str) -> Result<ClientId, Failure> {
    let wrong = |error| Failure::bad_request(format!("client {text:?}: {error}"));
    text.parse().map_err(wrong)
}

/// A number that may not be zero, nor above `most`.
pub(super) fn within(
    name: &str,
    number: Option<usize>,
    most: usize,
) -> Result<Option<usize>, Failure> {
    match number {
        Some(number) if number == 0 || number > most => {
            let detail = format!("{name} is out of range; 1 to {most}");
            Err(Failure::bad_request(detail))
        }
        number => Ok(number),
    }
}
