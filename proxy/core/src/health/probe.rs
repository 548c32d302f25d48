//! Active checks: how often to ask, and when to believe the answers.

use std::time::Duration;

/// One check of every endpoint of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSettings {
    /// What is asked.
    pub kind: ProbeKind,
    /// Asked on this port instead of the endpoint's.
    pub port: Option<u16>,
    /// Time between two checks; each is moved by up to a tenth, so that proxies and endpoints
    /// do not fall into step.
    pub interval: Duration,
    /// How long one check may take in all.
    pub timeout: Duration,
    /// Passes in a row until a failing endpoint is believed.
    pub rise: u32,
    /// Failures in a row until a passing one is given up.
    pub fall: u32,
}

impl ProbeSettings {
    /// The defaults for this kind of check.
    pub fn new(kind: ProbeKind) -> Self {
        Self {
            kind,
            port: None,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// That it accepts a connection.
    Tcp,
    /// That it answers `GET path` with a status in this range; reads a readiness answer if
    /// there is one.
    Http {
        /// Path and query.
        path: String,
        /// `Host`; by default the endpoint's address.
        host: Option<String>,
        /// The lowest good status.
        status_min: u16,
        /// The highest good status.
        status_max: u16,
    },
    /// That `grpc.health.v1.Health/Check` says `SERVING`.
    Grpc {
        /// Of this service; empty: of the whole server.
        service: String,
    },
    /// That it upgrades `path` and answers a ping.
    WebSocket {
        /// Path and query.
        path: String,
        /// `Host`; by default the endpoint's address.
        host: Option<String>,
    },
}

impl ProbeKind {
    /// Its name in metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http { .. } => "http",
            Self::Grpc { .. } => "grpc",
            Self::WebSocket { .. } => "websocket",
        }
    }
}

/// What an endpoint says of itself in a readiness answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Its state.
    pub state: ReadinessState,
    /// The sessions it has, if it says so.
    pub sessions: Option<u32>,
}

/// The `state` of a readiness answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadinessState {
    /// Send whatever comes.
    #[default]
    Ready,
    /// It is leaving.
    Draining,
    /// It serves, but something it depends on does not.
    Degraded,
}

/// What the checks of one kind add up to for one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// Whether it is believed to pass; `None`: not asked yet.
    passing: Option<bool>,
    /// Answers in a row that say otherwise.
    against: u32,
}

impl Probe {
    /// Takes one answer. The first is believed at once: a proxy that just started must not
    /// wait for `rise` rounds. True if it changed what is believed.
    pub fn observe(&mut self, passed: bool, settings: &ProbeSettings) -> bool {
        let needed = match self.passing {
            None => 1,
            Some(believed) if believed == passed => {
                self.against = 0;
                return false;
            }
            Some(true) => settings.fall,
            Some(false) => settings.rise,
        };
        self.against += 1;
        let changed = self.against >= needed;
        if changed {
            self.passing = Some(passed);
            self.against = 0;
        }
        changed
    }

    /// Whether it is believed to pass; `None`: not asked yet.
    pub const fn passing(&self) -> Option<bool> {
        self.passing
    }

    /// When to ask again. While answers contradict what is believed, four times as often:
    /// doubt is short either way.
    pub fn pause(&self, settings: &ProbeSettings, draw: u64) -> Duration {
        let interval = if self.against > 0 {
            settings.interval / 4
        } else {
            settings.interval
        };
        jittered(interval, draw)
    }
}

/// A span moved by up to a tenth, either way.
pub fn jittered(span: Duration, draw: u64) -> Duration {
    let per_mille = 900 + u32::try_from(draw % 201).unwrap_or(100);
    span * per_mille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ProbeSettings {
        ProbeSettings {
            rise: 2,
            fall: 3,
            ..ProbeSettings::new(ProbeKind::Tcp)
        }
    }

    #[test]
    fn rise_and_fall_count_answers_in_a_row() {
        // One answer a letter (p pass, f fail), and what is believed after it (u up, d down).
        for (answers, beliefs) in [
            ("pffpfff", "uuuuuud"),
            ("fpfpp", "ddddu"),
            ("f", "d"),
            ("pfffppfff", "uuudduuud"),
        ] {
            let mut probe = Probe::default();
            assert_eq!(probe.passing(), None);
            for (answer, belief) in answers.chars().zip(beliefs.chars()) {
                let before = probe.passing();
                let changed = probe.observe(answer == 'p', &settings());
                assert_eq!(probe.passing(), Some(belief == 'u'), "{answers}");
                assert_eq!(changed, probe.passing() != before, "{answers}");
            }
        }
    }

    #[test]
    fn a_doubtful_endpoint_is_asked_more_often() {
        let mut probe = Probe::default();
        probe.observe(true, &settings());
        assert_eq!(probe.pause(&settings(), 100), Duration::from_secs(2));
        probe.observe(false, &settings());
        assert_eq!(probe.pause(&settings(), 100), Duration::from_millis(500));
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        let span = Duration::from_secs(10);
        let spans: Vec<_> = (0..1000).map(|draw| jittered(span, draw)).collect();
        assert_eq!(spans.iter().min(), Some(&Duration::from_secs(9)));
        assert_eq!(spans.iter().max(), Some(&Duration::from_secs(11)));
    }
}
