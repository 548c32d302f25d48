//! What the world tells.

use std::net::SocketAddr;

use crate::cluster::{Admin, ClusterName, ClusterSettings, EndpointId};
use crate::health::{Kind, Readiness};
use crate::route::Router;

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
