//! A user who remembers what the session has said, and the ledger read as an operator reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::time::interval;

use crate::support::client::Request;
use crate::support::live::Socket;
use crate::support::postgres::Postgres;
use crate::support::process::Process;
use crate::support::soon;

/// A user with a session, who remembers what it has said of orders and fills.
pub(super) struct Trader {
    pub(super) path: String,
    pub(super) id: String,
    symbol: String,
    pub(super) moved_from: &'static str,
    after: String,
    /// Orders and fills of the output log, by number.
    said: BTreeMap<u64, (String, Value)>,
    pub(super) commands: u64,
    rests: Vec<u64>,
}

impl Trader {
    pub(super) async fn new(at: &Process) -> Self {
        let made = at.ask(Request::post("/api/v1/sessions").json(json!({ "seed": 7 })));
        let session = made.await.json();
        let id = session["id"].as_str().expect("an id").to_owned();
        Self {
            path: format!("/api/v1/sessions/{id}"),
            id,
            symbol: session["symbols"][0]["symbol"]
                .as_str()
                .expect("one")
                .into(),
            moved_from: "",
            after: String::new(),
            said: BTreeMap::new(),
            commands: 0,
            rests: Vec::new(),
        }
    }

    /// Asks until the session is here: it may be changing hands.
    pub(super) async fn ask(&self, at: &Process, request: impl Fn() -> Request<'static>) -> Value {
        let asked = async {
            let mut ticks = interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                let answer = at.ask(request().header("holdfast-moved-from", self.moved_from));
                let answer = answer.await;
                match answer.status {
                    StatusCode::SERVICE_UNAVAILABLE | StatusCode::MISDIRECTED_REQUEST => {}
                    status if status.is_success() => return answer,
                    _ => panic!("{answer:?}"),
                }
            }
        };
        let answer = soon(asked).await;
        if answer.body.is_empty() {
            return Value::Null;
        }
        answer.json()
    }

    /// A few orders of each kind; each is answered as always.
    pub(super) async fn trade(&mut self, at: &Process, rounds: usize) {
        let orders: &'static str = format!("{}/orders", self.path).leak();
        let symbol = self.symbol.clone();
        for round in 0..rounds {
            let side = if round % 2 == 0 { "buy" } else { "sell" };
            let taken = json!({ "symbol": symbol, "side": side, "type": "market",
                "quantity": "1" });
            let rests = json!({ "symbol": symbol, "side": "buy", "type": "limit",
                "quantity": "1", "price": "60.00" });
            let refused = json!({ "symbol": "NOPE", "side": "buy", "quantity": "1" });
            self.ask(at, || Request::post(orders).json(taken.clone()))
                .await;
            let order = self
                .ask(at, || Request::post(orders).json(rests.clone()))
                .await;
            self.rests
                .push(order["order_id"].as_u64().expect("an order"));
            let answer = at.ask(Request::post(orders).json(refused)).await;
            assert!(answer.status.is_client_error(), "{answer:?}");
            self.commands += 3;
            if let Some(order) = self.rests.pop() {
                let order: &'static str = format!("{orders}/{order}").leak();
                let cancel = || Request::new(http::Method::DELETE, order);
                self.ask(at, cancel).await;
                self.commands += 1;
            }
            self.follow(at).await;
        }
    }

    /// Holds the market still: from here on nothing happens by itself.
    pub(super) async fn pause(&mut self, at: &Process) {
        let pause: &'static str = format!("{}/simulator/pause", self.path).leak();
        self.ask(at, || Request::post(pause).json(json!({}))).await;
        self.commands += 1;
        self.follow(at).await;
    }

    /// Reads the output log to its end.
    async fn follow(&mut self, at: &Process) {
        self.recall(at).await;
        loop {
            let path: &'static str = format!("{}/log?after={}", self.path, self.after).leak();
            let page = self.ask(at, || Request::get(path)).await;
            for entry in page["entries"].as_array().expect("entries") {
                let id = entry["id"].as_str().expect("an id");
                let kind = entry["type"].as_str().expect("a type").to_owned();
                let seq = id.split_once('.').expect("epoch and number").1;
                if matches!(kind.as_str(), "order" | "fill") {
                    let seq = seq.parse().expect("a number");
                    self.said.insert(seq, (kind, entry["data"].clone()));
                }
                self.after = id.to_owned();
            }
            match page["next"].as_str() {
                Some(next) => self.after = next.to_owned(),
                None => return,
            }
        }
    }

    /// A new owner makes entries from before its snapshot again when a connection comes back to
    /// them; whoever only reads does not get them.
    async fn recall(&self, at: &Process) {
        let (path, after) = (&self.path, &self.after);
        let log = format!("{path}/log?after={after}");
        let answer = at.ask(Request::get(&log).header("holdfast-moved-from", self.moved_from));
        if answer.await.status == StatusCode::NOT_FOUND {
            let path = format!("{path}/ws?client=reader&last_event_id={after}");
            let dialled = Socket::dial_at(at.address, &path, &[]).await;
            drop(dialled.expect("it is the owner"));
        }
    }

    pub(super) fn said_of(&self, kind: &str) -> BTreeMap<u64, &Value> {
        let of_kind = self.said.iter().filter(|(_, (known, _))| known == kind);
        of_kind.map(|(seq, (_, body))| (*seq, body)).collect()
    }
}

/// The ledger, read as an operator reads it.
pub(super) struct Books(PgPool);

impl Books {
    pub(super) fn of(server: &Postgres, database: &str) -> Self {
        Self(PgPool::connect_lazy(&server.url(database)).expect("an address"))
    }

    pub(super) async fn rows(&self, sql: &str, id: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.replace("$ID", &format!("'{id}'")));
        sqlx::query_scalar(sql)
            .fetch_all(&self.0)
            .await
            .expect("a query")
    }

    pub(super) async fn number(&self, sql: &str, id: &str) -> u64 {
        self.rows(&format!("SELECT ({sql})::text"), id).await[0]
            .parse()
            .expect("a number")
    }

    /// Waits until the ledger has as many commands, then holds all that was said against it.
    pub(super) async fn agree_with(&self, trader: &Trader) {
        let commands = "SELECT count(*) FROM audit WHERE session = $ID AND ok IS NOT NULL";
        let caught_up = async {
            let mut ticks = interval(Duration::from_millis(50));
            while self.number(commands, &trader.id).await < trader.commands {
                ticks.tick().await;
            }
        };
        soon(caught_up).await;
        assert_eq!(self.number(commands, &trader.id).await, trader.commands);
        let fills = "SELECT seq || ' ' || trade_id || ' ' || order_id || ' ' || side || ' '
            || price || ' ' || quantity || ' ' || fee FROM fills WHERE session = $ID ORDER BY seq";
        let said = trader.said_of("fill");
        assert!(!said.is_empty(), "there were fills");
        let said: Vec<_> = said
            .iter()
            .map(|(seq, fill)| {
                let text = |name: &str| fill[name].as_str().expect("text").to_owned();
                let (trade, order) = (&fill["trade_id"], &fill["order_id"]);
                let (side, price) = (text("side"), text("price"));
                let (quantity, fee) = (text("quantity"), text("fee"));
                format!("{seq} {trade} {order} {side} {price} {quantity} {fee}")
            })
            .collect();
        assert_eq!(self.rows(fills, &trader.id).await, said);
        let reports = "SELECT seq || ' ' || order_id || ' ' || status || ' ' || execution
            FROM order_reports WHERE session = $ID ORDER BY seq";
        let said: Vec<_> = trader
            .said_of("order")
            .iter()
            .map(|(seq, order)| {
                let text = |name: &str| order[name].as_str().expect("text");
                let id = &order["order_id"];
                format!("{seq} {id} {} {}", text("status"), text("execution"))
            })
            .collect();
        assert_eq!(self.rows(reports, &trader.id).await, said);
        let missing = "SELECT sum(missing) FROM trails WHERE session = $ID";
        assert_eq!(self.number(missing, &trader.id).await, 0);
    }
}
