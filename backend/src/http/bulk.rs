//! Many orders at once by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_session::message::{Batch, CancelAfter, CancelAll, Command, Lasting, OperationResult};
use holdfast_session::view::Side;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::describe::{Repeatable, SessionPath};
use super::extract::{Body, Named, Parameters, idempotency_key};
use super::problem::OfCommand;
use crate::app::Backend;
use crate::failure::Failure;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CancelQuery {
    /// Only this symbol's.
    #[param(example = "ACME")]
    symbol: Option<String>,
    /// Only this side's.
    #[param(inline)]
    side: Option<Side>,
}

/// What a mass cancel came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cancelled {
    /// How many orders were taken back.
    cancelled: u32,
}

/// Takes back every resting order that matches.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}/orders", tag = "orders", operation_id = "cancel_orders",
    params(SessionPath, CancelQuery, Repeatable),
    responses((status = 200, description = "How many they were", body = Cancelled), OfCommand)
)]
pub(super) async fn cancel_all(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Parameters(query): Parameters<CancelQuery>,
) -> Result<Json<Cancelled>, Failure> {
    let command = Command::OrderCancelAll(CancelAll {
        symbol: query.symbol,
        side: query.side,
    });
    let key = idempotency_key(&headers)?;
    let done = backend.execute(named.id, &named.ask, key, command).await?;
    let cancelled = done.cancelled.unwrap_or_default();
    Ok(Json(Cancelled { cancelled }))
}

/// What a batch came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchAnswer {
    /// What each operation came to, in order.
    results: Vec<OperationResult>,
}

/// Places, amends and cancels several orders in one command: each is done or refused by itself, in
/// order. 200 says that all were tried, not that all were done.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/orders/batch", tag = "orders",
    operation_id = "batch_orders",
    params(SessionPath, Repeatable), request_body = Batch,
    responses((status = 200, description = "One result for each", body = BatchAnswer), OfCommand)
)]
pub(super) async fn batch(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Body(batch): Body<Batch>,
) -> Result<Json<BatchAnswer>, Failure> {
    let (key, command) = (idempotency_key(&headers)?, Command::OrderBatch(batch));
    let done = backend.execute(named.id, &named.ask, key, command).await?;
    let results = done.results.unwrap_or_default();
    Ok(Json(BatchAnswer { results }))
}

/// A dead man's switch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Switch {
    /// After how long all orders are taken back, or `never`.
    after: Lasting,
}

/// Takes all orders back after a while, unless it is said again before: a dead man's switch. Real
/// time counts, not the market's.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/orders/cancel_after", tag = "orders",
    operation_id = "cancel_orders_after",
    params(SessionPath, Repeatable), request_body = CancelAfter,
    responses((status = 200, description = "It is set", body = Switch), OfCommand)
)]
pub(super) async fn cancel_after(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Body(switch): Body<CancelAfter>,
) -> Result<Json<Switch>, Failure> {
    let after = switch.after;
    let (key, command) = (
        idempotency_key(&headers)?,
        Command::OrderCancelAfter(switch),
    );
    backend.execute(named.id, &named.ask, key, command).await?;
    Ok(Json(Switch { after }))
}
