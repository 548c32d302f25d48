//! How connections end and move, in the words of logs and metrics.

use std::time::Duration;

use holdfast_wire::websocket::CloseCode;

use crate::cluster::EndpointId;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client said Close.
    ClientClosed(CloseCode),
    /// The client's leg ended without Close.
    ClientGone,
    /// The client answered no ping.
    ClientSilent,
    /// The client did not take what was sent to it.
    ClientSlow,
    /// The client's bytes are no WebSocket frames.
    ClientBroken,
    /// Nothing moved for longer than `timeouts.edge_idle`.
    Idle,
    /// The endpoint said Close, and meant the client.
    EndpointClosed(CloseCode),
    /// An opaque endpoint's leg ended without Close.
    EndpointGone,
    /// The event stream was ended for good.
    Finished,
    /// Closed politely: its endpoint, or this proxy, drains.
    Drained,
    /// A later endpoint refused the client, with this status.
    Refused(u16),
    /// It should have gone on, and could not.
    Lost(Lost),
}

/// Why a connection could not go on. The `reason` of `holdfast_lost_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// No endpoint took it before `handoff.deadline`.
    Deadline,
    /// The endpoint forgot messages it had accepted.
    Rewound,
    /// The endpoints broke the contract: too much accepted, or no contract where there was one.
    Contract,
    /// A message too large to hold was cut in the middle.
    Torn,
    /// The attempt was refused as outdated twice.
    Conflict,
    /// Too many connections of this proxy were without an endpoint (`limits.parked`).
    Crowded,
}

/// Why a connection moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its endpoint drains.
    Drain,
    /// Its endpoint is in maintenance.
    Maint,
    /// Discovery does not name its endpoint any more.
    Gone,
    /// To spread load.
    Rebalance,
    /// An operator asked for it.
    Admin,
    /// The endpoint asked for it: Close 1012 or 1001.
    Wish,
    /// Its leg broke, or its endpoint was judged dead.
    Crash,
}

/// A move that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The endpoint it left.
    pub from: EndpointId,
    /// The one it is at now; the same if it came back.
    pub to: EndpointId,
    /// Why.
    pub cause: Cause,
    /// From the order, or the loss of the leg, until it was taken.
    pub took: Duration,
}

impl Ending {
    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientClosed(_) => "client_closed",
            Self::ClientGone => "client_gone",
            Self::ClientSilent => "client_silent",
            Self::ClientSlow => "client_slow",
            Self::ClientBroken => "client_broken",
            Self::Idle => "idle",
            Self::EndpointClosed(_) => "endpoint_closed",
            Self::EndpointGone => "endpoint_gone",
            Self::Finished => "finished",
            Self::Drained => "drained",
            Self::Refused(_) => "refused",
            Self::Lost(_) => "lost",
        }
    }

    /// The close code the client saw, or would have seen.
    pub const fn code(self) -> CloseCode {
        match self {
            Self::ClientClosed(code) | Self::EndpointClosed(code) => code,
            Self::Refused(status) => CloseCode(4000 + status % 100),
            Self::Drained | Self::Lost(_) => CloseCode::RESTART,
            Self::ClientBroken => CloseCode::PROTOCOL_ERROR,
            Self::Finished => CloseCode::NORMAL,
            Self::ClientSilent | Self::ClientSlow | Self::Idle => CloseCode::GOING_AWAY,
            Self::ClientGone | Self::EndpointGone => CloseCode::ABNORMAL,
        }
    }
}

impl Lost {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Deadline,
        Self::Rewound,
        Self::Contract,
        Self::Torn,
        Self::Conflict,
        Self::Crowded,
    ];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Rewound => "rewound",
            Self::Contract => "contract",
            Self::Torn => "torn",
            Self::Conflict => "conflict",
            Self::Crowded => "crowded",
        }
    }
}

impl Cause {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Drain,
        Self::Maint,
        Self::Gone,
        Self::Rebalance,
        Self::Admin,
        Self::Wish,
        Self::Crash,
    ];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Maint => "maint",
            Self::Gone => "gone",
            Self::Rebalance => "rebalance",
            Self::Admin => "admin",
            Self::Wish => "wish",
            Self::Crash => "crash",
        }
    }
}
