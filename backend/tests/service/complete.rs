//! What a whole interface has: labels, ends, forks, restarts, many orders at once, quotas.

use http::Method;
use serde_json::{Value, json};

use crate::sessions::{cheap, created, problem, symbol};
use crate::support::client::{Answer, Request};
use crate::support::live::Socket;
use crate::support::{Running, soon};

const ANN: (&str, &str) = ("holdfast-subject", "ann");

async fn by_ann(backend: &Running, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(method, path).header(ANN.0, ANN.1);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    backend.ask(request).await
}

#[tokio::test]
async fn sessions_are_found_by_their_labels_and_by_pages() {
    let backend = Running::start("").await;
    let mut ids = Vec::new();
    for desk in ["fx", "fx", "rates"] {
        let body = json!({ "labels": { "desk": desk }, "seed": 7, "paused": true });
        let made = by_ann(&backend, Method::POST, "/api/v1/sessions", Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let session = made.json();
        assert_eq!(
            (&session["state"], &session["labels"]["desk"]),
            (&json!("paused"), &json!(desk))
        );
        ids.push(session["id"].as_str().expect("an id").to_owned());
    }
    let list = async |query: &str| {
        let path = format!("/api/v1/sessions?{query}");
        let page = by_ann(&backend, Method::GET, &path, None).await.json();
        let ids = page["sessions"].as_array().expect("a list").iter();
        let ids: Vec<_> = ids
            .map(|session| session["id"].as_str().expect("an id").to_owned())
            .collect();
        (ids, page["next"].as_str().map(str::to_owned))
    };
    let mut expected = ids[..2].to_vec();
    let (mut found, next) = list("labels=desk=fx").await;
    expected.sort();
    found.sort();
    assert_eq!((found, next), (expected, None));
    let (first, next) = list("limit=2").await;
    let (second, last) = list(&format!("limit=2&cursor={}", next.expect("another page"))).await;
    assert_eq!((first.len(), second.len(), last), (2, 1, None));
    let all: std::collections::BTreeSet<_> = first.into_iter().chain(second).collect();
    assert_eq!(all.len(), 3);

    let path = format!("/api/v1/sessions/{}", ids[0]);
    let change = json!({ "labels": { "desk": null, "team": "a b" }, "expires_in": "1h" });
    let now = by_ann(&backend, Method::PATCH, &path, Some(change))
        .await
        .json();
    assert_eq!(now["labels"], json!({ "team": "a b" }), "{now}");
    assert!(
        now["expires_ms"].as_u64() > now["created_ms"].as_u64(),
        "{now}"
    );
    assert_eq!(list("labels=team=a%20b").await.0, [ids[0].clone()]);
    let wrong = json!({ "labels": { "a b": "c" } });
    let wrong = by_ann(&backend, Method::PATCH, &path, Some(wrong)).await;
    assert_eq!(wrong.problem(), problem("invalid_argument", 422));
}

#[tokio::test]
async fn a_session_is_made_once_for_each_key() {
    let backend = Running::start("").await;
    let make = async |key: &str, seed: u64, subject: Option<&str>| {
        let request = Request::post("/api/v1/sessions").header("idempotency-key", key);
        let request = match subject {
            Some(subject) => request.header("holdfast-subject", subject),
            None => request,
        };
        backend.ask(request.json(json!({ "seed": seed }))).await
    };
    let (first, again) = (
        make("k", 1, Some("ann")).await,
        make("k", 1, Some("ann")).await,
    );
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.json()["id"], again.json()["id"]);
    let other = make("k", 2, Some("ann")).await;
    assert_eq!(other.problem(), problem("key_reused", 422));
    let bob = make("k", 1, Some("bob")).await;
    assert_ne!(
        bob.json()["id"],
        first.json()["id"],
        "keys are each user's own"
    );
    let nobody = make("k", 1, None).await;
    assert_eq!(nobody.problem(), problem("invalid_argument", 422));
}

#[tokio::test]
async fn a_key_that_comes_again_for_another_command_is_refused() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let orders = format!("{path}/orders");
    let place = async |quantity: &str| {
        let mut order = cheap(&symbol);
        order["quantity"] = json!(quantity);
        let request = Request::post(&orders).header("idempotency-key", "once");
        backend.ask(request.json(order)).await
    };
    assert_eq!(place("1").await.status, 201);
    assert_eq!(place("1").await.status, 201);
    assert_eq!(place("2").await.problem(), problem("key_reused", 422));
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_up() {
    let backend = Running::start("").await;
    let body = json!({ "expires_in": "1s" });
    let made = backend.post("/api/v1/sessions", body).await.json();
    let path = format!("/api/v1/sessions/{}", made["id"].as_str().expect("an id"));
    let mut socket = Socket::open(&backend, &format!("{path}/ws?channels=order")).await;
    let closed = soon(socket.closed()).await;
    assert_eq!(closed.map(|(code, _)| code), Some(4010));
    assert_eq!(
        backend.get(&path).await.problem(),
        problem("session_ended", 410)
    );
}

#[tokio::test]
async fn orders_are_taken_back_once_nobody_is_connected() {
    let backend = Running::start("").await;
    let body = json!({ "cancel_on_disconnect": "1s" });
    let made = backend.post("/api/v1/sessions", body).await.json();
    let path = format!("/api/v1/sessions/{}", made["id"].as_str().expect("an id"));
    let symbol = symbol(&backend, &path).await;
    let socket = Socket::open(&backend, &format!("{path}/ws?channels=order")).await;
    let placed = backend
        .post(&format!("{path}/orders"), cheap(&symbol))
        .await;
    assert_eq!(placed.status, 201, "{placed:?}");
    drop(socket);
    let open = format!("{path}/orders?status=open");
    let gone = async {
        while backend.get(&open).await.json()["orders"] != json!([]) {
            tokio::task::yield_now().await;
        }
    };
    soon(gone).await;
    let cancelled = backend
        .get(&format!("{path}/orders?status=cancelled"))
        .await;
    assert_eq!(cancelled.json()["orders"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_session_is_forked_now_and_at_a_point() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let before = backend.get(&path).await.json();
    let at = format!(
        "{}.{}",
        before["epoch"].as_str().expect("an epoch"),
        before["seq"]
    );
    let placed = backend
        .post(&format!("{path}/orders"), cheap(&symbol))
        .await;
    assert_eq!(placed.status, 201, "{placed:?}");

    let fork = async |body: Value| {
        let made = backend.post(&format!("{path}/fork"), body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        let orders = format!(
            "/api/v1/sessions/{}/orders",
            made["id"].as_str().expect("an id")
        );
        let orders = backend.get(&orders).await.json();
        (made, orders["orders"].as_array().map(Vec::len))
    };
    let (now, orders) = fork(json!({ "labels": { "kind": "what if" } })).await;
    assert_eq!(orders, Some(1), "it has the order");
    assert_eq!(now["labels"]["kind"], "what if");
    assert_eq!(
        (&now["seed"], &now["scenario"]),
        (&before["seed"], &before["scenario"])
    );
    let (then, orders) = fork(json!({ "at": at })).await;
    assert_eq!(orders, Some(0), "it was placed later");
    let id = before["id"].as_str().expect("an id");
    assert_eq!(then["forked_from"], format!("{id}@{at}"));

    let fork = format!("{path}/fork");
    let nowhere = backend.post(&fork, json!({ "at": "elsewhere.7" })).await;
    assert_eq!(nowhere.problem(), problem("trimmed", 404));
    let beyond = format!("{}.999999999", before["epoch"].as_str().expect("an epoch"));
    let beyond = backend.post(&fork, json!({ "at": beyond })).await;
    assert_eq!(beyond.problem(), problem("invalid_argument", 422));
}

#[tokio::test]
async fn a_restart_is_told_to_who_is_connected() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let mut socket = Socket::open(&backend, &format!("{path}/ws")).await;
    socket.until("snapshot", |_| {}).await;
    let body = json!({ "scenario": "volatile", "seed": 9 });
    let again = backend.post(&format!("{path}/restart"), body).await.json();
    assert_eq!(
        (&again["scenario"], &again["seed"]),
        (&json!("volatile"), &json!(9))
    );
    let reset = socket.until("reset", |_| {}).await;
    assert_eq!(reset["data"]["reason"], "restarted");
    let snapshot = socket.next().await;
    assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
    assert_eq!(snapshot["data"]["session"]["scenario"], "volatile");
    socket.until("book", |_| {}).await;
    let nowhere = json!({ "scenario": "storm" });
    let nowhere = backend.post(&format!("{path}/restart"), nowhere).await;
    assert_eq!(nowhere.problem(), problem("invalid_argument", 422));
}

#[tokio::test]
async fn many_orders_are_placed_and_taken_back_at_once() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let new = |order: Value| json!({ "type": "order.new", "data": order });
    let cancel = json!({ "type": "order.cancel", "data": { "order_id": 999_999 } });
    let operations = [new(cheap(&symbol)), cancel, new(cheap(&symbol))];
    let batch = json!({ "operations": operations });
    let done = backend
        .post(&format!("{path}/orders/batch"), batch)
        .await
        .json();
    let results = done["results"].as_array().expect("results");
    let oks: Vec<_> = results.iter().map(|result| result["ok"] == true).collect();
    assert_eq!(oks, [true, false, true], "{done}");
    assert_eq!(results[1]["error"]["code"], "unknown_order", "{done}");

    let orders = format!("{path}/orders");
    let page = backend
        .get(&format!("{orders}?limit=1&symbol={symbol}&side=buy"))
        .await
        .json();
    assert_eq!(page["orders"].as_array().map(Vec::len), Some(1));
    assert!(page["next"].is_string(), "{page}");
    let sells = backend.get(&format!("{orders}?side=sell")).await.json();
    assert_eq!(sells["orders"], json!([]));
    let taken = Request::new(Method::DELETE, &orders);
    assert_eq!(backend.ask(taken).await.json(), json!({ "cancelled": 2 }));
    let after = json!({ "after": "30s" });
    let set = backend
        .post(&format!("{orders}/cancel_after"), after.clone())
        .await;
    assert_eq!(set.json(), after);
}

#[tokio::test]
async fn the_market_and_the_account_are_read_in_parts() {
    let backend = Running::start("").await;
    let body = json!({ "seed": 7, "speed": 100 });
    let made = backend.post("/api/v1/sessions", body).await.json();
    let path = format!("/api/v1/sessions/{}", made["id"].as_str().expect("an id"));
    let symbol = symbol(&backend, &path).await;
    let jump = backend
        .post(&format!("{path}/simulator/jump"), json!({ "by": "1m" }))
        .await;
    assert_eq!(jump.status, 200, "{jump:?}");
    let order = json!({ "symbol": symbol, "side": "buy", "quantity": "2" });
    let filled = backend.post(&format!("{path}/orders"), order).await.json();
    assert_eq!(filled["status"], "filled", "{filled}");
    let read = async |part: &str| {
        let answer = backend.get(&format!("{path}/{part}")).await;
        assert_eq!(answer.status, 200, "{part}: {answer:?}");
        answer.json()
    };
    let fills = read(&format!("fills?order={}", filled["order_id"])).await;
    assert!(!fills["fills"].as_array().expect("a list").is_empty());
    let balance = &read("balances").await["balances"][0];
    assert_eq!(balance["asset"], "cash");
    assert_ne!(balance["used"], "0", "{balance}");
    let candles = read(&format!("candles/{symbol}?limit=3")).await;
    assert_eq!(candles["candles"].as_array().map(Vec::len), Some(3));
    candles_are_joined(&backend, &path, &symbol).await;
    let statistics = read(&format!("statistics/{symbol}")).await;
    assert!(statistics["trades"].as_u64() > Some(0), "{statistics}");
    let book = read(&format!("book/{symbol}?depth=3")).await;
    assert_eq!(book["bids"].as_array().map(Vec::len), Some(3), "{book}");
    let presence = read("presence").await;
    assert_eq!(presence["connections"], json!([]));
    let scenarios = backend.get("/api/v1/scenarios").await.json();
    assert_eq!(scenarios["scenarios"][0]["name"], "calm");
    assert_eq!(
        backend.get("/api/v1/scenarios/calm").await.json()["name"],
        "calm"
    );
    let none = backend.get("/api/v1/scenarios/%FF").await;
    assert_eq!(none.problem(), problem("not_found", 404));
}

#[tokio::test]
async fn who_trades_too_fast_is_told_when_to_come_again() {
    let backend = Running::start("limits: { orders_per_second: 1 }").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let orders = format!("{path}/orders");
    for _ in 0..2 {
        assert_eq!(backend.post(&orders, cheap(&symbol)).await.status, 201);
    }
    let mut refused = backend.post(&orders, cheap(&symbol)).await;
    while refused.status == 201 {
        // a machine that is slow enough earns another order
        refused = backend.post(&orders, cheap(&symbol)).await;
    }
    assert_eq!(refused.problem(), problem("quota_exceeded", 429));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let metrics = backend.get("/metrics").await;
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let counted = text.lines().find_map(|line| {
        line.strip_prefix("holdfast_backend_quota_refusals_total{quota=\"orders\"} ")
    });
    assert_eq!(counted, Some("1"), "{text}");

    let mut socket = Socket::open(&backend, &format!("{path}/ws?channels=order")).await;
    let mut answer = json!({ "ok": true });
    let mut n = 0;
    while answer["ok"] == true {
        n += 1;
        let order = json!({ "type": "order.new", "n": n, "data": cheap(&symbol) });
        socket.say(order).await;
        answer = socket.until("answer", |_| {}).await;
    }
    assert_eq!(
        (&answer["n"], &answer["error"]["code"]),
        (&json!(n), &json!("quota_exceeded"))
    );
    assert_eq!(answer["error"]["retryable"], true);
}

#[tokio::test]
async fn what_is_switched_off_is_refused_and_not_named_among_the_features() {
    let backend = Running::start("features: { fork: false, batch: false }").await;
    let path = created(&backend).await;
    let fork = backend.ask(Request::post(&format!("{path}/fork"))).await;
    assert_eq!(fork.problem(), problem("feature_off", 403));
    let batch = json!({ "operations": [] });
    let batch = backend.post(&format!("{path}/orders/batch"), batch).await;
    assert_eq!(batch.problem(), problem("feature_off", 403));
    let features = backend.get("/health/websocket").await.json()["features"].to_string();
    assert!(
        features.contains("restart") && !features.contains("fork"),
        "{features}"
    );
}

#[tokio::test]
async fn a_user_has_only_so_many_sessions() {
    let backend = Running::start("limits: { sessions_per_subject: 1 }").await;
    let make = async |key: &str| {
        let request = Request::post("/api/v1/sessions").header(ANN.0, ANN.1);
        let request = request.header("idempotency-key", key).json(json!({}));
        backend.ask(request).await
    };
    let made = make("first").await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(make("first").await.status, 201, "the same, not another");
    assert_eq!(
        make("second").await.problem(),
        problem("quota_exceeded", 429)
    );
    let path = format!(
        "/api/v1/sessions/{}/fork",
        made.json()["id"].as_str().expect("an id")
    );
    let fork = by_ann(&backend, Method::POST, &path, None).await;
    assert_eq!(fork.problem(), problem("quota_exceeded", 429));
}

/// Of a market that has traded for a minute.
async fn candles_are_joined(backend: &Running, path: &str, symbol: &str) {
    let pause = format!("{path}/simulator/pause");
    assert_eq!(backend.post(&pause, json!({})).await.status, 200);
    let read = async |interval: &str| {
        let path = format!("{path}/candles/{symbol}?limit=1000&interval={interval}");
        let page = backend.get(&path).await.json();
        page["candles"].as_array().expect("a list").clone()
    };
    let (short, long) = (read("1s").await, read("10s").await);
    let trades = |candles: &[Value]| -> u64 {
        candles
            .iter()
            .map(|candle| candle["trades"].as_u64().expect("a number"))
            .sum()
    };
    assert_eq!(trades(&short), trades(&long), "{long:?}");
    assert!((2..short.len()).contains(&long.len()), "{long:?}");
    for candle in &long {
        assert_eq!(candle["interval"], 10_000);
        assert_eq!(
            candle["time"].as_u64().expect("a number") % 10_000,
            0,
            "{candle}"
        );
    }
    assert_eq!(long[0]["open"], short[0]["open"]);
    assert_eq!(
        long[long.len() - 1]["close"],
        short[short.len() - 1]["close"]
    );
    for wrong in ["1500ms", "0s", "25h", "often", ""] {
        let path = format!("{path}/candles/{symbol}?interval={wrong}");
        let refused = backend.get(&path).await;
        assert_eq!(refused.problem(), problem("bad_request", 400), "{wrong}");
    }
}
