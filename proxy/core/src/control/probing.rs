//! The checks of one endpoint: what was asked, what is due.

use std::sync::Arc;
use std::time::Duration;

use crate::health::{Probe, ProbeSettings, Record};
use crate::time::Instant;

/// One check of one endpoint.
#[derive(Debug)]
pub(super) struct Slot {
    settings: Arc<ProbeSettings>,
    record: Arc<Record>,
    probe: Probe,
    next: Instant,
    /// The question that is out: its number, and when it was asked.
    asked: Option<(u64, Instant)>,
    last: Instant,
}

impl Slot {
    /// To be asked at once.
    pub(super) fn new(settings: Arc<ProbeSettings>, now: Instant) -> Self {
        Self {
            record: Arc::new(Record::new(settings.clone())),
            settings,
            probe: Probe::default(),
            next: now,
            asked: None,
            last: now,
        }
    }

    /// Whether it asks just this.
    pub(super) fn asks(&self, settings: &ProbeSettings) -> bool {
        *self.settings == *settings
    }

    pub(super) fn settings(&self) -> &Arc<ProbeSettings> {
        &self.settings
    }

    /// What was heard, for people.
    pub(super) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    pub(super) const fn passing(&self) -> Option<bool> {
        self.probe.passing()
    }

    /// Whether it is due; then it counts as asked under this ticket.
    pub(super) fn ask(&mut self, ticket: u64, now: Instant) -> bool {
        let due = self.asked.is_none() && self.next <= now;
        if due {
            self.asked = Some((ticket, now));
            self.last = now;
        }
        due
    }

    /// Takes the answer to a ticket; `None` if it is not the one that is out.
    pub(super) fn answer(
        &mut self,
        ticket: u64,
        answer: Result<(), &str>,
        draw: u64,
        now: Instant,
    ) -> Option<bool> {
        self.asked.filter(|(asked, _)| *asked == ticket)?;
        self.asked = None;
        let changed = self.probe.observe(answer.is_ok(), &self.settings);
        let passing = self.probe.passing() == Some(true);
        self.record.note(answer, passing, now);
        self.next = now + self.probe.pause(&self.settings, draw);
        Some(changed)
    }

    /// The ticket of a question nobody answered, long after its timeout.
    pub(super) fn unanswered(&self, now: Instant) -> Option<u64> {
        let (ticket, _) = self.asked?;
        (self.overdue()? <= now).then_some(ticket)
    }

    /// Something went wrong with the endpoint: ask soon, but not more often than in doubt.
    pub(super) fn hurry(&mut self, now: Instant) {
        let soon = (self.last + self.settings.interval / 4).max(now);
        self.next = self.next.min(soon);
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.overdue().unwrap_or(self.next)
    }

    fn overdue(&self) -> Option<Instant> {
        self.asked.map(|(_, at)| at + self.settings.timeout + GRACE)
    }
}

/// What the shell may add to a probe's timeout before the core stops waiting for it.
const GRACE: Duration = Duration::from_secs(1);
