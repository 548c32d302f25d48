//! The snapshot in force: one writer stores it, everybody loads it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use holdfast_core::Snapshot;

/// What the data plane knows at this moment; cheap to clone.
///
/// Load it once for a request and keep that until the verdict; never keep one for the life
/// of a connection.
#[derive(Clone, Debug, Default)]
pub struct Snapshots(Arc<ArcSwap<Snapshot>>);

impl Snapshots {
    /// The snapshot in force.
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts a newer one in force. For the control loop alone, and for tests.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.0.store(snapshot);
    }
}
