//! What a session's market looks like at this moment, by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_session::view::{Book, CandlePage, Statistics, TradePage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::describe::SymbolPath;
use super::extract::{Named, Parameters};
use super::problem::OfSession;
use super::sessions::within;
use crate::app::Backend;
use crate::failure::Failure;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BookQuery {
    /// Prices of each side; 50 by default.
    #[param(minimum = 1, maximum = 1000)]
    depth: Option<usize>,
}

/// Reads the order book of a symbol.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/book/{symbol}", tag = "market",
    operation_id = "read_book", params(SymbolPath, BookQuery),
    responses((status = 200, description = "Best prices first", body = Book), OfSession)
)]
pub(super) async fn book(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<BookQuery>,
) -> Result<Json<Book>, Failure> {
    let depth = within("depth", query.depth, DEPTH_MAX)?.unwrap_or(DEPTH);
    let book = backend
        .sessions
        .book(named.id, &named.ask, named.part("symbol"), depth)
        .await?;
    Ok(Json(book))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LatestQuery {
    /// At most so many, the newest; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Reads the latest trades of a symbol.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/trades/{symbol}", tag = "market",
    operation_id = "list_trades", params(SymbolPath, LatestQuery),
    responses((status = 200, description = "Oldest first", body = TradePage), OfSession)
)]
pub(super) async fn trades(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<LatestQuery>,
) -> Result<Json<TradePage>, Failure> {
    let limit = within("limit", query.limit, 1_000)?.unwrap_or(LATEST);
    let trades = backend
        .sessions
        .trades(named.id, &named.ask, named.part("symbol"))
        .await?;
    let trades = newest(trades, limit);
    Ok(Json(TradePage { trades }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CandleQuery {
    /// At most so many, the newest; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// How long each is in market time: a multiple of the candles of the scenario (`candle`, 1s in
    /// all that are built in) up to 24h. Default: as long as those.
    #[param(pattern = "^[1-9][0-9]{0,6}(ms|s|m|h)$", example = "5s")]
    interval: Option<String>,
}

/// Reads the latest candles of a symbol; the last one may still change. The last 200 of the
/// scenario's own are remembered (`remembered`), finished ones, and longer ones are joined from
/// these: one that has lost its beginning is left out. A stretch without trades has no candle.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/candles/{symbol}", tag = "market",
    operation_id = "list_candles", params(SymbolPath, CandleQuery),
    responses((status = 200, description = "Oldest first", body = CandlePage), OfSession)
)]
pub(super) async fn candles(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<CandleQuery>,
) -> Result<Json<CandlePage>, Failure> {
    let limit = within("limit", query.limit, 1_000)?.unwrap_or(LATEST);
    let (symbol, interval) = (named.part("symbol"), query.interval.as_deref());
    let sessions = &backend.sessions;
    let candles = sessions.candles(named.id, &named.ask, symbol, interval);
    let candles = candles.await?;
    let candles = newest(candles, limit);
    Ok(Json(CandlePage { candles }))
}

/// Reads what was counted of a symbol: prices, volume, spread.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/statistics/{symbol}", tag = "market",
    operation_id = "read_statistics", params(SymbolPath),
    responses((status = 200, description = "What was counted", body = Statistics), OfSession)
)]
pub(super) async fn statistics(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Statistics>, Failure> {
    let counted = backend
        .sessions
        .statistics(named.id, &named.ask, named.part("symbol"))
        .await?;
    Ok(Json(counted))
}

/// The last of a list that begins with the oldest.
pub(crate) fn newest<T>(mut list: Vec<T>, limit: usize) -> Vec<T> {
    let over = list.len().saturating_sub(limit);
    list.drain(..over);
    list
}

/// Levels of each side, unless asked otherwise.
pub(crate) const DEPTH: usize = 50;
/// Levels of each side at most.
pub(crate) const DEPTH_MAX: usize = 1_000;
const LATEST: usize = 100;
