//! What a request says about itself, beside what it asks for.

use holdfast_session::id::{ClientId, ConnectionId, EndpointId};
use holdfast_session::message::Command;
use holdfast_session::ownership::Served;
use holdfast_session::subscription::{Channels, Coalesce};

/// Who asks, and what the proxy knows about the owner. Believed as it stands:
/// `identity.rs` has removed what did not come from a trusted peer.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The verified user (`Holdfast-Subject`); `None` is anonymous.
    pub subject: Option<String>,
    /// Endpoints the proxy does not admit for this request (`Holdfast-Moved-From`).
    pub moved_from: Vec<EndpointId>,
}

/// One dial of a connection: an upgrade or an event stream.
#[derive(Debug, Clone)]
pub struct Dial {
    /// `Holdfast-Connection`, or drawn at random for a client without a proxy.
    pub connection: ConnectionId,
    /// `Holdfast-Attempt`; 1 without one.
    pub attempt: u32,
    /// `Last-Event-ID` or, without one, `?last_event_id=`, as it was sent: what
    /// is no id of this session's log leads to a `reset`.
    pub last_event_id: Option<String>,
    /// `Holdfast-Generation`: under which the leg before was served.
    pub generation: Option<Served>,
    /// `?client=`; the connection itself without one.
    pub client: Option<ClientId>,
    /// `?channels=`; all without one.
    pub channels: Channels,
    /// `?coalesce=`.
    pub coalesce: Coalesce,
    /// Answers go to WebSockets only.
    pub transport: Transport,
}

/// What carries the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Both ways.
    WebSocket,
    /// To the client only; no answers.
    EventStream,
    /// To the client only, typed; no answers.
    Grpc,
}

/// A command that came by REST or gRPC.
#[derive(Debug, Clone)]
pub struct CommandRequest {
    /// `Idempotency-Key`, 1 to 64 of letters, digits, '.', '_' and '-'. The same
    /// key of the same subject within 10 minutes gets the first one's answer.
    pub idempotency_key: Option<ClientId>,
    /// What to do; `subscribe` and `unsubscribe` need a connection and are refused.
    pub command: Command,
}

/// Which orders.
#[derive(Debug, Clone, Default)]
pub struct OrdersQuery {
    /// Only those that rest.
    pub open_only: bool,
    /// At most so many; 1 to 500, 100 without one.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}
