//! Backends as processes, with a PostgreSQL that is taken away from them: orders do not notice,
//! and in the end the ledger has what the sessions have said, all of it and once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};
use std::time::Duration;

use http::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::time::interval;

use crate::support::client::Request;
use crate::support::folder::Folder;
use crate::support::live::Socket;
use crate::support::postgres::Postgres;
use crate::support::process::Process;
use crate::support::soon;

const STORE: &str = "store: { sqlite: { file: store.sqlite } }";

/// What leaves a session is on its way within a second, and an outage is noticed as soon.
fn lines(url: &str, more: &str) -> String {
    format!(
        "handoff: {{ hold: 0s, snapshots: 1s }}\nledger: {{ postgres: {{ url: '{url}', \
         tls: off, timeout: 1s, pool: {{ acquire: 1s }} }}{more} }}"
    )
}

/// A user with a session, who remembers what it has said of orders and fills.
struct Trader {
    path: String,
    id: String,
    symbol: String,
    moved_from: &'static str,
    after: String,
    /// Orders and fills of the output log, by number.
    said: BTreeMap<u64, (String, Value)>,
    commands: u64,
    rests: Vec<u64>,
}

impl Trader {
    async fn new(at: &Process) -> Self {
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
    async fn ask(&self, at: &Process, request: impl Fn() -> Request<'static>) -> Value {
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
    async fn trade(&mut self, at: &Process, rounds: usize) {
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
    async fn pause(&mut self, at: &Process) {
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

    fn said_of(&self, kind: &str) -> BTreeMap<u64, &Value> {
        let of_kind = self.said.iter().filter(|(_, (known, _))| known == kind);
        of_kind.map(|(seq, (_, body))| (*seq, body)).collect()
    }
}

/// The ledger, read as an operator reads it.
struct Books(PgPool);

impl Books {
    fn of(server: &Postgres, database: &str) -> Self {
        Self(PgPool::connect_lazy(&server.url(database)).expect("an address"))
    }

    async fn rows(&self, sql: &str, id: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.replace("$ID", &format!("'{id}'")));
        sqlx::query_scalar(sql)
            .fetch_all(&self.0)
            .await
            .expect("a query")
    }

    async fn number(&self, sql: &str, id: &str) -> u64 {
        self.rows(&format!("SELECT ({sql})::text"), id).await[0]
            .parse()
            .expect("a number")
    }

    /// Waits until the ledger has as many commands, then holds all that was said against it.
    async fn agree_with(&self, trader: &Trader) {
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

fn ledger_is(status: &'static str) -> impl Fn(&Value) -> bool {
    move |health| health["dependencies"]["ledger"]["status"] == status
}

async fn metric(at: &Process, name: &str) -> u64 {
    let text = String::from_utf8(at.get("/metrics").await.body.to_vec()).expect("text");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .parse()
        .expect("a number")
}

#[tokio::test]
async fn orders_do_not_notice_an_outage_and_the_ledger_catches_up() {
    let mut server = Postgres::start().await;
    let folder = Folder::new();
    let url = server.database("outage").await;
    let a = Process::start(&folder, "a", STORE, &lines(&url, "")).await;
    let mut trader = Trader::new(&a).await;
    trader.trade(&a, 5).await;
    let taken = async {
        let mut ticks = interval(Duration::from_millis(50));
        while metric(&a, "holdfast_ledger_facts_total").await == 0 {
            ticks.tick().await;
        }
    };
    soon(taken).await;

    server.kill();
    trader.trade(&a, 10).await;
    a.health("it is told of a dead server", ledger_is("failing"))
        .await;
    let waits = |health: &Value| health["dependencies"]["ledger"]["lag_facts"] != 0;
    a.health("it is told what waits", waits).await;
    let ready = a.get("/health/ready").await.json();
    assert_eq!(ready["state"], "ready", "nobody is sent away for it");
    assert_eq!(metric(&a, "holdfast_ledger_up").await, 0);
    server.start_again().await;
    a.health("it is well again", ledger_is("ok")).await;

    trader.trade(&a, 5).await;
    server.signal_all(Signal::STOP);
    trader.trade(&a, 10).await;
    a.health("it is told of one that stands still", ledger_is("failing"))
        .await;
    server.signal_all(Signal::CONT);
    a.health("it is well again", ledger_is("ok")).await;

    trader.pause(&a).await;
    let books = Books::of(&server, "outage");
    books.agree_with(&trader).await;
    assert_eq!(metric(&a, "holdfast_ledger_outages_total").await, 2);
    let path: &'static str = trader.path.clone().leak();
    trader.ask(&a, || Request::delete(path)).await;
    let ended = "SELECT count(*) FROM sessions WHERE id = $ID AND ended_ms IS NOT NULL";
    let told = async {
        let mut ticks = interval(Duration::from_millis(50));
        while books.number(ended, &trader.id).await == 0 {
            ticks.tick().await;
        }
    };
    soon(told).await;
}

#[tokio::test]
async fn owners_that_die_and_owners_that_leave_take_nothing_with_them() {
    let server = Postgres::start().await;
    let folder = Folder::new();
    let lines = lines(&server.database("owners").await, "");
    let mut a = Process::start(&folder, "a", STORE, &lines).await;
    let b = Process::start(&folder, "b", STORE, &lines).await;
    let mut trader = Trader::new(&a).await;
    trader.trade(&a, 10).await;
    // most of it is in the journal alone
    a.kill();
    trader.moved_from = "a";
    trader.trade(&b, 10).await;
    a.start_again().await;
    trader.moved_from = "b";
    trader.trade(&a, 10).await;
    a.kill();
    trader.moved_from = "a";
    trader.trade(&b, 3).await;
    trader.pause(&b).await;
    let books = Books::of(&server, "owners");
    books.agree_with(&trader).await;
    let owners = "SELECT data->>'endpoint' FROM audit WHERE session = $ID AND kind = 'owner'
        ORDER BY number";
    let owners = books.rows(owners, &trader.id).await;
    assert_eq!(
        (owners[0].as_str(), owners.last().map(String::as_str)),
        ("a", Some("b"))
    );
    let generations = "SELECT DISTINCT generation::text FROM audit
        WHERE session = $ID AND ok IS NOT NULL";
    let generations: BTreeSet<_> = books
        .rows(generations, &trader.id)
        .await
        .into_iter()
        .collect();
    assert!(generations.len() >= 4, "each owner wrote: {generations:?}");
    let trails = "SELECT count(*) FROM trails WHERE session = $ID";
    assert_eq!(books.number(trails, &trader.id).await, 1);
}

#[tokio::test]
async fn what_is_too_much_to_wait_is_told_to_the_ledger() {
    let mut server = Postgres::start().await;
    let folder = Folder::new();
    let url = server.database("overfull").await;
    server.kill();
    let lines = lines(&url, ", outbox: 64KiB");
    let a = Process::start(&folder, "a", STORE, &lines).await;
    let mut trader = Trader::new(&a).await;
    let overflows = async {
        while metric(&a, "holdfast_ledger_overflown_facts_total").await == 0 {
            trader.trade(&a, 5).await;
        }
    };
    soon(overflows).await;
    let full = |health: &Value| health["dependencies"]["ledger"]["full"] == 1;
    a.health("it is told of a full outbox", full).await;
    server.start_again().await;
    let carried = |health: &Value| {
        let ledger = &health["dependencies"]["ledger"];
        ledger["status"] == "ok" && ledger["lag_facts"] == 0
    };
    trader.pause(&a).await;
    let books = Books::of(&server, "overfull");
    let pause = "SELECT count(*) FROM audit WHERE session = $ID AND kind = 'simulator.pause'";
    let caught_up = async {
        let mut ticks = interval(Duration::from_millis(50));
        a.health("all of it is carried", carried).await;
        while books.number(pause, &trader.id).await == 0 {
            ticks.tick().await;
        }
    };
    soon(caught_up).await;
    let missing = "SELECT sum(missing) FROM trails WHERE session = $ID";
    let missing = books.number(missing, &trader.id).await;
    assert!(missing > 0, "something did not fit");
    assert_eq!(
        metric(&a, "holdfast_ledger_missing_facts_total").await,
        missing
    );
    let rows = "(SELECT count(*) FROM audit WHERE session = $ID AND kind <> 'gap')
        + (SELECT count(*) FROM fills WHERE session = $ID)
        + (SELECT count(*) FROM order_reports WHERE session = $ID)";
    let rows = books.number(&format!("SELECT {rows}"), &trader.id).await;
    let number = "SELECT number FROM trails WHERE session = $ID";
    let number = books.number(number, &trader.id).await;
    assert_eq!(
        number,
        rows + missing,
        "each fact is there or known to be missing"
    );
}

#[tokio::test]
async fn two_programs_migrate_a_database_at_once_and_others_only_look() {
    let server = Postgres::start().await;
    let folder = Folder::new();
    let url = server.database("migrated").await;
    let config = folder.path().join("backend.yaml");
    let text = format!("{STORE}\n{}", lines(&url, ""));
    std::fs::write(&config, text).expect("a file");
    let program = |more: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_holdfast-backend"));
        program
            .arg("migrate")
            .arg("--config")
            .arg(&config)
            .args(more);
        tokio::task::spawn_blocking(move || program.output().expect("the program starts"))
    };
    let said = |output: &Output| {
        let code = output.status.code().expect("no signal");
        (code, String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let place = format!("postgres {} migrated", server.path().display());
    let looked = program(&["--dry-run"]).await.expect("no panic");
    assert_eq!(said(&looked), (3, format!("{place}\n   1 ledger: to do\n")));
    let (one, other) = tokio::join!(program(&[]), program(&[]));
    let done = [one, other].map(|output| said(&output.expect("no panic")));
    let mut expected = ["applied", "done"].map(|it| (0, format!("{place}\n   1 ledger: {it}\n")));
    expected.sort();
    let mut done = done.to_vec();
    done.sort();
    assert_eq!(done, expected);
    let looked = program(&["--dry-run"]).await.expect("no panic");
    assert_eq!(
        said(&looked),
        (0, format!("{place}\n   1 ledger: applied\n"))
    );
    let mut admin = server.connect("migrated").await;
    let later = "INSERT INTO holdfast_migrations VALUES (2, 'later', '', 0)";
    sqlx::raw_sql(later)
        .execute(&mut admin)
        .await
        .expect("done");
    let refused = program(&["--dry-run"]).await.expect("no panic");
    assert_eq!(said(&refused), (1, String::new()));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    let known = "the database is at migration 2, and this build knows 1: run a later build";
    assert_eq!(why, format!("{place}: {known}\n"));
}
