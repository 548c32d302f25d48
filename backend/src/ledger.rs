//! What must last: sessions, orders, fills and the audit trail, in PostgreSQL or in an embedded
//! SQLite file. docs/ledger.md says what is in it and what it promises.
//!
//! A session notes facts ([`holdfast_session::trail`]) and writes them to the store together with
//! its snapshots. From there the carrier takes them to the ledger, behind everybody's back: a
//! session never waits for the ledger, and what the ledger does not take yet waits in the store,
//! up to a bound. Each trail counts its facts, and the ledger keeps the count of those it has, in
//! the same transaction as their rows: whoever carries what, however often, it is recorded once.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`backlog`] | what waits, and since when |
//! | [`carrier`] | how does it get from the store to the ledger |
//! | [`rows`] [`tables`] | what rows are facts, and how are they written |
//! | [`migrate`] | how does a database become a ledger, or a later one |
//! | [`postgres`] [`sqlite`] | where is it |
//! | [`read`] | what may users read of it |
//! | [`tally`] | how is it doing |

pub mod backlog;
pub mod carrier;
pub mod migrate;
pub mod postgres;
pub mod read;
pub mod rows;
pub mod sqlite;
mod tables;
pub mod tally;

use async_trait::async_trait;
use thiserror::Error;

pub use backlog::{Backlog, Lag};
pub use carrier::Carrier;
pub use migrate::Report;
pub use postgres::PostgresLedger;
use read::Question;
pub use rows::{Loaded, Recorded};
pub use sqlite::SqliteLedger;
pub use tally::Tally;

/// A database of what must last.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Brings the tables up to date, under a lock that all processes share.
    async fn migrate(&self) -> Result<Report, LedgerError>;

    /// Says what [`Self::migrate`] would do, and does nothing.
    async fn check(&self) -> Result<Report, LedgerError>;

    /// Records parcels, all or none, each fact once.
    async fn record(&self, parcels: &[Loaded]) -> Result<Recorded, LedgerError>;

    /// Rows of a listing, each a JSON object.
    async fn read(&self, question: &Question) -> Result<Vec<String>, LedgerError>;

    /// Its connections.
    fn pool(&self) -> Pool;

    /// Where it is, without secrets.
    fn place(&self) -> String;
}

/// The connections to a database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pool {
    /// Open ones.
    pub open: u32,
    /// Those that nobody uses.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
    /// How many wait for one.
    pub waiting: u32,
}

/// Why the ledger did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// It cannot be reached or cannot write now; the same may be done later.
    #[error("{0}")]
    Away(String),
    /// A later build has changed its tables.
    #[error(
        "the database is at migration {found}, and this build knows {known}: run a later build"
    )]
    Newer {
        /// The last migration that was applied.
        found: i64,
        /// The last this build knows.
        known: i64,
    },
    /// A migration was applied whose text is not the one of this build.
    #[error("migration {number} ({name}) was applied with another text than this build has")]
    Changed {
        /// Which.
        number: i64,
        /// Its name.
        name: String,
    },
    /// It does not take these rows, and will not later.
    #[error("rows are refused: {0}")]
    Refused(String),
}

impl LedgerError {
    /// What the driver says, told apart by whether trying again can help.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(said) if is_about_rows(said.as_ref()) => {
                Self::Refused(said.to_string())
            }
            sqlx::Error::Database(said) => {
                let code = said.code().unwrap_or_default();
                Self::Away(format!("{} ({code})", said.message()))
            }
            sqlx::Error::PoolTimedOut => Self::Away("no connection in time".into()),
            other => Self::Away(other.to_string()),
        }
    }
}

/// Classes 22 (data) and 23 (integrity) of SQLSTATE; of SQLite CONSTRAINT and MISMATCH.
fn is_about_rows(said: &dyn sqlx::error::DatabaseError) -> bool {
    let code = said.code().unwrap_or_default();
    match code.len() {
        5 => code.starts_with("22") || code.starts_with("23"),
        _ => code
            .parse::<u32>()
            .is_ok_and(|code| matches!(code & 0xff, 19 | 20)),
    }
}
