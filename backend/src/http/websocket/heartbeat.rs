//! Is the other side there, how far away is it, and what should it do about it?
//!
//! Pure: time is an argument, counted from the connection's start. A silent client is pinged with
//! a message it can answer (browsers show scripts no WebSocket pings); whatever it says puts the
//! next ping off, but not for ever, so that busy clients are measured, too.

use std::time::Duration;

use serde::Serialize;

/// The heart of one connection.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    /// When something was last heard.
    heard: Duration,
    /// When the next ping is due.
    next_ping: Duration,
    last_ping: Duration,
    /// The ping that was not answered yet.
    open: Option<Ping>,
    trip: Option<Trip>,
    told: Option<Quality>,
    /// Seen once, and not yet told: two equal samples make a change.
    seen: Option<Quality>,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    t: u64,
    at: Duration,
    missed: bool,
}

/// Smoothed round trip, RFC 6298 section 2, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Trip {
    srtt: f64,
    rttvar: f64,
}

/// How good a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Quality {
    /// Below 150 ms.
    Good,
    /// Below 400 ms.
    Fair,
    /// Below 1.5 s, or one ping went unanswered.
    Poor,
    /// Slower, or silent for too long.
    Lost,
}

/// What a client should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Advice {
    /// Nothing.
    Stay,
    /// Connect anew.
    Reconnect,
    /// Take an event stream instead.
    SwitchTransport,
}

/// The data of a `quality` message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    /// How good the connection is.
    pub(super) quality: Quality,
    /// Smoothed round trip in milliseconds; null before the first.
    pub(super) rtt_ms: Option<u64>,
    /// How much it varies, in milliseconds.
    pub(super) jitter_ms: Option<u64>,
    /// What to do.
    pub(super) advice: Advice,
    /// How long to wait before doing it, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_ms: Option<u64>,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Beat {
    /// Send a ping with this `t`.
    Ping(u64),
    /// Say how good the connection is.
    Report(Report),
    /// Nothing was heard for too long: close.
    Dead,
}

impl Heartbeat {
    /// A heart that beats every `interval`; `draw` in [0, 1) spreads the first beats of many.
    pub(super) fn new(interval: Duration, timeout: Duration, draw: f64) -> Self {
        Self {
            interval,
            timeout,
            heard: Duration::ZERO,
            next_ping: interval.mul_f64(draw),
            last_ping: Duration::ZERO,
            open: None,
            trip: None,
            told: None,
            seen: None,
        }
    }

    /// Something came from the other side.
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = now;
        let latest = self.last_ping + 2 * self.interval;
        self.next_ping = (now + self.interval).min(latest.max(now));
    }

    /// A ping was answered: this is how good the connection is. Answers to no open ping measure
    /// nothing.
    pub(super) fn answered(&mut self, t: u64, now: Duration) -> Option<Report> {
        let ping = self.open.take_if(|ping| ping.t == t)?;
        let sample = now.saturating_sub(ping.at).as_secs_f64() * 1_000.0;
        let trip = match self.trip {
            None => Trip {
                srtt: sample,
                rttvar: sample / 2.0,
            },
            Some(Trip { srtt, rttvar }) => Trip {
                rttvar: 0.75 * rttvar + 0.25 * (srtt - sample).abs(),
                srtt: 0.875 * srtt + 0.125 * sample,
            },
        };
        self.trip = Some(trip);
        let quality = match (trip.srtt, sample) {
            (srtt, _) if srtt >= 1_500.0 => Quality::Lost,
            (_, sample) if sample > 3_000.0 => Quality::Poor,
            (srtt, _) if srtt >= 400.0 => Quality::Poor,
            (srtt, sample) if srtt >= 150.0 || sample >= 1_000.0 => Quality::Fair,
            _ => Quality::Good,
        };
        // the first sample counts at once, a change after two equal ones
        let twice = self.seen.replace(quality) == Some(quality);
        if self.told.is_none() || twice {
            self.told = Some(quality);
        }
        Some(self.judged())
    }

    /// When `beat` should be asked next.
    pub(super) fn due(&self) -> Duration {
        let death = self.heard + self.timeout;
        let miss = self
            .open
            .filter(|ping| !ping.missed)
            .map(|ping| self.miss_at(ping));
        miss.into_iter()
            .fold(self.next_ping.min(death), Duration::min)
    }

    /// What is to be done at this moment.
    pub(super) fn beat(&mut self, now: Duration) -> Option<Beat> {
        if now >= self.heard + self.timeout {
            return Some(Beat::Dead);
        }
        if let Some(ping) = self.open.filter(|ping| !ping.missed)
            && now >= self.miss_at(ping)
        {
            self.open = Some(Ping {
                missed: true,
                ..ping
            });
            self.told = Some(Quality::Poor);
            return Some(Beat::Report(self.judged()));
        }
        if now < self.next_ping {
            return None;
        }
        let t = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        self.open = Some(Ping {
            t,
            at: now,
            missed: false,
        });
        self.last_ping = now;
        self.next_ping = now + self.interval;
        Some(Beat::Ping(t))
    }

    /// The last thing known, to be said with another advice.
    pub(super) fn report(&self, advice: Advice, in_ms: Option<u64>) -> Report {
        let rounded = |ms: f64| ms.round() as u64;
        Report {
            quality: self.told.unwrap_or(Quality::Good),
            rtt_ms: self.trip.map(|trip| rounded(trip.srtt)),
            jitter_ms: self.trip.map(|trip| rounded(trip.rttvar)),
            advice,
            in_ms,
        }
    }

    /// A ping not answered by half of what is left until death is missed.
    fn miss_at(&self, ping: Ping) -> Duration {
        ping.at + (self.timeout - self.interval) / 2
    }

    fn judged(&self) -> Report {
        let missed = self.open.is_some_and(|ping| ping.missed);
        let (advice, in_ms) = match self.told {
            Some(Quality::Lost) => (Advice::Reconnect, Some(0)),
            Some(Quality::Poor) if missed => (Advice::Reconnect, Some(RECONNECT_MS)),
            _ => (Advice::Stay, None),
        };
        self.report(advice, in_ms)
    }
}

/// A connection that missed a beat may recover for so long.
const RECONNECT_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn heart() -> Heartbeat {
        Heartbeat::new(ms(25_000), ms(50_000), 0.5)
    }

    /// Answers a ping that is due at once after `rtt`.
    fn round_trip(heart: &mut Heartbeat, rtt: u64) -> Option<Report> {
        let now = heart.due();
        let Some(Beat::Ping(t)) = heart.beat(now) else {
            panic!("no ping at {now:?}");
        };
        heart.heard(now + ms(rtt));
        heart.answered(t, now + ms(rtt))
    }

    #[test]
    fn the_first_ping_comes_at_a_random_part_of_the_interval() {
        let mut heart = heart();
        assert_eq!(heart.due(), ms(12_500));
        assert_eq!(heart.beat(ms(12_499)), None);
        assert!(matches!(heart.beat(ms(12_500)), Some(Beat::Ping(_))));
        assert_eq!(heart.beat(ms(12_500)), None, "one ping at a time");
    }

    #[test]
    fn whatever_is_heard_puts_the_ping_off_but_not_for_ever() {
        let mut heart = heart();
        heart.heard(ms(10_000));
        assert_eq!(heart.due(), ms(35_000));
        heart.heard(ms(34_000));
        assert_eq!(heart.due(), ms(50_000), "busy clients are measured, too");
        heart.heard(ms(60_000));
        assert_eq!(heart.due(), ms(60_000));
    }

    #[test]
    fn silence_misses_a_beat_and_then_kills() {
        let mut heart = heart();
        assert!(matches!(heart.beat(ms(12_500)), Some(Beat::Ping(_))));
        assert_eq!(heart.due(), ms(25_000));
        let Some(Beat::Report(report)) = heart.beat(ms(25_000)) else {
            panic!("a miss is told");
        };
        assert_eq!(report.quality, Quality::Poor);
        assert_eq!(report.advice, Advice::Reconnect);
        assert!(report.in_ms.is_some());
        assert!(matches!(heart.beat(ms(37_500)), Some(Beat::Ping(_))));
        assert_eq!(heart.due(), ms(50_000));
        assert_eq!(heart.beat(ms(50_000)), Some(Beat::Dead));
    }

    #[test]
    fn the_round_trip_is_smoothed_as_rfc_6298_says() {
        let mut heart = heart();
        let report = round_trip(&mut heart, 100).expect("a sample is told");
        assert_eq!((report.rtt_ms, report.jitter_ms), (Some(100), Some(50)));
        assert_eq!(report.quality, Quality::Good);
        let report = round_trip(&mut heart, 180).expect("a sample is told");
        assert_eq!((report.rtt_ms, report.jitter_ms), (Some(110), Some(58)));
    }

    #[test]
    fn a_change_counts_after_two_equal_samples() {
        let mut heart = heart();
        let mut quality = |rtt| {
            round_trip(&mut heart, rtt)
                .expect("a sample is told")
                .quality
        };
        assert_eq!(quality(10), Quality::Good);
        assert_eq!(quality(1_900), Quality::Good, "once is chance");
        assert_eq!(quality(300), Quality::Fair, "twice is not");
    }

    #[test]
    fn an_answer_to_no_ping_measures_nothing() {
        let mut heart = heart();
        assert_eq!(heart.answered(7, ms(100)), None);
        let Some(Beat::Ping(t)) = heart.beat(ms(12_500)) else {
            panic!("a ping is due");
        };
        assert_eq!(heart.answered(t + 1, ms(12_600)), None);
        assert!(heart.answered(t, ms(12_600)).is_some());
        assert_eq!(
            heart.answered(t, ms(12_700)),
            None,
            "said twice, counted once"
        );
    }
}
