//! Passive ejection: an endpoint that serves badly is taken out for a while.

use std::time::Duration;

use super::Service;
use crate::cluster::Percent;
use crate::time::Instant;

/// When an endpoint is taken out, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EjectSettings {
    /// Bad outcomes in a row.
    pub failures: u32,
    /// How long the first time; doubled each time after.
    pub base: Duration,
    /// How long at most.
    pub max: Duration,
    /// The share of the cluster that may be out at once, rounded down.
    pub share: Percent,
}

impl Default for EjectSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            base: Duration::from_secs(10),
            max: Duration::from_secs(300),
            share: Percent::HALF,
        }
    }
}

/// What outcomes add up to for one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Ejection {
    /// Bad outcomes in a row.
    failures: u32,
    /// How often it was taken out lately; each quiet stretch as long as its last absence
    /// forgives one.
    times: u32,
    /// When it comes back.
    until: Option<Instant>,
    /// When it last came back.
    returned: Option<Instant>,
}

impl Ejection {
    /// Takes one outcome. True if it is due to be taken out: then ask whether the share allows
    /// it, and [`eject`](Self::eject).
    pub fn observe(&mut self, service: Service, settings: &EjectSettings) -> bool {
        match service {
            Service::Good => self.failures = 0,
            Service::Bad => self.failures = self.failures.saturating_add(1),
            Service::Silent => {}
        }
        self.is_due(settings)
    }

    /// Whether it is due to be taken out, and only the share keeps it in.
    pub const fn is_due(&self, settings: &EjectSettings) -> bool {
        self.until.is_none() && self.failures >= settings.failures
    }

    /// Takes it out; answers until when.
    pub fn eject(&mut self, settings: &EjectSettings, now: Instant) -> Instant {
        if let Some(returned) = self.returned {
            let quiet = now.since(returned).as_millis();
            let absence = absence(settings, self.times.saturating_sub(1))
                .as_millis()
                .max(1);
            let forgiven = u32::try_from(quiet / absence).unwrap_or(u32::MAX);
            self.times = self.times.saturating_sub(forgiven);
        }
        let until = now + absence(settings, self.times);
        self.times = self.times.saturating_add(1);
        self.failures = 0;
        self.until = Some(until);
        until
    }

    /// Brings it back if its time is over. True if it was.
    pub fn expire(&mut self, now: Instant) -> bool {
        let over = self.until.is_some_and(|until| until <= now);
        if over {
            self.release(now);
        }
        over
    }

    /// Brings it back.
    pub fn release(&mut self, now: Instant) {
        self.until = None;
        self.failures = 0;
        self.returned = Some(now);
    }

    /// Until when it is out.
    pub const fn until(&self) -> Option<Instant> {
        self.until
    }
}

/// How long it stays out after so many times before.
fn absence(settings: &EjectSettings, times: u32) -> Duration {
    settings
        .base
        .saturating_mul(1 << times.min(16))
        .min(settings.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(ejection: &mut Ejection, times: u32) -> bool {
        (0..times).fold(false, |_, _| {
            ejection.observe(Service::Bad, &EjectSettings::default())
        })
    }

    #[test]
    fn only_failures_in_a_row_take_it_out() {
        let settings = EjectSettings::default();
        let mut ejection = Ejection::default();
        assert!(!fail(&mut ejection, 4));
        assert!(
            !ejection.observe(Service::Silent, &settings),
            "says nothing either way"
        );
        assert!(fail(&mut ejection, 1));
        ejection.observe(Service::Good, &settings);
        assert!(!fail(&mut ejection, 4));
    }

    #[test]
    fn each_time_it_stays_out_twice_as_long_up_to_a_bound() {
        let settings = EjectSettings::default();
        let mut ejection = Ejection::default();
        let mut now = Instant::START;
        let mut absences = Vec::new();
        for _ in 0..7 {
            let until = ejection.eject(&settings, now);
            assert!(!ejection.expire(now), "not over yet");
            absences.push(until.since(now).as_secs());
            now = until;
            assert!(ejection.expire(now));
            assert_eq!(ejection.until(), None);
        }
        assert_eq!(absences, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn good_behaviour_is_remembered_too() {
        let settings = EjectSettings::default();
        let mut ejection = Ejection::default();
        let mut now = Instant::START;
        for _ in 0..3 {
            now = ejection.eject(&settings, now);
            ejection.expire(now);
        }
        let later = now + 120 * SECOND;
        assert_eq!(ejection.eject(&settings, later).since(later), 10 * SECOND);
    }

    #[test]
    fn who_is_out_is_not_taken_out_again() {
        let settings = EjectSettings::default();
        let mut ejection = Ejection::default();
        assert!(fail(&mut ejection, 5));
        ejection.eject(&settings, Instant::START);
        assert!(!fail(&mut ejection, 50));
    }
}
