//! Backends that are fronts of others, as processes: whatever becomes of a front or of what is
//! behind it, clients go on where they were.

use holdfast_proto::exchange::v1::exchange_client::ExchangeClient;
use holdfast_proto::exchange::v1::fronts_client::FrontsClient;
use holdfast_proto::exchange::v1::trade_request::Message as Asked;
use holdfast_proto::exchange::v1::trade_response::Message as Told;
use holdfast_proto::exchange::v1::{AskRequest, PlaceOrderRequest, Side, TradeOpen, TradeRequest};
use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::processes::Client;
use crate::support::client::{Answer, Request};
use crate::support::folder::Folder;
use crate::support::live::Events;
use crate::support::process::Process;
use crate::support::soon;

const STORE: &str = "store: { sqlite: { file: holdfast.sqlite } }\nledger: { off: true }";
/// A session may change hands at once.
const LINES: &str = "handoff: { hold: 0s, snapshots: 1s }\nshutdown: { deadline: 60s }";

async fn exchange(folder: &Folder, endpoint: &str) -> Process {
    Process::start(folder, endpoint, STORE, LINES).await
}

/// A front that has found its exchange.
async fn front(folder: &Folder, endpoint: &str, of: &Process) -> Process {
    let front = lonely_front(folder, endpoint, of).await;
    front.health("its exchange answers", is_well).await;
    front
}

/// A front that may have found nobody.
async fn lonely_front(folder: &Folder, endpoint: &str, of: &Process) -> Process {
    let address = format!("exchange: {{ address: 'http://{}' }}", of.address);
    Process::start(folder, endpoint, &address, "shutdown: { deadline: 60s }").await
}

fn is_well(health: &Value) -> bool {
    health["dependencies"]["exchange"]["status"] == "ok"
}

fn is_ill(health: &Value) -> bool {
    health["dependencies"]["exchange"]["status"] == "failing"
}

async fn put(at: &Process, path: &str, body: Value) -> Answer {
    at.ask(Request::post(path).json(body)).await
}

fn order(price: &str) -> Value {
    json!({ "symbol": "ACME", "side": "buy", "quantity": "1", "price": price })
}

/// What can be read below a session.
const BELOW: [&str; 23] = [
    "",
    "/orders",
    "/orders?status=open&symbol=ACME&side=buy&limit=1",
    "/fills",
    "/positions",
    "/balances",
    "/book/ACME?depth=3",
    "/trades/ACME",
    "/candles/ACME",
    "/candles/ACME?interval=5s",
    "/fingerprint",
    "/statistics/ACME",
    "/simulator",
    "/snapshot",
    "/presence",
    "/log",
    "/commands?client=key.1",
    "/resume",
    // and what is wrong is told alike
    "/book/NONE",
    "/candles/ACME?interval=7ms",
    "/orders/999",
    "/log?after=nothing.7",
    "/orders?cursor=x",
];

/// Each shows the same of a session whose market stands still, and refuses alike.
async fn alike(x: &Process, f: &Process, session: &str) {
    for below in BELOW {
        let below = format!("{session}{below}");
        let (there, here) = (x.get(&below).await, f.get(&below).await);
        assert_eq!(here.status, there.status, "{below}: {here:?}");
        let (mut there, mut here) = (there.json(), here.json());
        for shown in [&mut there, &mut here] {
            // both are told of another moment, or another request
            shown["active_ms"].take();
            shown["request_id"].take();
            shown["session"]["active_ms"].take();
        }
        assert_eq!(here, there, "{below}");
    }
}

#[tokio::test]
async fn a_front_answers_as_the_backend_does_that_runs_the_session() {
    let folder = Folder::new();
    let x = exchange(&folder, "x").await;
    let f = front(&folder, "f", &x).await;
    let health = f.get("/health").await.json();
    assert_eq!(health["dependencies"]["exchange"]["kind"], "remote");
    assert_eq!(health["dependencies"]["store"]["status"], "off");
    assert_eq!(health["status"], "ok", "{health}");

    let made = put(
        &f,
        "/api/v1/sessions",
        json!({ "labels": { "desk": "fx" } }),
    )
    .await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = made.header("location").expect("where it is").to_owned();
    assert_eq!(made.json()["endpoint"], "x", "it runs there");
    let orders = format!("{path}/orders");
    let keyed = |price| {
        Request::post(&orders)
            .header("idempotency-key", "1")
            .json(order(price))
    };
    let placed = f.ask(keyed("60.00")).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    let again = f.ask(keyed("60.00")).await;
    assert_eq!(again.json()["order_id"], placed.json()["order_id"]);
    assert_eq!(f.ask(keyed("61.00")).await.problem().1, "key_reused");
    let own = format!("{orders}/{}", placed.json()["order_id"]);
    let amend = Request::new(Method::PATCH, &own).json(json!({ "price": "59.00" }));
    assert_eq!(f.ask(amend).await.json()["price"], "59.00");
    let taker = json!({ "symbol": "ACME", "side": "buy", "type": "market", "quantity": "1" });
    assert_eq!(put(&f, &orders, taker).await.status, 201);
    let paused = put(&f, &format!("{path}/simulator/pause"), json!({})).await;
    assert_eq!(paused.json()["state"], "paused", "{paused:?}");

    alike(&x, &f, &path).await;
    let list = f.get("/api/v1/sessions?labels=desk=fx").await.json();
    assert_eq!(list["sessions"].as_array().map(Vec::len), Some(1), "{list}");
    let fork = put(&f, &format!("{path}/fork"), json!({})).await;
    assert_eq!(fork.status, 201, "{fork:?}");
    let bob = Request::get(&path).header("holdfast-subject", "bob");
    assert_eq!(f.ask(bob).await.problem().1, "forbidden");
    let ledger = f.get("/api/v1/ledger/orders").await;
    assert_eq!(ledger.status, x.get("/api/v1/ledger/orders").await.status);
    assert_eq!(f.ask(Request::delete(&path)).await.status, 204);
    assert_eq!(f.get(&path).await.problem().1, "session_ended");
}

/// Reads the numbers of all answers up to the last order's, each once and in order.
async fn all_answered(client: &mut Client, socket: &mut crate::support::live::Socket) -> Vec<u64> {
    let mut answered = Vec::new();
    while answered.last() != Some(&client.n) {
        let message = socket.next().await;
        let Some(id) = message["id"].as_str() else {
            continue;
        };
        assert_ne!(message["type"], "reset", "nothing was lost: {message}");
        assert_eq!(message["prev"], client.last.as_str(), "no gap: {message}");
        client.last = id.to_owned();
        if message["type"] == "answer" {
            assert_eq!(message["ok"], true, "{message}");
            answered.push(message["n"].as_u64().expect("a number"));
        }
    }
    answered
}

#[tokio::test]
async fn a_killed_fronts_clients_go_on_at_another_without_loss_or_repetition() {
    let folder = Folder::new();
    let x = exchange(&folder, "x").await;
    let mut f = front(&folder, "f", &x).await;
    let g = front(&folder, "g", &x).await;
    let mut client = Client::new(&f).await;
    let mut socket = client.dial(&f, "").await.expect("taken");
    client.trade(&mut socket).await;
    let events = format!("{}/events", client.path);
    let watching = |attempt, last: String| {
        let request = Request::get(&events).header("holdfast-attempt", attempt);
        let connection = "00000000000000000000000000000008";
        let request = request.header("holdfast-connection", connection);
        request
            .header("last-event-id", &last)
            .header("accept", "text/event-stream")
    };
    let mut stream = Events::open_at(f.address, watching("1", client.last.clone())).await;
    let mut seen = stream.until_log().await;
    for _ in 0..20 {
        let next = stream.until_log().await;
        assert_eq!(
            next.data.as_ref().expect("data")["prev"],
            seen.id.expect("an id")
        );
        seen = next;
    }

    // twenty on their way when the front dies: some were accepted, the rest are said again
    let orders: Vec<Value> = (0..20).map(|_| client.order()).collect();
    for order in &orders {
        socket.say(order.clone()).await;
    }
    f.kill();
    socket.closed().await;
    let mut socket = client.move_to(&g, "f").await;
    let accepted = socket.headers["holdfast-accepted"].to_str().expect("text");
    let accepted: usize = accepted.parse().expect("a count");
    assert!((1..=21).contains(&accepted), "of 21 messages: {accepted}");
    for order in &orders[accepted - 1..] {
        socket.say(order.clone()).await;
    }
    let answered = all_answered(&mut client, &mut socket).await;
    assert_eq!(
        answered,
        (2..=21).collect::<Vec<_>>(),
        "each once, in order"
    );
    assert_eq!(client.generation, 1, "the session stayed where it was");
    client.executed(&g).await;
    client.executed(&x).await;

    let last = seen.id.expect("an id");
    let request = watching("2", last.clone()).header("holdfast-moved-from", "f");
    let request = request.header("holdfast-generation", &client.served);
    let mut stream = Events::open_at(g.address, request).await;
    let next = stream.until_log().await;
    assert_eq!(
        next.data.expect("data")["prev"],
        last,
        "it goes on behind it"
    );
    let presence = g.get(&format!("{}/presence", client.path)).await.json();
    let there = presence["connections"].as_array().expect("a list");
    assert_eq!(
        there.len(),
        2,
        "those of the killed front are gone: {presence}"
    );
}

#[tokio::test]
async fn a_front_has_grpc_too_and_refuses_by_its_own_configuration() {
    let folder = Folder::new();
    let x = exchange(&folder, "x").await;
    let address = format!("exchange: {{ address: 'http://{}' }}", x.address);
    let lines = "features: { batch: false }\nlimits: { streams_per_subject: 1 }";
    let f = Process::start(&folder, "f", &address, lines).await;
    f.health("its exchange answers", is_well).await;
    let mut client = Client::new(&f).await;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", f.address));
    let channel = soon(endpoint.expect("an address").connect()).await;
    let mut exchange = ExchangeClient::new(channel.expect("it takes HTTP/2"));
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    let open = TradeOpen {
        session_id: client.id.clone(),
        client: "desk".into(),
        ..TradeOpen::default()
    };
    let place = PlaceOrderRequest {
        symbol: client.symbol.clone(),
        side: Side::Buy.into(),
        quantity: "1".into(),
        price: "60.00".into(),
        ..PlaceOrderRequest::default()
    };
    for (n, message) in [(0, Asked::Open(open)), (1, Asked::Place(place))] {
        let message = Some(message);
        let said = sender.send(TradeRequest { n, message }).await;
        said.expect("it is listened to");
    }
    let opened = soon(exchange.trade(ReceiverStream::new(receiver))).await;
    let mut stream = opened.expect("it opens").into_inner();
    let answer = loop {
        let told = soon(stream.message()).await.expect("it goes on");
        if let Some(Told::Answer(answer)) = told.and_then(|told| told.message) {
            break answer;
        }
    };
    assert!(answer.ok && answer.order_id > 0, "{answer:?}");

    let mut socket = client.dial(&f, "").await.expect("taken");
    let batch = json!({ "operations": [{ "type": "order.cancel", "data": { "order_id": 1 } }] });
    socket
        .say(json!({ "type": "order.batch", "n": 1, "data": batch }))
        .await;
    let refused = socket.until("answer", |_| {}).await;
    assert_eq!(refused["error"]["code"], "feature_off", "{refused}");
    assert_eq!(refused["n"], 1, "answered under its number");
    let there = x.get(&format!("{}/orders", client.path)).await.json();
    assert_eq!(there["orders"].as_array().map(Vec::len), Some(1), "{there}");
}

#[tokio::test]
async fn an_exchange_that_is_killed_and_comes_back_lets_connections_go_on() {
    let folder = Folder::new();
    let mut x = exchange(&folder, "x").await;
    let f = front(&folder, "f", &x).await;
    let mut client = Client::new(&f).await;
    let mut socket = client.dial(&f, "").await.expect("taken");
    client.trade(&mut socket).await;
    x.kill();
    let close = socket.closed().await;
    assert_eq!(
        close.map(|close| close.0),
        Some(1012),
        "the edge takes it elsewhere"
    );
    f.health("nobody answers", is_ill).await;
    let readiness = f.get("/health/ready").await;
    assert_eq!(readiness.status, 200);
    assert_eq!(readiness.json()["state"], "degraded");
    assert_eq!(f.get("/health").await.json()["status"], "degraded");
    let refused = f.get(&client.path).await;
    assert_eq!(refused.problem(), (503, "unavailable".to_owned()));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(client.dial(&f, "").await.err(), Some(503), "not now");

    x.start_again().await;
    let mut socket = client.move_to(&f, "").await;
    assert_eq!(client.generation, 2, "claimed by the new process");
    client.trade(&mut socket).await;
    client.executed(&f).await;
    f.health("its exchange answers again", is_well).await;
}

#[tokio::test]
async fn a_front_follows_to_the_owner_and_names_one_that_is_gone() {
    let folder = Folder::new();
    let a = exchange(&folder, "a").await;
    let mut b = exchange(&folder, "b").await;
    let f = front(&folder, "f", &a).await;
    let mut client = Client::new(&b).await;
    // a front's name says nothing about owners
    let mut socket = client.dial(&f, "a, b, g").await.expect("taken");
    client.trade(&mut socket).await;
    assert_eq!(client.generation, 1);
    let session = f.get(&client.path).await.json();
    assert_eq!(session["endpoint"], "b", "{session}");
    b.kill();
    assert_eq!(socket.closed().await.map(|close| close.0), Some(1012));
    let mut socket = client.move_to(&f, "").await;
    assert_eq!(client.generation, 2);
    client.trade(&mut socket).await;
    let session = f.get(&client.path).await.json();
    assert_eq!(session["endpoint"], "a", "taken over: {session}");
    client.executed(&f).await;
}

#[tokio::test]
async fn an_owner_that_stands_still_is_not_waited_for() {
    let folder = Folder::new();
    let a = exchange(&folder, "a").await;
    let b = exchange(&folder, "b").await;
    let f = front(&folder, "f", &a).await;
    let mut client = Client::new(&b).await;
    let mut socket = client.dial(&f, "").await.expect("taken");
    client.trade(&mut socket).await;
    b.stop().await;
    let mut moved = client.move_to(&f, "").await;
    assert_eq!(client.generation, 2);
    client.trade(&mut moved).await;
    b.signal(Signal::CONT);
    client.trade(&mut moved).await;
    client.executed(&f).await;
    assert_eq!(f.get(&client.path).await.json()["endpoint"], "a");
}

#[tokio::test]
async fn a_front_that_is_told_to_leave_waits_for_its_connections() {
    let folder = Folder::new();
    let x = exchange(&folder, "x").await;
    let mut f = front(&folder, "f", &x).await;
    let g = front(&folder, "g", &x).await;
    let mut client = Client::new(&f).await;
    let mut socket = client.dial(&f, "").await.expect("taken");
    f.health("one is connected", |health| {
        (&health["connections"], &health["sessions"]) == (&json!(1), &json!(1))
    })
    .await;
    f.signal(Signal::TERM);
    f.health("draining", |health| health["state"] == "draining")
        .await;
    client.trade(&mut socket).await;
    let mut moved = client.move_to(&g, "f").await;
    let close = socket.closed().await;
    assert_eq!(
        close.map(|close| close.0),
        Some(4009),
        "a later leg took its place"
    );
    client.trade(&mut moved).await;
    // long before its deadline
    f.ended().await;
    client.executed(&x).await;
}

#[tokio::test]
async fn an_exchange_that_leaves_gives_the_sessions_of_fronts_to_another() {
    let folder = Folder::new();
    let a = exchange(&folder, "a").await;
    let mut b = exchange(&folder, "b").await;
    let f = front(&folder, "f", &a).await;
    let mut client = Client::new(&b).await;
    let mut socket = client.dial(&f, "").await.expect("taken");
    client.trade(&mut socket).await;
    b.signal(Signal::TERM);
    let close = socket.closed().await;
    assert_eq!(
        close.map(|close| close.0),
        Some(1012),
        "it goes on elsewhere"
    );
    let mut moved = client.move_to(&f, "").await;
    client.trade(&mut moved).await;
    // long before its deadline
    b.ended().await;
    client.trade(&mut moved).await;
    client.executed(&f).await;
    assert_eq!(f.get(&client.path).await.json()["endpoint"], "a");
}

#[tokio::test]
async fn only_who_knows_the_key_is_a_front_and_never_of_another_front() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("key"), "5a".repeat(32)).expect("the key is written");
    std::fs::write(folder.path().join("other"), "6b".repeat(32)).expect("the key is written");
    let with = |key| format!("{LINES}\ncluster_key: {{ file: {key} }}");
    let x = Process::start(&folder, "x", STORE, &with("key")).await;
    let address = format!("exchange: {{ address: 'http://{}' }}", x.address);
    let good = Process::start(&folder, "good", &address, &with("key")).await;
    good.health("its exchange answers", is_well).await;
    let wrong = Process::start(&folder, "wrong", &address, &with("other")).await;
    let detail = |health: &Value| {
        let detail = health["dependencies"]["exchange"]["detail"].as_str();
        detail.unwrap_or_default().to_owned()
    };
    let told = |health: &Value| detail(health).contains("cluster's key");
    wrong.health("it is told that its key is wrong", told).await;
    let made = put(&wrong, "/api/v1/sessions", json!({})).await;
    assert_eq!(made.problem(), (503, "unavailable".to_owned()));

    let of_front = format!("exchange: {{ address: 'http://{}' }}", good.address);
    let second = Process::start(&folder, "second", &of_front, &with("key")).await;
    let told = |health: &Value| detail(health).contains("is a front itself");
    second
        .health("it is told that this is no exchange", told)
        .await;

    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", x.address));
    let channel = soon(channel.expect("an address").connect()).await;
    let request = AskRequest {
        question_json: r#"{"endpoint":{}}"#.into(),
    };
    let mut stranger = FrontsClient::new(channel.expect("it takes HTTP/2"));
    let refused = soon(stranger.ask(request.clone()))
        .await
        .expect_err("a stranger");
    assert_eq!(refused.code(), Code::PermissionDenied);
    for (through_a_proxy, believed) in [(false, true), (true, false)] {
        let mut request = tonic::Request::new(request.clone());
        let fields = request.metadata_mut();
        fields.insert(
            "holdfast-cluster-key",
            "5a".repeat(32).parse().expect("a key"),
        );
        if through_a_proxy {
            fields.insert("x-forwarded-for", "127.0.0.1".parse().expect("an address"));
        }
        let asked = soon(stranger.ask(request)).await;
        assert_eq!(
            asked.is_ok(),
            believed,
            "through a proxy: {through_a_proxy}"
        );
    }
}
