//! Backends as processes on one Redis server, and the test in the place of the edge. Whatever is
//! done to an owner, within seconds there is one, and it is the only one that commits.

use http::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::grpc::release;
use crate::support::client::{self, Request};
use crate::support::folder::Folder;
use crate::support::live::Socket;
use crate::support::process::Process;
use crate::support::redis::{Redis, Wire};
use crate::support::soon;

/// A session may change hands at once.
const LINES: &str = "handoff: { hold: 0s, snapshots: 1s }\nshutdown: { deadline: 60s }";

/// A session with a connection to it, as an edge holds one for a client.
pub(crate) struct Client {
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) symbol: String,
    pub(crate) attempt: u32,
    pub(crate) generation: u64,
    /// The whole of what the last leg said of it.
    pub(crate) served: String,
    pub(crate) last: String,
    pub(crate) n: u64,
}

impl Client {
    /// Makes a session at `owner`.
    pub(crate) async fn new(owner: &Process) -> Self {
        let made = owner.ask(Request::post("/api/v1/sessions").json(json!({})));
        let session = made.await.json();
        let id = session["id"].as_str().expect("an id").to_owned();
        Self {
            path: format!("/api/v1/sessions/{id}"),
            id,
            symbol: session["symbols"][0]["symbol"]
                .as_str()
                .expect("one")
                .into(),
            attempt: 0,
            generation: 0,
            served: String::new(),
            last: String::new(),
            n: 0,
        }
    }

    /// Dials its next leg; `Err` is what it was told instead.
    pub(crate) async fn dial(&mut self, at: &Process, moved_from: &str) -> Result<Socket, u16> {
        self.attempt += 1;
        let (attempt, served) = (self.attempt.to_string(), self.served.clone());
        let mut headers = vec![
            ("holdfast-connection", "00000000000000000000000000000007"),
            ("holdfast-attempt", &attempt),
        ];
        if self.generation > 0 {
            headers.push(("holdfast-generation", &served));
            headers.push(("last-event-id", &self.last));
        }
        if !moved_from.is_empty() {
            headers.push(("holdfast-moved-from", moved_from));
        }
        let path = format!("{}/ws?client=tab", self.path);
        let socket = Socket::dial_at(at.address, &path, &headers).await;
        let socket = socket.map_err(|answer| answer.status.as_u16())?;
        let generation = &socket.headers["holdfast-generation"];
        self.served = generation.to_str().expect("text").to_owned();
        let number = self.served.split('.').next().expect("a number");
        let generation: u64 = number.parse().expect("a number before the claim");
        assert!(generation >= self.generation, "generations only grow");
        self.generation = generation;
        Ok(socket)
    }

    /// Dials until it is taken.
    pub(crate) async fn move_to(&mut self, at: &Process, moved_from: &str) -> Socket {
        let dialled = async {
            loop {
                match self.dial(at, moved_from).await {
                    Ok(socket) => return socket,
                    Err(421 | 503) => tokio::task::yield_now().await,
                    Err(status) => panic!("refused with {status}"),
                }
            }
        };
        soon(dialled).await
    }

    pub(crate) fn order(&mut self) -> Value {
        self.n += 1;
        let data = json!({
            "symbol": self.symbol, "side": "buy", "type": "limit",
            "quantity": "1", "price": "60.00", "time_in_force": "gtc",
        });
        json!({ "type": "order.new", "n": self.n, "data": data })
    }

    /// Reads up to the answer to its last order; each message follows on the one before.
    pub(crate) async fn answered(&mut self, socket: &mut Socket) {
        loop {
            let message = socket.next().await;
            let Some(id) = message["id"].as_str() else {
                continue;
            };
            assert_ne!(message["type"], "reset", "nothing was lost: {message}");
            if !self.last.is_empty() {
                assert_eq!(message["prev"], self.last.as_str(), "no gap: {message}");
            }
            self.last = id.to_owned();
            if message["type"] == "answer" {
                assert_eq!(message["n"], self.n, "{message}");
                assert_eq!(message["ok"], true, "{message}");
                return;
            }
        }
    }

    /// Places an order and waits for its answer.
    pub(crate) async fn trade(&mut self, socket: &mut Socket) {
        let order = self.order();
        socket.say(order).await;
        self.answered(socket).await;
    }

    /// `owner` has executed each of its orders once, and nothing besides.
    pub(crate) async fn executed(&self, owner: &Process) {
        let path = format!("{}/commands?client=tab", self.path);
        let commands = owner.get(&path).await.json();
        let numbers: Vec<u64> = commands["commands"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|command| command["n"].as_u64().expect("a number"))
            .collect();
        let all: Vec<u64> = (1..=self.n).collect();
        assert_eq!(numbers, all);
        let orders = owner.get(&format!("{}/orders", self.path)).await.json();
        let orders = orders["orders"].as_array().expect("a list").len();
        assert_eq!(orders as u64, self.n);
    }
}

fn sessions(count: u64) -> impl Fn(&Value) -> bool {
    move |health| health["sessions"] == count
}

#[tokio::test]
async fn a_stopped_owner_whose_session_went_on_elsewhere_commits_nothing_when_it_goes_on() {
    let folder = Folder::new();
    let redis = Redis::start(&folder).await;
    let a = Process::start(&folder, "a", &redis.store(), LINES).await;
    let b = Process::start(&folder, "b", &redis.store(), LINES).await;
    let mut client = Client::new(&a).await;
    let mut old = client.dial(&a, "").await.expect("taken");
    client.trade(&mut old).await;

    a.stop().await;
    // said to an owner that sleeps: by a client on its old leg, and by one that knows no edge
    let late = json!({ "type": "order.new", "n": 2, "data": {
        "symbol": client.symbol, "side": "sell", "type": "market", "quantity": "5" } });
    old.say(late).await;
    let path = format!("{}/orders", client.path);
    let order =
        json!({ "symbol": client.symbol, "side": "sell", "type": "market", "quantity": "7" });
    let asked = client::ask(a.address, Request::post(&path).json(order));
    let read = format!("{}/book/{}", client.path, client.symbol);
    let read = client::ask(a.address, Request::get(&read));
    let (answer, read, ()) = tokio::join!(asked, read, async {
        let mut new = client.move_to(&b, "a").await;
        assert_eq!(client.generation, 2);
        client.trade(&mut new).await;
        a.signal(Signal::CONT);
        client.trade(&mut new).await;
    });
    assert!(
        matches!(answer.status.as_u16(), 421 | 503),
        "not processed: {answer:?}"
    );
    assert!(
        matches!(read.status.as_u16(), 421 | 503),
        "not from a market that is not the session's any more: {read:?}"
    );
    old.closed().await;
    a.health("it runs nothing", sessions(0)).await;
    client.executed(&b).await;
    assert_eq!(
        a.get(&client.path).await.header("holdfast-owner"),
        Some("b")
    );
    let generations = redis.generations(&client.id).await;
    assert!(generations.is_sorted(), "one committer: {generations:?}");
    let second = generations.iter().filter(|generation| **generation == 2);
    assert_eq!(second.count(), 2, "{generations:?}");
}

#[tokio::test]
async fn a_backend_that_is_restarted_under_its_id_goes_on_with_its_sessions() {
    let folder = Folder::new();
    let redis = Redis::start(&folder).await;
    let mut a = Process::start(&folder, "a", &redis.store(), LINES).await;
    let b = Process::start(&folder, "b", &redis.store(), LINES).await;
    let mut client = Client::new(&a).await;
    let mut socket = client.dial(&a, "").await.expect("taken");
    client.trade(&mut socket).await;
    a.kill();
    a.start_again().await;
    assert_eq!(client.dial(&b, "").await.err(), Some(421), "nobody else's");
    let mut socket = client.move_to(&a, "").await;
    assert_eq!(client.generation, 2);
    client.trade(&mut socket).await;
    client.executed(&a).await;
    b.health("it runs nothing", sessions(0)).await;
}

#[tokio::test]
async fn a_releaser_whose_asker_dies_serves_again() {
    let folder = Folder::new();
    let redis = Redis::start(&folder).await;
    let a = Process::start(&folder, "a", &redis.store(), LINES).await;
    let mut client = Client::new(&a).await;
    let mut socket = client.dial(&a, "").await.expect("taken");
    client.trade(&mut socket).await;
    // b is told that it may have it, and is never heard of again
    release(a.address, &client.id, "b").await;
    assert_eq!(socket.closed().await.map(|close| close.0), Some(1012));
    let served = async {
        loop {
            let answer = a.get(&client.path).await;
            if answer.status == StatusCode::OK {
                return answer.json();
            }
            assert_eq!(answer.status, 503, "it waits for b: {answer:?}");
            assert!(answer.header("retry-after").is_some());
        }
    };
    let session = soon(served).await;
    assert_eq!(session["generation"], 2, "claimed back: {session}");
    let mut socket = client.move_to(&a, "").await;
    client.trade(&mut socket).await;
    client.executed(&a).await;
}

#[tokio::test]
async fn an_owner_cut_off_from_the_store_but_not_from_its_clients_lets_them_go() {
    let folder = Folder::new();
    let redis = Redis::start(&folder).await;
    let wire = Wire::to(&redis).await;
    let a = Process::start(&folder, "a", &wire.store(), LINES).await;
    let b = Process::start(&folder, "b", &redis.store(), LINES).await;
    let mut client = Client::new(&a).await;
    let mut socket = client.dial(&a, "").await.expect("taken");
    client.trade(&mut socket).await;
    wire.cut();
    let order = client.order();
    socket.say(order.clone()).await;
    let mut moved = client.move_to(&b, "a").await;
    assert_eq!(client.generation, 2);
    assert_eq!(socket.closed().await.map(|close| close.0), Some(1012));
    if moved.headers["holdfast-accepted"] == "1" {
        // an edge says again what was not accepted
        moved.say(order).await;
    }
    client.answered(&mut moved).await;
    client.trade(&mut moved).await;
    a.health("degraded", |health| health["status"] == "degraded")
        .await;
    let readiness = a.get("/health/ready").await.json();
    assert_eq!(readiness["state"], "degraded");
    wire.mend();
    a.health("well again", |health| health["status"] == "ok")
        .await;
    a.health("it runs nothing", sessions(0)).await;
    let elsewhere = a.get(&client.path).await;
    assert_eq!(elsewhere.header("holdfast-owner"), Some("b"));
    client.executed(&b).await;
    assert!(redis.generations(&client.id).await.is_sorted());
}

#[tokio::test]
async fn a_backend_that_is_told_to_leave_serves_until_its_sessions_were_pulled() {
    let folder = Folder::new();
    let redis = Redis::start(&folder).await;
    let mut a = Process::start(&folder, "a", &redis.store(), LINES).await;
    let b = Process::start(&folder, "b", &redis.store(), LINES).await;
    let (mut one, mut other) = (Client::new(&a).await, Client::new(&a).await);
    let mut first = one.dial(&a, "").await.expect("taken");
    let mut second = other.dial(&a, "").await.expect("taken");
    a.signal(Signal::TERM);
    a.health("draining", |health| health["state"] == "draining")
        .await;
    one.trade(&mut first).await;
    other.trade(&mut second).await;
    let mut moved = one.move_to(&b, "a").await;
    assert_eq!(first.closed().await.map(|close| close.0), Some(1012));
    one.trade(&mut moved).await;
    other.trade(&mut second).await;
    let mut moved = other.move_to(&b, "a").await;
    other.trade(&mut moved).await;
    // long before its deadline
    a.ended().await;
    for client in [&one, &other] {
        client.executed(&b).await;
    }
}

#[tokio::test]
async fn what_nobody_pulled_by_the_deadline_is_written_for_whoever_comes() {
    let folder = Folder::new();
    let redis = Redis::start(&folder).await;
    let hasty = "shutdown: { deadline: 1s }";
    let mut a = Process::start(&folder, "a", &redis.store(), hasty).await;
    let b = Process::start(&folder, "b", &redis.store(), LINES).await;
    let mut client = Client::new(&a).await;
    let mut socket = client.dial(&a, "").await.expect("taken");
    client.trade(&mut socket).await;
    a.signal(Signal::TERM);
    assert_eq!(socket.closed().await.map(|close| close.0), Some(1012));
    a.ended().await;
    // nobody needs to be named: the record says that it was laid down
    let mut moved = client.move_to(&b, "").await;
    client.trade(&mut moved).await;
    client.executed(&b).await;
}

/// Tells a session's market what to do.
async fn control(at: &Process, path: &str, what: &str, data: Value) {
    let path = format!("{path}/simulator/{what}");
    let answer = at.ask(Request::post(&path).json(data)).await;
    assert_eq!(answer.status, 200, "{what}: {answer:?}");
}

/// Lets the market run on by a minute and a while, with an order in between, then holds it still
/// and says what it has come to.
async fn run_on(at: &Process, client: &mut Client, socket: &mut Socket) -> Value {
    control(at, &client.path, "start", json!({})).await;
    control(at, &client.path, "jump", json!({ "by": "1m" })).await;
    client.trade(socket).await;
    control(at, &client.path, "pause", json!({})).await;
    fingerprint(at, client).await
}

async fn fingerprint(at: &Process, client: &Client) -> Value {
    let answer = at.get(&format!("{}/fingerprint", client.path)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// What is compared: not the generation, which every new owner raises.
fn state(fingerprint: &Value) -> [&Value; 4] {
    ["fingerprint", "time", "epoch", "seq"].map(|field| &fingerprint[field])
}

#[tokio::test]
async fn every_owner_comes_to_the_same_state() {
    let folder = Folder::new();
    let redis = Redis::start(&folder).await;
    // no snapshot but the first of each owner: a revival replays all that has happened since
    let lines = "handoff: { hold: 0s, snapshots: 1h }\nshutdown: { deadline: 60s }";
    let a = Process::start(&folder, "a", &redis.store(), lines).await;
    let mut b = Process::start(&folder, "b", &redis.store(), lines).await;
    let mut client = Client::new(&a).await;
    let mut socket = client.dial(&a, "").await.expect("taken");
    client.trade(&mut socket).await;
    let first = run_on(&a, &mut client, &mut socket).await;

    let mut socket = client.move_to(&b, "a").await;
    let handed = fingerprint(&b, &client).await;
    assert_eq!(state(&handed), state(&first), "carried over");
    assert_eq!(handed["generation"], 2);

    let second = run_on(&b, &mut client, &mut socket).await;
    assert_ne!(
        second["fingerprint"], first["fingerprint"],
        "it has gone on"
    );
    b.kill();
    let mut socket = client.move_to(&a, "b").await;
    let revived = fingerprint(&a, &client).await;
    assert_eq!(state(&revived), state(&second), "replayed");
    assert_eq!(revived["generation"], 3);
    client.trade(&mut socket).await;
    let traded = fingerprint(&a, &client).await;
    assert_ne!(
        traded["fingerprint"], revived["fingerprint"],
        "an order counts"
    );
}
