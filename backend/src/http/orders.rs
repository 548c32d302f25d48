//! Orders by REST.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use holdfast_proto::error::Code;
use holdfast_session::id::SessionId;
use holdfast_session::message::{
    AmendRequest, AmendShape, Command, OrderAmend, OrderCancel, OrderNew,
};
use holdfast_session::view::{Order, OrderPage};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Body, Named, Parameters, idempotency_key};
use super::problem::{OfCommand, OfSession};
use crate::app::Backend;
use crate::failure::Failure;
use crate::sessions::{Ask, CommandRequest, OrdersQuery};

/// Places an order. It answers once the order is durable, with what became of it at once.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/orders", tag = "orders", request_body = OrderNew,
    params(
        ("id" = String, Path, description = "The session"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to repeat"),
    ),
    responses((status = 201, description = "It was taken", body = Order), OfCommand)
)]
pub(super) async fn place(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Body(order): Body<OrderNew>,
) -> Result<Response, Failure> {
    let request = CommandRequest {
        idempotency_key: idempotency_key(&headers)?,
        command: Command::OrderNew(order),
    };
    let order = backend.order_command(named.id, &named.ask, request).await?;
    Ok((StatusCode::CREATED, Json(order)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct ListQuery {
    /// `all` (default) or `open`.
    #[param(inline)]
    status: Option<Status>,
    /// At most so many: 1 to 500, 100 by default.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    All,
    Open,
}

/// Lists orders, newest first, finished ones too.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/orders", tag = "orders",
    params(("id" = String, Path, description = "The session"), ListQuery),
    responses((status = 200, description = "A page", body = OrderPage), OfSession)
)]
pub(super) async fn list(
    State(backend): State<Arc<Backend>>,
    named: Named,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<OrderPage>, Failure> {
    if query.limit.is_some_and(|limit| !(1..=500).contains(&limit)) {
        return Err(Failure::bad_request("limit is out of range; 1 to 500"));
    }
    let query = OrdersQuery {
        open_only: query.status == Some(Status::Open),
        limit: query.limit,
        cursor: query.cursor,
    };
    let page = backend.sessions.orders(named.id, &named.ask, query).await?;
    Ok(Json(page))
}

/// Reads an order.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/orders/{order}", tag = "orders",
    params(
        ("id" = String, Path, description = "The session"),
        ("order" = String, Path, description = "The order"),
    ),
    responses((status = 200, description = "The order", body = Order), OfSession)
)]
pub(super) async fn read(
    State(backend): State<Arc<Backend>>,
    Path((_, order)): Path<(String, String)>,
    named: Named,
) -> Result<Json<Order>, Failure> {
    let order = backend.sessions.order(named.id, &named.ask, &order).await?;
    Ok(Json(order))
}

/// Takes back what rests of an order.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}/orders/{order}", tag = "orders",
    params(
        ("id" = String, Path, description = "The session"),
        ("order" = String, Path, description = "The order"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to repeat"),
    ),
    responses((status = 200, description = "Its last state", body = Order), OfCommand)
)]
pub(super) async fn cancel(
    State(backend): State<Arc<Backend>>,
    Path((_, order)): Path<(String, String)>,
    named: Named,
    headers: HeaderMap,
) -> Result<Json<Order>, Failure> {
    let request = CommandRequest {
        idempotency_key: idempotency_key(&headers)?,
        command: Command::OrderCancel(OrderCancel {
            order_id: number(&order)?,
        }),
    };
    let order = backend.order_command(named.id, &named.ask, request).await?;
    Ok(Json(order))
}

/// Changes price or quantity of a resting order.
#[utoipa::path(
    patch, path = "/api/v1/sessions/{id}/orders/{order}", tag = "orders", request_body = AmendShape,
    params(
        ("id" = String, Path, description = "The session"),
        ("order" = String, Path, description = "The order"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to repeat"),
    ),
    responses((status = 200, description = "Its state now", body = Order), OfCommand)
)]
pub(super) async fn amend(
    State(backend): State<Arc<Backend>>,
    Path((_, order)): Path<(String, String)>,
    named: Named,
    headers: HeaderMap,
    Body(changes): Body<AmendRequest>,
) -> Result<Json<Order>, Failure> {
    let request = CommandRequest {
        idempotency_key: idempotency_key(&headers)?,
        command: Command::OrderAmend(OrderAmend {
            order_id: number(&order)?,
            changes,
        }),
    };
    let order = backend.order_command(named.id, &named.ask, request).await?;
    Ok(Json(order))
}

impl Backend {
    /// Executes a command about one order and reads that order back.
    pub(crate) async fn order_command(
        &self,
        id: SessionId,
        ask: &Ask,
        request: CommandRequest,
    ) -> Result<Order, Failure> {
        let answer = self.sessions.command(id, ask, request).await?;
        if let Some(problem) = answer.error {
            return Err(Failure::of_answer(problem));
        }
        let order = answer.data.and_then(|data| data.order_id);
        let order = order.ok_or_else(|| Failure::internal("an order's answer names no order"))?;
        Ok(self.sessions.order(id, ask, &order.to_string()).await?)
    }
}

/// What is no number of an order is the number of no order.
fn number(order: &str) -> Result<u64, Failure> {
    let missing = |_| Failure::new(Code::NotFound, format!("there is no order {order:?}"));
    order.parse().map_err(missing)
}
