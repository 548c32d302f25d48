//! What is told about a connection: once when it ends, and for each move.

use std::net::IpAddr;
use std::time::Duration;

use holdfast_core::connection::{Cause, Ending, Moved};
use holdfast_core::health::Kind;
use holdfast_core::{ClusterName, Endpoint, EndpointId, Relay, Why};

use super::ConnectionId;

/// Everything the access log and the metrics say about a connection that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// WebSocket or event stream.
    pub relay: Relay,
    /// The id under which endpoints knew it (`Holdfast-Connection`), in hex.
    pub connection: Box<str>,
    /// The id of the request that opened it.
    pub request_id: Box<str>,
    /// The host that was asked for.
    pub host: Box<str>,
    /// The path, without its query.
    pub path: Box<str>,
    /// What the client was answered; `None` if it left before.
    pub status: Option<u16>,
    /// The number of the snapshot that decided where it went first.
    pub snapshot: u64,
    /// The route it took.
    pub route: Box<str>,
    /// The cluster.
    pub cluster: ClusterName,
    /// The endpoint it was at last.
    pub endpoint: Option<EndpointId>,
    /// What its affinity was worth when it was opened.
    pub why: Why,
    /// The client's address.
    pub client: IpAddr,
    /// How long it lived.
    pub lived: Duration,
    /// Moves made.
    pub moves: u32,
    /// Messages from the client, and messages or events to it.
    pub messages: (u64, u64),
    /// Bytes from the client, and to it.
    pub bytes: (u64, u64),
    /// Why it ended.
    pub ending: Ending,
    /// Why it had last been ordered to close or to move (`drain`, `shutdown`, ...); empty if it
    /// never was.
    pub because: &'static str,
    /// Why it left its endpoint, if it was between two of them when it ended.
    pub moving: Option<Cause>,
}

/// Who is told about connections. Called inside relays: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// A connection was opened.
    fn opened(&self, relay: Relay, cluster: &ClusterName, endpoint: &EndpointId);
    /// A connection has another endpoint now, or came back to the same.
    fn moved(&self, connection: ConnectionId, relay: Relay, cluster: &ClusterName, moved: &Moved);
    /// A connection ended.
    fn ended(&self, record: &Ended);
    /// An endpoint served well or badly.
    fn outcome(&self, cluster: &ClusterName, endpoint: &Endpoint, kind: Kind);
}
