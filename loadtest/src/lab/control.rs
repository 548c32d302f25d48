//! The page's kill and drain buttons.
//!
//! Killing processes is nothing that a proxy or a backend should offer, so the lab serves it,
//! on loopback, reached by the page through the proxy under `/lab/`. A page of another site must
//! not reach it: browsers say where a request comes from, and only the same origin is heard.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, Method, StatusCode, header};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::member::Order;
use super::plan::Plan;
use super::record::{Lab, MemberId};
use crate::client::Client;

/// The control server before it listens.
#[derive(Debug, Clone)]
pub struct Control {
    address: SocketAddr,
    admin: SocketAddr,
    record: watch::Receiver<Lab>,
    orders: HashMap<MemberId, mpsc::Sender<Order>>,
    client: Client,
}

impl Control {
    #[must_use]
    pub fn new(
        plan: &Plan,
        record: watch::Receiver<Lab>,
        orders: HashMap<MemberId, mpsc::Sender<Order>>,
    ) -> Self {
        let client = Client::new(ADMIN_MAX);
        Self {
            address: plan.control,
            admin: plan.admin,
            record,
            orders,
            client,
        }
    }

    pub async fn bind(&self) -> io::Result<TcpListener> {
        TcpListener::bind(self.address).await
    }

    /// Serves until `stop`.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        // Open connections of the page end with the process; nothing here is worth a wait.
        let served = axum::serve(listener, self.routes()).into_future();
        stop.run_until_cancelled(served).await.unwrap_or(Ok(()))
    }

    fn routes(self) -> Router {
        Router::new()
            .route("/lab/state", get(state))
            .route("/lab/backends/{id}/kill", post(kill))
            .route("/lab/backends/{id}/drain", post(drain))
            .route("/lab/backends/{id}/ready", post(ready))
            .fallback(|| async { problem(StatusCode::NOT_FOUND, "not_found", "no such path") })
            .layer(middleware::from_fn(own_page_only))
            .with_state(self)
    }

    fn member(&self, id: &str) -> Option<MemberId> {
        let places = [
            MemberId::Backend(id.to_owned()),
            MemberId::StickyApp(id.to_owned()),
        ];
        places
            .into_iter()
            .find(|place| self.orders.contains_key(place))
    }

    /// Tells the proxy, which tells the endpoint.
    async fn admin(&self, id: &str, command: &str) -> Response {
        let cluster = match self.member(id) {
            Some(MemberId::Backend(_)) => "backend",
            Some(MemberId::StickyApp(_)) => "sticky-app",
            _ => return unknown(id),
        };
        let path = format!("/endpoints/{cluster}/{id}/{command}");
        match self.client.call(Method::POST, self.admin, &path).await {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                let kind = head.headers.get(header::CONTENT_TYPE).cloned();
                let kind = kind.map(|kind| (header::CONTENT_TYPE, kind));
                (head.status, kind.into_iter().collect::<HeaderMap>(), body).into_response()
            }
            Err(error) => problem(
                StatusCode::BAD_GATEWAY,
                "proxy_unreachable",
                &format!("the proxy's admin listener did not answer: {error}"),
            ),
        }
    }
}

async fn state(State(control): State<Control>) -> Json<Lab> {
    Json(control.record.borrow().clone())
}

async fn kill(State(control): State<Control>, Path(id): Path<String>) -> Response {
    let Some(orders) = control
        .member(&id)
        .and_then(|place| control.orders.get(&place))
    else {
        return unknown(&id);
    };
    match orders.try_send(Order::Kill) {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(_) => problem(
            StatusCode::CONFLICT,
            "busy",
            &format!("{id} is being restarted"),
        ),
    }
}

async fn drain(State(control): State<Control>, Path(id): Path<String>) -> Response {
    control.admin(&id, "drain").await
}

async fn ready(State(control): State<Control>, Path(id): Path<String>) -> Response {
    control.admin(&id, "ready").await
}

async fn own_page_only(request: Request, next: Next) -> Response {
    if comes_from_own_page(
        request.headers(),
        request.uri().authority().map(|host| host.as_str()),
    ) {
        return next.run(request).await;
    }
    problem(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        "only the lab's own page, or a tool on this machine, may ask this",
    )
}

/// Tools say nothing about an origin. Browsers do, and the host they name is loopback: a foreign
/// name that was made to point here (DNS rebinding) is refused too.
fn comes_from_own_page(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(host) = text(header::HOST).or(authority) else {
        return false;
    };
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    let site_fits = site.is_none_or(|site| site == "same-origin" || site == "none");
    let origin_fits = text(header::ORIGIN).is_none_or(|origin| {
        origin
            .split_once("://")
            .is_some_and(|(_, named)| named == host)
    });
    is_loopback(host) && site_fits && origin_fits
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

fn unknown(id: &str) -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "unknown_endpoint",
        &format!("the lab has no endpoint {id}"),
    )
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
        "retryable": status == StatusCode::CONFLICT || status.is_server_error(),
    });
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body.to_string(),
    )
        .into_response()
}

/// For one answer of the proxy's admin listener.
const ADMIN_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    header::HeaderValue::from_static(value),
                )
            })
            .collect();
        comes_from_own_page(&headers, None)
    }

    #[test]
    fn the_own_page_and_local_tools_are_heard() {
        assert!(heard(&[("host", "127.0.0.1:8080")]));
        assert!(heard(&[
            ("host", "localhost:8080"),
            ("origin", "http://localhost:8080"),
            ("sec-fetch-site", "same-origin"),
        ]));
        assert!(heard(&[
            ("host", "[::1]:8080"),
            ("origin", "http://[::1]:8080")
        ]));
    }

    #[test]
    fn pages_of_other_sites_are_not_heard() {
        assert!(!heard(&[
            ("host", "127.0.0.1:8080"),
            ("origin", "http://evil.example")
        ]));
        assert!(!heard(&[("host", "127.0.0.1:8080"), ("origin", "null")]));
        assert!(!heard(&[
            ("host", "127.0.0.1:8080"),
            ("origin", "http://127.0.0.1:9999")
        ]));
        assert!(!heard(&[
            ("host", "127.0.0.1:8080"),
            ("sec-fetch-site", "cross-site")
        ]));
        assert!(!heard(&[
            ("host", "127.0.0.1:8080"),
            ("sec-fetch-site", "same-site")
        ]));
    }

    #[test]
    fn a_foreign_name_that_points_here_is_not_heard() {
        assert!(!heard(&[
            ("host", "evil.example:8080"),
            ("origin", "http://evil.example:8080")
        ]));
        assert!(!heard(&[("host", "127.0.0.1.evil.example")]));
        assert!(!heard(&[]));
    }
}
