//! What one database does that the other does not: pools, TLS, timeouts, and saying no.

use std::time::Duration;

use holdfast_backend::ledger::postgres::{Options, Tls};
use holdfast_backend::ledger::{Ledger, LedgerError, PostgresLedger, SqliteLedger};
use rustix::process::Signal;

use super::{fact, loaded, order};
use crate::support::folder::Folder;
use crate::support::postgres::Postgres;

/// As a configuration without TLS has it.
pub(super) fn options(url: &str) -> Options {
    Options {
        url: url.parse().expect("an address"),
        password: None,
        tls: Tls::Off,
        min: 0,
        max: 3,
        acquire: Duration::from_secs(30),
        idle: Duration::from_secs(60),
        timeout: Duration::from_secs(30),
    }
}

fn away(error: Result<impl std::fmt::Debug, LedgerError>) -> String {
    match error {
        Err(LedgerError::Away(why)) => why,
        other => panic!("not away: {other:?}"),
    }
}

#[tokio::test]
async fn postgres_says_what_it_does_not_do() {
    let server = Postgres::start().await;
    a_connection_is_waited_for_as_long_as_is_said(&server).await;
    a_batch_that_is_refused_leaves_nothing_behind(&server).await;
    a_read_only_database_says_so(&server).await;
    whoever_may_only_write_rows_need_not_migrate(&server).await;
    a_server_that_stands_still_is_given_up(&server).await;
}

async fn a_connection_is_waited_for_as_long_as_is_said(server: &Postgres) {
    let url = server.database("pool").await;
    let patient = PostgresLedger::new(options(&url));
    patient.migrate().await.expect("migrated");
    let ledger = PostgresLedger::new(Options {
        max: 1,
        acquire: Duration::from_secs(1),
        ..options(&url)
    });
    let held = ledger.connections().acquire().await.expect("the only one");
    let parcel = [loaded(1, [fact(1, order(1, "open"))])];
    assert_eq!(away(ledger.record(&parcel).await), "no connection in time");
    let pool = ledger.pool();
    assert_eq!(
        (pool.open, pool.idle, pool.most, pool.waiting),
        (1, 0, 1, 0)
    );
    drop(held);
    assert_eq!(patient.record(&parcel).await.map(|done| done.facts), Ok(1));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_as_that() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("bound");
    drop(nobody);
    let ledger = PostgresLedger::new(Options {
        acquire: Duration::from_millis(200),
        ..options(&format!("postgres://test@{address}/test"))
    });
    let why = away(ledger.check().await);
    assert!(why.contains("refused"), "{why}");
}

async fn a_batch_that_is_refused_leaves_nothing_behind(server: &Postgres) {
    let ledger = PostgresLedger::new(options(&server.database("refused").await));
    ledger.migrate().await.expect("migrated");
    let mut bad = loaded(2, [fact(1, order(1, "open"))]);
    let body = r#"{"order_id":1,"quantity":"much"}"#;
    let facts = bad.facts.as_mut().expect("some");
    let holdfast_session::trail::What::Order(entry) = &mut facts[0].what else {
        unreachable!("an order")
    };
    entry.body = serde_json::value::RawValue::from_string(body.into()).expect("JSON");
    let good = loaded(1, [fact(1, order(1, "open"))]);
    let both = ledger.record(&[good.clone(), bad]).await;
    assert!(matches!(both, Err(LedgerError::Refused(_))), "{both:?}");
    let alone = ledger.record(&[good]).await;
    assert_eq!(
        alone.map(|done| done.facts),
        Ok(1),
        "it was not recorded before"
    );
}

async fn a_read_only_database_says_so(server: &Postgres) {
    let url = server.database("readonly").await;
    let ledger = PostgresLedger::new(options(&url));
    let mut admin = server.connect("postgres").await;
    let closed = "ALTER DATABASE readonly SET default_transaction_read_only = on";
    sqlx::raw_sql(closed)
        .execute(&mut admin)
        .await
        .expect("done");
    let why = away(ledger.migrate().await);
    assert!(
        why.contains("read-only") && why.ends_with("(25006)"),
        "{why}"
    );
}

async fn whoever_may_only_write_rows_need_not_migrate(server: &Postgres) {
    let url = server.database("rows").await;
    let admin = PostgresLedger::new(options(&url));
    let clerk = PostgresLedger::new(options(&url.replace("test@", "clerk@")));
    let grant = "CREATE ROLE clerk LOGIN;
        ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE ON TABLES TO clerk";
    let granted = sqlx::raw_sql(grant).execute(admin.connections()).await;
    granted.expect("done");
    let why = away(clerk.migrate().await);
    assert!(why.contains("permission denied"), "{why}");
    admin.migrate().await.expect("migrated");
    let report = clerk.migrate().await.expect("nothing to do");
    assert_eq!(report.pending, []);
    let recorded = clerk
        .record(&[loaded(1, [fact(1, order(1, "open"))])])
        .await;
    assert_eq!(recorded.map(|done| done.facts), Ok(1));
}

async fn a_server_that_stands_still_is_given_up(server: &Postgres) {
    let url = server.database("still").await;
    let patient = PostgresLedger::new(options(&url));
    patient.migrate().await.expect("migrated");
    let hasty = PostgresLedger::new(Options {
        timeout: Duration::from_secs(1),
        acquire: Duration::from_secs(2),
        ..options(&url)
    });
    drop(hasty.connections().acquire().await.expect("free"));
    let parcel = |session| [loaded(session, [fact(1, order(1, "open"))])];
    patient.record(&parcel(1)).await.expect("taken");
    server.signal_all(Signal::STOP);
    let why = away(hasty.record(&parcel(2)).await);
    assert!(why.contains("in time"), "{why}");
    server.signal_all(Signal::CONT);
    // whether it was done is unknown; done again, it is there once
    patient.record(&parcel(2)).await.expect("taken");
    let marks = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM order_reports");
    let rows = marks.fetch_one(patient.connections()).await;
    assert_eq!(rows.expect("a number"), 2);
}

#[tokio::test]
async fn a_wire_to_postgres_is_hidden_as_is_said() {
    let (server, port) = Postgres::start_with_tls().await;
    let reach = async |host: &str, tls: Tls| {
        let url = format!("postgres://test@{host}:{port}/postgres");
        let ledger = PostgresLedger::new(Options {
            tls,
            ..options(&url)
        });
        let secret = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let secret = sqlx::query_scalar::<_, String>(secret);
        let secret = secret.fetch_one(ledger.connections()).await;
        secret.map_err(|error| error.to_string())
    };
    let ours = || Tls::Verify(Some(server.path().join("ca.pem")));
    assert_eq!(reach("localhost", Tls::Off).await.as_deref(), Ok("false"));
    assert_eq!(
        reach("127.0.0.1", Tls::Require).await.as_deref(),
        Ok("true")
    );
    assert_eq!(reach("localhost", ours()).await.as_deref(), Ok("true"));
    for (host, tls) in [("localhost", Tls::Verify(None)), ("127.0.0.1", ours())] {
        let refused = reach(host, tls.clone()).await.expect_err("a stranger");
        assert!(refused.contains("certificate"), "{host} {tls:?}: {refused}");
    }
}

#[tokio::test]
async fn sqlite_says_what_it_does_not_do() {
    let folder = Folder::new();
    let nowhere = SqliteLedger::new(&folder.path().join("nowhere/ledger.sqlite"));
    let why = away(nowhere.migrate().await);
    assert!(why.contains("unable to open database file"), "{why}");
    assert_eq!(
        nowhere.check().await.map(|report| report.applied.len()),
        Ok(0)
    );
    let ledger = SqliteLedger::new(&folder.path().join("ledger.sqlite"));
    ledger.migrate().await.expect("migrated");
    // as on a disk without room, for every connection there may be
    let mut held = Vec::new();
    for _ in 0..ledger.pool().most {
        let mut connection = ledger.connections().acquire().await.expect("free");
        let full = sqlx::raw_sql("PRAGMA max_page_count = 1");
        full.execute(&mut *connection).await.expect("done");
        held.push(connection);
    }
    drop(held);
    let parcels = (1..200).map(|id| loaded(id, [fact(1, order(1, "open"))]));
    let why = away(ledger.record(&parcels.collect::<Vec<_>>()).await);
    assert_eq!(why, "database or disk is full (13)");
}
