//! How a cluster is to be treated: what the configuration says, checked.

use std::time::Duration;

use thiserror::Error;

use super::ClusterName;
use crate::affinity::AffinityPolicy;
use crate::drain::DrainSettings;
use crate::health::{EjectSettings, ProbeSettings};

/// Everything the configuration says about one cluster.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Its name.
    pub name: ClusterName,
    /// Who takes a client without a claim.
    pub balance: Balance,
    /// How long an endpoint that just became fit is given less than its share; zero: no time.
    pub slow_start: Duration,
    /// Sessions an endpoint may have before new clients go elsewhere.
    pub sessions_max: Option<u32>,
    /// Below this share of fit endpoints health is not believed any more; zero: never.
    pub fail_open: Percent,
    /// All must pass for an endpoint to be up; none: it is up until it is ejected.
    pub probes: Vec<ProbeSettings>,
    /// Passive ejection; `None`: off.
    pub eject: Option<EjectSettings>,
    /// How endpoints are emptied.
    pub drain: DrainSettings,
    /// How connections and sessions are handed over.
    pub handoff: HandoffSettings,
    /// How clients are kept at their endpoint; `None`: not at all.
    pub affinity: Option<AffinityPolicy>,
    /// Whether clients may see which endpoint answered (`Holdfast-Endpoint`).
    pub expose_endpoint: bool,
}

impl ClusterSettings {
    /// The defaults under this name.
    pub fn new(name: ClusterName) -> Self {
        Self {
            name,
            balance: Balance::LeastSessions,
            slow_start: Duration::ZERO,
            sessions_max: None,
            fail_open: Percent::ZERO,
            probes: Vec::new(),
            eject: Some(EjectSettings::default()),
            drain: DrainSettings::default(),
            handoff: HandoffSettings::default(),
            affinity: None,
            expose_endpoint: false,
        }
    }
}

/// Who takes a client without a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Of two drawn at random, the one with fewer sessions for its weight.
    #[default]
    LeastSessions,
    /// One after the other, by weight.
    RoundRobin,
    /// Anyone, by weight.
    Random,
    /// The highest hash of affinity key and endpoint id, by weight.
    Rendezvous,
}

/// Whether the endpoints of a cluster keep the handoff contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contract {
    /// They all do; one that answers without is refused.
    Required,
    /// The first answer of an endpoint tells.
    #[default]
    Auto,
    /// They are opaque: nothing is added to requests, nothing is read from answers.
    Off,
}

/// How connections are handed from one endpoint to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoffSettings {
    /// Whether the endpoints keep the contract.
    pub contract: Contract,
    /// How long a connection may be without an endpoint before it is lost.
    pub deadline: Duration,
    /// How long an endpoint may take to accept what it was sent before a planned move.
    pub close_timeout: Duration,
    /// How long a connection that followed a `421` stays where it is.
    pub hold: Duration,
    /// Dials of moved connections to one endpoint at once.
    pub dials: u32,
    /// Bytes of one message that are held back so that a torn one can be dropped whole.
    pub message_buffer: usize,
    /// Bytes of client messages kept until the endpoint has accepted them.
    pub unaccepted_buffer: usize,
}

impl Default for HandoffSettings {
    fn default() -> Self {
        Self {
            contract: Contract::Auto,
            deadline: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            hold: Duration::from_secs(10),
            dials: 64,
            message_buffer: 64 << 10,
            unaccepted_buffer: 256 << 10,
        }
    }
}

/// A share of a whole, 0 to 100 percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Half of it.
    pub const HALF: Self = Self(50);

    /// Checks the range.
    pub const fn new(percent: u8) -> Result<Self, PercentError> {
        if percent > 100 {
            Err(PercentError { found: percent })
        } else {
            Ok(Self(percent))
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// How many of `total` this share allows, rounded down.
    pub const fn of(self, total: usize) -> usize {
        total * self.0 as usize / 100
    }

    /// Whether this share of `total` is more than `part`. Of nothing, no share is.
    pub const fn exceeds(self, part: usize, total: usize) -> bool {
        self.0 as usize * total > part * 100
    }
}

/// More than everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{found} percent; 0 to 100 are allowed")]
pub struct PercentError {
    /// What was given.
    pub found: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_rounds_down_and_compares_exactly() {
        let third = Percent::new(34).expect("in range");
        assert_eq!([0, 1, 2, 3, 6].map(|n| third.of(n)), [0, 0, 0, 1, 2]);
        assert!(Percent::HALF.exceeds(1, 3));
        assert!(!Percent::HALF.exceeds(1, 2), "exactly half is enough");
        assert!(!Percent::ZERO.exceeds(0, 3), "zero never fails open");
        assert!(
            !Percent::HALF.exceeds(0, 0),
            "an empty cluster has nobody to open to"
        );
        assert!(Percent::new(101).is_err());
    }
}
