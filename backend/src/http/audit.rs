//! What was emitted and executed, for auditors and load tests.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_session::view::{CommandPage, Fingerprint, LogPage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::describe::SessionPath;
use super::extract::{Named, Parameters};
use super::problem::OfSession;
use super::sessions::client_id;
use crate::app::Backend;
use crate::failure::Failure;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// Starts behind this id; from the oldest entry kept when left out.
    after: Option<String>,
}

/// Reads what the session emitted, in order, at most 1,000 entries at once.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/log", tag = "audit",
    operation_id = "read_log", params(SessionPath, LogQuery),
    responses((status = 200, description = "A page", body = LogPage), OfSession)
)]
pub(super) async fn log(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<LogQuery>,
) -> Result<Json<LogPage>, Failure> {
    let after = query.after.filter(|after| !after.is_empty());
    let parsed = after.map(|after| {
        let wrong = |error| Failure::bad_request(format!("after {after:?}: {error}"));
        after.parse().map_err(wrong)
    });
    let after = parsed.transpose()?;
    let page = backend.sessions.log(named.id, &named.ask, after).await?;
    Ok(Json(page))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CommandsQuery {
    /// The client, as it named itself with `?client=`.
    #[param(pattern = "^[A-Za-z0-9._-]{1,96}$", example = "tab-1")]
    client: String,
}

/// Reads what a client's last commands were answered: at most 256, and as many as fit the 64 KiB of
/// answers that a session keeps.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/commands", tag = "audit",
    operation_id = "list_commands", params(SessionPath, CommandsQuery),
    responses((status = 200, description = "A page", body = CommandPage), OfSession)
)]
pub(super) async fn commands(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<CommandsQuery>,
) -> Result<Json<CommandPage>, Failure> {
    let client = client_id(&query.client)?;
    let page = backend
        .sessions
        .commands(named.id, &named.ask, &client)
        .await?;
    Ok(Json(page))
}

/// Reads a fingerprint of the session's exchange: two owners of a session that have come to the
/// same have the same, so what a handoff carried can be checked. Pause the market to compare.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/fingerprint", tag = "audit",
    operation_id = "read_fingerprint", params(SessionPath),
    responses((status = 200, description = "At this moment", body = Fingerprint), OfSession)
)]
pub(super) async fn fingerprint(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Fingerprint>, Failure> {
    let found = backend.sessions.fingerprint(named.id, &named.ask).await?;
    Ok(Json(found))
}
