//! The shape of the ledger's keys.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Secret, Sqlite};
use crate::config::unit::{Size, Span};

/// Where what must last is written: at most one of `sqlite`, `postgres` and `off`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// One file, shared by the backends of one machine; needs no server. Default, with a store in
    /// SQLite: a file beside the store's.
    pub sqlite: Option<Sqlite>,
    /// A PostgreSQL database, for backends on many machines.
    pub postgres: Option<Postgres>,
    /// Nothing lasts. Default, with a store in Redis.
    pub off: bool,
    /// How much may wait in the store for each session while the ledger is away; 64KiB to 1GiB.
    /// Beyond it the ledger is only told how many facts it misses.
    pub outbox: Size,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            sqlite: None,
            postgres: None,
            off: false,
            outbox: Size::kib(4 << 10),
        }
    }
}

/// A PostgreSQL database.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// `postgres://user@host:port/database`, or `postgres://user@/database?host=/folder` for a
    /// socket.
    pub url: String,
    /// Enters with this password; better here than in `url`. Default: none.
    #[serde(default)]
    pub password: Option<Secret>,
    /// `verify` the server's certificate, only `require` that nobody can listen, or `off`.
    #[serde(default)]
    pub tls: Tls,
    /// Who signs the server's certificate: a file in PEM. Default: the public authorities.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// How many connections there are, and for how long.
    #[serde(default)]
    pub pool: Pool,
    /// How long a batch may take; 100ms to 5m. Beyond it its outcome is unknown and it is written
    /// again, which changes nothing if it was.
    #[serde(default = "timeout")]
    pub timeout: Span,
}

/// The address may hold a password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Postgres");
        shown.field("tls", &self.tls).field("pool", &self.pool);
        shown.finish_non_exhaustive()
    }
}

/// Whether what goes over the wire is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// The server's certificate must be good for its name.
    #[default]
    Verify,
    /// It is hidden, from whoever only listens.
    Require,
    /// It is not: for sockets, and networks that do it themselves.
    Off,
}

/// How many connections there are, and for how long.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pool {
    /// Connections that are kept open.
    pub min: u32,
    /// Connections that are opened at most; 1 to 100. One writes, the others read.
    pub max: u32,
    /// How long a free connection is waited for, a new one included; 50ms to 1m.
    pub acquire: Span,
    /// A connection that nobody used for so long is closed; 1s to 1h.
    pub idle: Span,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            min: 0,
            max: 4,
            acquire: Span::seconds(3),
            idle: Span::seconds(300),
        }
    }
}

const fn timeout() -> Span {
    Span::seconds(10)
}
