//! What a session's exchange looks like at this moment, by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use holdfast_session::view::{Book, Fill, Position, Trade};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Named, Parameters};
use super::problem::OfSession;
use crate::app::Backend;
use crate::failure::Failure;

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct BookQuery {
    /// Prices of each side: 1 to 1000; all by default.
    depth: Option<usize>,
}

/// Reads the order book of a symbol.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/book/{symbol}", tag = "market",
    params(
        ("id" = String, Path, description = "The session"),
        ("symbol" = String, Path, description = "One of its symbols"),
        BookQuery,
    ),
    responses((status = 200, description = "Best prices first", body = Book), OfSession)
)]
pub(super) async fn book(
    State(backend): State<Arc<Backend>>,
    Path((_, symbol)): Path<(String, String)>,
    named: Named,
    Parameters(query): Parameters<BookQuery>,
) -> Result<Json<Book>, Failure> {
    if query
        .depth
        .is_some_and(|depth| !(1..=1000).contains(&depth))
    {
        return Err(Failure::bad_request("depth is out of range; 1 to 1000"));
    }
    let mut book = backend.sessions.book(named.id, &named.ask, &symbol).await?;
    if let Some(depth) = query.depth {
        book.bids.truncate(depth);
        book.asks.truncate(depth);
    }
    Ok(Json(book))
}

/// The latest trades.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TradeList {
    /// Oldest first.
    trades: Vec<Trade>,
}

/// Reads the latest trades of a symbol.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/trades/{symbol}", tag = "market",
    params(
        ("id" = String, Path, description = "The session"),
        ("symbol" = String, Path, description = "One of its symbols"),
    ),
    responses((status = 200, description = "Oldest first", body = TradeList), OfSession)
)]
pub(super) async fn trades(
    State(backend): State<Arc<Backend>>,
    Path((_, symbol)): Path<(String, String)>,
    named: Named,
) -> Result<Json<TradeList>, Failure> {
    let trades = backend
        .sessions
        .trades(named.id, &named.ask, &symbol)
        .await?;
    Ok(Json(TradeList { trades }))
}

/// What the user holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PositionList {
    /// One for each symbol that was traded.
    positions: Vec<Position>,
}

/// Reads what the user holds.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/positions", tag = "market",
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "By symbol", body = PositionList), OfSession)
)]
pub(super) async fn positions(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<PositionList>, Failure> {
    let positions = backend.sessions.positions(named.id, &named.ask).await?;
    Ok(Json(PositionList { positions }))
}

/// The user's latest fills.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FillList {
    /// Oldest first.
    fills: Vec<Fill>,
}

/// Reads the user's latest fills, as far as the output log reaches back.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/fills", tag = "market",
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "Oldest first", body = FillList), OfSession)
)]
pub(super) async fn fills(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<FillList>, Failure> {
    let mut fills = Vec::new();
    let mut after = None;
    for _ in 0..PAGES_MAX {
        let page = backend.sessions.log(named.id, &named.ask, after).await?;
        let entries = page
            .entries
            .into_iter()
            .filter(|entry| entry.kind == "fill");
        for entry in entries {
            fills.push(serde_json::from_value(entry.data).map_err(Failure::internal)?);
        }
        let Some(next) = page.next else {
            break;
        };
        after = Some(next.parse().map_err(Failure::internal)?);
    }
    Ok(Json(FillList { fills }))
}

/// The log keeps 4,096 entries, a page has 1,000; one more for those that come meanwhile.
const PAGES_MAX: usize = 6;
