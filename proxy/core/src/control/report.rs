//! What people are told: lines of the log and of the operators' page.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::cluster::{Admin, ClusterName, EndpointId, Health};

/// Something that operators want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The cluster it is about; `None`: the whole proxy.
    pub cluster: Option<ClusterName>,
    /// The endpoint it is about.
    pub endpoint: Option<EndpointId>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A new configuration is in force.
    Reloaded,
    /// Discovery names a new endpoint.
    Joined {
        /// Where it is.
        address: SocketAddr,
    },
    /// Discovery does not name an endpoint any more.
    Left,
    /// An endpoint has a new address.
    Readdressed {
        /// The new one.
        address: SocketAddr,
    },
    /// What is known of its health changed.
    Health {
        /// What was.
        from: Health,
        /// What is.
        to: Health,
        /// Why, in words.
        why: String,
    },
    /// What is wanted of it changed.
    Admin {
        /// What was.
        from: Admin,
        /// What is.
        to: Admin,
        /// Who wants it.
        by: By,
    },
    /// Its rate would miss the deadline, so connections leave faster.
    RateRaised {
        /// The configured rate, connections a second.
        configured: u32,
        /// The rate from now on.
        raised: u32,
    },
    /// Its drain is over.
    Drained {
        /// How long it took.
        took: Duration,
        /// Connections that were still there at the deadline.
        left: u32,
    },
    /// It served badly, but too many of its cluster are out already.
    Spared,
    /// The endpoint could not be told of its drain; this proxy drains it alone.
    Untold,
    /// Too few endpoints are fit, so health is not believed (`true`), or it is again.
    FailingOpen(bool),
    /// It was learnt that the endpoint keeps the handoff contract.
    Contract,
}

/// Who wants something of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An operator, through this proxy.
    Operator,
    /// The endpoint itself, in its readiness answer.
    Itself,
}

impl What {
    /// A short name for machines.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Reloaded => "reloaded",
            Self::Joined { .. } => "joined",
            Self::Left => "left",
            Self::Readdressed { .. } => "readdressed",
            Self::Health { .. } => "health",
            Self::Admin { .. } => "admin",
            Self::RateRaised { .. } => "rate_raised",
            Self::Drained { .. } => "drained",
            Self::Spared => "spared",
            Self::Untold => "untold",
            Self::FailingOpen(_) => "failing_open",
            Self::Contract => "contract",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reloaded => write!(f, "a new configuration is in force"),
            Self::Joined { address } => write!(f, "joined at {address}"),
            Self::Left => write!(f, "left the cluster"),
            Self::Readdressed { address } => write!(f, "moved to {address}"),
            Self::Health { from, to, why } => {
                write!(f, "{} is now {}: {why}", from.as_str(), to.as_str())
            }
            Self::Admin { from, to, by } => {
                let by = match by {
                    By::Operator => "an operator",
                    By::Itself => "the endpoint itself",
                };
                write!(
                    f,
                    "{} is now {}, as {by} wishes",
                    from.as_str(),
                    to.as_str()
                )
            }
            Self::RateRaised { configured, raised } => {
                write!(
                    f,
                    "{configured} a second would miss the deadline, now {raised} a second"
                )
            }
            Self::Drained { took, left: 0 } => write!(f, "empty after {:.1?}", took),
            Self::Drained { took, left } => {
                write!(
                    f,
                    "out of time after {took:.1?}, {left} connections told to go"
                )
            }
            Self::Spared => write!(f, "serves badly, but too many are ejected already"),
            Self::Untold => write!(f, "could not be told, this proxy acts alone"),
            Self::FailingOpen(true) => write!(f, "too few endpoints are fit, all of them serve"),
            Self::FailingOpen(false) => write!(f, "enough endpoints are fit again"),
            Self::Contract => write!(f, "keeps the handoff contract"),
        }
    }
}
