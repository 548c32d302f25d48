//! The simulated market's clock by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use holdfast_proto::error::Code;
use holdfast_session::message::{Command, Empty, SimulatorSpeed};
use holdfast_session::view::Simulator;
use http::HeaderMap;
use serde::Deserialize;

use super::extract::{Named, OptionalBody, idempotency_key};
use super::problem::{OfCommand, OfSession};
use crate::app::Backend;
use crate::failure::Failure;
use crate::sessions::CommandRequest;

/// Reads what the simulated market is doing.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/simulator", tag = "simulator",
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "What it is doing", body = Simulator), OfSession)
)]
pub(super) async fn read(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Simulator>, Failure> {
    let simulator = backend.sessions.simulator(named.id, &named.ask).await?;
    Ok(Json(simulator))
}

/// Starts, pauses, resumes or stops the simulated market, or sets its speed.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/simulator/{action}", tag = "simulator",
    params(
        ("id" = String, Path, description = "The session"),
        ("action" = String, Path, description = "start, pause, resume, stop or speed"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to repeat"),
    ),
    request_body(content = Option<SimulatorSpeed>, description = "For `speed` alone"),
    responses((status = 200, description = "What it is doing now", body = Simulator), OfCommand)
)]
pub(super) async fn control(
    State(backend): State<Arc<Backend>>,
    Path((_, action)): Path<(String, String)>,
    named: Named,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<Option<serde_json::Value>>,
) -> Result<Json<Simulator>, Failure> {
    // `{}` says as much as nothing
    let body = body.filter(|body| body.as_object().is_none_or(|fields| !fields.is_empty()));
    let command = match (action.as_str(), body) {
        ("start", None) => Command::SimulatorStart(Empty {}),
        ("pause", None) => Command::SimulatorPause(Empty {}),
        ("resume", None) => Command::SimulatorResume(Empty {}),
        ("stop", None) => Command::SimulatorStop(Empty {}),
        ("speed", body) => Command::SimulatorSpeed(speed(body)?),
        ("start" | "pause" | "resume" | "stop", Some(_)) => {
            return Err(Failure::bad_request(format!("{action} takes no body")));
        }
        _ => {
            let detail = format!("no action {action:?}; start, pause, resume, stop or speed");
            return Err(Failure::new(Code::NotFound, detail));
        }
    };
    let request = CommandRequest {
        idempotency_key: idempotency_key(&headers)?,
        command,
    };
    let answer = backend
        .sessions
        .command(named.id, &named.ask, request)
        .await?;
    if let Some(problem) = answer.error {
        return Err(Failure::of_answer(problem));
    }
    let simulator = backend.sessions.simulator(named.id, &named.ask).await?;
    Ok(Json(simulator))
}

fn speed(body: Option<serde_json::Value>) -> Result<SimulatorSpeed, Failure> {
    let body = body.ok_or_else(|| Failure::bad_request(r#"speed takes a body: {"speed": 10}"#))?;
    SimulatorSpeed::deserialize(body)
        .map_err(|error| Failure::new(Code::InvalidArgument, error.to_string()))
}
