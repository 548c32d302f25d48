//! What the process may do, valid by construction.
//!
//! `file` is the shape that people write, `check` the only way from there to [`Config`]; what is
//! wrong is told with file, line, column, path and what would be right.

mod check;
mod exchange;
pub mod file;
mod ledger;
mod store;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use crate::ledger::postgres;
use crate::sessions::Settings;
use crate::store::redis;
pub use holdfast_conf::{ConfigError, Problem, SecretBytes, unit};
use holdfast_conf::{error, position, secret};

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of this endpoint.
    pub endpoint: String,
    /// The one address that is listened on.
    pub listen: SocketAddr,
    /// `host:port` where other backends reach it; the bound address when left out.
    pub advertise: Option<String>,
    /// Where the exchanges run.
    pub exchanges: Exchanges,
    /// Where what must last is written.
    pub ledger: Ledger,
    /// By what proxies and other backends are known.
    pub cluster_key: Option<SecretBytes>,
    /// Gives tokens to whoever asks.
    pub demo_issuer: Option<DemoIssuer>,
    /// What tokens are judged by.
    pub tokens: Option<Tokens>,
    /// How much anybody may ask for.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How connections are kept alive and judged.
    pub heartbeat: Heartbeat,
    /// How sessions are run.
    pub sessions: Settings,
    /// How long sessions may wait to be taken over when the process leaves.
    pub shutdown: Duration,
    /// What clients may use.
    pub features: file::Features,
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| {
            ConfigError::one(path, Problem::at_start(format!("cannot be read: {cause}")))
        })?;
        Self::parse(path, &text)
    }

    /// Checks a text; relative paths in it start from the folder of `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        check::config(path, text, |name| std::env::var(name).ok())
    }
}

/// Where the exchanges run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchanges {
    /// In this process; sessions live in this store when no process holds them.
    Here(Store),
    /// In the backends at this address, `host:port`: this process is a front, and keeps nothing.
    Elsewhere(String),
}

impl Exchanges {
    /// What the store is, in one word.
    pub const fn store(&self) -> &'static str {
        match self {
            Self::Here(store) => store.kind(),
            Self::Elsewhere(_) => "none",
        }
    }
}

/// The stores there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// One file, shared by the backends of one machine.
    Sqlite(PathBuf),
    /// A server, shared by backends on many machines.
    Redis(redis::Options),
}

impl Store {
    /// What it is, in one word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Redis(_) => "redis",
        }
    }
}

/// Where what must last is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Which.
    pub kind: LedgerKind,
    /// How many bytes may wait for each session.
    pub outbox: usize,
}

/// The ledgers there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerKind {
    /// One file, shared by the backends of one machine.
    Sqlite(PathBuf),
    /// A database, shared by backends on many machines.
    Postgres(postgres::Options),
    /// None, as was said.
    Off,
    /// None, since nothing was said and no file would serve many machines.
    Unsaid,
}

impl LedgerKind {
    /// What it is, in one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Off | Self::Unsaid => "off",
        }
    }
}

/// Gives tokens to whoever asks.
#[derive(Clone, Debug)]
pub struct DemoIssuer {
    /// Signs (Ed25519).
    pub key: EncodingKey,
    /// `kid`.
    pub key_id: Option<String>,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// How long a token is good.
    pub ttl: Duration,
}

/// What tokens are judged by.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `iss` that is asked for.
    pub issuer: String,
    /// `aud` that is asked for.
    pub audience: String,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// The keys that may have signed.
    pub keys: Vec<TokenKey>,
}

/// A key that may have signed a token.
#[derive(Clone, Debug)]
pub struct TokenKey {
    /// `kid` that the token names.
    pub id: String,
    /// The one algorithm this key is good for.
    pub algorithm: Algorithm,
    /// Checks the signature.
    pub key: DecodingKey,
}

/// How much anybody may ask for; sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open TCP connections.
    pub connections: usize,
    /// A request's head.
    pub head: usize,
    /// A request's body.
    pub body: usize,
    /// One WebSocket message of a client.
    pub message: usize,
    /// WebSockets and event streams of one user.
    pub streams_per_subject: usize,
    /// WebSockets and event streams of all.
    pub streams: usize,
    /// Operations on orders of one user a second.
    pub orders_per_second: u32,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a request's head is whole.
    pub head: Duration,
    /// From there to the answer's head.
    pub request: Duration,
    /// How long a stream's client may take nothing.
    pub write: Duration,
}

/// How connections are kept alive and judged.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Between pings of a silent client.
    pub interval: Duration,
    /// How long a client may say nothing.
    pub timeout: Duration,
    /// Between comments on a silent event stream.
    pub comment: Duration,
}

/// The machine's name; in Kubernetes the pod's.
pub fn host_name() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname");
    read.map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests;
