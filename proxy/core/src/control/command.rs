//! What the core wants done.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Report;
use crate::cluster::{ClusterName, EndpointId};
use crate::health::ProbeSettings;
use crate::snapshot::Snapshot;

/// What the core wants done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Let the data plane see this from now on.
    Publish(Arc<Snapshot>),
    /// Check an endpoint and tell the result as [`Event::Probed`] within the settings' timeout.
    Probe {
        /// To be told back.
        ticket: u64,
        /// The cluster.
        cluster: ClusterName,
        /// The endpoint.
        endpoint: EndpointId,
        /// Where to ask; the port is already the one of the settings.
        address: SocketAddr,
        /// What to ask.
        settings: Arc<ProbeSettings>,
    },
    /// Move connections of an endpoint elsewhere, idle ones first.
    Move {
        /// The cluster.
        cluster: ClusterName,
        /// The endpoint they leave.
        endpoint: EndpointId,
        /// How many.
        count: Count,
        /// Why.
        cause: Cause,
    },
    /// Close connections of an endpoint in good manners (1012, `retry:`), idle ones first, and
    /// remember their keys ([`Load::tell`](crate::cluster::Load::tell)).
    Close {
        /// The cluster.
        cluster: ClusterName,
        /// The endpoint they leave.
        endpoint: EndpointId,
        /// How many.
        count: Count,
        /// Why.
        cause: Cause,
    },
    /// Tell an endpoint that keeps the contract that it drains, or that it is ready again, and
    /// tell the result as [`Event::Told`] within [`TELL_TIMEOUT`].
    Tell {
        /// The cluster.
        cluster: ClusterName,
        /// The endpoint.
        endpoint: EndpointId,
        /// Where it is.
        address: SocketAddr,
        /// True: drain; false: ready.
        drain: bool,
    },
    /// Tell people.
    Report(Report),
}

/// How many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// At most so many; those already on their way do not count.
    AtMost(u32),
    /// Every one.
    All,
}

/// Why connections leave their endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It is being drained.
    Drain,
    /// Its drain is out of time.
    Deadline,
    /// It is in maintenance.
    Maint,
    /// Discovery does not name it any more.
    Gone,
    /// Its probes fail.
    Dead,
}

impl Cause {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::Drain,
        Self::Deadline,
        Self::Maint,
        Self::Gone,
        Self::Dead,
    ];

    /// Its name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Deadline => "deadline",
            Self::Maint => "maint",
            Self::Gone => "gone",
            Self::Dead => "dead",
        }
    }
}

/// How long telling an endpoint may take.
pub const TELL_TIMEOUT: Duration = Duration::from_secs(2);
