//! The YAML shape, as people write it. The only place of the configuration that knows serde.
//!
//! Nothing here is believed: `check` turns it into `Config`, which is valid by construction.
//! Every default stands here once, and the schema and `conf/backend.yaml` are tested against it.

mod ledger;

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use holdfast_conf::Secret;
pub use ledger::{Ledger, Pool, Postgres, Tls};

use super::unit::{Size, Span};

/// The whole file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of this endpoint, which outlives its address: 1 to 253 letters, digits, dots, `-`
    /// and `_`. Default: the environment's `HOLDFAST_ENDPOINT`, else the host's name.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The one address for REST, WebSocket, event streams and gRPC.
    #[serde(default = "listen")]
    pub listen: String,
    /// Where the other backends reach `listen`. Default: the environment's `HOLDFAST_ADVERTISE`,
    /// else the address that was bound, which is wrong for 0.0.0.0.
    #[serde(default)]
    pub advertise: Option<String>,
    /// Where sessions live when no process holds them. Needed, except with `exchange.address`.
    #[serde(default)]
    pub store: Option<Store>,
    /// Where what must last is written: sessions, orders, fills, the audit trail.
    #[serde(default)]
    pub ledger: Ledger,
    /// The secret by which proxies and other backends are known: 64 hex digits. Default: none,
    /// and loopback peers alone are believed.
    #[serde(default)]
    pub cluster_key: Option<Secret>,
    /// Gives tokens to whoever asks: for demonstrations. Default: off.
    #[serde(default)]
    pub demo_issuer: Option<DemoIssuer>,
    /// What the token service judges by. Default: it judges nothing.
    #[serde(default)]
    pub tokens: Option<Tokens>,
    /// How much anybody may ask for.
    #[serde(default)]
    pub limits: Limits,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How connections are kept alive and judged.
    #[serde(default)]
    pub heartbeat: Heartbeat,
    /// How simulated markets are run.
    #[serde(default)]
    pub simulator: Simulator,
    /// How sessions change hands.
    #[serde(default)]
    pub handoff: Handoff,
    /// How the process leaves.
    #[serde(default)]
    pub shutdown: Shutdown,
    /// What clients may use besides orders and market data.
    #[serde(default)]
    pub features: Features,
    /// Where the exchanges run. Default: in this process.
    #[serde(default)]
    pub exchange: Option<Exchange>,
}

/// Exactly one of the stores there are.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// One file, shared by the backends of one machine; needs no server.
    #[serde(default)]
    pub sqlite: Option<Sqlite>,
    /// A Redis server, for backends on many machines.
    #[serde(default)]
    pub redis: Option<Redis>,
    /// How long market data goes on while the store does not answer; commands are refused at once.
    #[serde(default = "grace")]
    pub grace: Span,
}

/// A SQLite database.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sqlite {
    /// Its file, relative to this configuration; made when it is not there.
    pub file: PathBuf,
}

/// A Redis server.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://host:port/db`, or `unix:///path` for a socket.
    pub url: String,
    /// Enters with this password; better here than in `url`. Default: none.
    #[serde(default)]
    pub password: Option<Secret>,
    /// In front of every key, so that several deployments can share a server: letters, digits,
    /// `.`, `_`, `-` and `:`.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// How long a command or a dial may take; 50ms to 30s. Beyond it the outcome is unknown and
    /// read back.
    #[serde(default = "store_timeout")]
    pub timeout: Span,
}

/// The address may hold a password.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Redis");
        shown.field("prefix", &self.prefix);
        shown
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Gives tokens to whoever asks.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DemoIssuer {
    /// The Ed25519 private key that signs, in PEM (PKCS #8).
    pub key: Secret,
    /// `kid` in the token's header. Default: none.
    #[serde(default)]
    pub key_id: Option<String>,
    /// `iss` of the tokens.
    pub issuer: String,
    /// `aud` of the tokens.
    pub audience: String,
    /// How long a token is good: 1m to 30d.
    #[serde(default = "token_ttl")]
    pub ttl: Span,
}

/// What tokens are judged by.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// `iss` that is asked for.
    pub issuer: String,
    /// `aud` that is asked for.
    pub audience: String,
    /// How far clocks may differ; at most 5m.
    #[serde(default = "leeway")]
    pub leeway: Span,
    /// The keys that may have signed. At least one.
    pub keys: Vec<TokenKey>,
}

/// A key that may have signed a token.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// `kid` that the token names; a token without one is tried with the first key.
    pub id: String,
    /// The one algorithm this key is good for; the token has no say.
    pub algorithm: Algorithm,
    /// The public key in PEM; for HS256 the shared secret as it stands in the file.
    pub file: PathBuf,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Algorithm {
    /// Ed25519.
    EdDSA,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// RSA with SHA-256.
    RS256,
    /// HMAC with SHA-256: whoever can judge can sign, too.
    HS256,
}

/// How much anybody may ask for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open TCP connections; further ones wait to be accepted.
    pub connections: usize,
    /// A request's head: 8KiB to 1MiB.
    pub head: Size,
    /// A request's body: at most 16MiB.
    pub body: Size,
    /// One WebSocket message of a client: 1KiB to 1MiB.
    pub message: Size,
    /// Sessions that run at this endpoint.
    pub sessions: usize,
    /// Sessions of one user; anonymous users are not told apart and not counted.
    pub sessions_per_subject: usize,
    /// WebSockets and event streams of one user at this endpoint; of anonymous ones as before.
    pub streams_per_subject: usize,
    /// WebSockets and event streams at this endpoint.
    pub streams: usize,
    /// Operations on orders of one user a second at this endpoint; twice as many at once. For
    /// anonymous users: of one session.
    pub orders_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            head: Size::kib(32),
            body: Size::kib(64),
            message: Size::kib(64),
            sessions: 10_000,
            sessions_per_subject: 20,
            streams_per_subject: 64,
            streams: 10_000,
            orders_per_second: 500,
        }
    }
}

/// How long things may take.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From the connection's start, or the answer before, to a whole request head.
    pub head: Span,
    /// From a request's head to its answer's head; streams are not ended by it.
    pub request: Span,
    /// How long a stream's client may take nothing before it is given up.
    pub write: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Span::seconds(90),
            request: Span::seconds(15),
            write: Span::seconds(20),
        }
    }
}

/// How connections are kept alive and judged.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// Between pings of a silent client; the first comes at a random part of it.
    pub interval: Span,
    /// How long a WebSocket client may say nothing before it is closed with 4212.
    pub timeout: Span,
    /// Between the comments that keep a silent event stream open.
    pub comment: Span,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            interval: Span::seconds(25),
            timeout: Span::seconds(50),
            comment: Span::seconds(15),
        }
    }
}

/// How simulated markets are run.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Simulator {
    /// How often the market goes on; what happened between leaves together. 10ms to 1s.
    pub pulse: Span,
    /// How far behind the clock a revived market catches up; beyond it, it rests.
    pub catch_up: Span,
    /// How long a session without connections and requests is kept in memory.
    pub idle: Span,
}

impl Default for Simulator {
    fn default() -> Self {
        Self {
            pulse: Span::millis(20),
            catch_up: Span::seconds(120),
            idle: Span::seconds(120),
        }
    }
}

/// How sessions change hands.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Handoff {
    /// A session that was taken less than this ago is not let go, unless this endpoint leaves.
    pub hold: Span,
    /// Between snapshots of a session: a crash replays at most this much of its market.
    pub snapshots: Span,
}

impl Default for Handoff {
    fn default() -> Self {
        Self {
            hold: Span::seconds(10),
            snapshots: Span::seconds(5),
        }
    }
}

/// What clients may use besides orders and market data; `/health/websocket` names what is on.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    /// Several operations on orders in one command.
    pub batch: bool,
    /// The market's speed, steps and jumps.
    pub clock: bool,
    /// Sessions that branch off others.
    pub fork: bool,
    /// A market that begins anew in its session.
    pub restart: bool,
    /// News, sweeps, halts and thin books at a command.
    pub shocks: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            batch: true,
            clock: true,
            fork: true,
            restart: true,
            shocks: true,
        }
    }
}

/// Where the exchanges run.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// `http://host:port` of backends that run them: this one is a front then, which needs no store
    /// and no ledger.
    #[serde(default)]
    pub address: Option<String>,
}

/// How the process leaves.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// How long sessions may wait to be taken over by other endpoints after SIGTERM; what is
    /// left then is laid down in the store.
    pub deadline: Span,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            deadline: Span::seconds(40),
        }
    }
}

fn listen() -> String {
    "127.0.0.1:9001".to_owned()
}

const fn token_ttl() -> Span {
    Span::seconds(24 * 3600)
}

fn prefix() -> String {
    "holdfast".to_owned()
}

const fn store_timeout() -> Span {
    Span::seconds(2)
}

pub(super) const fn grace() -> Span {
    Span::seconds(30)
}

const fn leeway() -> Span {
    Span::seconds(30)
}
