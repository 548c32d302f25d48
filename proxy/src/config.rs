//! What the edge was told to do: valid by construction.
//!
//! `Config::load` is the only way in. The file's shape (`file`) is what people write, this is
//! what the program uses: names that exist, keys that were read, durations that fit together.
//! Whoever holds a `Config` need not check anything again.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::health::ProbeSettings;

mod check;
mod decisions;
pub mod file;
mod restart;

pub use file::{
    AccessLogTo, Algorithm, Balance, HandoffContract, IdentityNeed, Protocol, RelayKind, SameSite,
};
pub use holdfast_conf::unit::{self, Network};
pub use holdfast_conf::{ConfigError, Position, Problem, SecretBytes};
use holdfast_conf::{error, position, secret};

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// The same as it was written, defaults filled in: what the admin port shows. Secrets are
    /// not in it, only where they come from.
    pub written: Arc<file::Config>,
    /// Threads that carry traffic.
    pub threads: usize,
    /// May threads take work from each other?
    pub work_stealing: bool,
    /// Where clients connect; at least one.
    pub listeners: Vec<Listener>,
    /// The clusters in the order of the file.
    pub clusters: Vec<Cluster>,
    /// The affinity cookie.
    pub affinity: Affinity,
    /// The routes in the order of the file.
    pub routes: Vec<Route>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much a client may ask for.
    pub limits: Limits,
    /// When a request is tried again.
    pub retry: Retry,
    /// How the process leaves.
    pub shutdown: Shutdown,
    /// The operators' port.
    pub admin: Admin,
    /// Whose tokens are believed.
    pub identity: Option<Identity>,
    /// By what contract endpoints know a proxy.
    pub cluster_key: Option<SecretBytes>,
    /// Whose forwarding headers are extended.
    pub forwarded: Vec<Network>,
    /// Where the access log goes.
    pub access_log: AccessLogTo,
    /// All this as the core decides by it.
    pub decisions: holdfast_core::control::Config,
    /// What is allowed and probably not meant; said at the start and by `check`.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Read and check a file. Paths inside it are relative to its folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| {
            ConfigError::one(path, Problem::at_start(format!("cannot be read: {cause}")))
        })?;
        Self::parse(path, &text)
    }

    /// Check a text as if it stood in the file of this name.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        check::config(path, text)
    }

    /// The description of the file for editors and validators: a JSON Schema.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(file::Config)
    }

    /// The cluster of this name.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.name == name)
    }
}

/// One address that clients connect to.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// HTTP/2 without TLS.
    pub h2c: bool,
    /// Certificate and key, when TLS ends here.
    pub tls: Option<Tls>,
    /// Who may send a PROXY header; `None`: nobody, and such bytes are a bad request.
    pub proxy_protocol: Option<Vec<Network>>,
}

/// The files of a TLS listener.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// A named set of endpoints.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// How its endpoints are found.
    pub discovery: Discovery,
    /// Who gets a new client.
    pub balance: Balance,
    /// What is asked to learn whether an endpoint is well.
    pub probes: Vec<ProbeSettings>,
    /// When traffic itself takes an endpoint out.
    pub eject: Eject,
    /// All endpoints are used when fewer than so many percent are well; 0: never.
    pub fail_open_percent: u8,
    /// From coming (back) to a full share of new clients; zero: at once.
    pub slow_start: Duration,
    /// Sessions one endpoint may have before it gets no new clients.
    pub sessions_max: Option<u64>,
    /// How endpoints are emptied.
    pub drain: Drain,
    /// How connections are moved.
    pub handoff: Handoff,
    /// The name of its affinity cookie.
    pub cookie: String,
    /// The name of the cookie's cross-site twin.
    pub cookie_cross_site: Option<String>,
    /// What names the client instead of the cookie.
    pub affinity_by: Option<AffinityBy>,
    /// What plain requests speak to the endpoints.
    pub protocol: Protocol,
    /// Are clients told which endpoint answered?
    pub expose_endpoint: bool,
}

/// How endpoints are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// They are these.
    Static(Vec<Endpoint>),
    /// They stand in a file.
    File {
        /// The file.
        path: PathBuf,
        /// How often it is looked at.
        interval: Duration,
    },
    /// They are the addresses of a name.
    Dns {
        /// The name.
        name: String,
        /// The port of every endpoint.
        port: u16,
        /// The longest time between two questions.
        interval: Duration,
        /// The name server, where it is not the system's.
        server: Option<SocketAddr>,
    },
}

/// One endpoint as discovery knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name for good.
    pub id: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share of new clients; 0: none.
    pub weight: u32,
}

/// When traffic itself takes an endpoint out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eject {
    /// Failures in a row; 0: never.
    pub failures: u32,
    /// How long the first time.
    pub base: Duration,
    /// The longest.
    pub max: Duration,
    /// How many percent of the cluster may be out.
    pub share_percent: u8,
}

/// How endpoints are emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Connections a second.
    pub rate: u32,
    /// All are gone by then.
    pub deadline: Duration,
}

/// How connections are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// Do the endpoints keep the contract?
    pub contract: HandoffContract,
    /// A connection that nobody takes for so long is lost.
    pub deadline: Duration,
    /// How long a planned move waits for acceptance and for Close.
    pub close_timeout: Duration,
    /// Not moved again so soon after a 421.
    pub hold: Duration,
    /// Dials to one endpoint at a time.
    pub dials: u32,
    /// Bytes of the longest message that survives a torn connection.
    pub message_buffer: usize,
    /// Bytes a client sent that are not accepted yet.
    pub unaccepted_buffer: usize,
}

/// The affinity cookie.
#[derive(Clone, Debug)]
pub struct Affinity {
    /// Ends when the client stays away for so long.
    pub idle: Duration,
    /// Ends so long after it was first given.
    pub absolute: Option<Duration>,
    /// 32 bytes each; the first seals, all open; never empty.
    pub keys: Vec<SecretBytes>,
    /// From which sites it is sent along.
    pub same_site: SameSite,
    /// `None`: where the client came over TLS.
    pub secure: Option<bool>,
    /// Out of reach for scripts.
    pub http_only: bool,
    /// Its domain.
    pub domain: Option<String>,
    /// Its path.
    pub path: String,
    /// Is the cross-site twin bound to the framing site?
    pub partitioned: bool,
}

/// What names the client instead of our cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AffinityBy {
    /// The value of this header.
    Header(String),
    /// The value of this query parameter.
    Query(String),
    /// The value of this cookie of the application.
    Cookie(String),
    /// The subject of the verified token.
    Subject,
}

/// Which request goes where.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in logs and metrics.
    pub name: String,
    /// The beginning of the path.
    pub path: String,
    /// The host, in lower case; `*.example.com` for everything below.
    pub host: Option<String>,
    /// The methods; empty: all.
    pub methods: Vec<String>,
    /// Headers, names in lower case, with the value they must have.
    pub headers: BTreeMap<String, String>,
    /// The cluster that answers.
    pub cluster: String,
    /// How it is carried.
    pub relay: RelayKind,
    /// Does a client come back to its endpoint?
    pub affinity: bool,
    /// Must the user be known?
    pub identity: IdentityNeed,
    /// Bytes of the longest body.
    pub body: u64,
    /// The longest wait for an answer.
    pub timeout: Duration,
    /// The same where the route itself says it.
    pub own_timeout: Option<Duration>,
}

/// How long things may take; see the file's shape for each.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// One dial.
    pub connect: Duration,
    /// From a whole request to the head of its answer, and between two parts of it.
    pub request: Duration,
    /// A client's connection without a request.
    pub keepalive: Duration,
    /// An unused connection to an endpoint.
    pub upstream_idle: Duration,
    /// A stream on which nothing moves.
    pub edge_idle: Duration,
    /// Between two signs of life of ours.
    pub heartbeat: Duration,
    /// A client that answers no ping.
    pub ping: Duration,
    /// A reader that takes nothing.
    pub write: Duration,
}

/// How much a client may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of request line and headers.
    pub head: usize,
    /// For the whole head.
    pub head_timeout: Duration,
    /// Headers in one request.
    pub headers: usize,
    /// For the whole body.
    pub body_timeout: Duration,
    /// Connections from one address.
    pub connections_per_address: usize,
    /// Connections in all.
    pub connections: usize,
    /// Requests on one connection; `None`: no limit.
    pub requests_per_connection: Option<u32>,
    /// Streams on one HTTP/2 connection.
    pub h2_streams: u32,
    /// What WebSockets and event streams may hold in memory together, in bytes.
    pub held: usize,
    /// Connections at a time that wait for an endpoint.
    pub parked: usize,
}

/// When a request is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Endpoints tried, the first included.
    pub attempts: usize,
    /// Answers 421 followed.
    pub hops: usize,
    /// Bytes of the longest body that can be said again.
    pub buffer: usize,
}

/// How the process leaves.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    /// Unready, still accepting.
    pub propagation: Duration,
    /// Over which connections are told to leave.
    pub spread: Duration,
    /// From the end of `propagation` to the exit.
    pub deadline: Duration,
}

/// The operators' port.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    /// Its address.
    pub address: SocketAddr,
    /// May endpoints be drained and put back?
    pub commands: bool,
    /// Where `/livez`, `/readyz` and `/metrics` alone are served.
    pub health: Option<SocketAddr>,
}

/// Whose tokens are believed.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The issuer.
    pub issuer: String,
    /// The audience.
    pub audience: String,
    /// The keys, each for one algorithm; never empty.
    pub keys: Vec<IdentityKey>,
    /// The cookie with the token.
    pub cookie: String,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// Further origins whose pages may act with the cookie.
    pub origins: Vec<String>,
}

/// A key that signs tokens.
#[derive(Clone)]
pub struct IdentityKey {
    /// The token's `kid`.
    pub id: String,
    /// The only algorithm it is believed with.
    pub algorithm: Algorithm,
    /// PEM, or the secret of `HS256`.
    pub material: Vec<u8>,
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({} {:?})", self.id, self.algorithm)
    }
}

#[cfg(test)]
mod tests;
