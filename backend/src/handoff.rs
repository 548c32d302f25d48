//! Pulling a session from the endpoint that runs it. The gRPC of it is in
//! `service/*`; here is what it means.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_session::id::{EndpointId, Incarnation, SessionId};
use holdfast_session::ownership::Owner;
use thiserror::Error;

/// Asks other endpoints to let a session go. One call has 250 ms to connect
/// and 1 s in all.
#[async_trait]
pub trait Handoff: Send + Sync {
    /// Asks the owner that the record names to let a session go.
    async fn release(&self, owner: &Owner, ask: &ReleaseAsk) -> Result<Released, Unreachable>;
}

/// Who wants which session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseAsk {
    /// Which session.
    pub session: SessionId,
    /// Who wants it.
    pub to: EndpointId,
    /// The start of that endpoint's process.
    pub to_incarnation: Incarnation,
    /// The generation of ownership that the asker read from the store.
    pub generation: u64,
}

/// What the endpoint asked says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// Everything that was acknowledged is in the store and the legs here have
    /// ended. It stays stopped until a higher generation is seen, or 2 s have
    /// passed.
    Released {
        /// The generation it was held under.
        generation: u64,
    },
    /// It took the session too short a time ago and is not leaving.
    Held {
        /// The generation it is held under.
        generation: u64,
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// It does not run this session (any more): read the record again.
    NotOwner {
        /// The newest generation it knows of; 0 when none.
        generation: u64,
    },
}

/// The endpoint could not be asked in time: the store decides.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("endpoint at {address} cannot be asked: {reason}")]
pub struct Unreachable {
    /// Who.
    pub address: String,
    /// What failed.
    pub reason: String,
}
