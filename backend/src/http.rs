//! REST, WebSockets and event streams: bytes to questions for [`crate::sessions`], and back.
//!
//! | module | what it serves |
//! |---|---|
//! | `sessions` `lifecycle` `simulator` `scenarios` | REST below `/api/v1`: sessions |
//! | `orders` `bulk` `market` `account` `audit` | what is traded in them |
//! | `ledger` | what lasts longer than a session, there too |
//! | `websocket` `events` | live connections |
//! | `demo` | tokens for demonstrations |
//! | `health` `control` | what probes, proxies and Prometheus ask |
//! | `openapi` `schemas` `describe` | the description of all this, made from the types |
//! | `pages` | the pages in `backend/web` |
//!
//! Every request passes `context` first: who asks is settled, its time is bounded, and failures
//! get their shape.
#![allow(
    unused_qualifications,
    reason = "the macro that describes routes qualifies what it is given"
)]

mod account;
mod arrival;
mod audit;
mod bulk;
mod context;
mod control;
mod demo;
mod describe;
mod dial;
mod events;
pub(crate) mod extract;
mod health;
mod ledger;
mod lifecycle;
pub(crate) mod market;
mod openapi;
mod orders;
mod pages;
mod problem;
mod scenarios;
mod schemas;
pub(crate) mod sessions;
mod simulator;
mod websocket;

pub use websocket::Unlucky;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use holdfast_proto::error::Code;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Backend;
use crate::failure::Failure;

/// Everything that is served, with gRPC's routes merged in.
pub fn router(backend: Arc<Backend>, grpc: Router) -> Router {
    let (rest, mut description) = api().split_for_parts();
    openapi::complete(&mut description);
    let rest = rest
        .route("/openapi.json", openapi::route(&description))
        .route("/schemas.json", schemas::route())
        .route("/metrics", get(health::metrics))
        .route("/holdfast/drain", control::drain())
        .route("/holdfast/ready", control::ready())
        .fallback(pages::page)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(backend.config.limits.body))
        .with_state(Arc::clone(&backend));
    let screened = middleware::from_fn_with_state(backend, context::enter);
    // gRPC's own fallback would hide the pages; what it answers is known to `context`, too
    rest.merge(grpc.reset_fallback()).layer(screened)
}

/// The described part: what the OpenAPI document lists is what is routed.
fn api() -> OpenApiRouter<Arc<Backend>> {
    OpenApiRouter::new()
        .routes(routes!(sessions::create, sessions::list))
        .routes(routes!(sessions::read, sessions::update, sessions::end))
        .routes(routes!(lifecycle::restart))
        .routes(routes!(lifecycle::fork))
        .routes(routes!(lifecycle::resume))
        .routes(routes!(lifecycle::snapshot))
        .routes(routes!(lifecycle::presence))
        .routes(routes!(simulator::read))
        .routes(routes!(simulator::start))
        .routes(routes!(simulator::pause))
        .routes(routes!(simulator::resume))
        .routes(routes!(simulator::stop))
        .routes(routes!(simulator::speed))
        .routes(routes!(simulator::step))
        .routes(routes!(simulator::jump))
        .routes(routes!(simulator::shock))
        .routes(routes!(orders::place, orders::list, bulk::cancel_all))
        .routes(routes!(bulk::batch))
        .routes(routes!(bulk::cancel_after))
        .routes(routes!(orders::read, orders::cancel, orders::amend))
        .routes(routes!(market::book))
        .routes(routes!(market::trades))
        .routes(routes!(market::candles))
        .routes(routes!(market::statistics))
        .routes(routes!(account::positions))
        .routes(routes!(account::balances))
        .routes(routes!(account::fills))
        .routes(routes!(scenarios::list))
        .routes(routes!(scenarios::read))
        .routes(routes!(audit::log))
        .routes(routes!(audit::commands))
        .routes(routes!(audit::fingerprint))
        .routes(routes!(ledger::sessions))
        .routes(routes!(ledger::orders))
        .routes(routes!(ledger::fills))
        .routes(routes!(ledger::audit))
        .routes(routes!(websocket::open))
        .routes(routes!(events::open))
        .routes(routes!(demo::token))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::websocket))
}

async fn method_not_allowed() -> Failure {
    let detail = "this path does not take this method; see /openapi.json";
    Failure::new(Code::MethodNotAllowed, detail)
}
