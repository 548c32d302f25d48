//! What the description says of parameters and answers that many operations share. Handlers read
//! and write them elsewhere: these types are for the document alone.
#![allow(dead_code, reason = "their fields are described, not read")]

use holdfast_session::view::Simulator;
use utoipa::{IntoParams, IntoResponses};

/// The path of a session.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct SessionPath {
    /// The session: 32 hexadecimal digits.
    #[param(
        pattern = "^[0-9a-f]{32}$",
        example = "0123456789abcdef0123456789abcdef"
    )]
    id: String,
}

/// The path of one symbol of a session.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct SymbolPath {
    /// The session: 32 hexadecimal digits.
    #[param(
        pattern = "^[0-9a-f]{32}$",
        example = "0123456789abcdef0123456789abcdef"
    )]
    id: String,
    /// One of its symbols.
    #[param(min_length = 1, pattern = "^[A-Za-z0-9._-]+$", example = "ACME")]
    symbol: String,
}

/// The path of one order of a session.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OrderPath {
    /// The session: 32 hexadecimal digits.
    #[param(
        pattern = "^[0-9a-f]{32}$",
        example = "0123456789abcdef0123456789abcdef"
    )]
    id: String,
    /// The order's number.
    #[param(example = 40)]
    order: u64,
}

/// What makes a request safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct Repeatable {
    /// Makes the request safe to repeat: 1 to 64 letters, digits, `.`, `_` and `-`. The same key
    /// with the same request within ten minutes gets the first one's answer and does nothing; with
    /// another request it is refused with `key_reused`.
    #[param(
        rename = "Idempotency-Key",
        pattern = "^[A-Za-z0-9._-]{1,64}$",
        example = "buy-1"
    )]
    idempotency_key: Option<String>,
}

/// What the simulator is doing now.
#[derive(IntoResponses)]
#[response(status = 200)]
pub(super) struct SimulatorNow(Simulator);
