//! One leg of a connection, as the session serves it.

use std::sync::Arc;

use holdfast_session::log::Entry;

pub use holdfast_session::reader::Delivery;

/// A leg that was taken. Dropping both halves ends it; the connection's state
/// is kept for ten minutes for its next leg.
pub struct Attachment {
    /// `Holdfast-Position`: the place in the log where this leg starts.
    pub position: String,
    /// `Holdfast-Generation`.
    pub generation: u64,
    /// `Holdfast-Accepted`: data messages of this connection that are durably
    /// accepted, over all its legs.
    pub accepted: u64,
    /// What to send.
    pub output: Output,
    /// Where to put what the client says; unused on event streams.
    pub input: Input,
}

/// What is to be sent on a leg.
pub struct Output {
    _entry: Option<Arc<Entry>>,
}

/// One thing to send.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// A message with an id.
    Delivery(Delivery),
    /// So many data messages are accepted by now (`hf1:accepted=<n>`). Said
    /// before any delivery that depends on them.
    Accepted(u64),
    /// A transient message without an id: type and JSON data.
    Notice(String),
    /// Nothing more comes; close accordingly.
    Ended(Ending),
}

/// Why a leg ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The session goes on elsewhere: Close 1012 or the end of the event stream.
    Moved,
    /// A later leg of the same connection took its place.
    Replaced,
    /// The session was ended: Close 4010.
    Ended,
    /// The client broke the protocol: Close 4000.
    Protocol,
}

impl Output {
    /// The next thing to send. Cancel-safe. After [`Outgoing::Ended`] it stays
    /// pending for ever.
    pub async fn next(&mut self) -> Outgoing {
        std::future::pending().await
    }
}

/// Where a leg puts what its client says.
#[derive(Clone)]
pub struct Input {
    _private: (),
}

impl Input {
    /// One data message. Waits while the session's mailbox is full, so that
    /// pressure reaches the socket; an error means that the leg has ended.
    pub async fn send(&self, text: String) -> Result<(), LegEnded> {
        let _ = text;
        Err(LegEnded)
    }
}

/// The leg has ended; [`Output::next`] says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the leg has ended")]
pub struct LegEnded;
