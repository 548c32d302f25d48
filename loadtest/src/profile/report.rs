//! The result of a run, against the service levels.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Profile;
use super::histogram::Histogram;
use crate::ledger::{Account, Findings};

/// What came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Report {
    profile: Profile,
    seconds: f64,
    connections: usize,
    findings: Findings,
    /// Whether every connection's accounts are clean and something was received at all.
    pub(super) balanced: bool,
    /// Whether the judge found a message that was taken out of the record.
    pub(super) sees_a_loss: bool,
    /// Longest pause of each connection, in milliseconds.
    pause_ms: Percentiles,
    /// All pauses of all connections.
    pub(super) pauses: Histogram,
    /// `1 - disconnects / connections`
    stability: f64,
    machine_idle: f64,
    /// Below a fifth of idle time, pauses are the machine's.
    pauses_void: bool,
    disturbances: Vec<String>,
    /// The first few connections that ended, and why.
    ends: Vec<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
    most: f64,
}

impl Report {
    pub(super) fn new(
        profile: Profile,
        time: Duration,
        accounts: &[Account],
        disturbances: Vec<String>,
        machine_idle: f64,
    ) -> Self {
        let findings = accounts
            .iter()
            .map(Account::judge)
            .fold(Findings::default(), Findings::and);
        let damaged = accounts.iter().find_map(Account::with_one_missing);
        let connections = accounts.len();
        let lost = findings.disconnected as f64 / connections.max(1) as f64;
        Self {
            profile,
            seconds: time.as_secs_f64(),
            connections,
            findings,
            balanced: findings.clean() && findings.received > 0,
            sees_a_loss: damaged.map_or_else(
                // Where next to nothing is said, there is no middle to take something out of.
                || profile == Profile::IdleTimeout,
                |account| account.judge().lost > 0,
            ),
            pause_ms: Percentiles::of(accounts.iter().map(Account::longest_pause)),
            pauses: Histogram::of(accounts.iter().flat_map(Account::pauses)),
            stability: 1.0 - lost,
            machine_idle,
            pauses_void: machine_idle < 0.2,
            disturbances,
            ends: accounts
                .iter()
                .filter_map(Account::end)
                .take(ENDS_MAX)
                .map(str::to_owned)
                .collect(),
        }
    }

    pub(super) fn name(&self) -> String {
        self.profile.name()
    }
}

impl Percentiles {
    fn of(pauses: impl Iterator<Item = Duration>) -> Self {
        let mut sorted: Vec<f64> = pauses.map(|pause| pause.as_secs_f64() * 1e3).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (share * sorted.len() as f64) as usize;
            sorted
                .get(place.min(sorted.len().saturating_sub(1)))
                .copied()
                .unwrap_or_default()
        };
        Self {
            p50: at(0.5),
            p99: at(0.99),
            most: at(1.0),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.findings;
        let Percentiles { p50, p99, most } = self.pause_ms;
        let (name, time, count) = (self.name(), self.seconds, self.connections);
        writeln!(f, "profile {name}: {time:.0} s, {count} connections")?;
        writeln!(f, "  happened          {}", self.disturbances.join(", "))?;
        write!(f, "  messages          {} received, ", found.received)?;
        write!(f, "{} lost, {} doubled, ", found.lost, found.doubled)?;
        writeln!(f, "{} reordered, {} resets", found.reordered, found.resets)?;
        write!(f, "  commands          {} sent, ", found.commands)?;
        writeln!(
            f,
            "{} unanswered, {} answered twice",
            found.unanswered, found.answered_twice
        )?;
        if self.profile == Profile::Affinity {
            write!(f, "  requests          {} answered, ", found.requests)?;
            writeln!(f, "{} by another endpoint than the first", found.wandered)?;
        }
        write!(f, "  disconnects       {} ", found.disconnected)?;
        writeln!(
            f,
            "(stability {:.3} %, wanted > 99.9 %)",
            100.0 * self.stability
        )?;
        write!(
            f,
            "  longest pauses    p50 {p50:.0} ms, p99 {p99:.0} ms, most {most:.0} ms "
        )?;
        let void = if self.pauses_void {
            "; void: the machine was too busy"
        } else {
            ""
        };
        writeln!(f, "(machine idle {:.0} %{void})", 100.0 * self.machine_idle)?;
        for end in &self.ends {
            writeln!(f, "  ended             {end}")?;
        }
        let verdict = if self.balanced {
            "balanced"
        } else {
            "NOT balanced"
        };
        let sight = if self.sees_a_loss {
            "is noticed"
        } else {
            "is NOT noticed"
        };
        write!(
            f,
            "  accounts          {verdict}; a removed message {sight}"
        )
    }
}

const ENDS_MAX: usize = 10;
