//! One relayed connection: what becomes of it when its endpoint leaves, dies or asks to be left?
//!
//! The client's leg stays; the upstream leg may be put on another endpoint. [`WebSocket`] and
//! [`EventStream`] decide everything about that, and hold the bytes that must survive it. The
//! shell around them moves bytes and does what [`Command`]s say:
//!
//! ```text
//! Opening ──taken──▶ Attached ──order──▶ Detaching ──let go──▶ Searching ──taken──▶ Attached
//!    │                  │  └────────── leg lost, endpoint's wish ──▲ │
//!    └─declined         └─ client or endpoint closes ─▶ Closing ◀──── └ nobody: lost
//!                                                          └─▶ Ended
//! ```
//!
//! * *Opening*: the client waits for its answer; nothing was promised yet.
//! * *Attached*: bytes flow. The endpoint counts this connection as its own.
//! * *Detaching*: what was sent is being accepted, then the endpoint is asked to let go. Nothing
//!   new is sent to it; all that it still says is delivered.
//! * *Searching*: no upstream leg. Dial when told to; the client is read up to a bound.
//! * *Closing*: the connection ends; the last bytes and the closing handshake are on their way.
//!
//! Each is driven in the manner of a protocol library: `handle_*` tells it what happened, `poll_*`
//! asks what it wants, and time is an argument. Everything that waits has an instant in
//! `poll_timeout`.

mod answer;
mod ending;
mod event_stream;
mod frames;
mod holdings;
mod legs;
mod pulse;
mod queue;
mod replay;
mod search;
#[cfg(test)]
mod stage;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use holdfast_wire::contract::EventId;

pub use answer::{Answer, Head, Terms};
pub use ending::{Cause, Ending, Lost, Moved};
pub use event_stream::EventStream;
pub use holdings::{Buffer, Holdings, QUANTUM};
pub use pulse::PulseSettings;
pub use websocket::WebSocket;

use crate::affinity::AffinityKey;
use crate::cluster::{ClusterName, Contract, Endpoint, EndpointId, HandoffSettings};

/// How connections of one cluster are treated; shared by all of them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How they are handed from one endpoint to another.
    pub handoff: HandoffSettings,
    /// How their clients are watched.
    pub pulse: PulseSettings,
    /// How long a client is told to wait before it comes back, when its event stream ends.
    pub retry: Duration,
    /// What all connections of the process may hold together.
    pub holdings: Arc<Holdings>,
}

/// What is known of a connection before its first dial.
#[derive(Clone, Debug)]
pub struct Opening {
    /// How it is to be treated.
    pub settings: Arc<Settings>,
    /// The cluster it belongs to.
    pub cluster: ClusterName,
    /// Where it goes together with the other connections of its client.
    pub key: AffinityKey,
    /// The endpoint the verdict chose.
    pub endpoint: Arc<Endpoint>,
    /// The endpoint its claim named.
    pub claimed: Option<EndpointId>,
    /// What the verdict says for `Holdfast-Moved-From`.
    pub moved_from: Vec<EndpointId>,
    /// Where the client says it was: its own `Last-Event-ID` or `?last_event_id=`.
    pub last_event_id: Option<EventId>,
    /// Chance, for the jitter of its dials.
    pub draw: u64,
}

/// What the connection wants done. Ask until there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Dial: ask `place` whom, and tell `handle_answer` what came of it.
    Dial,
    /// Drop the upstream leg, or the dial under way.
    HangUp,
    /// The first endpoint took it: give the client its answer, then let bytes flow.
    Accept,
    /// Nobody took the first leg: pass on what the endpoint answered, or for want of an answer
    /// say 503. Nothing further will come.
    Decline,
    /// Tell operators about this move.
    Report(Moved),
    /// It is over: nothing more is to be read or written.
    End(Ending),
}

/// What operators or the control plane want of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go to another endpoint. A connection that cannot be moved is closed politely instead.
    Move(Cause),
    /// Close politely: 1012, or `retry:` and the end of the stream.
    Close,
    /// The endpoint is judged dead: do not wait for its leg to break.
    Abandon,
}

/// Whom to dial, and what to tell them.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// `Holdfast-Attempt`.
    pub attempt: u32,
    /// `Last-Event-ID`.
    pub last_event_id: Option<EventId>,
    /// `Holdfast-Generation`.
    pub generation: Option<Box<str>>,
    /// `Holdfast-Moved-From`.
    pub moved_from: Vec<EndpointId>,
    /// How long it may take to answer. On the first leg the deadline alone counts.
    pub patience: Duration,
}

impl Settings {
    fn contract(&self) -> Contract {
        self.handoff.contract
    }
}

/// How long the closing handshake may take, and the last bytes with it.
const CLOSING: Duration = Duration::from_secs(5);
