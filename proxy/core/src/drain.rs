//! Who leaves a draining endpoint, and when?

use std::time::Duration;

/// How an endpoint is emptied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainSettings {
    /// Connections moved (or, from opaque endpoints, closed) a second.
    pub rate: u32,
    /// When the last one has left, at the latest.
    pub deadline: Duration,
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self {
            rate: 50,
            deadline: Duration::from_secs(30),
        }
    }
}
