//! Views of a session as protobuf messages, and back.

use holdfast_proto::error::Code;
use holdfast_proto::exchange::v1 as exchange;
use holdfast_proto::session::v1 as session;
use holdfast_session::decimal::Decimal;
use holdfast_session::message::OrderRequest;
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

pub(super) fn session(view: view::Session) -> session::Session {
    let symbols = view.symbols.into_iter().map(|symbol| session::Symbol {
        symbol: symbol.symbol,
        tick: symbol.tick.to_string(),
        lot: symbol.lot.to_string(),
    });
    session::Session {
        id: view.id,
        state: simulator_state(view.state).into(),
        endpoint: view.endpoint,
        epoch: view.epoch,
        seq: view.seq,
        symbols: symbols.collect(),
        scenario: view.scenario,
        seed: view.seed,
        generation: view.generation,
        created_ms: view.created_ms,
    }
}

pub(super) fn simulator(view: &view::Simulator) -> session::Simulator {
    session::Simulator {
        state: simulator_state(view.state).into(),
        speed: view.speed.to_string(),
    }
}

fn simulator_state(state: view::SimulatorState) -> session::SimulatorState {
    match state {
        view::SimulatorState::Running => session::SimulatorState::Running,
        view::SimulatorState::Paused => session::SimulatorState::Paused,
        view::SimulatorState::Stopped => session::SimulatorState::Stopped,
    }
}

pub(super) fn order_request(request: exchange::PlaceOrderRequest) -> Result<OrderRequest, Failure> {
    let side = match request.side() {
        exchange::Side::Buy => view::Side::Buy,
        exchange::Side::Sell => view::Side::Sell,
        exchange::Side::Unspecified => return Err(missing("side", "BUY or SELL")),
    };
    let kind = match request.r#type() {
        exchange::OrderType::Limit => view::OrderType::Limit,
        exchange::OrderType::Market => view::OrderType::Market,
        exchange::OrderType::Unspecified => return Err(missing("type", "LIMIT or MARKET")),
    };
    let time_in_force = match request.time_in_force() {
        exchange::TimeInForce::Unspecified => None,
        exchange::TimeInForce::Gtc => Some(view::TimeInForce::Gtc),
        exchange::TimeInForce::Ioc => Some(view::TimeInForce::Ioc),
        exchange::TimeInForce::Fok => Some(view::TimeInForce::Fok),
    };
    let price = Some(request.price.as_str()).filter(|price| !price.is_empty());
    Ok(OrderRequest {
        symbol: request.symbol,
        side,
        kind,
        quantity: decimal("quantity", &request.quantity)?,
        price: price.map(|price| decimal("price", price)).transpose()?,
        time_in_force,
    })
}

pub(super) fn order(view: view::Order) -> exchange::Order {
    let time_in_force = match view.time_in_force {
        view::TimeInForce::Gtc => exchange::TimeInForce::Gtc,
        view::TimeInForce::Ioc => exchange::TimeInForce::Ioc,
        view::TimeInForce::Fok => exchange::TimeInForce::Fok,
    };
    let kind = match view.kind {
        view::OrderType::Limit => exchange::OrderType::Limit,
        view::OrderType::Market => exchange::OrderType::Market,
    };
    exchange::Order {
        order_id: view.order_id,
        symbol: view.symbol,
        side: side(view.side).into(),
        r#type: kind.into(),
        time_in_force: time_in_force.into(),
        quantity: view.quantity.to_string(),
        price: view
            .price
            .map(|price| price.to_string())
            .unwrap_or_default(),
        filled: view.filled.to_string(),
        status: view.status.name().to_owned(),
    }
}

pub(super) fn levels(levels: Vec<view::Level>, depth: usize) -> Vec<exchange::Level> {
    let one = |view::Level(price, quantity)| exchange::Level {
        price: price.to_string(),
        quantity: quantity.to_string(),
    };
    levels.into_iter().take(depth).map(one).collect()
}

pub(super) fn trade(view: view::Trade) -> exchange::Trade {
    exchange::Trade {
        trade_id: view.trade_id,
        symbol: view.symbol,
        price: view.price.to_string(),
        quantity: view.quantity.to_string(),
        taker: side(view.side).into(),
        time_ms: view.time_ms,
    }
}

pub(super) fn position(view: view::Position) -> exchange::Position {
    let average = view.average_price.map(|price| price.to_string());
    exchange::Position {
        symbol: view.symbol,
        quantity: view.quantity.to_string(),
        average_price: average.unwrap_or_default(),
        realized: view.realized.to_string(),
    }
}

fn side(side: view::Side) -> exchange::Side {
    match side {
        view::Side::Buy => exchange::Side::Buy,
        view::Side::Sell => exchange::Side::Sell,
    }
}

pub(super) fn decimal(name: &str, text: &str) -> Result<Decimal, Failure> {
    let wrong = |error| Failure::new(Code::InvalidArgument, format!("{name} {text:?}: {error}"));
    text.parse().map_err(wrong)
}

pub(super) fn missing(name: &str, right: &str) -> Failure {
    Failure::new(Code::InvalidArgument, format!("{name} is missing; {right}"))
}
