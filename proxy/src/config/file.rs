//! The YAML shape, as people write it. The only place of this crate that knows serde.
//!
//! Nothing here is believed: `check` turns it into `Config`, which is valid by construction.
//! Every default stands here once, and the schema and `conf/proxy.yaml` are tested against it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use holdfast_conf::Secret;

use super::unit::{Network, Size, Span};

mod affinity;
mod cluster;
mod identity;
mod methods;

pub use affinity::{Affinity, AffinityBy, CrossSite, SameSite};
pub use cluster::{
    Balance, Cluster, ClusterAffinity, Discovery, DnsDiscovery, Drain, Eject, Endpoint,
    FileDiscovery, GrpcProbe, Handoff, HandoffContract, HttpProbe, Probe, Protocol, TcpProbe,
    WebSocketProbe,
};
pub use identity::{Algorithm, Identity, IdentityKey};
pub use methods::Methods;

/// The whole file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Threads that carry traffic. Default: the number of cores.
    #[serde(default)]
    pub threads: Option<usize>,
    /// May an idle thread take over work of a busy one? Off, each thread accepts and carries its
    /// own connections, which costs less per request and spreads a few heavy connections worse.
    #[serde(default = "on")]
    pub work_stealing: bool,
    /// Where clients connect. At least one.
    pub listeners: Vec<Listener>,
    /// The named sets of endpoints.
    pub clusters: BTreeMap<String, Cluster>,
    /// The cookie that brings a client back to its endpoint.
    #[serde(default)]
    pub affinity: Affinity,
    /// Which request goes to which cluster; the most specific match wins.
    pub routes: Vec<Route>,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How much a client may ask for.
    #[serde(default)]
    pub limits: Limits,
    /// When a request is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// How the process leaves.
    #[serde(default)]
    pub shutdown: Shutdown,
    /// The operators' port.
    #[serde(default)]
    pub admin: Admin,
    /// Who the user is, told by a signed token. Default: nobody is asked.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// The secret by which contract endpoints know that a request comes from a proxy: 64 hex
    /// digits. Default: none, and endpoints believe loopback peers alone.
    #[serde(default)]
    pub cluster_key: Option<Secret>,
    /// Proxies in front whose `X-Forwarded-For` is believed and extended.
    #[serde(default)]
    pub forwarded: Forwarded,
    /// Tell clients in `Holdfast-Endpoint` which endpoint answered: for demonstrations and tests.
    #[serde(default)]
    pub expose_endpoint: bool,
    /// The log with one line per exchange.
    #[serde(default)]
    pub access_log: AccessLog,
}

/// One address that clients connect to.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port, for example `0.0.0.0:8080`. Port 0 takes a free one.
    pub address: String,
    /// HTTP/2 without TLS, for gRPC inside a trusted network. Never on a port that browsers reach.
    #[serde(default)]
    pub h2c: bool,
    /// End TLS here. Refused by this version: end it at the load balancer.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Take the client's address from the PROXY header, version 2, that a load balancer sends.
    #[serde(default)]
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// Certificate and key of a TLS listener, PEM files.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Who may send a PROXY header.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyProtocol {
    /// The load balancer's networks. A header from elsewhere is a bad request.
    pub trusted: Vec<Network>,
}

/// Which request goes where. All conditions that are given must hold.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name in logs and metrics. Default: the path.
    #[serde(default)]
    pub name: Option<String>,
    /// The path begins with this, at a segment border.
    pub path: String,
    /// The host is this, or ends with it when it begins with `*.`.
    #[serde(default)]
    pub host: Option<String>,
    /// The method is this, or one of these.
    #[serde(default, alias = "methods")]
    pub method: Methods,
    /// These headers have exactly these values.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The cluster that answers.
    pub cluster: String,
    /// How it is carried. `auto` looks at the request: upgrade, event stream, gRPC, or plain.
    #[serde(default)]
    pub relay: RelayKind,
    /// `off`: every request is balanced anew and no cookie is set.
    #[serde(default)]
    pub affinity: Switch,
    /// Must a valid token come with the request?
    #[serde(default)]
    pub identity: IdentityNeed,
    /// The longest body. Default: `limits.body`.
    #[serde(default)]
    pub body: Option<Size>,
    /// The longest wait for an answer. Default: `timeouts.request`.
    #[serde(default)]
    pub timeout: Option<Span>,
}

/// How a route's requests are carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RelayKind {
    /// By what the request looks like.
    #[default]
    Auto,
    /// One request, one answer; upgrades are refused.
    Http,
    /// WebSocket upgrades alone.
    WebSocket,
    /// Every GET is an event stream.
    Sse,
    /// HTTP/2 to the endpoint, with trailers.
    Grpc,
}

/// On or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    #[default]
    On,
    /// Off.
    Off,
}

/// Must a request say who its user is?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdentityNeed {
    /// Without a valid token: 401.
    Required,
    /// A token is verified where there is one; a bad one is refused.
    Optional,
    /// Nobody looks.
    #[default]
    Off,
}

/// How long things may take.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// One dial to an endpoint.
    pub connect: Span,
    /// From a whole request to the head of its answer, and between two parts of the answer.
    pub request: Span,
    /// A client's connection without a request.
    pub keepalive: Span,
    /// An unused connection to an endpoint that is kept for the next request.
    pub upstream_idle: Span,
    /// A WebSocket or event stream on which nothing moves at all.
    pub edge_idle: Span,
    /// How often the edge pings a silent WebSocket client or writes an event-stream comment.
    pub heartbeat: Span,
    /// A WebSocket client that answers no ping for so long is gone.
    pub ping: Span,
    /// A reader that takes nothing for so long is gone.
    pub write: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Span::millis(250),
            request: Span::seconds(30),
            keepalive: Span::seconds(75),
            upstream_idle: Span::seconds(50),
            edge_idle: Span::seconds(80),
            heartbeat: Span::seconds(25),
            ping: Span::seconds(50),
            write: Span::seconds(30),
        }
    }
}

/// How much a client may ask for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Request line and headers together.
    pub head: Size,
    /// From the first byte of a head (or from connecting) to its last.
    pub head_timeout: Span,
    /// Headers in one request.
    pub headers: usize,
    /// The longest body.
    pub body: Size,
    /// From the end of a head to the end of its body.
    pub body_timeout: Span,
    /// Connections from one address at a time.
    pub connections_per_address: usize,
    /// Connections at a time, all addresses together.
    pub connections: usize,
    /// Requests on one connection before it is closed in an orderly way; 0 for no limit.
    pub requests_per_connection: u32,
    /// Streams at a time on one HTTP/2 connection.
    pub h2_streams: u32,
    /// What WebSockets and event streams may hold in memory together: messages that wait for
    /// their end, for acceptance, or for a slow reader. Beyond it a connection that holds 4 KiB
    /// is not read until it has let go of them.
    pub held: Size,
    /// Connections at a time that have lost their endpoint and wait for another. One more is
    /// closed with 1012 (an event stream with `retry:`), and counted as lost.
    pub parked: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Size::kib(32),
            head_timeout: Span::seconds(10),
            headers: 100,
            body: Size::kib(1024),
            body_timeout: Span::seconds(30),
            connections_per_address: 10_000,
            connections: 100_000,
            requests_per_connection: 0,
            h2_streams: 100,
            held: Size::kib(256 << 10),
            parked: 100_000,
        }
    }
}

/// When a request is tried again: after a failed dial, or an answer that says "not processed".
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Endpoints tried for one request, the first one included.
    pub attempts: usize,
    /// How many times an answer 421 is followed to the owner it names.
    pub hops: usize,
    /// The longest body that is kept to be said again.
    pub buffer: Size,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            hops: 3,
            buffer: Size::kib(64),
        }
    }
}

/// How the process leaves after SIGTERM.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// How long it is unready and still accepts, so that the load balancer notices first.
    pub propagation: Span,
    /// The time over which open connections are told to leave.
    pub spread: Span,
    /// From the end of `propagation` to the exit, whoever is still connected.
    pub deadline: Span,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            propagation: Span::seconds(10),
            spread: Span::seconds(20),
            deadline: Span::seconds(40),
        }
    }
}

/// The operators' port.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Its address. Keep it on loopback or inside a network of its own.
    pub address: String,
    /// May endpoints be drained and put back here? Default: yes on loopback, no elsewhere.
    pub commands: Option<bool>,
    /// A second address for `/livez`, `/readyz` and `/metrics` alone, which a kubelet, a load
    /// balancer and Prometheus can reach. Default: none.
    pub health: Option<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:9090".to_owned(),
            commands: None,
            health: None,
        }
    }
}

/// Proxies in front of this one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Forwarded {
    /// Their networks. From anywhere else, forwarding headers are replaced, not extended.
    pub trusted: Vec<Network>,
}

/// The log with one line per exchange.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLog {
    /// Where it goes.
    pub to: AccessLogTo,
}

/// Where the access log goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogTo {
    /// Standard output, one JSON object a line.
    #[default]
    Stdout,
    /// Nowhere.
    Off,
}

fn on() -> bool {
    true
}
