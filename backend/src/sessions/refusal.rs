//! Why a question about a session is not answered here.

use std::time::Duration;

use holdfast_session::id::EndpointId;
use holdfast_session::message::Problem;
use thiserror::Error;

/// Why a question about a session is not answered here. One place in
/// `http/*` and one in `service/*` turn it into a status.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    /// Another endpoint owns the session: 421 with `Holdfast-Owner`.
    #[error("session is owned by {endpoint}")]
    Owner {
        /// By name.
        endpoint: EndpointId,
        /// Where its gRPC was last heard of.
        address: String,
    },
    /// Not now: 503 with `Retry-After`. Not processed.
    #[error("{problem:?}")]
    Unavailable {
        /// The reason, retryable.
        problem: Problem,
        /// When to come again.
        retry_after: Duration,
    },
    /// It was begun, and nobody can say whether it was done: 504. To be said
    /// again with the same idempotency key only.
    #[error("{0}")]
    Unknown(&'static str),
    /// There is no such session, symbol or order: 404.
    #[error("no such {0}")]
    Missing(&'static str),
    /// The session was ended: 410 (204 to an event stream).
    #[error("the session has ended")]
    Ended,
    /// The session is another user's: 403.
    #[error("the session belongs to another user")]
    Forbidden,
    /// A later dial of this connection was seen: 409 with `Holdfast-Attempt`.
    #[error("attempt {highest} of this connection was seen before")]
    Superseded {
        /// The highest seen.
        highest: u32,
    },
    /// A bound is reached: 429. Not processed.
    #[error("{0:?}")]
    Full(Problem),
    /// The request makes no sense: 400.
    #[error("{0:?}")]
    Invalid(Problem),
}

impl Refusal {
    /// Not now, come again in a second.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable {
            problem: Problem::retryable("unavailable", message),
            retry_after: Duration::from_secs(1),
        }
    }
}
