//! Event streams.

use crate::sessions::created;
use crate::support::Running;
use crate::support::client::Request;
use crate::support::live::Events;

#[tokio::test]
async fn a_stream_opens_at_once_and_can_be_resumed() {
    let backend = Running::start("").await;
    let path = format!("{}/events", created(&backend).await);
    let mut events = Events::open(&backend, Request::get(&path)).await;
    let header = |name: &str| events.headers[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!(header("cache-control"), "no-cache, no-transform");
    assert_eq!(header("x-accel-buffering"), "no");
    assert!(!events.headers.contains_key("holdfast-contract"));

    let hello = events.next().await.expect("first bytes");
    assert!(hello.comment && hello.retry.is_some(), "{hello:?}");
    let priming = events.next().await.expect("an id before any event");
    assert!(
        priming.id.is_some() && priming.data.is_none(),
        "{priming:?}"
    );
    let snapshot = events.next().await.expect("a snapshot");
    assert_eq!(snapshot.kind.as_deref(), Some("snapshot"));
    let mut last = snapshot.id.expect("an id");
    for _ in 0..20 {
        let event = events.until_log().await;
        assert_eq!(event.data.expect("data")["prev"], last.as_str());
        last = event.id.expect("an id");
    }
    drop(events);

    let resumed = Request::get(&path).header("last-event-id", &last);
    let mut resumed = Events::open(&backend, resumed).await;
    let next = resumed.until_log().await;
    assert_eq!(
        next.data.expect("data")["prev"],
        last.as_str(),
        "no snapshot, no gap"
    );
    let by_query = format!("{path}?last_event_id={last}");
    let mut resumed = Events::open(&backend, Request::get(&by_query)).await;
    let next = resumed.until_log().await;
    assert_eq!(next.data.expect("data")["prev"], last.as_str());
}

#[tokio::test]
async fn a_place_in_another_log_is_reset_with_a_snapshot() {
    let backend = Running::start("").await;
    let path = format!("{}/events?last_event_id=other.7", created(&backend).await);
    let mut events = Events::open(&backend, Request::get(&path)).await;
    let reset = events.until("reset").await;
    assert_eq!(
        reset.id, None,
        "a stream that breaks here misses the snapshot"
    );
    assert_eq!(reset.data.expect("data")["reason"], "epoch");
    let snapshot = events.until_log().await;
    assert_eq!(snapshot.kind.as_deref(), Some("snapshot"));
    assert!(snapshot.id.is_some(), "{snapshot:?}");
}

#[tokio::test]
async fn a_quiet_stream_is_kept_open_by_comments_and_pings() {
    let lines = "heartbeat: { interval: 200ms, timeout: 10s, comment: 100ms }";
    let backend = Running::start(lines).await;
    let path = format!("{}/events?channels=position", created(&backend).await);
    let mut events = Events::open(&backend, Request::get(&path)).await;
    let (mut comments, mut pings) = (0, 0);
    while comments < 2 || pings < 1 {
        let event = events.next().await.expect("it goes on");
        comments += usize::from(event.comment);
        pings += usize::from(event.kind.as_deref() == Some("ping"));
    }
}

#[tokio::test]
async fn the_stream_of_a_session_that_ends_ends_for_good() {
    let backend = Running::start("").await;
    let session = created(&backend).await;
    let path = format!("{session}/events");
    let mut events = Events::open(&backend, Request::get(&path)).await;
    events.until("snapshot").await;
    assert_eq!(backend.ask(Request::delete(&session)).await.status, 204);
    while events.next().await.is_some() {}
    let again = backend.get(&path).await;
    assert_eq!(
        again.status, 204,
        "an EventSource does not come again: {again:?}"
    );
}

#[tokio::test]
async fn a_proxy_is_told_where_the_stream_starts() {
    let backend = Running::start("").await;
    let path = format!("{}/events", created(&backend).await);
    let request = Request::get(&path)
        .header("holdfast-connection", "0123456789abcdef0123456789abcdef")
        .header("holdfast-attempt", "1");
    let mut events = Events::open(&backend, request).await;
    assert_eq!(events.headers["holdfast-contract"], "1");
    let position = events.headers["holdfast-position"]
        .to_str()
        .expect("text")
        .to_owned();
    let generation = events.headers["holdfast-generation"].to_str();
    assert!(generation.expect("text").starts_with("1."));
    events.next().await;
    assert_eq!(events.next().await.expect("priming").id, Some(position));
}
