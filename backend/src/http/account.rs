//! What the user has and has traded, by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_session::view::{Balance, FillPage, Position};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::describe::SessionPath;
use super::extract::{Named, Parameters};
use super::problem::OfSession;
use super::sessions::within;
use crate::app::Backend;
use crate::failure::Failure;
use crate::sessions::FillsQuery;

/// What the user holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PositionList {
    /// One for each symbol.
    positions: Vec<Position>,
}

/// Reads what the user holds.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/positions", tag = "account",
    operation_id = "list_positions", params(SessionPath),
    responses((status = 200, description = "By symbol", body = PositionList), OfSession)
)]
pub(super) async fn positions(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<PositionList>, Failure> {
    let positions = backend.sessions.positions(named.id, &named.ask).await?;
    Ok(Json(PositionList { positions }))
}

/// The user's money.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BalanceList {
    /// One for each asset: `cash` alone.
    balances: Vec<Balance>,
}

/// Reads the user's money and buying power.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/balances", tag = "account",
    operation_id = "list_balances", params(SessionPath),
    responses((status = 200, description = "By asset", body = BalanceList), OfSession)
)]
pub(super) async fn balances(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<BalanceList>, Failure> {
    let balance = backend.sessions.balance(named.id, &named.ask).await?;
    Ok(Json(BalanceList {
        balances: vec![balance],
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FillQuery {
    /// Only this symbol's.
    #[param(example = "ACME")]
    symbol: Option<String>,
    /// Only this order's.
    order: Option<u64>,
    /// At most so many; 100 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists the user's fills, newest first, as far as they are remembered (`remembered` of the
/// scenario, 200 by default).
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/fills", tag = "account", operation_id = "list_fills",
    params(SessionPath, FillQuery),
    responses((status = 200, description = "A page", body = FillPage), OfSession)
)]
pub(super) async fn fills(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<FillQuery>,
) -> Result<Json<FillPage>, Failure> {
    if query
        .order
        .is_some_and(|order| i64::try_from(order).is_err())
    {
        return Err(Failure::bad_request("order is out of range; below 2^63"));
    }
    let query = FillsQuery {
        symbol: query.symbol,
        order_id: query.order,
        limit: within("limit", query.limit, 500)?,
        cursor: query.cursor,
    };
    let page = backend.sessions.fills(named.id, &named.ask, query).await?;
    Ok(Json(page))
}
