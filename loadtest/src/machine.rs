//! How busy is the whole machine? Figures taken on a busy one are the machine's.

use std::{fs, io};

/// How busy the whole machine was between two readings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    idle: u64,
    total: u64,
}

impl Machine {
    pub(crate) fn now() -> io::Result<Self> {
        Self::parse(&fs::read_to_string("/proc/stat")?)
            .ok_or_else(|| io::Error::other("/proc/stat: no line `cpu`"))
    }

    fn parse(text: &str) -> Option<Self> {
        // user nice system idle iowait irq softirq steal; guest times are in user already
        let times: Vec<u64> = text
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .take(8)
            .map_while(|number| number.parse().ok())
            .collect();
        Some(Self {
            idle: times.get(3)? + times.get(4)?,
            total: times.iter().sum(),
        })
    }

    /// Between 0 and 1.
    pub(crate) fn idle_since(&self, earlier: &Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total).max(1);
        self.idle.saturating_sub(earlier.idle) as f64 / total as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_share_counts_idle_and_waiting_for_disks() {
        let before = Machine::parse("cpu  100 0 100 800 0 0 0 0 0 0\n").expect("first line");
        let after = Machine::parse("cpu  150 0 150 880 20 0 0 0 9 9\n").expect("first line");
        assert!((after.idle_since(&before) - 0.5).abs() < 1e-9);
    }
}
