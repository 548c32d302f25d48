//! What probes, proxies and Prometheus are told.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::client::Request;
use crate::support::{Running, soon};

#[tokio::test]
async fn health_names_the_endpoint_and_what_it_leans_on() {
    let backend = Running::start("").await;
    let health = backend.get("/health").await.json();
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(health["endpoint"], "a");
    assert_eq!(health["dependencies"]["store"]["status"], "ok");
    assert_eq!(health["sessions"], 0);
    assert_eq!(health["degraded"], json!([]));
    assert!(!health["hostname"].as_str().expect("a name").is_empty());
    assert_eq!(
        backend.get("/health/live").await.json(),
        json!({ "status": "live" })
    );
}

#[tokio::test]
async fn a_drain_is_said_by_readiness_and_grpc_and_can_be_taken_back() {
    let backend = Running::start("").await;
    let ready = async || backend.get("/health/ready").await.json();
    assert_eq!(ready().await, json!({ "state": "ready", "sessions": 0 }));
    assert_eq!(serving(&backend).await, 1);

    let told = backend.ask(Request::post("/holdfast/drain")).await;
    assert_eq!(told.status, 200, "{told:?}");
    let answer = backend.get("/health/ready").await;
    assert_eq!(answer.status, 200, "proxies read the state, not the status");
    assert_eq!(answer.json(), json!({ "state": "draining", "sessions": 0 }));
    assert_eq!(serving(&backend).await, 2);

    backend.ask(Request::post("/holdfast/ready")).await;
    assert_eq!(ready().await["state"], "ready");
    assert_eq!(serving(&backend).await, 1);
}

#[tokio::test]
async fn only_who_knows_the_key_may_drain() {
    let key = "5a".repeat(32);
    let folder = crate::support::folder::Folder::new();
    std::fs::write(folder.path().join("key"), &key).expect("the key is written");
    let lines = "cluster_key: { file: key }";
    let backend = Running::beside(folder.into(), "a", lines).await;

    let stranger = backend.ask(Request::post("/holdfast/drain")).await;
    assert_eq!(stranger.problem(), (403, "forbidden".to_owned()));
    assert_eq!(backend.get("/health/ready").await.json()["state"], "ready");

    let request = Request::post("/holdfast/drain").header("holdfast-cluster-key", &key);
    assert_eq!(backend.ask(request).await.status, 200);
    assert_eq!(
        backend.get("/health/ready").await.json()["state"],
        "draining"
    );
}

#[tokio::test]
async fn a_websocket_probe_has_its_pings_answered() {
    let backend = Running::start("").await;
    let said = backend.get("/health/websocket").await.json();
    assert_eq!(said["status"], "ok");
    assert_eq!(said["endpoint"], "a");

    let url = format!("ws://{}/health/websocket", backend.address);
    let (mut socket, _) = soon(connect_async(url)).await.expect("it is upgraded");
    let ping = Message::Ping("beat".into());
    soon(socket.send(ping)).await.expect("it is sent");
    let pong = soon(socket.next())
        .await
        .expect("an answer")
        .expect("a frame");
    assert_eq!(pong, Message::Pong("beat".into()));
}

#[tokio::test]
async fn metrics_count_what_was_answered() {
    let backend = Running::start("").await;
    backend.get("/nowhere").await;
    let metrics = backend.get("/metrics").await;
    let text = String::from_utf8(metrics.body.to_vec()).expect("text");
    assert!(
        text.contains("holdfast_backend_requests_total{class=\"4xx\"} 1"),
        "{text}"
    );
    assert!(text.contains("holdfast_backend_sessions 0"), "{text}");
}

/// What `grpc.health.v1` says: 1 is SERVING, 2 is NOT_SERVING.
async fn serving(backend: &Running) -> i32 {
    let mut client = HealthClient::new(backend.grpc().await);
    let request = HealthCheckRequest {
        service: "holdfast.session.v1.Sessions".to_owned(),
    };
    let answer = soon(client.check(request)).await.expect("it is known");
    answer.into_inner().status
}
