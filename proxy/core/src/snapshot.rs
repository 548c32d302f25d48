//! What does the data plane know at this moment?

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::{Cluster, ClusterName, Endpoint, EndpointId};
use crate::route::Router;

/// Everything the data plane knows, replaced as a whole and never changed.
///
/// A request loads it once and keeps it until its verdict. Nobody holds one for the life of a
/// connection: a connection keeps its [`EndpointId`] and asks again when it must move.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Only grows; zero is the empty one a proxy begins with.
    pub number: u64,
    /// The routing table.
    pub router: Arc<Router>,
    /// The clusters by name. One that did not change is the same object as in the snapshot
    /// before.
    pub clusters: BTreeMap<ClusterName, Arc<Cluster>>,
}

impl Snapshot {
    /// The cluster of this name.
    pub fn cluster(&self, name: &ClusterName) -> Option<&Arc<Cluster>> {
        self.clusters.get(name)
    }

    /// An endpoint of a cluster.
    pub fn endpoint(&self, cluster: &ClusterName, id: &EndpointId) -> Option<&Arc<Endpoint>> {
        self.cluster(cluster)?.endpoint(id)
    }
}
