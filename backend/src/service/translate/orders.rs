//! What is asked of orders, from protobuf messages.

use holdfast_exchange::request::{Force, OrderType as Kind};
use holdfast_exchange::{SelfTrade, Side};
use holdfast_proto::exchange::v1 as exchange;
use holdfast_session::message::{
    AmendRequest, AnswerData, Batch, CancelAfter, CancelAll, Operation, OperationResult,
    OrderAmend, OrderCancel, OrderNew, OrderRequest,
};

use super::{decimal, either, given, invalid, lasting, missing, problem};
use crate::failure::Failure;

pub(in crate::service) fn order_request(
    request: exchange::PlaceOrderRequest,
) -> Result<OrderNew, Failure> {
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
        OrderType::TakeProfitLimit => Some(Kind::TakeProfitLimit),
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

pub(in crate::service) fn amendment(request: exchange::AmendOrderRequest) -> OrderAmend {
    OrderAmend {
        order_id: request.order_id,
        changes: AmendRequest {
            quantity: decimal(request.quantity),
            price: decimal(request.price),
            stop_price: decimal(request.stop_price),
        },
    }
}

pub(in crate::service) fn cancel(request: &exchange::CancelOrderRequest) -> OrderCancel {
    OrderCancel {
        order_id: request.order_id,
    }
}

pub(in crate::service) fn cancel_all(request: exchange::CancelOrdersRequest) -> CancelAll {
    CancelAll {
        side: either(request.side()),
        symbol: given(request.symbol),
    }
}

pub(in crate::service) fn cancel_after(text: &str) -> Result<CancelAfter, Failure> {
    let after = lasting("after", text)?.ok_or_else(|| missing("after", "30s or never"))?;
    Ok(CancelAfter { after })
}

pub(in crate::service) fn batch(operations: Vec<exchange::Operation>) -> Result<Batch, Failure> {
    use exchange::operation::Operation as Asked;
    let one = |operation: exchange::Operation| match operation.operation {
        Some(Asked::Place(request)) => order_request(request).map(Operation::New),
        Some(Asked::Amend(request)) => Ok(Operation::Amend(amendment(request))),
        Some(Asked::Cancel(request)) => Ok(Operation::Cancel(cancel(&request))),
        None => Err(missing("operation", "place, amend or cancel")),
    };
    let operations: Result<_, _> = operations.into_iter().map(one).collect();
    operations.map(|operations| Batch { operations })
}

pub(in crate::service) fn results(data: AnswerData) -> Vec<exchange::Result> {
    let one = |result: OperationResult| exchange::Result {
        ok: result.ok,
        order_id: result.order_id.unwrap_or_default(),
        status: result.status.unwrap_or_default(),
        problem: result.error.map(problem),
    };
    let results = data.results.unwrap_or_default();
    results.into_iter().map(one).collect()
}
