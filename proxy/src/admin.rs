//! The operators' port: what this proxy knows, and what may be wanted of its endpoints.
//!
//! It listens on loopback unless told otherwise, and answers to no cross-site page: a browser
//! that happens to reach it must not be a way to drain an endpoint. What is shown holds no
//! secrets; what changes something is off where `admin.commands` says so.

mod commands;
mod events;
mod guard;
mod pages;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use holdfast_core::{Cluster, Health, Snapshot};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Handle, Snapshots};
use crate::relay::Registry;
use crate::telemetry::Telemetry;

/// The operators' port and what it shows.
#[derive(Clone)]
pub struct Admin(Arc<Shown>);

/// What the operators' port is given.
pub struct Parts {
    /// What the data plane knows.
    pub snapshots: Snapshots,
    /// The control plane, for wishes and news.
    pub handle: Handle,
    /// The metrics.
    pub telemetry: Telemetry,
    /// The open connections.
    pub registry: Registry,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// The process's clock.
    pub clock: Clock,
    /// Whether endpoints may be drained and put back here.
    pub commands: bool,
}

struct Shown {
    parts: Parts,
    /// Ready once, ready until the proxy leaves: that endpoints are ill is no reason to take
    /// the proxy out, and would take out all proxies at once.
    was_ready: AtomicBool,
    /// Pages that may watch events at once.
    watchers: Arc<Semaphore>,
}

impl Admin {
    /// A port that shows these.
    pub fn new(parts: Parts) -> Self {
        let watchers = Arc::new(Semaphore::new(WATCHERS_MAX));
        Self(Arc::new(Shown {
            parts,
            was_ready: AtomicBool::new(false),
            watchers,
        }))
    }

    /// Answers until it is stopped.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let served = axum::serve(listener, self.routes())
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        // An event stream never ends by itself, so nobody is waited for.
        let ended = tokio::select! {
            ended = served => ended,
            () = stop.cancelled() => Ok(()),
        };
        if let Err(error) = ended {
            tracing::error!(%error, "the admin port ended");
        }
    }

    /// Answers for life, readiness and metrics alone: what a kubelet, a load balancer and
    /// Prometheus may reach from outside.
    pub async fn serve_health(self, listener: TcpListener, stop: CancellationToken) {
        let routes = Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self);
        let served = axum::serve(listener, routes)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        if let Some(Err(error)) = stop.run_until_cancelled(served).await {
            tracing::error!(%error, "the health port ended");
        }
    }

    fn routes(self) -> Router {
        Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .route("/status", get(status::status))
            .route("/connections", get(status::connections))
            .route("/config", get(config))
            .route("/events", get(events::events))
            .route(
                "/endpoints/{cluster}/{id}/{command}",
                post(commands::command),
            )
            .route("/", get(async || pages::page("index.html")))
            .route("/{file}", get(pages::file))
            .fallback(async || problem(StatusCode::NOT_FOUND, "not_found", "no such path"))
            .layer(middleware::from_fn(guard::guard))
            .with_state(self)
    }

    fn is_ready(&self) -> bool {
        let Shown {
            parts, was_ready, ..
        } = &*self.0;
        if parts.telemetry.is_draining() {
            return false;
        }
        let ready = was_ready.load(Ordering::Relaxed) || knows_enough(&parts.snapshots.load());
        was_ready.store(ready, Ordering::Relaxed);
        ready
    }
}

/// Whether there is a configuration, discovery has named every cluster's endpoints, and each of
/// them was asked at least once.
pub(crate) fn knows_enough(snapshot: &Snapshot) -> bool {
    let known = |cluster: &Arc<Cluster>| {
        let mut endpoints = cluster.endpoints().iter();
        cluster.discovered && endpoints.all(|endpoint| endpoint.health != Health::Untried)
    };
    snapshot.number > 0 && snapshot.clusters.values().all(known)
}

async fn ready(State(admin): State<Admin>) -> Response {
    if admin.is_ready() {
        return "ok\n".into_response();
    }
    let why = match admin.0.parts.telemetry.is_draining() {
        true => "leaving\n",
        false => "not all endpoints are known and were asked yet\n",
    };
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let text = admin
        .0
        .parts
        .telemetry
        .text(&admin.0.parts.snapshots.load());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// The configuration as it was written, defaults filled in. It names where secrets come from,
/// never what they are.
async fn config(State(admin): State<Admin>) -> Response {
    Json(&*admin.0.parts.config.load().written).into_response()
}

/// An error as every part of the edge says it.
fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let value = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("error"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
        "retryable": status == StatusCode::SERVICE_UNAVAILABLE,
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, value.to_string()).into_response()
}

const WATCHERS_MAX: usize = 16;
