//! What clients saw of time: how late messages came, how long they waited for answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::histogram::Histogram;

/// All connections of one kind of sessions, from the first disturbance on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sight {
    pub(super) sessions: usize,
    pub(super) messages: u64,
    /// Of each connection, how late its latest message was, in milliseconds.
    pub(super) latest_ms: Percentiles,
    /// Of each command, from its sending to its answer, in milliseconds.
    pub(super) answer_ms: Percentiles,
    /// Of each connection, its longest time without any message, in milliseconds.
    pub(super) longest_gap_ms: Percentiles,
    /// All times between two messages.
    pub(super) gaps: Histogram,
}

/// Nearest rank; zero for nothing.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) most: f64,
}

impl Sight {
    /// `None` without sessions. What came before `since` does not count.
    pub(super) fn of<'a>(
        desks: impl Iterator<Item = &'a Desk> + Clone,
        speed: f64,
        since: Duration,
    ) -> Option<Self> {
        desks.clone().next()?;
        let (mut latest, mut longest, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        let mut gaps = Histogram::default();
        let (mut sessions, mut messages) = (0, 0);
        for desk in desks {
            sessions += 1;
            for account in [desk.told.borrow(), desk.heard.borrow()] {
                messages += account.records().len() as u64;
                let late = account.lateness(speed).filter(|(at, _)| *at >= since);
                latest.extend(late.map(|(_, late)| late).max());
                let waited = account.gaps().filter(|(at, _)| *at >= since);
                let waited: Vec<Duration> = waited.map(|(_, gap)| gap).collect();
                longest.extend(waited.iter().max());
                waited.iter().for_each(|gap| gaps.count(*gap));
            }
            let commands = desk.commands.borrow();
            let late = commands.iter().filter(|(_, command)| command.at >= since);
            answers.extend(late.filter_map(|(_, command)| command.took()));
        }
        Some(Self {
            sessions,
            messages,
            latest_ms: Percentiles::of(latest),
            answer_ms: Percentiles::of(answers),
            longest_gap_ms: Percentiles::of(longest),
            gaps,
        })
    }
}

impl Sight {
    /// The three, by name.
    pub(super) fn rows(&self) -> [(&'static str, Percentiles); 3] {
        [
            ("latest message", self.latest_ms),
            ("answers", self.answer_ms),
            ("longest gap", self.longest_gap_ms),
        ]
    }
}

impl Percentiles {
    pub(super) fn of(times: Vec<Duration>) -> Self {
        let mut sorted = times;
        sorted.sort_unstable();
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            let time = sorted.get(rank.saturating_sub(1));
            time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            most: at(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let of = |count: u64| Percentiles::of((1..=count).map(Duration::from_millis).collect());
        let many = of(200);
        assert_eq!(
            [many.p50, many.p90, many.p99, many.most],
            [100.0, 180.0, 198.0, 200.0]
        );
        assert_eq!(of(1).p99, 1.0);
        assert_eq!(of(0).most, 0.0);
    }
}
