//! What every ledger promises, as one list over the trait, run against SQLite and against a real
//! PostgreSQL.

mod backends;
mod databases;
mod trader;

use std::sync::Arc;

use holdfast_backend::ledger::read::{self, Key, Question};
use holdfast_backend::ledger::{Ledger, LedgerError, Loaded, PostgresLedger, SqliteLedger};
use holdfast_session::id::{Epoch, SessionId};
use holdfast_session::trail::{Began, Ended, Entry, Executed, Fact, Owner, What, Why};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

use crate::support::folder::Folder;
use crate::support::postgres::Postgres;

/// Reads a ledger with its own eyes.
pub(super) enum Reader {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Reader {
    /// The first column of every row, as text.
    pub(super) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await,
            Self::Sqlite(pool) => sqlx::query_scalar(sql).fetch_all(pool).await,
        }
        .expect("a query")
    }

    pub(super) async fn run(&self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(pool) => sql.execute(pool).await.map(drop),
            Self::Sqlite(pool) => sql.execute(pool).await.map(drop),
        }
        .expect("a statement");
    }

    pub(super) async fn count(&self, what: &str) -> u64 {
        let sql = format!("SELECT CAST(count(*) AS text) FROM {what}");
        self.texts(&sql).await[0].parse().expect("a number")
    }
}

/// Several handles on one empty database, as several processes have them.
struct Place {
    ledgers: Vec<Arc<dyn Ledger>>,
    reader: Reader,
}

async fn postgres(server: &Postgres, name: &str) -> Place {
    let url = server.database(name).await;
    let open = || PostgresLedger::new(databases::options(&url));
    Place {
        ledgers: vec![Arc::new(open()), Arc::new(open()), Arc::new(open())],
        reader: Reader::Postgres(open().connections().clone()),
    }
}

fn sqlite(folder: &Folder, name: &str) -> Place {
    let file = folder.path().join(name);
    let open = || SqliteLedger::new(&file);
    Place {
        ledgers: vec![Arc::new(open()), Arc::new(open()), Arc::new(open())],
        reader: Reader::Sqlite(open().connections().clone()),
    }
}

#[tokio::test]
async fn sqlite_keeps_what_a_ledger_promises() {
    let folder = Folder::new();
    a_database_becomes_a_ledger_once(&sqlite(&folder, "migrated")).await;
    a_database_of_a_later_build_is_left_alone(&sqlite(&folder, "later")).await;
    facts_are_recorded(&sqlite(&folder, "recorded")).await;
}

#[tokio::test]
async fn postgres_keeps_what_a_ledger_promises() {
    let server = Postgres::start().await;
    a_database_becomes_a_ledger_once(&postgres(&server, "migrated").await).await;
    a_database_of_a_later_build_is_left_alone(&postgres(&server, "later").await).await;
    facts_are_recorded(&postgres(&server, "recorded").await).await;
}

async fn a_database_becomes_a_ledger_once(place: &Place) {
    let pending = |report: &holdfast_backend::ledger::Report| report.pending.len();
    let looked = place.ledgers[0].check().await.expect("it answers");
    assert!(pending(&looked) >= 1 && looked.applied.is_empty());
    let asked = place.ledgers.iter().cycle().take(9);
    let asked: Vec<_> = asked
        .map(|ledger| {
            let ledger = Arc::clone(ledger);
            tokio::spawn(async move { ledger.migrate().await })
        })
        .collect();
    let mut did = 0;
    for asked in asked {
        let report = asked.await.expect("no panic").expect("migrated");
        did += usize::from(pending(&report) > 0);
        assert_eq!(
            report.pending.len() + report.applied.len(),
            pending(&looked)
        );
    }
    assert_eq!(did, 1, "one does it, the others wait and find it done");
    let looked = place.ledgers[1].check().await.expect("it answers");
    assert_eq!(pending(&looked), 0);
}

async fn a_database_of_a_later_build_is_left_alone(place: &Place) {
    let [ledger, ..] = place.ledgers.as_slice() else {
        unreachable!("there are three")
    };
    ledger.migrate().await.expect("migrated");
    place
        .reader
        .run("INSERT INTO holdfast_migrations VALUES (9, 'later', 'CREATE', 0)")
        .await;
    let later = Err(LedgerError::Newer { found: 9, known: 1 });
    assert_eq!(ledger.check().await, later);
    assert_eq!(ledger.migrate().await, later);
    place
        .reader
        .run("DELETE FROM holdfast_migrations WHERE number = 9")
        .await;
    place
        .reader
        .run("UPDATE holdfast_migrations SET sql = 'other'")
        .await;
    let name = "ledger".into();
    let changed = LedgerError::Changed { number: 1, name };
    assert_eq!(ledger.migrate().await, Err(changed));
}

async fn facts_are_recorded(place: &Place) {
    place.ledgers[0].migrate().await.expect("migrated");
    what_comes_again_is_not_recorded_again(place).await;
    many_may_carry_the_same(place).await;
    a_gap_is_recorded_as_one(place).await;
    rows_say_what_happened(place).await;
    whatever_a_client_sends_can_be_kept(place).await;
    a_user_reads_their_own_page_by_page(place).await;
    nobody_reads_what_is_anothers(place).await;
}

async fn what_comes_again_is_not_recorded_again(place: &Place) {
    let ledger = &place.ledgers[0];
    let facts = || (1..=6).map(|number| fact(number, order(number, "open")));
    let recorded = ledger.record(&[loaded(1, facts().take(4))]).await;
    assert_eq!(recorded.expect("taken").facts, 4);
    let recorded = ledger.record(&[loaded(1, facts().take(4))]).await;
    assert_eq!(recorded.expect("taken").facts, 0);
    // the outcome of the snapshot before was unknown: its facts go along with the next ones
    let both = [loaded(1, facts().take(3)), loaded(1, facts().skip(1))];
    assert_eq!(ledger.record(&both).await.expect("taken").facts, 2);
    assert_eq!(place.reader.count("order_reports").await, 6);
    assert_eq!(mark(place, 1).await, "6 0");
    // nor is an entry of the output log, should it ever come under another number
    let moved = loaded(1, [fact(7, order(6, "open"))]);
    ledger.record(&[moved]).await.expect("taken");
    assert_eq!(place.reader.count("order_reports").await, 6);
    assert_eq!(mark(place, 1).await, "7 0");
}

async fn many_may_carry_the_same(place: &Place) {
    let before = place.reader.count("fills").await;
    let carry = |ledger: &Arc<dyn Ledger>| {
        let ledger = Arc::clone(ledger);
        let parcels: Vec<_> = (20..40)
            .map(|id| loaded(id, (1..=5).map(|number| fact(number, fill(number)))))
            .collect();
        tokio::spawn(async move { ledger.record(&parcels).await })
    };
    let carried: Vec<_> = place.ledgers.iter().map(carry).collect();
    let mut facts = 0;
    for carried in carried {
        facts += carried.await.expect("no panic").expect("taken").facts;
    }
    assert_eq!(facts, 100, "each by one of them");
    assert_eq!(place.reader.count("fills").await - before, 100);
}

async fn a_gap_is_recorded_as_one(place: &Place) {
    let ledger = &place.ledgers[0];
    let some = |range: std::ops::RangeInclusive<u64>| {
        loaded(2, range.map(|number| fact(number, order(number, "open"))))
    };
    let numbers_alone = Loaded {
        facts: None,
        ..some(9..=12)
    };
    let recorded = ledger.record(&[some(1..=2), some(5..=6)]).await;
    assert_eq!(recorded.expect("taken").missing, 2);
    let recorded = ledger.record(&[numbers_alone, some(13..=13)]).await;
    let recorded = recorded.expect("taken");
    assert_eq!((recorded.missing, recorded.facts), (6, 1));
    let gaps = "SELECT CAST(data AS text) FROM audit WHERE kind = 'gap' ORDER BY number";
    let gaps = place.reader.texts(gaps).await;
    let gaps: Vec<Value> = gaps
        .iter()
        .map(|gap| serde_json::from_str(gap).expect("JSON"))
        .collect();
    let expected = [
        json!({ "first": 3, "last": 4 }),
        json!({ "first": 7, "last": 12 }),
    ];
    assert_eq!(gaps, expected);
    assert_eq!(mark(place, 2).await, "13 8");
}

async fn rows_say_what_happened(place: &Place) {
    let ledger = &place.ledgers[1];
    let owner = |generation, endpoint: &str| {
        What::Owner(Owner {
            endpoint: endpoint.into(),
            incarnation: "7".into(),
            generation,
            subject: Some("ann".into()),
            created_ms: 1_000,
        })
    };
    let facts = [
        began(),
        owner(1, "a"),
        command(true),
        order(4, "open"),
        fill(4),
        order(4, "filled"),
        command(false),
        owner(2, "b"),
        What::Ended(Ended { seq: 77 }),
    ];
    let facts = (1..).zip(facts).map(|(number, what)| fact(number, what));
    ledger.record(&[loaded(3, facts)]).await.expect("taken");
    let id = SessionId::new(3);
    for (sql, expected) in [
        (
            "SELECT subject || ' ' || scenario || ' ' || endpoint || ' ' || generation || ' '
                || created_ms || ' ' || ended_ms FROM sessions WHERE id = ",
            "ann calm b 2 1000 1009",
        ),
        (
            "SELECT status || ' ' || number || ' ' || quantity || ' ' || price FROM orders
                WHERE session = ",
            "filled 6 1.50 101.25",
        ),
        (
            "SELECT order_id || ' ' || price || ' ' || quantity || ' ' || fee || ' ' || liquidity
                || ' ' || market_ms || ' ' || at_ms || ' ' || seq FROM fills WHERE session = ",
            "4 101.25 0.50 -0.0001 maker 250 1005 4",
        ),
        (
            "SELECT kind || ' ' || client || ' ' || n || ' ' || code FROM audit
                WHERE NOT ok AND session = ",
            "order.new tab 2 unknown_symbol",
        ),
        (
            "SELECT why || ' ' || epoch || ' ' || began_seq || ' ' || number FROM trails
                WHERE session = ",
            "created 0000000000000005 0 9",
        ),
    ] {
        let found = place.reader.texts(&format!("{sql} '{id}'")).await;
        assert_eq!(found, [expected], "{sql}");
    }
}

async fn whatever_a_client_sends_can_be_kept(place: &Place) {
    let hostile = "'; DROP TABLE audit; -- \u{0} \u{1f4a3} \\ \" \u{202e}";
    let What::Command(sent) = command(false) else {
        unreachable!("a command")
    };
    let sent = What::Command(Executed {
        kind: hostile.into(),
        data: raw(&json!({ "symbol": hostile })),
        ..sent
    });
    let recorded = place.ledgers[0].record(&[loaded(4, [fact(1, sent)])]).await;
    assert_eq!(recorded.expect("taken").facts, 1);
    let id = SessionId::new(4);
    let kept = place
        .reader
        .texts(&format!("SELECT kind FROM audit WHERE session = '{id}'"))
        .await;
    assert_eq!(kept, [hostile.replace('\0', "\u{fffd}")]);
}

async fn a_user_reads_their_own_page_by_page(place: &Place) {
    let ledger = &place.ledgers[0];
    two_users_trade(ledger).await;
    let mut question = Question {
        listing: &read::FILLS,
        subject: Some("bob".into()),
        session: None,
        after: None,
        limit: 4,
    };
    let mut seen = Vec::new();
    loop {
        let page = ledger.read(&question).await.expect("it answers");
        for row in &page {
            let row: Value = serde_json::from_str(row).expect("JSON");
            assert_eq!(
                (&row["price"], &row["fee"]),
                (&json!("101.25"), &json!("-0.0001"))
            );
            let text = |name: &str| row[name].as_str().expect("text").to_owned();
            let number = |name: &str| row[name].as_i64().expect("a number");
            seen.push((number("at_ms"), text("session"), number("number")));
            question.after = Some(Key {
                at_ms: number("at_ms"),
                session: text("session"),
                trail: text("trail"),
                number: number("number"),
            });
        }
        if page.len() < 4 {
            break;
        }
    }
    assert_eq!(seen.len(), 9, "three fills of three sessions: {seen:?}");
    assert!(
        seen.is_sorted_by(|one, next| one > next),
        "newest first, each once: {seen:?}"
    );
}

async fn nobody_reads_what_is_anothers(place: &Place) {
    let ledger = &place.ledgers[1];
    let asked = |subject: &str, session: u128, listing| Question {
        listing,
        subject: Some(subject.into()),
        session: Some(SessionId::new(session)),
        after: None,
        limit: 100,
    };
    let rows = async |question| ledger.read(&question).await.expect("it answers").len();
    assert_eq!(rows(asked("eve", 63, &read::FILLS)).await, 3);
    assert_eq!(rows(asked("eve", 60, &read::FILLS)).await, 0, "another's");
    assert_eq!(rows(asked("ann", 3, &read::SESSIONS)).await, 1);
    assert_eq!(rows(asked("ann", 3, &read::ORDERS)).await, 1);
    let audit = ledger
        .read(&asked("ann", 3, &read::AUDIT))
        .await
        .expect("it answers");
    let refused = audit
        .iter()
        .map(|row| serde_json::from_str(row).expect("JSON"));
    let refused = refused.filter(|row: &Value| row["ok"] == false);
    let refused: Vec<_> = refused
        .map(|row| (row["code"].clone(), row["data"].clone()))
        .collect();
    let expected = (json!("unknown_symbol"), json!({ "symbol": "ACME" }));
    assert_eq!(refused, [expected]);
}

async fn two_users_trade(ledger: &Arc<dyn Ledger>) {
    let (bob, eve) = (60..63, 63..64);
    for (subject, ids) in [("bob", bob), ("eve", eve)] {
        let owner = || {
            What::Owner(Owner {
                endpoint: "a".into(),
                incarnation: "7".into(),
                generation: 1,
                subject: Some(subject.into()),
                created_ms: 1_000,
            })
        };
        let facts = || {
            let fills = (2..=4).map(|number| fact(number, fill(number)));
            std::iter::once(fact(1, owner())).chain(fills)
        };
        let parcels: Vec<_> = ids.map(|id| loaded(id, facts())).collect();
        ledger.record(&parcels).await.expect("taken");
    }
}

/// The last fact of a session's trail, and how many are missing.
async fn mark(place: &Place, session: u128) -> String {
    let id = SessionId::new(session);
    let sql = format!("SELECT number || ' ' || missing FROM trails WHERE session = '{id}'");
    place.reader.texts(&sql).await.concat()
}

pub(super) fn loaded(session: u128, facts: impl IntoIterator<Item = Fact>) -> Loaded {
    let facts: Vec<_> = facts.into_iter().collect();
    Loaded {
        session: SessionId::new(session),
        trail: Epoch::new(9).to_string(),
        first: facts[0].number,
        last: facts[facts.len() - 1].number,
        at_ms: 2_000,
        facts: Some(facts),
    }
}

pub(super) fn fact(number: u64, what: What) -> Fact {
    let at_ms = 1_000 + number;
    Fact {
        number,
        at_ms,
        what,
    }
}

fn began() -> What {
    What::Began(Began {
        why: Why::Created,
        scenario: "calm".into(),
        seed: 7,
        epoch: Epoch::new(5),
        seq: 0,
    })
}

fn command(ok: bool) -> What {
    let problem = holdfast_session::message::Problem::new("unknown_symbol", "no such symbol");
    What::Command(Executed {
        record: 0,
        generation: 1,
        number: Some(("tab".parse().expect("a name"), if ok { 1 } else { 2 })),
        kind: "order.new".into(),
        data: raw(&json!({ "symbol": "ACME" })),
        ok,
        order_id: ok.then_some(4),
        error: (!ok).then_some(problem),
    })
}

pub(super) fn order(order_id: u64, status: &str) -> What {
    What::Order(entry(json!({
        "order_id": order_id, "symbol": "ACME", "side": "buy", "type": "limit",
        "status": status, "execution": "new", "quantity": "1.50", "filled": "0",
        "remaining": "1.50", "price": "101.25", "time_in_force": "gtc", "entered": 200,
        "time": 250,
    })))
}

fn fill(order_id: u64) -> What {
    What::Fill(entry(json!({
        "trade_id": 3, "order_id": order_id, "symbol": "ACME", "side": "buy",
        "price": "101.25", "quantity": "0.50", "fee": "-0.0001", "liquidity": "maker",
        "time": 250,
    })))
}

fn entry(body: Value) -> Entry {
    Entry {
        epoch: Epoch::new(5),
        seq: body["order_id"].as_u64().unwrap_or(0),
        body: raw(&body),
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("JSON")
}
