//! What a request says about itself, beside what it asks for.

use std::collections::BTreeMap;

use holdfast_session::id::{ClientId, ConnectionId, EndpointId};
use holdfast_session::message::{Command, Lasting, SessionUpdate};
use holdfast_session::ownership::Served;
use holdfast_session::subscription::{Channels, Coalesce};
use holdfast_session::view;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who asks, and what the proxy knows about the owner. Believed as it stands:
/// `identity.rs` has removed what did not come from a trusted peer.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The verified user (`Holdfast-Subject`); `None` is anonymous.
    pub subject: Option<String>,
    /// Endpoints the proxy does not admit for this request (`Holdfast-Moved-From`).
    pub moved_from: Vec<EndpointId>,
}

impl Ask {
    /// Somebody who asks without a proxy.
    pub fn of(subject: Option<&str>) -> Self {
        Self {
            subject: subject.map(str::to_owned),
            moved_from: Vec::new(),
        }
    }
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
    /// Both ways, typed.
    GrpcTrade,
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OrdersQuery {
    /// Only those that rest.
    pub open_only: bool,
    /// Only those that stand so, such as `filled`.
    pub status: Option<String>,
    /// Only this symbol's.
    pub symbol: Option<String>,
    /// Only this side's.
    pub side: Option<view::Side>,
    /// At most so many; 1 to 500, 100 without one.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Which fills.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FillsQuery {
    /// Only this symbol's.
    pub symbol: Option<String>,
    /// Only this order's.
    pub order_id: Option<u64>,
    /// At most so many; 1 to 500, 100 without one.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Which sessions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SessionsQuery {
    /// Only those with all of these labels; with this value, where one is given.
    pub labels: Vec<(String, Option<String>)>,
    /// Only those whose simulator is in this state.
    pub state: Option<view::SimulatorState>,
    /// At most so many; 1 to 100, 100 without one.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Where to fork a session, and what the fork is to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForkRequest {
    /// The id of the entry of the output log that is the last one before the fork, about five
    /// minutes back at most; the present moment by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Added to those of the session it comes from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// As for a new session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Lasting>,
    /// As for a new session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_expires_in: Option<Lasting>,
    /// As for a new session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_on_disconnect: Option<Lasting>,
}

impl ForkRequest {
    pub(super) fn update(&self) -> SessionUpdate {
        let labels = self.labels.iter();
        SessionUpdate {
            labels: labels
                .map(|(key, value)| (key.clone(), Some(value.clone())))
                .collect(),
            expires_in: self.expires_in,
            idle_expires_in: self.idle_expires_in,
            cancel_on_disconnect: self.cancel_on_disconnect,
        }
    }
}
