//! Sessions by REST.

use http::Method;
use serde_json::{Value, json};

use crate::support::Running;
use crate::support::client::{Answer, Request};

/// Makes a session and says where it is.
pub(crate) async fn created(backend: &Running) -> String {
    let answer = backend.post("/api/v1/sessions", json!({ "seed": 7 })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let path = answer.header("location").expect("where it is").to_owned();
    assert_eq!(
        path,
        format!(
            "/api/v1/sessions/{}",
            answer.json()["id"].as_str().expect("an id")
        )
    );
    path
}

/// The first symbol of a session.
pub(crate) async fn symbol(backend: &Running, session: &str) -> String {
    let session = backend.get(session).await.json();
    session["symbols"][0]["symbol"]
        .as_str()
        .expect("a symbol")
        .to_owned()
}

pub(crate) fn problem(code: &str, status: u16) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_session_is_made_read_listed_and_ended() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let session = backend.get(&path).await.json();
    assert_eq!(session["endpoint"], "a");
    assert_eq!(session["seed"], 7);
    assert_eq!(session["state"], "running");
    assert!(!session["symbols"].as_array().expect("symbols").is_empty());
    let list = backend.get("/api/v1/sessions").await.json();
    assert_eq!(list["sessions"][0]["id"], session["id"]);
    assert_eq!(backend.get("/health/ready").await.json()["sessions"], 1);

    assert_eq!(backend.ask(Request::delete(&path)).await.status, 204);
    assert_eq!(
        backend.get(&path).await.problem(),
        problem("session_ended", 410)
    );
    let list = backend.get("/api/v1/sessions").await.json();
    assert_eq!(list["sessions"], json!([]));
}

#[tokio::test]
async fn a_session_that_is_not_there_is_told_so() {
    let backend = Running::start("").await;
    let unknown = format!("/api/v1/sessions/{}", "0".repeat(32));
    for path in [unknown.as_str(), "/api/v1/sessions/nonsense"] {
        assert_eq!(
            backend.get(path).await.problem(),
            problem("session_not_found", 404)
        );
    }
}

#[tokio::test]
async fn nobody_reaches_the_session_of_another() {
    let backend = Running::start("").await;
    let of = |subject: &'static str, method: Method, path: &str| {
        let path = path.to_owned();
        let backend = &backend;
        async move {
            let request = Request::new(method, &path).header("holdfast-subject", subject);
            backend.ask(request).await
        }
    };
    let made = of("ann", Method::POST, "/api/v1/sessions").await.json();
    let path = format!("/api/v1/sessions/{}", made["id"].as_str().expect("an id"));
    assert_eq!(of("ann", Method::GET, &path).await.status, 200);
    for beneath in [
        "",
        "/orders",
        "/positions",
        "/log",
        "/snapshot",
        "/events",
        "/resume",
    ] {
        let path = format!("{path}{beneath}");
        let stranger = of("bob", Method::GET, &path).await;
        assert_eq!(stranger.problem(), problem("forbidden", 403), "{path}");
        let anonymous = backend.get(&path).await;
        assert_eq!(anonymous.problem(), problem("forbidden", 403), "{path}");
    }
    assert_eq!(
        of("bob", Method::DELETE, &path).await.problem(),
        problem("forbidden", 403)
    );
    let list = of("bob", Method::GET, "/api/v1/sessions").await.json();
    assert_eq!(list["sessions"], json!([]));
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_no_more() {
    let backend = Running::start("limits: { sessions_per_subject: 1 }").await;
    let make = async || {
        let request = Request::post("/api/v1/sessions").header("holdfast-subject", "ann");
        backend.ask(request).await
    };
    let first = make().await;
    assert_eq!(first.status, 201, "{first:?}");
    let second = make().await;
    assert_eq!(second.problem(), problem("quota_exceeded", 429));
    assert_eq!(second.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn an_order_rests_is_listed_amended_and_taken_back() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let orders = format!("{path}/orders");
    let order = cheap(&symbol);
    let placed = backend.post(&orders, order).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    let placed = placed.json();
    assert_eq!(placed["status"], "open", "{placed}");
    assert_eq!(placed["quantity"], "2");
    let own = format!("{orders}/{}", placed["order_id"]);
    assert_eq!(backend.get(&own).await.json()["status"], "open");
    let open = backend.get(&format!("{orders}?status=open")).await.json();
    assert_eq!(open["orders"][0]["order_id"], placed["order_id"]);

    let amend = Request::new(Method::PATCH, &own).json(json!({ "quantity": "1" }));
    assert_eq!(backend.ask(amend).await.json()["quantity"], "1");
    let cancelled = backend.ask(Request::delete(&own)).await;
    assert_eq!(cancelled.json()["status"], "cancelled", "{cancelled:?}");
    let open = backend.get(&format!("{orders}?status=open")).await.json();
    assert_eq!(open, json!({ "orders": [], "next": null }));
    let all = backend.get(&orders).await.json();
    assert_eq!(
        all["orders"][0]["status"], "cancelled",
        "finished ones are listed, too"
    );
}

#[tokio::test]
async fn a_market_order_fills_and_moves_the_position() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let order = json!({ "symbol": symbol, "side": "buy", "type": "market", "quantity": "1" });
    let placed = backend.post(&format!("{path}/orders"), order).await.json();
    assert_eq!(placed["status"], "filled", "{placed}");
    let positions = backend.get(&format!("{path}/positions")).await.json();
    assert_eq!(positions["positions"][0]["quantity"], "1", "{positions}");
    let fills = backend.get(&format!("{path}/fills")).await.json();
    assert_eq!(fills["fills"][0]["order_id"], placed["order_id"], "{fills}");
    let book = backend
        .get(&format!("{path}/book/{symbol}?depth=3"))
        .await
        .json();
    assert_eq!(book["bids"].as_array().map(Vec::len), Some(3), "{book}");
    let trades = backend.get(&format!("{path}/trades/{symbol}")).await.json();
    assert!(
        trades["trades"]
            .as_array()
            .is_some_and(|trades| !trades.is_empty())
    );
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused_with_a_sentence() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let orders = format!("{path}/orders");
    let refused = async |order: Value| backend.post(&orders, order).await;

    let unknown = refused(json!({ "symbol": "NOPE", "side": "buy", "quantity": "1" })).await;
    assert_eq!(unknown.problem(), problem("unknown_symbol", 404));
    let between = json!({ "symbol": symbol, "side": "buy", "quantity": "1", "price": "1.00001" });
    assert_eq!(
        refused(between).await.problem(),
        problem("invalid_price", 422)
    );
    let misspelt = refused(json!({ "symbol": symbol, "side": "buy", "quantty": "1" })).await;
    assert_eq!(misspelt.problem(), problem("invalid_argument", 422));
    let nowhere = backend
        .ask(Request::delete(&format!("{orders}/999999")))
        .await;
    assert_eq!(nowhere.problem(), problem("unknown_order", 404));
    let no_number = backend
        .ask(Request::delete(&format!("{orders}/first")))
        .await;
    assert_eq!(no_number.problem(), problem("not_found", 404));
    let many = backend.get(&format!("{orders}?limit=501")).await;
    assert_eq!(many.problem(), problem("bad_request", 400));
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_and_does_nothing_again() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let orders = format!("{path}/orders");
    let place = async |key: &str| -> Answer {
        let request = Request::post(&orders).header("idempotency-key", key);
        backend.ask(request.json(cheap(&symbol))).await
    };
    let first = place("once").await.json();
    let again = place("once").await.json();
    assert_eq!(first["order_id"], again["order_id"]);
    let other = place("twice").await.json();
    assert_ne!(first["order_id"], other["order_id"]);
    let listed = backend.get(&orders).await.json();
    assert_eq!(
        listed["orders"].as_array().map(Vec::len),
        Some(2),
        "{listed}"
    );
    assert_eq!(place("no key").await.problem(), problem("bad_request", 400));
}

#[tokio::test]
async fn the_simulator_is_paused_resumed_and_sped_up() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let post = async |action: &str, body: Option<Value>| {
        let path = format!("{path}/simulator/{action}");
        let request = Request::post(&path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        backend.ask(request).await
    };
    assert_eq!(post("pause", None).await.json()["state"], "paused");
    assert_eq!(
        backend.get(&format!("{path}/simulator")).await.json()["state"],
        "paused"
    );
    assert_eq!(
        post("resume", Some(json!({}))).await.json()["state"],
        "running"
    );
    assert_eq!(
        post("speed", Some(json!({ "speed": 10 }))).await.json()["speed"],
        10.0
    );
    assert_eq!(post("stop", None).await.json()["state"], "stopped");
    assert_eq!(post("start", None).await.json()["state"], "running");
    assert_eq!(
        post("dance", None).await.problem(),
        problem("not_found", 404)
    );
    assert_eq!(
        post("speed", None).await.problem(),
        problem("unsupported_media_type", 415)
    );
    let far = post("speed", Some(json!({ "speed": 1e9 }))).await;
    assert_eq!(far.problem(), problem("invalid_control", 422));
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_how_to_go_on() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let resume = backend
        .get(&format!("{path}/resume?client=tab-1"))
        .await
        .json();
    assert_eq!(resume["n"], 0, "{resume}");
    assert_eq!(resume["websocket"], format!("{path}/ws"));
    assert_eq!(resume["events"], format!("{path}/events"));
    let id = resume["last_event_id"].as_str().expect("an id");
    let epoch = resume["session"]["epoch"].as_str().expect("an epoch");
    assert!(id.starts_with(&format!("{epoch}.")), "{id}");
}

/// A buy far below the market: it rests.
pub(crate) fn cheap(symbol: &str) -> Value {
    json!({ "symbol": symbol, "side": "buy", "type": "limit", "quantity": "2", "price": "95" })
}
