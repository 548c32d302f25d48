//! The upstream legs of one connection, one after the other.

use std::time::Duration;

use holdfast_wire::contract::EventId;

use super::search::{Search, Step};
use super::{Answer, Cause, Lost, Moved, Opening, Placed, Settings, Terms};
use crate::affinity::AffinityKey;
use crate::cluster::{ClusterName, EndpointId};
use crate::decide;
use crate::snapshot::Snapshot;
use crate::time::Instant;

/// What is known of the legs so far, and the search for the next.
#[derive(Debug)]
pub(super) struct Legs {
    cluster: ClusterName,
    key: AffinityKey,
    /// Where it is, or was last.
    endpoint: Option<EndpointId>,
    attempt: u32,
    generation: Option<Box<str>>,
    /// The last message or event delivered whole; before the first, where the last leg started.
    last_event_id: Option<EventId>,
    /// Whether anything with an id was delivered.
    delivered: bool,
    search: Option<Box<Search>>,
    /// Why it left the last endpoint, until another takes it.
    cause: Option<Cause>,
    /// When it went where a `421` sent it.
    followed: Option<Instant>,
    /// When the first of several legs began that all broke at once; they share one deadline.
    flapping_since: Option<Instant>,
    attached: Instant,
    draw: u64,
}

/// Where a connection without a leg looks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whither {
    /// At the endpoint it comes from, once, while that one is admitted.
    Back,
    /// Anywhere else.
    Away,
}

impl Legs {
    pub(super) fn open(opening: &Opening, now: Instant) -> Self {
        let asked = opening
            .claimed
            .clone()
            .map_or_else(decide::Search::default, decide::Search::lost);
        let mut search = Search::new(asked, now, now + opening.settings.handoff.deadline);
        search.pin(opening.endpoint.clone(), opening.moved_from.clone());
        Self {
            cluster: opening.cluster.clone(),
            key: opening.key,
            endpoint: None,
            attempt: 0,
            generation: None,
            last_event_id: opening.last_event_id,
            delivered: false,
            search: Some(Box::new(search)),
            cause: None,
            followed: None,
            flapping_since: None,
            attached: now,
            draw: opening.draw,
        }
    }

    pub(super) const fn endpoint(&self) -> Option<&EndpointId> {
        self.endpoint.as_ref()
    }

    pub(super) const fn moving(&self) -> Option<Cause> {
        self.cause
    }

    /// A message or event was delivered whole, under this id if it had one.
    pub(super) fn delivered(&mut self, id: Option<EventId>) {
        self.flapping_since = None;
        if id.is_some() {
            self.last_event_id = id;
            self.delivered = true;
        }
    }

    /// The client forgot its last event id (an empty `id:`).
    pub(super) fn forget_id(&mut self) {
        self.last_event_id = None;
    }

    /// The instant before which it is not moved on purpose.
    pub(super) fn held_until(&self, settings: &Settings) -> Option<Instant> {
        self.followed.map(|at| at + settings.handoff.hold)
    }

    /// The leg is over, and there is no way to go on.
    pub(super) fn left(&mut self, cause: Cause) {
        self.cause = Some(cause);
    }

    /// The leg is over; look for another.
    pub(super) fn leave(
        &mut self,
        (cause, whither): (Cause, Whither),
        since: Instant,
        now: Instant,
        by: &Settings,
    ) {
        // A leg that breaks as soon as it is there has not ended the search that led to it.
        let stable = now.since(self.attached) >= STABLE;
        let start = match self.flapping_since {
            Some(start) if !stable => start,
            _ => now,
        };
        self.flapping_since = Some(start);
        let deadline = start + by.handoff.deadline;
        let asked = match (self.endpoint.clone(), whither) {
            (None, _) => decide::Search::default(),
            (Some(from), Whither::Back) => decide::Search::lost(from),
            (Some(from), Whither::Away) => decide::Search::leaving(from),
        };
        let mut search = Search::new(asked, since, deadline);
        if start < now {
            search.wait(now, self.draw);
        }
        self.cause = Some(cause);
        self.search = Some(Box::new(search));
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.search.as_ref().map(|search| search.timeout())
    }

    /// Whether a dial is due now; `Err` when the time for all dials is over.
    pub(super) fn dial_due(&self, now: Instant) -> Result<bool, Lost> {
        let Some(search) = &self.search else {
            return Ok(false);
        };
        if search.expired(now) {
            return Err(Lost::Deadline);
        }
        Ok(search.dial_due(now))
    }

    pub(super) fn place(&mut self, snapshot: &Snapshot) -> Option<Placed> {
        let search = self.search.as_mut()?;
        let (endpoint, moved_from) = search.place(snapshot, &self.cluster, self.key)?;
        self.attempt += 1;
        Some(Placed {
            endpoint,
            attempt: self.attempt,
            last_event_id: self.last_event_id,
            generation: self.generation.clone(),
            moved_from,
            patience: if self.endpoint.is_some() {
                PATIENCE
            } else {
                Duration::MAX
            },
        })
    }

    pub(super) fn nobody(&mut self, now: Instant) -> Step {
        self.draw = self
            .draw
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let draw = self.draw >> 33;
        self.search
            .as_mut()
            .map_or(Step::Dial, |search| search.nobody(now, draw))
    }

    /// Whether somebody may take it later who did not now.
    pub(super) fn hopeful(&self) -> bool {
        self.search.as_ref().is_some_and(|search| search.hopeful())
    }

    pub(super) fn refused(&mut self, answer: &Answer, now: Instant) -> Step {
        let attempt = &mut self.attempt;
        self.search
            .as_mut()
            .map_or(Step::Dial, |search| search.refused(answer, attempt, now))
    }

    /// The dialled endpoint took it. Says what move that was, unless it was the first leg.
    pub(super) fn attach(&mut self, terms: Terms, now: Instant) -> Option<Moved> {
        let mut search = self.search.take()?;
        let to = search.taken()?;
        self.followed = search.followed().then_some(now);
        self.attached = now;
        self.generation = terms.generation.or_else(|| self.generation.take());
        if !self.delivered {
            self.last_event_id = terms.position.or_else(|| self.last_event_id.take());
        }
        let from = self.endpoint.replace(to.clone())?;
        Some(Moved {
            from,
            to,
            cause: self.cause.take()?,
            took: now.since(search.since),
        })
    }

    /// No dial is wanted any more.
    pub(super) fn give_up(&mut self) {
        self.search = None;
    }
}

/// A leg that lived this long was no mistake: losing it begins a new search.
const STABLE: Duration = Duration::from_secs(1);
/// How long an endpoint may take to answer a later dial: time for it to ask for the session and
/// to claim it, and for others to be asked before the deadline.
const PATIENCE: Duration = Duration::from_secs(3);
