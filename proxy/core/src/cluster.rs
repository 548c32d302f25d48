//! Which endpoints are there, and whom do they admit?
//!
//! A [`Cluster`] is a value inside a snapshot: what was known of its endpoints at one moment.
//! Only the [`Load`] of an endpoint changes under the data plane's hands.

mod endpoint;
mod load;
mod name;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use endpoint::{Admin, Client, Endpoint, Health};
pub use load::{Load, Open, TOLD_MAX};
pub use name::{ClusterName, EndpointId, NameError};
pub use settings::{Balance, ClusterSettings, Contract, HandoffSettings, Percent, PercentError};

use crate::affinity::AffinityKey;

/// A named set of endpoints, as known at one moment.
#[derive(Debug)]
pub struct Cluster {
    /// How it is to be treated; shared with every snapshot until the next reload.
    pub settings: Arc<ClusterSettings>,
    /// Whether so few endpoints are healthy that health is not believed any more
    /// (`fail_open`): everybody who is not drained or in maintenance serves.
    pub failing_open: bool,
    /// Whether discovery has said who its endpoints are, which may be nobody.
    pub discovered: bool,
    /// Sorted by id.
    endpoints: Vec<Arc<Endpoint>>,
    /// Whose turn it is (`round_robin`); outlives the snapshot.
    turn: Arc<AtomicU64>,
}

impl Cluster {
    /// A cluster of these endpoints, in any order. `turn` is carried over from the snapshot
    /// before, so that a publication does not start the round anew.
    pub fn new(
        settings: Arc<ClusterSettings>,
        mut endpoints: Vec<Arc<Endpoint>>,
        turn: Arc<AtomicU64>,
    ) -> Self {
        endpoints.sort_by(|a, b| a.id.cmp(&b.id));
        let ready = endpoints.iter().filter(|e| e.admin == Admin::Ready);
        let (total, fit) = ready.fold((0, 0), |(total, fit), e| {
            (total + 1, fit + usize::from(e.health.fit()))
        });
        let failing_open = settings.fail_open.exceeds(fit, total);
        Self {
            settings,
            failing_open,
            discovered: true,
            endpoints,
            turn,
        }
    }

    /// The same before discovery has said anything.
    pub fn undiscovered(settings: Arc<ClusterSettings>, turn: Arc<AtomicU64>) -> Self {
        Self {
            discovered: false,
            ..Self::new(settings, Vec::new(), turn)
        }
    }

    /// Its name.
    pub fn name(&self) -> &ClusterName {
        &self.settings.name
    }

    /// All its endpoints, sorted by id.
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// The endpoint of this id, if it belongs to the cluster at this moment.
    pub fn endpoint(&self, id: &EndpointId) -> Option<&Arc<Endpoint>> {
        let at = self.endpoints.binary_search_by(|e| e.id.cmp(id)).ok()?;
        self.endpoints.get(at)
    }

    /// Whether `endpoint` admits such a client now.
    pub fn admits(&self, endpoint: &Endpoint, client: Client) -> bool {
        endpoint.admits(client, self.failing_open)
    }

    /// Whether `endpoint` admits the connections of this key as its own: it does so in
    /// general, and did not tell this client to leave.
    pub fn admits_own(&self, endpoint: &Endpoint, key: AffinityKey) -> bool {
        let told = || endpoint.admin == Admin::Drain && endpoint.load.was_told(key);
        self.admits(endpoint, Client::Own) && !told()
    }

    /// Takes the next turn of the round.
    pub fn next_turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}
