//! The embedded ledger: one SQLite file, shared by the backends of a machine. A file of its own,
//! so that no journal ever waits for the ledger's writer.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, Sqlite, SqliteConnection};

use super::migrate::{self, Applied, Report};
use super::read::Question;
use super::rows::{self, Writing};
use super::tables::Table;
use super::{Ledger, LedgerError, Loaded, Pool, Recorded};
use crate::clock;

/// How long another process may write before a write here fails.
const BUSY: Duration = Duration::from_secs(5);

/// How long a connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(5);

/// One to write, the others to read.
const CONNECTIONS: u32 = 3;

/// A ledger in one file.
pub struct SqliteLedger {
    file: PathBuf,
    pool: SqlitePool,
    waiting: AtomicU32,
}

impl SqliteLedger {
    /// A ledger that opens or makes its file when it is first asked, inside a tokio runtime.
    pub fn new(file: &Path) -> Self {
        let connect = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // what is recorded is deleted from the store: it has to survive a power cut
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE);
        Self {
            file: file.to_owned(),
            pool: pool.connect_lazy_with(connect),
            waiting: AtomicU32::new(0),
        }
    }

    /// The connections themselves.
    pub fn connections(&self) -> &SqlitePool {
        &self.pool
    }

    async fn acquire(&self) -> Result<PoolConnection<Sqlite>, LedgerError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let acquired = self.pool.acquire().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        acquired.map_err(|error| LedgerError::of(&error))
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn migrate(&self) -> Result<Report, LedgerError> {
        let mut connection = self.acquire().await?;
        let migrated = migrate_in(&mut connection).await;
        migrated.map_err(|error| LedgerError::of(&error)).flatten()
    }

    async fn check(&self) -> Result<Report, LedgerError> {
        if !self.file.exists() {
            // looking does not make one
            return Report::of(migrate::SQLITE, &[]);
        }
        let mut connection = self.acquire().await?;
        let applied = applied(&mut connection).await;
        Report::of(
            migrate::SQLITE,
            &applied.map_err(|error| LedgerError::of(&error))?,
        )
    }

    async fn record(&self, parcels: &[Loaded]) -> Result<Recorded, LedgerError> {
        let told = |error: sqlx::Error| LedgerError::of(&error);
        let mut connection = self.acquire().await?;
        let mut tx = connection
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(told)?;
        let recorded = rows::record(&mut Batch(&mut tx), parcels).await?;
        tx.commit().await.map_err(told)?;
        Ok(recorded)
    }

    async fn read(&self, question: &Question) -> Result<Vec<String>, LedgerError> {
        let (at_ms, session, trail, number) = question.place();
        let one = question.session.map(|session| session.to_string());
        let limit = i64::try_from(question.limit).unwrap_or(i64::MAX);
        let query = sqlx::query_scalar(AssertSqlSafe(question.listing.sqlite()))
            .bind(question.subject.clone())
            .bind(one)
            .bind(at_ms)
            .bind(session.to_owned())
            .bind(trail.to_owned())
            .bind(number)
            .bind(limit);
        let mut connection = self.acquire().await?;
        let rows = query.fetch_all(&mut *connection).await;
        rows.map_err(|error| LedgerError::of(&error))
    }

    fn pool(&self) -> Pool {
        Pool {
            open: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            most: CONNECTIONS,
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    fn place(&self) -> String {
        format!("sqlite {}", self.file.display())
    }
}

/// Whoever begins to write first has the file alone until all is done.
async fn migrate_in(
    connection: &mut SqliteConnection,
) -> Result<Result<Report, LedgerError>, sqlx::Error> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let applied = applied(&mut tx).await?;
    let report = match Report::of(migrate::SQLITE, &applied) {
        Ok(report) => report,
        Err(refused) => return Ok(Err(refused)),
    };
    if report.pending.is_empty() {
        return Ok(Ok(report));
    }
    sqlx::query(migrate::TABLE).execute(&mut *tx).await?;
    for migration in &report.pending {
        sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
        sqlx::query(migrate::NOTE)
            .bind(migration.number)
            .bind(migration.name)
            .bind(migration.sql)
            .bind(clock::wall_ms().cast_signed())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(Ok(report))
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<Applied>, sqlx::Error> {
    let known: Option<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE name = 'holdfast_migrations'")
            .fetch_optional(&mut *connection)
            .await?;
    match known {
        Some(_) => sqlx::query_as(migrate::READ).fetch_all(connection).await,
        None => Ok(Vec::new()),
    }
}

struct Batch<'a>(&'a mut SqliteConnection);

#[async_trait]
impl Writing for Batch<'_> {
    async fn marks(&mut self, keys: String) -> Result<Vec<(String, String, i64)>, sqlx::Error> {
        sqlx::query_as(
            "SELECT t.session, t.trail, t.number FROM trails t JOIN json_each(?1) r
                 ON t.session = r.value->>'session' AND t.trail = r.value->>'trail'",
        )
        .bind(keys)
        .fetch_all(&mut *self.0)
        .await
    }

    async fn write(&mut self, table: &Table, rows: String) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(table.sqlite()))
            .bind(rows)
            .execute(&mut *self.0)
            .await
            .map(drop)
    }
}
