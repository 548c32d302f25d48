//! Who leaves a draining endpoint, and when?
//!
//! A [`Drain`] only paces: how many connections are due to leave at this moment. Which ones, and
//! how they leave, is for those who hold them. Connections of an endpoint that keeps the
//! contract move at the configured rate, the sooner the better, since nobody notices. Those of
//! an opaque one are closed, so they are spread over all the time there is.

use std::time::Duration;

use crate::health::probe::jittered;
use crate::time::Instant;

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

/// How connections are spread over the time of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At the configured rate, or faster if that would miss the deadline.
    Rate,
    /// Evenly until the deadline.
    Spread,
}

/// How far a drain is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// When it began.
    pub began: Instant,
    /// When everybody has to be gone.
    pub deadline: Instant,
    /// Connections that were there when it began.
    pub total: u32,
}

/// One endpoint's drain.
#[derive(Clone, Debug)]
pub struct Drain {
    began: Instant,
    deadline: Instant,
    /// When the next ones are due.
    next: Instant,
    /// When the last ones were.
    last: Instant,
    /// Connections that were there when it began.
    total: u32,
    /// Connections due since, in millionths.
    owed: u64,
    /// The highest rate that people know of.
    announced: u32,
}

/// What is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// So many connections are to leave now.
    pub leave: u32,
    /// The configured rate would miss the deadline; this is the rate from now on.
    pub raised: Option<u32>,
}

impl Drain {
    /// Begins now.
    pub fn begin(settings: &DrainSettings, total: u32, now: Instant) -> Self {
        Self {
            began: now,
            deadline: now + settings.deadline,
            next: now,
            last: now,
            total,
            owed: WHOLE,
            announced: settings.rate,
        }
    }

    /// What is due now, of so many that remain. `can_leave`: somebody would take them.
    pub fn step(
        &mut self,
        remaining: u32,
        can_leave: bool,
        pace: Pace,
        settings: &DrainSettings,
        draw: u64,
        now: Instant,
    ) -> Step {
        if now < self.next {
            return Step::default();
        }
        let elapsed = now.since(self.last);
        self.last = now;
        self.next = (now + jittered(TICK, draw)).min(self.deadline.max(now + TICK / 4));
        if !can_leave || remaining == 0 {
            self.owed = WHOLE;
            return Step::default();
        }
        let needed = self.needed_rate(remaining, now);
        let rate = match pace {
            Pace::Rate => needed.max(micros(settings.rate)),
            Pace::Spread => needed,
        };
        let due = u128::from(rate) * elapsed.as_micros() / 1_000_000;
        self.owed = self
            .owed
            .saturating_add(u64::try_from(due).unwrap_or(u64::MAX));
        let leave = u32::try_from(self.owed / WHOLE)
            .unwrap_or(u32::MAX)
            .min(remaining);
        self.owed = (self.owed - u64::from(leave) * WHOLE).min(WHOLE);
        Step {
            leave,
            raised: self.announce(rate),
        }
    }

    /// When it began.
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// How far it is.
    pub const fn progress(&self) -> Progress {
        Progress {
            began: self.began,
            deadline: self.deadline,
            total: self.total,
        }
    }

    /// Whether it is out of time.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    /// When [`step`](Self::step) wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        self.next.min(self.deadline)
    }

    /// Millionths of a connection a second that have to leave from now on, a little less than
    /// the time left allowing for the moves themselves.
    fn needed_rate(&self, remaining: u32, now: Instant) -> u64 {
        let left = self
            .deadline
            .since(now)
            .saturating_sub(2 * TICK)
            .max(TICK / 2);
        let rate = u128::from(micros(remaining)) * 1_000_000 / left.as_micros();
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// The rate, if people should hear of it: a quarter above what they know.
    fn announce(&mut self, rate: u64) -> Option<u32> {
        let rate = u32::try_from(rate.div_ceil(WHOLE)).unwrap_or(u32::MAX);
        let news = rate > self.announced.saturating_add(self.announced / 4);
        news.then(|| {
            self.announced = rate;
            rate
        })
    }
}

fn micros(connections: u32) -> u64 {
    u64::from(connections) * WHOLE
}

/// One connection.
const WHOLE: u64 = 1_000_000;
/// Between two steps, before jitter: short enough that a step is a handful of connections.
const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        /// Connections that left, by second.
        by_second: Vec<u32>,
        left: u32,
        raised: Vec<u32>,
    }

    /// Drains `connections` and lets everybody leave at once who is due.
    fn run(connections: u32, pace: Pace, settings: &DrainSettings) -> Run {
        let mut now = Instant::after_start(Duration::from_secs(100));
        let mut drain = Drain::begin(settings, connections, now);
        let began = now;
        let mut run = Run {
            by_second: vec![0; 64],
            left: connections,
            raised: Vec::new(),
        };
        let mut draw = 7u64;
        while !drain.is_over(now) {
            draw = crate::pick::mix(draw);
            let step = drain.step(run.left, true, pace, settings, draw, now);
            run.left -= step.leave;
            run.by_second[now.since(began).as_secs() as usize] += step.leave;
            run.raised.extend(step.raised);
            assert!(
                drain.poll_timeout() > now,
                "a step always waits for the next"
            );
            now = drain.poll_timeout();
        }
        run
    }

    fn settings(rate: u32, seconds: u64) -> DrainSettings {
        DrainSettings {
            rate,
            deadline: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn connections_move_at_the_rate_until_none_is_left() {
        let run = run(200, Pace::Rate, &settings(50, 30));
        assert_eq!(run.left, 0);
        assert!(run.raised.is_empty());
        assert!(
            run.by_second[..3].iter().all(|&n| (45..=56).contains(&n)),
            "{:?}",
            run.by_second
        );
        assert_eq!(run.by_second[5..].iter().sum::<u32>(), 0);
    }

    #[test]
    fn a_rate_that_would_miss_the_deadline_is_raised_and_says_so() {
        let run = run(3000, Pace::Rate, &settings(50, 30));
        assert_eq!(run.left, 0);
        assert_eq!(run.raised.first(), Some(&101), "{:?}", run.raised);
        assert!(
            run.by_second[..29].iter().all(|&n| n <= 130),
            "{:?}",
            run.by_second
        );
    }

    #[test]
    fn closes_are_spread_over_the_whole_time_without_a_burst() {
        let run = run(300, Pace::Spread, &settings(50, 30));
        assert_eq!(run.left, 0);
        assert!(run.raised.is_empty());
        assert!(
            run.by_second[..29].iter().all(|&n| (7..=14).contains(&n)),
            "{:?}",
            run.by_second
        );
    }

    #[test]
    fn nobody_leaves_while_nobody_would_take_them() {
        let settings = settings(50, 30);
        let mut drain = Drain::begin(&settings, 9, Instant::START);
        let mut now = Instant::START;
        for _ in 0..50 {
            let step = drain.step(9, false, Pace::Rate, &settings, 5, now);
            assert_eq!(step, Step::default());
            now = drain.poll_timeout();
        }
        let step = drain.step(9, true, Pace::Rate, &settings, 5, now);
        assert!(
            (1..=6).contains(&step.leave),
            "what was not possible is not made up in a burst"
        );
    }

    #[test]
    fn what_is_left_near_the_deadline_all_leaves() {
        let settings = settings(1, 10);
        let mut drain = Drain::begin(&settings, 9, Instant::START);
        let late = Instant::START + Duration::from_millis(9_900);
        let step = drain.step(70, true, Pace::Rate, &settings, 5, late);
        assert_eq!(step.leave, 70);
    }
}
