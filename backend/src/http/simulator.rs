//! The simulated market's clock by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_session::message::{
    Command, Empty, SimulatorJump, SimulatorShock, SimulatorSpeed, SimulatorStep,
};
use holdfast_session::view::Simulator;
use http::HeaderMap;

use super::describe::{Repeatable, SessionPath, SimulatorNow};
use super::extract::{Body, Named, OptionalBody, idempotency_key};
use super::problem::{OfCommand, OfSession};
use crate::app::Backend;
use crate::failure::Failure;

/// Reads what the simulated market is doing.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/simulator", tag = "simulator",
    operation_id = "read_simulator", params(SessionPath),
    responses((status = 200, description = "What it is doing", body = Simulator), OfSession)
)]
pub(super) async fn read(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Simulator>, Failure> {
    let simulator = backend.sessions.simulator(named.id, &named.ask).await?;
    Ok(Json(simulator))
}

/// Lets the market run.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/simulator/start", tag = "simulator",
    operation_id = "start_simulator",
    params(SessionPath, Repeatable), request_body = Option<Empty>,
    responses(SimulatorNow, OfCommand)
)]
pub(super) async fn start(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    OptionalBody(nothing): OptionalBody<Empty>,
) -> Result<Json<Simulator>, Failure> {
    control(&backend, &named, &headers, Command::SimulatorStart(nothing)).await
}

/// Holds the market still; orders are still taken.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/simulator/pause", tag = "simulator",
    operation_id = "pause_simulator",
    params(SessionPath, Repeatable), request_body = Option<Empty>,
    responses(SimulatorNow, OfCommand)
)]
pub(super) async fn pause(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    OptionalBody(nothing): OptionalBody<Empty>,
) -> Result<Json<Simulator>, Failure> {
    control(&backend, &named, &headers, Command::SimulatorPause(nothing)).await
}

/// Lets a paused market run on.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/simulator/resume", tag = "simulator",
    operation_id = "resume_simulator",
    params(SessionPath, Repeatable), request_body = Option<Empty>,
    responses(SimulatorNow, OfCommand)
)]
pub(super) async fn resume(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    OptionalBody(nothing): OptionalBody<Empty>,
) -> Result<Json<Simulator>, Failure> {
    control(
        &backend,
        &named,
        &headers,
        Command::SimulatorResume(nothing),
    )
    .await
}

/// Ends the market; `start` begins again where it stopped.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/simulator/stop", tag = "simulator",
    operation_id = "stop_simulator",
    params(SessionPath, Repeatable), request_body = Option<Empty>,
    responses(SimulatorNow, OfCommand)
)]
pub(super) async fn stop(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    OptionalBody(nothing): OptionalBody<Empty>,
) -> Result<Json<Simulator>, Failure> {
    control(&backend, &named, &headers, Command::SimulatorStop(nothing)).await
}

/// Sets how fast the market's time passes.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/simulator/speed", tag = "simulator",
    operation_id = "speed_simulator",
    params(SessionPath, Repeatable), request_body = SimulatorSpeed,
    responses(SimulatorNow, OfCommand)
)]
pub(super) async fn speed(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Body(speed): Body<SimulatorSpeed>,
) -> Result<Json<Simulator>, Failure> {
    control(&backend, &named, &headers, Command::SimulatorSpeed(speed)).await
}

/// Lets the market make some steps at once, running or paused.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/simulator/step", tag = "simulator",
    operation_id = "step_simulator",
    params(SessionPath, Repeatable), request_body = Option<SimulatorStep>,
    responses(SimulatorNow, OfCommand)
)]
pub(super) async fn step(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    OptionalBody(step): OptionalBody<SimulatorStep>,
) -> Result<Json<Simulator>, Failure> {
    control(&backend, &named, &headers, Command::SimulatorStep(step)).await
}

/// Lets the market run on at once, by a span or to a time, running or paused.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/simulator/jump", tag = "simulator",
    operation_id = "jump_simulator",
    params(SessionPath, Repeatable), request_body = SimulatorJump,
    responses(SimulatorNow, OfCommand)
)]
pub(super) async fn jump(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Body(jump): Body<SimulatorJump>,
) -> Result<Json<Simulator>, Failure> {
    control(&backend, &named, &headers, Command::SimulatorJump(jump)).await
}

/// Disturbs the market: news, a sweep, a halt, a thin book.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/simulator/shock", tag = "simulator",
    operation_id = "shock_simulator",
    params(SessionPath, Repeatable), request_body = SimulatorShock,
    responses(SimulatorNow, OfCommand)
)]
pub(super) async fn shock(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Body(shock): Body<SimulatorShock>,
) -> Result<Json<Simulator>, Failure> {
    control(&backend, &named, &headers, Command::SimulatorShock(shock)).await
}

async fn control(
    backend: &Backend,
    named: &Named,
    headers: &HeaderMap,
    command: Command,
) -> Result<Json<Simulator>, Failure> {
    let key = idempotency_key(headers)?;
    let (id, ask) = (named.id, &named.ask);
    let look = backend.sessions.simulator(id, ask);
    let simulator = backend.execute_then(id, ask, key, command, look).await?;
    Ok(Json(simulator))
}
