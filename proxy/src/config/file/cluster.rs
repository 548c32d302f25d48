//! The YAML shape of a cluster: its endpoints, how they are chosen, probed and drained.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AffinityBy;
use crate::config::unit::{Size, Span};

/// A named set of endpoints.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// How its endpoints are found.
    pub discovery: Discovery,
    /// Who gets a new client.
    #[serde(default)]
    pub balance: Balance,
    /// What is asked to learn whether an endpoint is well. Default: only traffic tells.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// When traffic itself takes an endpoint out for a while.
    #[serde(default)]
    pub eject: Eject,
    /// When fewer than so many percent of the endpoints are well, all are used: a wrong probe must
    /// not be worse than none. 0: never.
    #[serde(default)]
    pub fail_open: u8,
    /// An endpoint that comes (back) gets its full share of new clients after this time.
    #[serde(default = "slow_start")]
    pub slow_start: Span,
    /// Sessions one endpoint may have before it gets no new clients. Default: no cap.
    #[serde(default)]
    pub sessions_max: Option<u64>,
    /// How its endpoints are emptied.
    #[serde(default)]
    pub drain: Drain,
    /// How connections are moved between its endpoints.
    #[serde(default)]
    pub handoff: Handoff,
    /// What differs from the affinity of the whole file.
    #[serde(default)]
    pub affinity: ClusterAffinity,
    /// What plain requests speak to the endpoints. gRPC is always HTTP/2.
    #[serde(default)]
    pub protocol: Protocol,
    /// Differs from the key of the same name at the top.
    #[serde(default)]
    pub expose_endpoint: Option<bool>,
}

/// How endpoints are found. Exactly one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Discovery {
    /// They stand here.
    pub r#static: Option<Vec<Endpoint>>,
    /// They stand in a file, which is read again when it changes.
    pub file: Option<FileDiscovery>,
    /// They are the addresses of a name, such as a headless service.
    pub dns: Option<DnsDiscovery>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its name for good: it outlives the address.
    pub id: String,
    /// Address and port.
    pub address: String,
    /// Its share of new clients beside the others. 0: none.
    #[serde(default = "weight")]
    pub weight: u32,
}

/// A file with endpoints: `endpoints: [{ id: a, address: 10.0.0.1:9001 }]`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileDiscovery {
    /// The file, relative to the configuration's folder.
    pub path: PathBuf,
    /// How often it is looked at.
    #[serde(default = "file_interval")]
    pub interval: Span,
}

/// A name whose addresses are the endpoints; each is called by its address.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsDiscovery {
    /// The name.
    pub name: String,
    /// The port of every endpoint.
    pub port: u16,
    /// The longest time between two questions; a shorter time to live of the answer goes first.
    #[serde(default = "dns_interval")]
    pub interval: Span,
    /// The name server. Default: those of the system.
    #[serde(default)]
    pub server: Option<String>,
}

/// Who gets a new client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The less busy of two drawn at random.
    #[default]
    LeastSessions,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// By the affinity key alone, so that every proxy chooses alike.
    Rendezvous,
}

/// One question asked again and again. Exactly one of `http`, `grpc`, `tcp`, `websocket`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// A GET that must be answered by 200 to 299, or as `status_min` and `status_max` say.
    pub http: Option<HttpProbe>,
    /// `grpc.health.v1.Health/Check`.
    pub grpc: Option<GrpcProbe>,
    /// A connection is enough.
    pub tcp: Option<TcpProbe>,
    /// An upgrade, then a ping that must be answered.
    pub websocket: Option<WebSocketProbe>,
    /// Asked on this port. Default: the endpoint's own.
    pub port: Option<u16>,
    /// Between two probes; moved by up to a tenth so that they do not march in step.
    pub interval: Span,
    /// For the answer.
    pub timeout: Span,
    /// Good answers in a row before an endpoint counts as well.
    pub rise: u32,
    /// Bad answers in a row before it counts as ill.
    pub fall: u32,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            http: None,
            grpc: None,
            tcp: None,
            websocket: None,
            port: None,
            interval: Span::seconds(2),
            timeout: Span::seconds(1),
            rise: 2,
            fall: 3,
        }
    }
}

/// A GET.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpProbe {
    /// The path that is asked for.
    pub path: String,
    /// The host header. Default: the endpoint's address.
    #[serde(default)]
    pub host: Option<String>,
    /// The lowest good status. Default: 200.
    #[serde(default)]
    pub status_min: Option<u16>,
    /// The highest good status. Default: 299.
    #[serde(default)]
    pub status_max: Option<u16>,
}

/// The standard health service.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcProbe {
    /// The service that is asked about. Default: the whole server.
    pub service: String,
}

/// A connection.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpProbe {}

/// An upgrade and a ping.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSocketProbe {
    /// The path of the upgrade.
    pub path: String,
    /// The host header. Default: the endpoint's address.
    #[serde(default)]
    pub host: Option<String>,
}

/// When traffic itself takes an endpoint out for a while.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Eject {
    /// Failures in a row: refused or timed-out dials, answers 502 to 504, streams that break off.
    /// 0 switches it off.
    pub failures: u32,
    /// How long the first time; doubled each time again.
    pub base: Span,
    /// The longest.
    pub max: Span,
    /// How many percent of a cluster may be out at a time.
    pub share: u8,
}

impl Default for Eject {
    fn default() -> Self {
        Self {
            failures: 5,
            base: Span::seconds(10),
            max: Span::seconds(300),
            share: 50,
        }
    }
}

/// How an endpoint is emptied.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// Connections moved or closed a second; raised when the deadline would be missed.
    pub rate: u32,
    /// All are gone by then.
    pub deadline: Span,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            rate: 50,
            deadline: Span::seconds(30),
        }
    }
}

/// How connections are moved between endpoints.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Handoff {
    /// Do the endpoints keep the handoff contract?
    pub contract: HandoffContract,
    /// A connection that no endpoint takes for so long is lost.
    pub deadline: Span,
    /// How long a planned move waits for acceptance, and then for the old endpoint's Close.
    pub close_timeout: Span,
    /// A connection that followed a 421 is not moved again before.
    pub hold: Span,
    /// Dials to one endpoint at a time, so that a mass move does not bury it.
    pub dials: u32,
    /// The longest message that survives a torn connection; longer ones stream through.
    pub message_buffer: Size,
    /// What a client sent and the endpoint has not accepted; full, the client is not read.
    pub unaccepted_buffer: Size,
}

impl Default for Handoff {
    fn default() -> Self {
        Self {
            contract: HandoffContract::Auto,
            deadline: Span::seconds(10),
            close_timeout: Span::seconds(2),
            hold: Span::seconds(10),
            dials: 64,
            message_buffer: Size::kib(64),
            unaccepted_buffer: Size::kib(256),
        }
    }
}

/// Do the endpoints keep the handoff contract?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffContract {
    /// They must: one that does not is passed over.
    Required,
    /// The first answer of an endpoint tells.
    #[default]
    Auto,
    /// No: they are opaque.
    Off,
}

/// What differs for this cluster.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterAffinity {
    /// The cookie's name.
    pub cookie: Option<String>,
    /// What names the client instead of our cookie.
    pub by: Option<AffinityBy>,
}

/// What plain requests speak to the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge.
    H2c,
}

fn weight() -> u32 {
    100
}

fn slow_start() -> Span {
    Span::seconds(0)
}

fn file_interval() -> Span {
    Span::seconds(1)
}

fn dns_interval() -> Span {
    Span::seconds(5)
}
