//! The ledger in a PostgreSQL database, shared by backends on many machines.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres};

use super::migrate::{self, Applied, Report};
use super::read::Question;
use super::rows::{self, Writing};
use super::tables::Table;
use super::{Ledger, LedgerError, Loaded, Pool, Recorded};
use crate::clock;

/// How a server is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// Where it is, with user and database; without a password.
    pub url: Url,
    /// Enters with this.
    pub password: Option<String>,
    /// Whether what goes over the wire is hidden, and from whom.
    pub tls: Tls,
    /// Connections that are kept open.
    pub min: u32,
    /// Connections that are opened at most.
    pub max: u32,
    /// How long a free connection is waited for, a new one included.
    pub acquire: Duration,
    /// A connection that nobody used for so long is closed.
    pub idle: Duration,
    /// How long one batch may take.
    pub timeout: Duration,
}

/// Whether what goes over the wire is hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// It is not: for sockets, loopback and networks that do it themselves.
    Off,
    /// It is, from whoever only listens: the server's certificate is not looked at.
    Require,
    /// The server's certificate must be good for its name, signed by one of these (PEM)
    /// or by a public authority.
    Verify(Option<PathBuf>),
}

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "write postgres://user@host:port/database, or \
            postgres://user@/database?host=/folder for a socket";
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(format!("is no address of a database; {SHAPE}"));
        }
        if let Some((_, query)) = text.split_once('?')
            && !query.starts_with("host=") | query.contains('&')
        {
            return Err("has more than `?host=` behind it; `tls` and `pool` are keys here".into());
        }
        let options = PgConnectOptions::from_str(text)
            .map_err(|error| format!("is no address of a database: {error}; {SHAPE}"))?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(format!("names no database; {SHAPE}"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The text may hold a password.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

impl Url {
    fn options(&self) -> PgConnectOptions {
        // it was read before
        PgConnectOptions::from_str(&self.0).unwrap_or_default()
    }

    /// Host, port and database, without secrets.
    pub fn place(&self) -> String {
        let options = self.options();
        let database = options.get_database().unwrap_or_default();
        match options.get_socket() {
            Some(socket) => format!("postgres {} {database}", socket.display()),
            None => format!(
                "postgres {}:{}/{database}",
                options.get_host(),
                options.get_port()
            ),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Options");
        shown.field("url", &self.url).field("tls", &self.tls);
        shown.field("max", &self.max).finish_non_exhaustive()
    }
}

/// A ledger in a PostgreSQL database.
pub struct PostgresLedger {
    pool: PgPool,
    options: Options,
    waiting: AtomicU32,
}

impl PostgresLedger {
    /// A ledger that dials when it is first asked, inside a tokio runtime.
    pub fn new(options: Options) -> Self {
        let pool = PgPoolOptions::new()
            .min_connections(options.min)
            .max_connections(options.max)
            .acquire_timeout(options.acquire)
            .idle_timeout(options.idle);
        let pool = pool.connect_lazy_with(connect(&options));
        Self {
            pool,
            options,
            waiting: AtomicU32::new(0),
        }
    }

    /// The connections themselves.
    pub fn connections(&self) -> &PgPool {
        &self.pool
    }

    async fn acquire(&self) -> Result<PoolConnection<Postgres>, LedgerError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let acquired = self.pool.acquire().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        match acquired {
            Ok(connection) => Ok(connection),
            Err(sqlx::Error::PoolTimedOut) if self.pool.size() == 0 => Err(self.why().await),
            Err(error) => Err(LedgerError::of(&error)),
        }
    }

    /// The pool dials again and again, and in the end says only that it has no connection.
    async fn why(&self) -> LedgerError {
        let options = self.pool.connect_options();
        let dial = PgConnection::connect_with(&options);
        match tokio::time::timeout(self.options.acquire, dial).await {
            Ok(Err(error)) => LedgerError::of(&error),
            Ok(Ok(_)) => LedgerError::of(&sqlx::Error::PoolTimedOut),
            Err(_) => LedgerError::Away("the database cannot be reached in time".into()),
        }
    }

    /// One piece of work on a connection. A connection whose work did not end in time is closed:
    /// what the server still says on it belongs to nobody.
    async fn work<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut connection = self.acquire().await?;
        let worked = tokio::time::timeout(self.options.timeout, work(&mut connection)).await;
        worked.unwrap_or_else(|_| {
            drop(connection.detach());
            Err(LedgerError::Away(
                "the database does not answer in time".into(),
            ))
        })
    }
}

fn connect(options: &Options) -> PgConnectOptions {
    let seconds = options.timeout.as_millis().to_string();
    let connect = options.url.options();
    let connect = match &options.password {
        Some(password) => connect.password(password),
        None => connect,
    };
    let connect = match &options.tls {
        Tls::Off => connect.ssl_mode(PgSslMode::Disable),
        Tls::Require => connect.ssl_mode(PgSslMode::Require),
        Tls::Verify(None) => connect.ssl_mode(PgSslMode::VerifyFull),
        Tls::Verify(Some(ca)) => connect.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca),
    };
    connect
        .application_name("holdfast-backend")
        // a batch that nobody waits for any more is given up by the server, too
        .options([("statement_timeout", seconds.as_str())])
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn migrate(&self) -> Result<Report, LedgerError> {
        self.work(async |connection| {
            let migrated = migrate_in(connection).await;
            migrated.map_err(|error| LedgerError::of(&error)).flatten()
        })
        .await
    }

    async fn check(&self) -> Result<Report, LedgerError> {
        self.work(async |connection| {
            let applied = applied(connection).await;
            Report::of(
                migrate::POSTGRES,
                &applied.map_err(|error| LedgerError::of(&error))?,
            )
        })
        .await
    }

    async fn record(&self, parcels: &[Loaded]) -> Result<Recorded, LedgerError> {
        let told = |error: sqlx::Error| LedgerError::of(&error);
        self.work(async |connection| {
            let mut tx = connection.begin().await.map_err(told)?;
            let recorded = rows::record(&mut Batch(&mut tx), parcels).await?;
            tx.commit().await.map_err(told)?;
            Ok(recorded)
        })
        .await
    }

    async fn read(&self, question: &Question) -> Result<Vec<String>, LedgerError> {
        let (at_ms, session, trail, number) = question.place();
        let one = question.session.map(|session| session.to_string());
        let limit = i64::try_from(question.limit).unwrap_or(i64::MAX);
        let query = sqlx::query_scalar(AssertSqlSafe(question.listing.postgres()))
            .bind(question.subject.clone())
            .bind(one)
            .bind(at_ms)
            .bind(session.to_owned())
            .bind(trail.to_owned())
            .bind(number)
            .bind(limit);
        self.work(async |connection| {
            let rows = query.fetch_all(connection).await;
            rows.map_err(|error| LedgerError::of(&error))
        })
        .await
    }

    fn pool(&self) -> Pool {
        Pool {
            open: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            most: self.options.max,
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    fn place(&self) -> String {
        self.options.url.place()
    }
}

/// All in one transaction: a migration that fails leaves nothing behind, and the lock goes with it.
async fn migrate_in(
    connection: &mut PgConnection,
) -> Result<Result<Report, LedgerError>, sqlx::Error> {
    let mut tx = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *tx)
        .await?;
    let applied = applied(&mut tx).await?;
    let report = match Report::of(migrate::POSTGRES, &applied) {
        Ok(report) => report,
        Err(refused) => return Ok(Err(refused)),
    };
    if report.pending.is_empty() {
        // who may only write rows need not be allowed to make tables
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

async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>, sqlx::Error> {
    // whoever waited for the lock must not believe what it had looked up before: a query of the
    // catalogue asks anew, which to_regclass() does not
    let known: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM pg_catalog.pg_class
         WHERE relname = 'holdfast_migrations' AND pg_catalog.pg_table_is_visible(oid)",
    )
    .fetch_optional(&mut *connection)
    .await?;
    match known {
        Some(_) => sqlx::query_as(migrate::READ).fetch_all(connection).await,
        None => Ok(Vec::new()),
    }
}

struct Batch<'a>(&'a mut PgConnection);

#[async_trait]
impl Writing for Batch<'_> {
    async fn marks(&mut self, keys: String) -> Result<Vec<(String, String, i64)>, sqlx::Error> {
        sqlx::query_as(
            "SELECT t.session, t.trail, t.number FROM trails t
             JOIN jsonb_to_recordset($1::text::jsonb) AS r(session text, trail text)
                 ON t.session = r.session AND t.trail = r.trail
             ORDER BY 1, 2 FOR UPDATE OF t",
        )
        .bind(keys)
        .fetch_all(&mut *self.0)
        .await
    }

    async fn write(&mut self, table: &Table, rows: String) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(table.postgres()))
            .bind(rows)
            .execute(&mut *self.0)
            .await
            .map(drop)
    }
}

/// Of the migrations of this ledger; any number that nobody else in the database locks.
const LOCK: i64 = 0x686f_6c64_6661_7374;
