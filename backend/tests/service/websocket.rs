//! Live connections, both ways.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::sessions::{cheap, created, symbol};
use crate::support::Running;
use crate::support::client::Request;
use crate::support::live::Socket;

const CONNECTION: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_stream_opens_with_a_snapshot_and_every_entry_names_the_one_before() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let mut socket = Socket::open(&backend, &format!("{path}/ws")).await;
    let snapshot = socket.next().await;
    assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
    assert_eq!(snapshot["data"]["n"], 0);
    let mut last = snapshot["id"].clone();
    for _ in 0..50 {
        let entry = socket.next().await;
        if entry["id"].is_null() {
            continue;
        }
        assert_eq!(entry["prev"], last, "{entry}");
        last = entry["id"].clone();
    }
    assert!(
        !socket.headers.contains_key("holdfast-contract"),
        "nobody asked"
    );
    assert_eq!(socket.pongs, Vec::<String>::new(), "nobody asked");
}

#[tokio::test]
async fn an_order_is_answered_once_and_its_fill_follows() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let mut socket = Socket::open(&backend, &format!("{path}/ws?client=tab-1")).await;
    let data = json!({ "symbol": symbol, "side": "buy", "type": "market", "quantity": "1" });
    let order = json!({ "type": "order.new", "n": 1, "data": data });
    socket.say(order.clone()).await;
    let mut fills = Vec::new();
    let mut keep = |entry: &Value| {
        if entry["type"] == "fill" {
            fills.push(entry["data"]["order_id"].clone());
        }
    };
    let answer = socket.until("answer", &mut keep).await;
    assert_eq!(
        (&answer["n"], &answer["ok"]),
        (&json!(1), &json!(true)),
        "{answer}"
    );
    let id = answer["data"]["order_id"].clone();
    if !fills.contains(&id) {
        let fill = socket.until("fill", |_| {}).await;
        assert_eq!(fill["data"]["order_id"], id);
    }

    socket.say(order).await;
    let again = socket.until("answer", |_| {}).await;
    assert_eq!(
        again["data"]["order_id"], id,
        "the stored answer, not a second order"
    );
    let audit = backend
        .get(&format!("{path}/commands?client=tab-1"))
        .await
        .json();
    assert_eq!(
        audit["commands"].as_array().map(Vec::len),
        Some(1),
        "{audit}"
    );
    assert_eq!(audit["commands"][0]["answer"]["data"]["order_id"], id);
    let resume = backend
        .get(&format!("{path}/resume?client=tab-1"))
        .await
        .json();
    assert_eq!(resume["n"], 1);
    let orders = backend.get(&format!("{path}/orders")).await.json();
    assert_eq!(
        orders["orders"].as_array().map(Vec::len),
        Some(1),
        "{orders}"
    );
}

#[tokio::test]
async fn what_cannot_be_understood_is_answered_not_cut() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let mut socket = Socket::open(&backend, &format!("{path}/ws?client=tab-1")).await;
    socket.send(Message::text("{\"type\": nonsense")).await;
    let notice = socket.until("notice", |_| {}).await;
    assert_eq!(notice["data"]["code"], "bad_request", "{notice}");
    assert!(notice.to_string().contains("column"), "{notice}");

    socket
        .say(json!({ "type": "order.new", "n": 2, "data": {} }))
        .await;
    let mut answer = socket.until("answer", |_| {}).await;
    assert_eq!(answer["error"]["code"], "gap", "{answer}");
    assert_eq!(answer["error"]["retryable"], true);
    socket
        .say(json!({ "type": "order.nwe", "n": 1, "data": {} }))
        .await;
    answer = socket.until("answer", |_| {}).await;
    assert_eq!(
        (&answer["n"], &answer["ok"]),
        (&json!(1), &json!(false)),
        "{answer}"
    );
    assert_eq!(answer["error"]["code"], "unknown_type", "{answer}");
}

#[tokio::test]
async fn close_codes_say_what_was_wrong() {
    let backend = Running::start("limits: { message: 4KiB }").await;
    let path = format!("{}/ws", created(&backend).await);
    let mut large = Socket::open(&backend, &path).await;
    large.send(Message::text("x".repeat(5_000))).await;
    assert_eq!(large.closed().await.map(|close| close.0), Some(1009));

    let mut binary = Socket::open(&backend, &path).await;
    binary.send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(binary.closed().await.map(|close| close.0), Some(1003));
}

#[tokio::test]
async fn pings_are_answered_both_ways_and_measured() {
    let backend = Running::start("heartbeat: { interval: 200ms, timeout: 10s }").await;
    let path = created(&backend).await;
    let mut socket = Socket::open(&backend, &format!("{path}/ws?channels=order")).await;
    socket
        .say(json!({ "type": "ping", "data": { "t": "mine" } }))
        .await;
    let pong = socket.until("pong", |_| {}).await;
    assert_eq!(pong, json!({ "type": "pong", "data": { "t": "mine" } }));

    let ping = socket.until("ping", |_| {}).await;
    socket
        .say(json!({ "type": "pong", "data": ping["data"] }))
        .await;
    let quality = socket.until("quality", |_| {}).await;
    assert_eq!(quality["data"]["advice"], "stay", "{quality}");
    assert!(quality["data"]["rtt_ms"].is_u64(), "{quality}");
}

#[tokio::test]
async fn silence_is_closed_with_its_code() {
    let backend = Running::start("heartbeat: { interval: 100ms, timeout: 400ms }").await;
    let path = created(&backend).await;
    let mut socket = Socket::open(&backend, &format!("{path}/ws?channels=order")).await;
    assert_eq!(socket.closed().await.map(|close| close.0), Some(4212));
}

#[tokio::test]
async fn a_proxy_is_told_each_id_and_what_was_accepted() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let headers = [
        ("holdfast-connection", CONNECTION),
        ("holdfast-attempt", "1"),
    ];
    let ws = format!("{path}/ws?client=tab-1");
    let mut socket = Socket::dial(&backend, &ws, &headers)
        .await
        .expect("it is taken");
    let told = |name: &str| socket.headers[name].to_str().expect("text").to_owned();
    assert_eq!(told("holdfast-contract"), "1");
    assert_eq!(told("holdfast-accepted"), "0");
    assert!(told("holdfast-generation").starts_with("1."));
    assert!(told("holdfast-position").contains('.'));

    let snapshot = socket.next().await;
    let named = format!("hf1:id={}", snapshot["id"].as_str().expect("an id"));
    let first = socket
        .pongs
        .first()
        .expect("a pong before the first message");
    assert_eq!(first.split(';').next(), Some(named.as_str()));

    socket
        .say(json!({ "type": "order.new", "n": 1, "data": cheap(&symbol) }))
        .await;
    socket.until("answer", |_| {}).await;
    let accepted = |pong: &String| pong.contains("accepted=1");
    assert!(socket.pongs.iter().any(accepted), "{:?}", socket.pongs);
}

#[tokio::test]
async fn a_reset_is_no_place_to_come_back_to() {
    let backend = Running::start("").await;
    let ws = format!("{}/ws?client=tab-1", created(&backend).await);
    let headers = [
        ("holdfast-connection", CONNECTION),
        ("holdfast-attempt", "1"),
        ("last-event-id", "other.7"),
    ];
    let mut socket = Socket::dial(&backend, &ws, &headers)
        .await
        .expect("it is taken");
    let reset = socket.next().await;
    assert_eq!(reset["type"], "reset", "{reset}");
    assert!(socket.pongs.is_empty(), "its snapshot is still to come");
    let snapshot = socket.next().await;
    assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
    let named = format!("hf1:id={}", snapshot["id"].as_str().expect("an id"));
    assert_eq!(socket.pongs, [named]);
}

#[tokio::test]
async fn a_later_leg_goes_on_where_the_earlier_one_was() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let ws = format!("{path}/ws?client=tab-1");
    let headers = [
        ("holdfast-connection", CONNECTION),
        ("holdfast-attempt", "1"),
    ];
    let mut first = Socket::dial(&backend, &ws, &headers)
        .await
        .expect("it is taken");
    first
        .say(json!({ "type": "order.new", "n": 1, "data": cheap(&symbol) }))
        .await;
    let answer = first.until("answer", |_| {}).await;
    let last = answer["id"].as_str().expect("an id").to_owned();

    let headers = [
        ("holdfast-connection", CONNECTION),
        ("holdfast-attempt", "2"),
        ("last-event-id", last.as_str()),
        ("holdfast-generation", "1"),
    ];
    let mut second = Socket::dial(&backend, &ws, &headers)
        .await
        .expect("it is taken");
    assert_eq!(second.headers["holdfast-accepted"], "1");
    let next = second.next().await;
    assert_eq!(next["prev"], last.as_str(), "{next}");
    assert!(first.closed().await.is_some(), "the earlier leg is over");

    let stale = Socket::dial(&backend, &ws, &headers).await.map(|_| ());
    let stale = stale.expect_err("an attempt is taken once");
    assert_eq!(stale.problem(), (409, "stale_attempt".to_owned()));
    assert_eq!(stale.header("holdfast-attempt"), Some("2"));
}

#[tokio::test]
async fn a_planned_move_is_answered_and_the_session_stays() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let ws = format!("{path}/ws");
    let mut socket = Socket::open(&backend, &ws).await;
    let snapshot = socket.next().await;
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 1012.into(),
        reason: "hf1:move".into(),
    };
    socket.send(Message::Close(Some(frame))).await;
    assert!(socket.closed().await.is_some(), "close is answered");

    let id = snapshot["id"].as_str().expect("an id");
    let mut again = Socket::open(&backend, &format!("{ws}?last_event_id={id}")).await;
    let next = again.next().await;
    assert_eq!(next["prev"], id, "no snapshot, no gap: {next}");
}

#[tokio::test]
async fn ending_the_session_closes_its_streams() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let mut socket = Socket::open(&backend, &format!("{path}/ws")).await;
    socket.next().await;
    assert_eq!(backend.ask(Request::delete(&path)).await.status, 204);
    assert_eq!(socket.closed().await.map(|close| close.0), Some(4010));
    let again = Socket::dial(&backend, &format!("{path}/ws"), &[])
        .await
        .map(|_| ());
    let again = again.expect_err("it has ended");
    assert_eq!(again.problem(), (410, "session_ended".to_owned()));
}

#[tokio::test]
async fn dials_that_make_no_sense_are_refused() {
    let backend = Running::start("limits: { streams_per_subject: 1 }").await;
    let path = created(&backend).await;
    let refused = async |path: &str, headers: &[(&'static str, &str)]| {
        let dialled = Socket::dial(&backend, path, headers).await.map(|_| ());
        dialled.expect_err("it is refused").problem()
    };
    let bad = (400, "bad_request".to_owned());
    assert_eq!(
        refused(&format!("{path}/ws?channels=weather"), &[]).await,
        bad
    );
    assert_eq!(refused(&format!("{path}/ws?coalesce=1h"), &[]).await, bad);
    let nameless = [("holdfast-connection", "me")];
    assert_eq!(refused(&format!("{path}/ws"), &nameless).await, bad);
    let plain = backend.get(&format!("{path}/ws")).await;
    assert_eq!(plain.problem(), bad, "not without an upgrade");

    let ann = [("holdfast-subject", "ann")];
    let made = Request::post("/api/v1/sessions").header("holdfast-subject", "ann");
    let made = backend.ask(made).await.json();
    let ws = format!(
        "/api/v1/sessions/{}/ws",
        made["id"].as_str().expect("an id")
    );
    let _held = Socket::dial(&backend, &ws, &ann)
        .await
        .expect("the first one");
    assert_eq!(refused(&ws, &ann).await, (429, "quota_exceeded".to_owned()));
}

#[tokio::test]
async fn a_number_is_known_longer_than_its_answer() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let mut socket = Socket::open(&backend, &format!("{path}/ws?client=tab-1")).await;
    let order = json!({ "type": "order.new", "n": 1, "data": cheap(&symbol) });
    socket.say(order.clone()).await;
    socket.until("answer", |_| {}).await;
    // the answers of others, a few KiB each, until there is no room for the first
    let cancel = json!({ "type": "order.cancel", "data": { "order_id": 999_999 } });
    let batch = json!({ "operations": vec![cancel; 50] });
    let kept = format!("{path}/commands?client=tab-1");
    let together = format!("{path}/orders/batch");
    let mut key = 0;
    while backend.get(&kept).await.json()["commands"] != json!([]) {
        key += 1;
        assert!(key < 50, "it is not kept for ever");
        let name = format!("key-{key}");
        let batch = Request::post(&together)
            .header("idempotency-key", &name)
            .json(batch.clone());
        assert_eq!(backend.ask(batch).await.status, 200);
    }
    let resume = format!("{path}/resume?client=tab-1");
    assert_eq!(backend.get(&resume).await.json()["n"], 1);
    socket.say(order).await;
    let again = socket.until("answer", |_| {}).await;
    assert_eq!(again["error"]["code"], "answer_forgotten", "{again}");
    let orders = backend.get(&format!("{path}/orders")).await.json();
    assert_eq!(orders["orders"].as_array().map(Vec::len), Some(1));
}
