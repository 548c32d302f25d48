//! Backends as processes, with a PostgreSQL that is taken away from them: orders do not notice,
//! and in the end the ledger has what the sessions have said, all of it and once.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::time::Duration;

use http::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::interval;

use super::trader::{Books, Trader};
use crate::support::client::{Answer, Request};
use crate::support::folder::Folder;
use crate::support::postgres::Postgres;
use crate::support::process::Process;
use crate::support::redis::Redis;
use crate::support::soon;

const STORE: &str = "store: { sqlite: { file: store.sqlite } }";

/// What leaves a session is on its way within a second, and an outage is noticed as soon.
fn lines(url: &str, more: &str) -> String {
    format!(
        "handoff: {{ hold: 0s, snapshots: 1s }}\nledger: {{ postgres: {{ url: '{url}', \
         tls: off, timeout: 1s, pool: {{ acquire: 1s }} }}{more} }}"
    )
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
    let outages = metric(&a, "holdfast_ledger_outages_total").await;
    assert!(outages >= 2, "{outages}");
    set_back_it_knows_what_it_misses(&server, &books, &a, &mut trader).await;
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
    // the other tests keep their sessions in SQLite
    let redis = Redis::start(&folder).await;
    let store = redis.store();
    let lines = lines(&server.database("owners").await, "");
    let mut a = Process::start(&folder, "a", &store, &lines).await;
    let b = Process::start(&folder, "b", &store, &lines).await;
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

#[tokio::test]
async fn without_a_word_the_ledger_is_a_file_beside_the_store() {
    let folder = Folder::new();
    let lines = "shutdown: { deadline: 1s }";
    let mut a = Process::start(&folder, "a", STORE, lines).await;
    let mut trader = Trader::new(&a).await;
    trader.trade(&a, 3).await;
    let health = a.get("/health").await.json();
    let ledger = &health["dependencies"]["ledger"];
    assert_eq!(
        (&ledger["kind"], &ledger["status"]),
        (&json!("sqlite"), &json!("ok"))
    );
    what_lasts_can_be_asked_for(&a, &trader).await;
    // what has not left yet does when the process leaves
    a.signal(Signal::TERM);
    a.ended().await;
    let file = folder.path().join("store.ledger.sqlite");
    let file = format!("sqlite:{}", file.display());
    let books = sqlx::SqlitePool::connect(&file).await.expect("a file");
    let commands = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM audit WHERE ok IS NOT NULL");
    let commands = commands.fetch_one(&books).await.expect("a number");
    assert_eq!(commands.cast_unsigned(), trader.commands);
    let fills = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM fills");
    let fills = fills.fetch_one(&books).await.expect("a number");
    assert_eq!(fills as usize, trader.said_of("fill").len());
}

async fn what_lasts_can_be_asked_for(at: &Process, trader: &Trader) {
    let page = async |listing: &str, query: &str| {
        let id = &trader.id;
        let path = format!("/api/v1/ledger/{listing}?session={id}{query}");
        at.get(&path).await
    };
    let rows = |answer: &Answer| {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()["rows"].as_array().expect("rows").clone()
    };
    let caught_up = async {
        let mut ticks = interval(Duration::from_millis(50));
        // the last snapshot is at most a moment old
        while rows(&page("fills", "&limit=500").await).len() < trader.said_of("fill").len() {
            ticks.tick().await;
        }
    };
    soon(caught_up).await;
    let session = rows(&page("sessions", "").await);
    assert_eq!(
        (&session[0]["id"], &session[0]["endpoint"]),
        (&json!(trader.id), &json!("a"))
    );
    let said = trader.said_of("fill");
    let (_, newest) = said.last_key_value().expect("a fill");
    let first = page("fills", "&limit=1").await.json();
    let fill = &first["rows"][0];
    assert_eq!(
        (&fill["trade_id"], &fill["price"]),
        (&newest["trade_id"], &newest["price"])
    );
    let next = first["next"].as_str().expect("there is more");
    let second = page("fills", &format!("&limit=1&cursor={next}"))
        .await
        .json();
    assert_ne!(second["rows"][0]["trade_id"], fill["trade_id"]);
    assert!(!rows(&page("orders", "").await).is_empty());
    let acts = rows(&page("audit", "").await);
    assert!(
        acts.iter()
            .any(|act| act["kind"] == "order.new" && act["ok"] == false)
    );
    for (path, status) in [
        ("fills", StatusCode::BAD_REQUEST),
        ("fills?session=nobody", StatusCode::BAD_REQUEST),
        (
            "fills?session=00000000000000000000000000000007&cursor=x",
            StatusCode::BAD_REQUEST,
        ),
        (
            "fills?session=00000000000000000000000000000007&limit=0",
            StatusCode::BAD_REQUEST,
        ),
        (
            "fills?session=00000000000000000000000000000007",
            StatusCode::OK,
        ),
    ] {
        let answer = at.get(&format!("/api/v1/ledger/{path}")).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let path = format!("/api/v1/ledger/fills?session={}", trader.id);
    let other = Request::get(&path).header("holdfast-subject", "eve");
    assert_eq!(rows(&at.ask(other).await), Vec::<Value>::new(), "another's");
}

/// As from a backup that is older than everything.
async fn set_back_it_knows_what_it_misses(
    server: &Postgres,
    books: &Books,
    at: &Process,
    trader: &mut Trader,
) {
    let number = "SELECT number FROM trails WHERE session = $ID";
    let before = books.number(number, &trader.id).await;
    let mut admin = server.connect("outage").await;
    let emptied = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
    let emptied = sqlx::raw_sql(emptied).execute(&mut admin).await;
    emptied.expect("done");
    trader.trade(at, 1).await;
    at.health("it notices", ledger_is("failing")).await;
    at.health("it makes its tables again", ledger_is("ok"))
        .await;
    let missing = "SELECT coalesce(sum(missing), 0) FROM trails WHERE session = $ID";
    let told = async {
        let mut ticks = interval(Duration::from_millis(50));
        while books.number(missing, &trader.id).await == 0 {
            ticks.tick().await;
        }
    };
    soon(told).await;
    assert_eq!(books.number(missing, &trader.id).await, before);
}

#[tokio::test]
async fn without_a_ledger_nothing_waits_for_one() {
    let folder = Folder::new();
    let lines = "ledger: { off: true }\nhandoff: { snapshots: 1s }\nshutdown: { deadline: 1s }";
    let mut a = Process::start(&folder, "a", STORE, lines).await;
    let mut trader = Trader::new(&a).await;
    trader.trade(&a, 1).await;
    let health = a.get("/health").await.json();
    assert_eq!(
        (
            &health["status"],
            &health["dependencies"]["ledger"]["status"]
        ),
        (&json!("ok"), &json!("off"))
    );
    let path = format!("/api/v1/ledger/fills?session={}", trader.id);
    let answer = a.get(&path).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    a.signal(Signal::TERM);
    a.ended().await;
    let file = format!("sqlite:{}", folder.path().join("store.sqlite").display());
    let store = sqlx::SqlitePool::connect(&file).await.expect("a file");
    let waiting = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM parcel");
    assert_eq!(waiting.fetch_one(&store).await.expect("a number"), 0);
}
