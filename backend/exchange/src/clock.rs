//! Two times: the tick the caller counts, and the market time that runs, pauses and is sped up.
//!
//! Ticks are the journal's clock: the caller anchors them to wall time, ten milliseconds each, and
//! they never stop. Market time advances by `speed` thousandths of a tick with each tick while the
//! simulator runs, so pause and speed are commands like any other and replay like any other.

use serde::{Deserialize, Serialize};

/// Whether market time runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimulatorState {
    /// Market time runs and the synthetic flow trades.
    Running,
    /// Market time stands; the book stays as it is, orders still match.
    Paused,
    /// As paused, and the synthetic flow has withdrawn its orders.
    Stopped,
}

impl SimulatorState {
    /// Its name outside.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// The slowest speed, in thousandths.
pub const SPEED_MIN: u32 = 100;
/// The fastest speed, in thousandths.
pub const SPEED_MAX: u32 = 1_000_000;
/// Speed 1: a tick of market time per tick.
pub const SPEED_ONE: u32 = 1_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) state: SimulatorState,
    pub(crate) speed: u32,
    /// The last tick that was worked off.
    pub(crate) tick: u64,
    /// Market time in whole ticks.
    pub(crate) market: u64,
    /// Thousandths of a tick of market time not yet spent.
    pub(crate) rest: u32,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            state: SimulatorState::Running,
            speed: SPEED_ONE,
            tick: 0,
            market: 0,
            rest: 0,
        }
    }

    /// Goes one tick on; says how many ticks of market time that brings.
    pub(crate) fn step(&mut self) -> u64 {
        self.tick += 1;
        if self.state != SimulatorState::Running {
            return 0;
        }
        let due = self.rest + self.speed;
        self.rest = due % SPEED_ONE;
        u64::from(due / SPEED_ONE)
    }
}
