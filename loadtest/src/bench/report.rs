//! Figures of a run: every round is kept, medians and ratios are for reading.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::contestant::Contestant;
use super::cost::Facts;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// CPU time of one HTTP request
    Http,
    /// CPU time of 64 bytes to and fro on a WebSocket
    Echo,
    /// CPU time of one WebSocket from connect to close
    Connect,
    /// CPU time of one event of an event stream
    Sse,
    /// Resident memory of one idle WebSocket
    Idle,
}

impl Case {
    fn title(self) -> &'static str {
        match self {
            Self::Http => "HTTP request",
            Self::Echo => "WebSocket echo, 64 B",
            Self::Connect => "WebSocket connect",
            Self::Sse => "SSE event, 2,000/s",
            Self::Idle => "idle WebSocket",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Idle => "KiB",
            _ => "µs CPU",
        }
    }
}

/// One measurement of one proxy.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sample {
    /// Microseconds of CPU time per operation, or KiB per connection.
    pub(super) cost: f64,
    /// Operations a second, over all connections; connections for memory.
    pub(super) rate: f64,
    /// Share of the machine that was idle meanwhile.
    pub(super) machine_idle: f64,
}

/// One case, all contestants.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Result {
    case: Case,
    unit: &'static str,
    contestants: BTreeMap<&'static str, Summary>,
    /// Holdfast against each other one: the median over rounds of the ratio within a round.
    ratios: BTreeMap<&'static str, f64>,
}

#[derive(Debug, Clone, Serialize)]
struct Summary {
    median: f64,
    least: f64,
    most: f64,
    rounds: Vec<Sample>,
}

impl Result {
    /// `rounds[n]` holds the samples that were taken side by side.
    pub(super) fn new(case: Case, rounds: &[Vec<(Contestant, Sample)>]) -> Self {
        let mut samples: BTreeMap<&'static str, Vec<Sample>> = BTreeMap::new();
        let mut ratios: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
        for round in rounds {
            let ours = round.iter().find(|(who, _)| *who == Contestant::Holdfast);
            for (who, sample) in round {
                samples.entry(who.name()).or_default().push(sample.clone());
                if let Some((_, ours)) = ours.filter(|_| *who != Contestant::Holdfast) {
                    ratios
                        .entry(who.name())
                        .or_default()
                        .push(ours.cost / sample.cost);
                }
            }
        }
        let summary = |rounds: Vec<Sample>| {
            let costs: Vec<f64> = rounds.iter().map(|sample| sample.cost).collect();
            Summary {
                median: median(&costs),
                least: costs.iter().copied().fold(f64::INFINITY, f64::min),
                most: costs.iter().copied().fold(0.0, f64::max),
                rounds,
            }
        };
        Self {
            case,
            unit: case.unit(),
            contestants: samples
                .into_iter()
                .map(|(who, all)| (who, summary(all)))
                .collect(),
            ratios: ratios
                .into_iter()
                .map(|(who, all)| (who, median(&all)))
                .collect(),
        }
    }

    fn idle_least(&self) -> f64 {
        let samples = self
            .contestants
            .values()
            .flat_map(|summary| &summary.rounds);
        samples
            .map(|sample| sample.machine_idle)
            .fold(1.0, f64::min)
    }
}

/// The whole run, as it goes to disk.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    /// Seconds since 1970.
    pub(super) made: u64,
    pub(super) command: String,
    pub(super) machine: Facts,
    pub(super) versions: BTreeMap<&'static str, String>,
    pub(super) method: String,
    pub(super) results: Vec<Result>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.versions.keys().copied().collect();
        let rivals: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| *name != Contestant::Holdfast.name())
            .collect();
        let mut head = format!("{:<24}", "");
        let mut line = String::new();
        for name in &names {
            write!(head, "{name:>20}")?;
        }
        for rival in &rivals {
            write!(head, "{:>14}", format!("/ {rival}"))?;
        }
        writeln!(line, "{head}{:>12}", "idle")?;
        for result in &self.results {
            write!(line, "{:<24}", result.case.title())?;
            for name in &names {
                let cell = result.contestants.get(name).map_or_else(
                    || String::from("-"),
                    |summary| format!("{:.1} {}", summary.median, result.unit),
                );
                write!(line, "{cell:>20}")?;
            }
            for rival in &rivals {
                let cell = result
                    .ratios
                    .get(rival)
                    .map_or_else(|| String::from("-"), |ratio| format!("{ratio:.2}x"));
                write!(line, "{cell:>14}")?;
            }
            writeln!(line, "{:>11.0}%", 100.0 * result.idle_least())?;
        }
        f.write_str(&line)?;
        for (name, version) in &self.versions {
            writeln!(f, "{name}: {version}")?;
        }
        let Facts {
            cores,
            cpu,
            kernel,
            memory_mib,
        } = &self.machine;
        writeln!(
            f,
            "machine: {cores} cores, {cpu}, Linux {kernel}, {memory_mib} MiB"
        )?;
        writeln!(f, "command: {}", self.command)?;
        write!(f, "{}", self.method)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cost: f64) -> Sample {
        Sample {
            cost,
            rate: 1.0,
            machine_idle: 0.5,
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round_so_that_a_slow_round_does_not_tilt_them() {
        let round = |ours: f64, theirs: f64| {
            vec![
                (Contestant::Holdfast, sample(ours)),
                (Contestant::Nginx, sample(theirs)),
            ]
        };
        let result = Result::new(
            Case::Http,
            &[round(30.0, 20.0), round(300.0, 200.0), round(24.0, 20.0)],
        );
        assert!((result.ratios["nginx"] - 1.5).abs() < 1e-9);
        assert!((result.contestants["holdfast"].median - 30.0).abs() < 1e-9);
        assert!((result.contestants["holdfast"].most - 300.0).abs() < 1e-9);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert!((median(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }
}
