//! Is the client still there?
//!
//! A host that vanishes sends neither FIN nor RST. So a silent client is pinged, and one that
//! stays silent is given up. Anything it sends counts as a sign of life; so does its taking
//! bytes that had to wait, for a slow reader's Pong waits behind them.

use std::time::Duration;

use crate::time::Instant;

/// How a client's leg is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PulseSettings {
    /// A client silent for this long is pinged, and again each time it has passed.
    pub heartbeat: Duration,
    /// A client silent for this long, pings and all, is gone. Longer than `heartbeat`.
    pub ping: Duration,
    /// A leg on which no byte moved either way for this long is over, whatever the reason.
    pub edge_idle: Duration,
    /// A client that takes none of the bytes waiting for it for this long is too slow.
    pub write_stall: Duration,
}

impl Default for PulseSettings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(25),
            ping: Duration::from_secs(50),
            edge_idle: Duration::from_secs(80),
            write_stall: Duration::from_secs(30),
        }
    }
}

/// What the watch calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Say something that a living client answers.
    Ping,
    /// It answered nothing for too long.
    Silent,
    /// It takes nothing of what waits for it.
    Stalled,
    /// Nothing moved at all.
    Idle,
}

/// Signs of life of one client.
#[derive(Debug)]
pub(super) struct Pulse {
    heard: Instant,
    /// The first ping since, and the last.
    pinged: Option<(Instant, Instant)>,
    /// Bytes were taken, or there were none to take.
    wrote: Instant,
    /// Bytes wait to be taken.
    backlog: bool,
    /// The client is not being read: its silence says nothing.
    deaf: bool,
}

impl Pulse {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            heard: now,
            pinged: None,
            wrote: now,
            backlog: false,
            deaf: false,
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// Bytes left for the client.
    pub(super) fn wrote(&mut self, now: Instant) {
        if self.backlog {
            self.heard(now);
        }
        self.wrote = now;
    }

    /// Whether bytes wait for the client now, and whether it is being read.
    pub(super) fn observe(&mut self, backlog: bool, reading: bool, now: Instant) {
        if backlog && !self.backlog {
            self.wrote = now;
        }
        self.backlog = backlog;
        if reading && self.deaf {
            self.heard(now);
        }
        self.deaf = !reading;
    }

    pub(super) fn timeout(&self, settings: &PulseSettings) -> Instant {
        let mut next = self.ping_at(settings).min(self.idle_at(settings));
        if let Some(silent) = self.silent_at(settings) {
            next = next.min(silent);
        }
        if self.backlog {
            next = next.min(self.wrote + settings.write_stall);
        }
        next
    }

    pub(super) fn beat(&mut self, settings: &PulseSettings, now: Instant) -> Option<Beat> {
        if self.backlog && now >= self.wrote + settings.write_stall {
            return Some(Beat::Stalled);
        }
        if self.silent_at(settings).is_some_and(|at| now >= at) {
            return Some(Beat::Silent);
        }
        if now >= self.idle_at(settings) {
            return Some(Beat::Idle);
        }
        if now < self.ping_at(settings) {
            return None;
        }
        self.pinged = Some((self.pinged.map_or(now, |(first, _)| first), now));
        Some(Beat::Ping)
    }

    fn ping_at(&self, settings: &PulseSettings) -> Instant {
        // One that is not read is pinged more often: a failing write is the only way to learn
        // that it went away.
        let every = if self.deaf {
            settings.heartbeat.min(DEAF_HEARTBEAT)
        } else {
            settings.heartbeat
        };
        self.pinged.map_or(self.heard, |(_, last)| last) + every
    }

    fn silent_at(&self, settings: &PulseSettings) -> Option<Instant> {
        let (first, _) = self.pinged.filter(|_| !self.deaf)?;
        let grace = settings.ping.saturating_sub(settings.heartbeat);
        Some((self.heard + settings.ping).max(first + grace))
    }

    fn idle_at(&self, settings: &PulseSettings) -> Instant {
        self.heard.max(self.wrote) + settings.edge_idle
    }
}

/// How often a client that is not being read is pinged, at least.
const DEAF_HEARTBEAT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: PulseSettings = PulseSettings {
        heartbeat: Duration::from_secs(25),
        ping: Duration::from_secs(50),
        edge_idle: Duration::from_secs(80),
        write_stall: Duration::from_secs(30),
    };

    fn at(seconds: u64) -> Instant {
        Instant::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_client_that_answers_pings_is_never_given_up() {
        let mut pulse = Pulse::new(at(0));
        for round in 1..=12 {
            let now = at(25 * round);
            assert_eq!(pulse.timeout(&SETTINGS), now);
            assert_eq!(pulse.beat(&SETTINGS, now), Some(Beat::Ping));
            pulse.wrote(now);
            pulse.heard(now);
        }
    }

    #[test]
    fn a_client_that_vanished_is_given_up_within_eighty_seconds() {
        let mut pulse = Pulse::new(at(0));
        let mut said = Vec::new();
        for second in 1..=80 {
            if let Some(beat) = pulse.beat(&SETTINGS, at(second)) {
                said.push((second, beat));
                if beat == Beat::Silent {
                    break;
                }
                pulse.wrote(at(second));
            }
        }
        assert_eq!(said, [(25, Beat::Ping), (50, Beat::Silent)]);
    }

    #[test]
    fn a_client_that_is_not_read_is_not_silent() {
        let mut pulse = Pulse::new(at(0));
        pulse.observe(false, false, at(0));
        for second in 1..300 {
            let beat = pulse.beat(&SETTINGS, at(second));
            assert!(
                beat.is_none() || beat == Some(Beat::Ping),
                "{second}: {beat:?}"
            );
            pulse.wrote(at(second));
        }
        pulse.observe(false, true, at(300));
        assert_eq!(
            pulse.beat(&SETTINGS, at(301)),
            None,
            "its time starts when it is read again"
        );
    }

    #[test]
    fn a_client_that_takes_nothing_is_too_slow() {
        let mut pulse = Pulse::new(at(0));
        pulse.observe(true, true, at(10));
        pulse.heard(at(39));
        assert_eq!(pulse.beat(&SETTINGS, at(39)), None);
        assert_eq!(pulse.beat(&SETTINGS, at(40)), Some(Beat::Stalled));
    }
}
