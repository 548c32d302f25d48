//! What this proxy knows of its endpoints and connections, for people and scripts.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use holdfast_core::cluster::{Balance, Contract};
use holdfast_core::health::Record;
use holdfast_core::{Cluster, Endpoint, Instant, Relay};
use serde_json::{Value, json};

use super::Admin;

pub(super) async fn status(State(admin): State<Admin>) -> Response {
    let parts = &admin.0.parts;
    let (snapshot, telemetry) = (parts.snapshots.load(), &parts.telemetry);
    let now = Instant::after_start(parts.clock.since_start());
    let endpoints = || {
        snapshot
            .clusters
            .values()
            .flat_map(|cluster| cluster.endpoints())
    };
    let clusters: Vec<_> = snapshot
        .clusters
        .values()
        .map(|c| of_cluster(c, now))
        .collect();
    Json(json!({
        "number": snapshot.number,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_ms": millis(parts.clock.since_start()),
        "draining": telemetry.is_draining(),
        "commands": parts.commands,
        "totals": {
            "connections": endpoints().map(|e| e.load.connections()).sum::<u32>(),
            "in_flight": endpoints().map(|e| in_flight(e)).sum::<u32>(),
            "moves": telemetry.total("holdfast_moves_total"),
            "lost": telemetry.total("holdfast_lost_total"),
            "refused": telemetry.total("holdfast_rejected_total"),
        },
        "clusters": clusters,
    }))
    .into_response()
}

pub(super) async fn connections(State(admin): State<Admin>) -> Response {
    let registry = &admin.0.parts.registry;
    let connections: Vec<_> = registry
        .list(CONNECTIONS_MAX)
        .into_iter()
        .map(|connection| {
            json!({
                "id": connection.id.to_string(),
                "relay": connection.relay.as_str(),
                "cluster": connection.cluster.as_str(),
                "endpoint": connection.endpoint.as_str(),
                "age_ms": millis(connection.age),
                "idle_ms": millis(connection.idle),
                "moves": connection.moves,
            })
        })
        .collect();
    Json(json!({ "connections": connections, "total": registry.total() })).into_response()
}

pub(super) fn of_cluster(cluster: &Cluster, now: Instant) -> Value {
    let endpoints: Vec<_> = cluster
        .endpoints()
        .iter()
        .map(|e| of_endpoint(cluster, e, now))
        .collect();
    json!({
        "name": cluster.name().as_str(),
        "balance": match cluster.settings.balance {
            Balance::LeastSessions => "least_sessions",
            Balance::RoundRobin => "round_robin",
            Balance::Random => "random",
            Balance::Rendezvous => "rendezvous",
        },
        "contract": match cluster.settings.handoff.contract {
            Contract::Required => "required",
            Contract::Auto => "auto",
            Contract::Off => "off",
        },
        "failing_open": cluster.failing_open,
        "endpoints": endpoints,
    })
}

fn of_endpoint(cluster: &Cluster, endpoint: &Endpoint, now: Instant) -> Value {
    let load = &endpoint.load;
    let drain = endpoint.drain.filter(|_| !endpoint.drained).map(|drain| {
        json!({
            "total": drain.total,
            "remaining": load.connections(),
            "rate": cluster.settings.drain.rate,
            "left_ms": millis(drain.deadline.since(now)),
        })
    });
    json!({
        "id": endpoint.id.as_str(),
        "address": endpoint.address.to_string(),
        "weight": endpoint.weight,
        "admin": endpoint.admin.as_str(),
        "health": endpoint.health.as_str(),
        "probes": endpoint.checks.iter().map(|c| of_check(c, now)).collect::<Vec<_>>(),
        "contract": endpoint.contract,
        "drained": endpoint.drained,
        "drain": drain,
        "sessions": load.sessions(),
        "connections": {
            "websocket": load.open_count(Relay::WebSocket),
            "sse": load.open_count(Relay::Sse),
        },
        "in_flight": in_flight(endpoint),
    })
}

/// A check: its last answer, and how many of that kind there were in a row.
fn of_check(check: &Record, now: Instant) -> Value {
    let settings = check.settings();
    let streak = check.streak();
    let (passed, length) = streak
        .as_ref()
        .map_or((false, 0), |s| (s.last.is_ok(), s.length));
    let last = streak.as_ref().map(|s| match &s.last {
        Ok(()) => "passed",
        Err(why) => why,
    });
    json!({
        "kind": settings.kind.as_str(),
        "rise": settings.rise,
        "fall": settings.fall,
        "passing": streak.as_ref().map(|s| s.passing),
        "successes": if passed { length } else { 0 },
        "failures": if passed { 0 } else { length },
        "last": last,
        "since_ms": streak.as_ref().map(|s| millis(now.since(s.since))),
    })
}

fn in_flight(endpoint: &Endpoint) -> u32 {
    endpoint.load.open_count(Relay::Http) + endpoint.load.open_count(Relay::Grpc)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Connections shown at once; there may be many thousands.
const CONNECTIONS_MAX: usize = 500;
