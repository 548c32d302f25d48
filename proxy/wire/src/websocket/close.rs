//! What a close code says about the endpoint that sent it, RFC 6455 section 7.4.

use std::fmt;

/// The number in a Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The sender goes away: a page left, a server shutting down.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// No code was in the Close. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// The connection ended without a Close. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// The peer sent something the sender's policy forbids.
    pub const POLICY: Self = Self(1008);
    /// A message is larger than the sender takes.
    pub const TOO_BIG: Self = Self(1009);
    /// The server failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server restarts; come back.
    pub const RESTART: Self = Self(1012);
    /// The server is overloaded; come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// What the code says about the endpoint behind it.
    pub const fn class(self) -> CloseClass {
        match self.0 {
            1000 | 1001 => CloseClass::Normal,
            1006 | 1011 | 1013 => CloseClass::Failure,
            1012 => CloseClass::Restart,
            3000..=4999 => CloseClass::Application,
            _ => CloseClass::Other,
        }
    }

    /// Whether an endpoint may put it in a Close frame: 1005, 1006 and 1015 only ever stand for
    /// what was not received, and the rest of 0-2999 is not given out (RFC 6455 section 7.4.2).
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a close code counts when the health of an endpoint is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseClass {
    /// 1000, 1001: nothing is wrong.
    Normal,
    /// 1006, 1011, 1013: the endpoint failed, vanished or is overloaded.
    Failure,
    /// 1012: the endpoint restarts and says so.
    Restart,
    /// 3000-4999: the application's own word, no verdict on the endpoint.
    Application,
    /// Anything else, mostly a complaint about what the peer sent.
    Other,
}
