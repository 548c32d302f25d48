//! Two endpoints on one store: who answers for a session.

use std::sync::Arc;

use serde_json::json;

use crate::sessions::{cheap, created, symbol};
use crate::support::client::Request;
use crate::support::folder::Folder;
use crate::support::live::Socket;
use crate::support::{Running, soon};

async fn pair() -> (Running, Running) {
    let folder = Arc::new(Folder::new());
    let a = Running::beside(Arc::clone(&folder), "a", "shutdown: { deadline: 1s }").await;
    let b = Running::beside(folder, "b", "shutdown: { deadline: 1s }").await;
    (a, b)
}

#[tokio::test]
async fn who_does_not_own_a_session_names_the_owner() {
    let (a, b) = pair().await;
    let path = created(&a).await;
    let elsewhere = b.get(&path).await;
    assert_eq!(elsewhere.problem(), (421, "wrong_endpoint".to_owned()));
    assert_eq!(elsewhere.header("holdfast-owner"), Some("a"));
    let dial = Socket::dial(&b, &format!("{path}/ws"), &[])
        .await
        .map(|_| ());
    let dial = dial.expect_err("not here");
    assert_eq!(dial.header("holdfast-owner"), Some("a"));
    let listed = b.get("/api/v1/sessions").await.json();
    assert_eq!(
        listed["sessions"][0]["endpoint"], "a",
        "lists show all: {listed}"
    );
}

#[tokio::test]
async fn a_session_whose_owner_is_gone_is_taken_over_with_its_orders() {
    let (a, b) = pair().await;
    let path = created(&a).await;
    let symbol = symbol(&a, &path).await;
    let placed = a
        .post(&format!("{path}/orders"), cheap(&symbol))
        .await
        .json();
    let mut socket = Socket::open(&a, &format!("{path}/ws")).await;
    let last = socket.next().await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    a.stop().await;
    let close = socket.closed().await;
    assert_eq!(
        close.map(|close| close.0),
        Some(1012),
        "it goes on elsewhere"
    );

    let moved = Request::get(&path).header("holdfast-moved-from", "a");
    let session = b.ask(moved).await.json();
    assert_eq!(session["endpoint"], "b", "{session}");
    assert_eq!(session["generation"], 2);
    let order = b
        .get(&format!("{path}/orders/{}", placed["order_id"]))
        .await
        .json();
    assert_eq!(order["status"], "open", "{order}");
    let ws = format!("{path}/ws?last_event_id={last}");
    let mut socket = Socket::open(&b, &ws).await;
    let next = socket.next().await;
    assert_eq!(next["prev"], last.as_str(), "no snapshot, no gap: {next}");
}

#[tokio::test]
async fn a_draining_owner_lets_its_session_go_to_who_is_asked_instead() {
    let (a, b) = pair().await;
    let path = created(&a).await;
    let mut socket = Socket::open(&a, &format!("{path}/ws")).await;
    socket.next().await;
    assert_eq!(a.ask(Request::post("/holdfast/drain")).await.status, 200);
    let refused = a.post("/api/v1/sessions", json!({})).await;
    assert_eq!(refused.problem(), (503, "unavailable".to_owned()));
    assert!(refused.header("retry-after").is_some());

    let moved = Request::get(&path).header("holdfast-moved-from", "a");
    assert_eq!(b.ask(moved).await.json()["endpoint"], "b");
    assert_eq!(socket.closed().await.map(|close| close.0), Some(1012));
    soon(a.backend.sessions.emptied()).await;
    assert_eq!(
        a.get("/health/ready").await.json(),
        json!({ "state": "draining", "sessions": 0 })
    );
}
