//! What an operator may want of an endpoint: `POST /endpoints/{cluster}/{id}/{command}`, where
//! the command is `drain`, `ready` or `maint`.
//!
//! `drain?wait=30s` answers when the endpoint is empty, or with `504` after that time; a pod's
//! preStop hook can wait on it.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use holdfast_core::control::Event;
use holdfast_core::{Admin as Wish, ClusterName, Endpoint, EndpointId};
use serde::Deserialize;
use serde_json::json;

use super::{Admin, problem};

#[derive(Deserialize)]
pub(super) struct Options {
    /// How long to wait until the endpoint is empty: `30s`, or a number of seconds.
    wait: Option<String>,
}

pub(super) async fn command(
    State(admin): State<Admin>,
    Path((cluster, id, verb)): Path<(String, String, String)>,
    Query(options): Query<Options>,
) -> Response {
    if !admin.0.parts.commands {
        let detail = "commands are switched off here; admin.commands: true switches them on";
        return problem(StatusCode::FORBIDDEN, "commands_off", detail);
    }
    let wish = match verb.as_str() {
        "drain" => Wish::Drain,
        "ready" => Wish::Ready,
        "maint" => Wish::Maint,
        _ => return problem(StatusCode::NOT_FOUND, "not_found", "drain, ready or maint"),
    };
    let wait = match options.wait.as_deref().map(seconds) {
        None => None,
        Some(Some(wait)) => Some(wait),
        Some(None) => {
            let detail = "wait takes seconds up to an hour, as 30s";
            return problem(StatusCode::BAD_REQUEST, "bad_wait", detail);
        }
    };
    let names = (ClusterName::parse(&cluster), EndpointId::parse(&id));
    let (Ok(cluster), Ok(id)) = names else {
        return unknown();
    };
    if admin.endpoint(&cluster, &id).is_none() {
        return unknown();
    }
    let event = Event::Admin {
        cluster: cluster.clone(),
        endpoint: id.clone(),
        admin: wish,
    };
    if !admin.0.parts.handle.tell(event).await {
        let detail = "the proxy is leaving";
        return problem(StatusCode::SERVICE_UNAVAILABLE, "leaving", detail);
    }
    // An endpoint that says itself that it drains stays so until it says otherwise.
    let obeyed = |e: &Endpoint| e.admin == wish || wish == Wish::Ready;
    admin.until(&cluster, &id, OBEYED_MAX, obeyed).await;
    let empty = match wait {
        Some(wait) => {
            let empty = |e: &Endpoint| e.drained || (e.admin != Wish::Ready && e.load.total() == 0);
            admin.until(&cluster, &id, wait, empty).await
        }
        None => true,
    };
    let status = if empty {
        StatusCode::OK
    } else {
        StatusCode::GATEWAY_TIMEOUT
    };
    let answer = match admin.endpoint(&cluster, &id) {
        Some(endpoint) => json!({
            "cluster": cluster.as_str(),
            "id": id.as_str(),
            "admin": endpoint.admin.as_str(),
            "drained": endpoint.drained,
            "connections": endpoint.load.connections(),
        }),
        None => json!({ "cluster": cluster.as_str(), "id": id.as_str(), "gone": true }),
    };
    (status, Json(answer)).into_response()
}

impl Admin {
    fn endpoint(&self, cluster: &ClusterName, id: &EndpointId) -> Option<std::sync::Arc<Endpoint>> {
        self.0.parts.snapshots.load().endpoint(cluster, id).cloned()
    }

    /// Waits until it is so, or the endpoint is gone; false after `limit`. Counts change without
    /// a snapshot, so it looks again and again.
    async fn until(
        &self,
        cluster: &ClusterName,
        id: &EndpointId,
        limit: Duration,
        is_so: impl Fn(&Endpoint) -> bool,
    ) -> bool {
        let look = async {
            while self
                .endpoint(cluster, id)
                .is_some_and(|endpoint| !is_so(&endpoint))
            {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        tokio::time::timeout(limit, look).await.is_ok()
    }
}

fn unknown() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "unknown_endpoint",
        "no such endpoint; GET /status names them",
    )
}

fn seconds(text: &str) -> Option<Duration> {
    let number: u64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    (number <= WAIT_MAX_S).then(|| Duration::from_secs(number))
}

/// Until a wish is in a snapshot.
const OBEYED_MAX: Duration = Duration::from_secs(1);
const LOOK_PAUSE: Duration = Duration::from_millis(20);
const WAIT_MAX_S: u64 = 3600;
