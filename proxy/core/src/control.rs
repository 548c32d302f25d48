//! What follows from what the world just told us?
//!
//! One [`Controller`] per proxy is the only writer of what the data plane reads. It is told
//! [`Event`]s and asked for [`Command`]s; it owns no socket and no timer, only the instant at
//! which it wants to be woken ([`Controller::poll_timeout`]).

mod report;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use report::{By, Report, What};

use crate::cluster::{Admin, ClusterName, ClusterSettings, EndpointId};
use crate::health::{Kind, ProbeSettings, Readiness};
use crate::route::Router;
use crate::snapshot::Snapshot;
use crate::time::Instant;

/// What a configuration file says, as far as decisions depend on it.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The routing table; every cluster it names is in `clusters`.
    pub router: Router,
    /// The clusters.
    pub clusters: Vec<ClusterSettings>,
}

/// An endpoint as discovery names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Who it is.
    pub id: EndpointId,
    /// Where it is.
    pub address: SocketAddr,
    /// Its share of new clients; 0: it takes none.
    pub weight: u32,
}

/// What the world tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// The configuration was read anew.
    Reload(Config),
    /// Discovery found that these are all the endpoints of a cluster.
    Discovered {
        /// The cluster.
        cluster: ClusterName,
        /// All of them.
        members: Vec<Member>,
    },
    /// A probe that a command asked for was answered.
    Probed {
        /// The command's number.
        ticket: u64,
        /// The cluster.
        cluster: ClusterName,
        /// The endpoint.
        endpoint: EndpointId,
        /// What it says of itself, or why the check failed.
        result: Result<Readiness, String>,
    },
    /// The data plane saw how an endpoint served.
    Outcome(Outcome),
    /// An operator wants this of an endpoint.
    Admin {
        /// The cluster.
        cluster: ClusterName,
        /// The endpoint.
        endpoint: EndpointId,
        /// Its new state.
        admin: Admin,
    },
    /// An endpoint was told to drain or to be ready, as a command asked.
    Told {
        /// The cluster.
        cluster: ClusterName,
        /// The endpoint.
        endpoint: EndpointId,
        /// What it was told.
        drain: bool,
        /// What it made of that.
        heard: Heard,
    },
}

/// What an endpoint made of being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It knows, and will say so in its readiness answer.
    Yes,
    /// It does not know what that means (`404`): this proxy acts alone.
    Never,
    /// It could not be told now.
    NotNow,
}

/// How an exchange with an endpoint went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The cluster.
    pub cluster: ClusterName,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// What happened.
    pub kind: Kind,
}

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

/// The control plane.
#[derive(Debug)]
pub struct Controller {
    number: u64,
    commands: std::collections::VecDeque<Command>,
}

impl Controller {
    /// A controller that knows nothing yet. `seed` makes its jitter differ from that of other
    /// proxies.
    pub fn new(_seed: u64) -> Self {
        Self {
            number: 0,
            commands: std::collections::VecDeque::new(),
        }
    }

    /// Takes in what the world tells.
    pub fn handle(&mut self, _event: Event, _now: Instant) {
        self.number += 1;
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next thing to be done; ask until there is nothing.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }
}
