//! Orders by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use holdfast_proto::error::Code;
use holdfast_session::message::{
    AmendRequest, AmendShape, Command, OrderAmend, OrderCancel, OrderNew,
};
use holdfast_session::view::{Order, OrderPage, Side};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::describe::{OrderPath, Repeatable, SessionPath};
use super::extract::{Body, Named, Parameters, idempotency_key};
use super::problem::{OfCommand, OfSession};
use super::sessions::within;
use crate::app::Backend;
use crate::failure::Failure;
use crate::sessions::OrdersQuery;

/// Places an order. It answers once the order is durable, with what became of it at once.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/orders", tag = "orders", operation_id = "place_order",
    params(SessionPath, Repeatable), request_body = OrderNew,
    responses((status = 201, description = "It was taken", body = Order), OfCommand)
)]
pub(super) async fn place(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Body(order): Body<OrderNew>,
) -> Result<Response, Failure> {
    let (key, command) = (idempotency_key(&headers)?, Command::OrderNew(order));
    let order = backend
        .order_command(named.id, &named.ask, key, command)
        .await?;
    Ok((StatusCode::CREATED, Json(order)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// `all` (default), `open` (whatever still can trade), or where it has to stand.
    #[param(inline)]
    status: Option<Status>,
    /// Only this symbol's.
    #[param(example = "ACME")]
    symbol: Option<String>,
    /// Only this side's.
    #[param(inline)]
    side: Option<Side>,
    /// At most so many; 100 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    All,
    Open,
    Waiting,
    PartiallyFilled,
    Filled,
    Cancelled,
    Rejected,
    Expired,
}

impl Status {
    /// Of one kind alone.
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::All | Self::Open => None,
            Self::Waiting => Some("waiting"),
            Self::PartiallyFilled => Some("partially_filled"),
            Self::Filled => Some("filled"),
            Self::Cancelled => Some("cancelled"),
            Self::Rejected => Some("rejected"),
            Self::Expired => Some("expired"),
        }
    }
}

/// Lists orders, newest first, finished ones too.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/orders", tag = "orders", operation_id = "list_orders",
    params(SessionPath, ListQuery),
    responses((status = 200, description = "A page", body = OrderPage), OfSession)
)]
pub(super) async fn list(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<OrderPage>, Failure> {
    let query = OrdersQuery {
        open_only: query.status == Some(Status::Open),
        status: query.status.and_then(Status::name).map(str::to_owned),
        symbol: query.symbol,
        side: query.side,
        limit: within("limit", query.limit, 500)?,
        cursor: query.cursor,
    };
    let page = backend.sessions.orders(named.id, &named.ask, query).await?;
    Ok(Json(page))
}

/// Reads an order.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/orders/{order}", tag = "orders",
    operation_id = "read_order", params(OrderPath),
    responses((status = 200, description = "The order", body = Order), OfSession)
)]
pub(super) async fn read(
    State(backend): State<Arc<Backend>>,
    named: Named,
) -> Result<Json<Order>, Failure> {
    let order = backend
        .sessions
        .order(named.id, &named.ask, named.part("order"))
        .await?;
    Ok(Json(order))
}

/// Takes back what rests of an order.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}/orders/{order}", tag = "orders",
    operation_id = "cancel_order", params(OrderPath, Repeatable),
    responses((status = 200, description = "Its last state", body = Order), OfCommand)
)]
pub(super) async fn cancel(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
) -> Result<Json<Order>, Failure> {
    let order_id = number(named.part("order"))?;
    let command = Command::OrderCancel(OrderCancel { order_id });
    let key = idempotency_key(&headers)?;
    let order = backend
        .order_command(named.id, &named.ask, key, command)
        .await?;
    Ok(Json(order))
}

/// Changes price or quantity of a resting order.
#[utoipa::path(
    patch, path = "/api/v1/sessions/{id}/orders/{order}", tag = "orders",
    operation_id = "amend_order", params(OrderPath, Repeatable), request_body = AmendShape,
    responses((status = 200, description = "Its state now", body = Order), OfCommand)
)]
pub(super) async fn amend(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Body(changes): Body<AmendRequest>,
) -> Result<Json<Order>, Failure> {
    let order_id = number(named.part("order"))?;
    let command = Command::OrderAmend(OrderAmend { order_id, changes });
    let key = idempotency_key(&headers)?;
    let order = backend
        .order_command(named.id, &named.ask, key, command)
        .await?;
    Ok(Json(order))
}

/// What is no number of an order is the number of no order.
fn number(order: &str) -> Result<u64, Failure> {
    let missing = |_| Failure::new(Code::NotFound, format!("there is no order {order:?}"));
    order.parse().map_err(missing)
}
