//! Views of a session as protobuf messages, and back.

pub(super) mod orders;
pub(super) mod sessions;

use holdfast_exchange::Decimal;
use holdfast_proto::error::Code;
use holdfast_proto::exchange::v1 as exchange;
use holdfast_session::message::{Lasting, Problem};
use holdfast_session::view;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use crate::failure::Failure;
use crate::http::extract;
use crate::sessions::Ask;
use holdfast_session::id::{ClientId, SessionId};

/// Who asks, and what for.
pub(super) fn taken<T>(request: Request<T>) -> Result<(Ask, T), Status> {
    let (metadata, _, message) = request.into_parts();
    Ok((ask(metadata)?, message))
}

fn ask(metadata: MetadataMap) -> Result<Ask, Failure> {
    extract::ask(&metadata.into_headers())
}

pub(super) fn session_id(text: &str) -> Result<SessionId, Failure> {
    text.parse().map_err(|_| Failure::no_session())
}

pub(super) fn key(text: &str) -> Result<Option<ClientId>, Failure> {
    match text {
        "" => Ok(None),
        key => extract::checked_key(key).map(Some),
    }
}

pub(super) fn order(view: view::Order) -> exchange::Order {
    exchange::Order {
        order_id: view.order_id,
        symbol: view.symbol,
        side: side(view.side).into(),
        r#type: view.kind,
        time_in_force: view.time_in_force,
        quantity: view.quantity,
        price: view.price.unwrap_or_default(),
        filled: view.filled,
        status: view.status,
        remaining: view.remaining,
        average_price: view.average_price.unwrap_or_default(),
        stop_price: view.stop_price.unwrap_or_default(),
        entered: view.entered,
        time: view.time,
    }
}

pub(super) fn levels(levels: Vec<view::Level>, depth: usize) -> Vec<exchange::Level> {
    let one = |[price, quantity]: view::Level| exchange::Level { price, quantity };
    levels.into_iter().take(depth).map(one).collect()
}

pub(super) fn trade(view: view::Trade) -> exchange::Trade {
    exchange::Trade {
        trade_id: view.trade_id,
        symbol: view.symbol,
        price: view.price,
        quantity: view.quantity,
        taker: side(view.side).into(),
        time: view.time,
    }
}

pub(super) fn position(view: view::Position) -> exchange::Position {
    exchange::Position {
        symbol: view.symbol,
        quantity: view.quantity,
        average_price: view.average_price.unwrap_or_default(),
        realised_pnl: view.realised_pnl,
        unrealised_pnl: view.unrealised_pnl,
        fees: view.fees,
        balance: view.balance,
    }
}

pub(super) fn fill(view: view::Fill) -> exchange::Fill {
    exchange::Fill {
        trade_id: view.trade_id,
        order_id: view.order_id,
        symbol: view.symbol,
        side: side(view.side).into(),
        price: view.price,
        quantity: view.quantity,
        fee: view.fee,
        liquidity: view.liquidity,
        time: view.time,
    }
}

pub(super) fn balance(view: view::Balance) -> exchange::Balance {
    exchange::Balance {
        asset: view.asset,
        balance: view.balance,
        equity: view.equity,
        used: view.used,
        available: view.available,
    }
}

pub(super) fn candle(view: view::Candle) -> exchange::Candle {
    exchange::Candle {
        time: view.time,
        interval: view.interval,
        open: view.open,
        high: view.high,
        low: view.low,
        close: view.close,
        volume: view.volume,
        trades: view.trades,
        closed: view.closed,
    }
}

pub(super) fn statistics(view: view::Statistics) -> exchange::GetStatisticsResponse {
    exchange::GetStatisticsResponse {
        since: view.since,
        time: view.time,
        open: view.open.unwrap_or_default(),
        high: view.high.unwrap_or_default(),
        low: view.low.unwrap_or_default(),
        last: view.last,
        volume: view.volume,
        trades: view.trades,
        bid: view.bid.unwrap_or_default(),
        ask: view.ask.unwrap_or_default(),
        spread: view.spread.unwrap_or_default(),
    }
}

pub(super) fn problem(problem: Problem) -> exchange::Problem {
    exchange::Problem {
        code: problem.code,
        message: problem.message,
        retryable: problem.retryable,
    }
}

/// One side, or both.
pub(super) fn either(side: exchange::Side) -> Option<view::Side> {
    match side {
        exchange::Side::Unspecified => None,
        exchange::Side::Buy => Some(view::Side::Buy),
        exchange::Side::Sell => Some(view::Side::Sell),
    }
}

/// Text that may be left out.
pub(super) fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// A span that may be left out, or `never`.
pub(super) fn lasting(name: &str, text: &str) -> Result<Option<Lasting>, Failure> {
    match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|error| invalid(name, text, error)),
    }
}

fn side(side: view::Side) -> exchange::Side {
    match side {
        view::Side::Buy => exchange::Side::Buy,
        view::Side::Sell => exchange::Side::Sell,
    }
}

/// Decimals stay text until the exchange reads them; empty is left out.
fn decimal(text: String) -> Option<Decimal> {
    Some(text)
        .filter(|text| !text.is_empty())
        .map(Decimal::from)
}

fn invalid(name: &str, text: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::InvalidArgument, format!("{name} {text:?}: {error}"))
}

pub(super) fn missing(name: &str, right: &str) -> Failure {
    Failure::new(Code::InvalidArgument, format!("{name} is missing; {right}"))
}
