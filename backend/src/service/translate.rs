//! Views of a session as protobuf messages, and back.

use holdfast_exchange::request::{Force, OrderType as Kind};
use holdfast_exchange::{Decimal, SelfTrade, Side};
use holdfast_proto::error::Code;
use holdfast_proto::exchange::v1 as exchange;
use holdfast_proto::session::v1 as session;
use holdfast_session::message::{AmendRequest, OrderAmend, OrderNew, OrderRequest};
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
        tick: symbol.tick,
        lot: symbol.lot,
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
        speed: view.speed,
    }
}

fn simulator_state(state: view::SimulatorState) -> session::SimulatorState {
    match state {
        view::SimulatorState::Running => session::SimulatorState::Running,
        view::SimulatorState::Paused => session::SimulatorState::Paused,
        view::SimulatorState::Stopped => session::SimulatorState::Stopped,
    }
}

pub(super) fn order_request(request: exchange::PlaceOrderRequest) -> Result<OrderNew, Failure> {
    use exchange::{OrderType, SelfTrade as Meeting, TimeInForce};
    let side = match request.side() {
        exchange::Side::Buy => Side::Buy,
        exchange::Side::Sell => Side::Sell,
        exchange::Side::Unspecified => return Err(missing("side", "BUY or SELL")),
    };
    let kind = match request.r#type() {
        OrderType::Unspecified => None,
        OrderType::Limit => Some(Kind::Limit),
        OrderType::Market => Some(Kind::Market),
        OrderType::Stop => Some(Kind::Stop),
        OrderType::StopLimit => Some(Kind::StopLimit),
        OrderType::TakeProfit => Some(Kind::TakeProfit),
        OrderType::TrailingStop => Some(Kind::TrailingStop),
        OrderType::Iceberg => Some(Kind::Iceberg),
        OrderType::PostOnly => Some(Kind::PostOnly),
    };
    let time_in_force = match request.time_in_force() {
        TimeInForce::Unspecified => None,
        TimeInForce::Gtc => Some(Force::Gtc),
        TimeInForce::Ioc => Some(Force::Ioc),
        TimeInForce::Fok => Some(Force::Fok),
        TimeInForce::Gtd => Some(Force::Gtd),
        TimeInForce::Day => Some(Force::Day),
    };
    let self_trade = match request.self_trade() {
        Meeting::Unspecified => None,
        Meeting::None => Some(SelfTrade::None),
        Meeting::Taker => Some(SelfTrade::Taker),
        Meeting::Maker => Some(SelfTrade::Maker),
        Meeting::Both => Some(SelfTrade::Both),
        Meeting::Decrement => Some(SelfTrade::Decrement),
    };
    let expires_in = match request.expires_in.as_str() {
        "" => None,
        text => {
            let span = serde_json::from_value(text.into());
            let wrong = |error| invalid("expires_in", text, error);
            Some(span.map_err(wrong)?)
        }
    };
    Ok(OrderNew(OrderRequest {
        symbol: request.symbol,
        side,
        kind,
        quantity: decimal(request.quantity),
        notional: decimal(request.notional),
        price: decimal(request.price),
        stop_price: decimal(request.stop_price),
        trail: decimal(request.trail),
        display: decimal(request.display),
        time_in_force,
        expires_in,
        post_only: request.post_only,
        self_trade,
    }))
}

pub(super) fn amendment(request: exchange::AmendOrderRequest) -> OrderAmend {
    OrderAmend {
        order_id: request.order_id,
        changes: AmendRequest {
            quantity: decimal(request.quantity),
            price: decimal(request.price),
            stop_price: decimal(request.stop_price),
        },
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
