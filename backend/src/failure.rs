//! What is told when something is not done, before it takes the shape of a transport: problem+json
//! in `http/problem.rs`, a status in `service/status.rs`, an error message on a WebSocket.

use std::borrow::Cow;
use std::time::Duration;

use holdfast_proto::error::Code;
use holdfast_session::message;

use crate::sessions::Refusal;

/// What is told when something is not done.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Its class: decides HTTP status and gRPC code.
    pub class: Code,
    /// The code that is told; the class's own, unless the exchange names it more precisely.
    pub code: Cow<'static, str>,
    /// A sentence for people that says what would be right.
    pub detail: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What a program needs to go on.
    pub hint: Hint,
}

/// What a program needs to go on.
#[derive(Clone, Debug, PartialEq)]
pub enum Hint {
    /// Nothing beyond the code.
    None,
    /// Ask this endpoint (`Holdfast-Owner`).
    Owner(String),
    /// Come again after so long (`Retry-After`).
    RetryAfter(Duration),
    /// Dial again with an attempt above this one (`Holdfast-Attempt`).
    Attempt(u32),
    /// The methods that are allowed (`Allow`).
    Allow(&'static str),
}

impl Failure {
    /// A failure of this class.
    pub fn new(class: Code, detail: impl Into<String>) -> Self {
        Self {
            class,
            code: class.as_str().into(),
            detail: detail.into(),
            retryable: class.retryable(),
            hint: Hint::None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with(self, hint: Hint) -> Self {
        Self { hint, ..self }
    }

    /// The request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, detail)
    }

    /// A fault of ours; the cause goes to the log, never to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request met a fault of ours");
        Self::new(Code::Internal, "a fault of ours; it is in our log")
    }

    /// A command that was answered with a problem.
    pub fn of_answer(problem: message::Problem) -> Self {
        Self::of_problem(problem, Code::Rejected)
    }

    /// A problem whose code is on our list, or belongs to the class given.
    fn of_problem(problem: message::Problem, class: Code) -> Self {
        Self {
            class: match problem.code.as_str() {
                "unknown_symbol" | "unknown_order" => Code::NotFound,
                code => code.parse().unwrap_or(class),
            },
            code: problem.code.into(),
            detail: problem.message,
            retryable: problem.retryable,
            hint: Hint::None,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Owner { endpoint, .. } => {
                let detail = format!("the session is owned by endpoint {endpoint}; ask there");
                Self::new(Code::WrongEndpoint, detail).with(Hint::Owner(endpoint.to_string()))
            }
            Refusal::Unavailable {
                problem,
                retry_after,
            } => {
                let failure = Self::of_problem(problem, Code::Unavailable);
                failure.with(Hint::RetryAfter(retry_after))
            }
            Refusal::Unknown(detail) => Self::new(Code::Timeout, detail),
            Refusal::Missing("session") => Self::no_session(),
            Refusal::Missing(what) => Self::new(Code::NotFound, format!("there is no such {what}")),
            Refusal::Ended => {
                Self::new(Code::SessionEnded, "the session was ended; create another")
            }
            Refusal::Forbidden => Self::new(Code::Forbidden, "the session belongs to another user"),
            Refusal::Superseded { highest } => {
                let detail = format!("attempt {highest} of this connection was seen before");
                Self::new(Code::StaleAttempt, detail).with(Hint::Attempt(highest))
            }
            Refusal::Full(problem) => {
                let failure = Self::of_problem(problem, Code::QuotaExceeded);
                failure.with(Hint::RetryAfter(Duration::from_secs(1)))
            }
            Refusal::Invalid(problem) => Self::of_problem(problem, Code::BadRequest),
        }
    }
}

impl Failure {
    /// No scenario has this name.
    pub fn no_scenario() -> Self {
        let detail = "there is no such scenario; see GET /api/v1/scenarios";
        Self::new(Code::NotFound, detail)
    }

    /// No session has this id.
    pub fn no_session() -> Self {
        let detail = "there is no such session; create one with POST /api/v1/sessions";
        Self::new(Code::SessionNotFound, detail)
    }
}
