//! What the controller knows of one endpoint.

use std::sync::Arc;

use super::admin::Wishes;
use super::probing::Slot;
use super::{Cause, Member};
use crate::cluster::{Admin, ClusterSettings, Contract, Endpoint, Health, Load};
use crate::drain::Drain;
use crate::health::{Ejection, Readiness};
use crate::time::Instant;

/// One endpoint, with everything that outlives a new address or weight, and for a while its
/// absence.
#[derive(Debug)]
pub(super) struct EndpointState {
    pub(super) member: Member,
    /// When discovery stopped naming it.
    pub(super) left: Option<Instant>,
    pub(super) wishes: Wishes,
    pub(super) contract: bool,
    pub(super) slots: Vec<Slot>,
    pub(super) ejection: Ejection,
    pub(super) drain: Option<Drain>,
    pub(super) drained: bool,
    pub(super) load: Arc<Load>,
    fit_since: Option<Instant>,
    /// It was there when the cluster was first discovered and has not served yet: it starts
    /// at full weight, or everybody would start slowly.
    founder: bool,
}

impl EndpointState {
    pub(super) fn new(
        member: Member,
        founder: bool,
        settings: &ClusterSettings,
        now: Instant,
    ) -> Self {
        let slots = settings
            .probes
            .iter()
            .map(|p| Slot::new(Arc::new(p.clone()), now));
        let mut state = Self {
            member,
            left: None,
            wishes: Wishes::default(),
            contract: settings.handoff.contract == Contract::Required,
            slots: slots.collect(),
            ejection: Ejection::default(),
            drain: None,
            drained: false,
            load: Load::idle(),
            fit_since: None,
            founder,
        };
        if state.serves() {
            state.note_fit(now);
        }
        state
    }

    /// What is known of its health.
    pub(super) fn health(&self) -> Health {
        if self.slots.iter().any(|slot| slot.passing() == Some(false)) {
            Health::Down
        } else if self.ejection.until().is_some() {
            Health::Ejected
        } else if self.slots.iter().any(|slot| slot.passing().is_none()) {
            Health::Untried
        } else if self.wishes.is_degraded() {
            Health::Degraded
        } else {
            Health::Up
        }
    }

    pub(super) fn is_present(&self) -> bool {
        self.left.is_none()
    }

    /// Why its connections are to leave, if they are.
    pub(super) fn leaving(&self) -> Option<Cause> {
        match self.wishes.admin() {
            Admin::Maint => Some(Cause::Maint),
            Admin::Drain => Some(Cause::Drain),
            Admin::Ready => self.left.filter(|_| self.contract).map(|_| Cause::Gone),
        }
    }

    /// It answered a probe with this word about itself.
    pub(super) fn hear(&mut self, readiness: Readiness) {
        self.wishes.hear(readiness.state);
        if let Some(sessions) = readiness.sessions {
            self.load.report(sessions);
        }
    }

    /// Takes over changed settings; what is asked as before keeps its answers.
    pub(super) fn reload(&mut self, settings: &ClusterSettings, now: Instant) {
        match settings.handoff.contract {
            Contract::Required => self.contract = true,
            Contract::Off => self.contract = false,
            Contract::Auto => {}
        }
        let mut old = std::mem::take(&mut self.slots);
        self.slots = settings
            .probes
            .iter()
            .map(|probe| match old.iter().position(|slot| slot.asks(probe)) {
                Some(at) => old.swap_remove(at),
                None => Slot::new(Arc::new(probe.clone()), now),
            })
            .collect();
    }

    /// Whether it is known to serve.
    pub(super) fn serves(&self) -> bool {
        matches!(self.health(), Health::Up | Health::Degraded)
    }

    /// It began to serve.
    pub(super) fn note_fit(&mut self, now: Instant) {
        if !std::mem::take(&mut self.founder) {
            self.fit_since = Some(now);
        }
    }

    /// What the data plane is to know of it.
    pub(super) fn view(&self, settings: &ClusterSettings) -> Endpoint {
        Endpoint {
            id: self.member.id.clone(),
            address: self.member.address,
            weight: self.member.weight,
            admin: self.wishes.admin(),
            drained: self.drained,
            drain: self.drain.as_ref().map(Drain::progress),
            health: self.health(),
            checks: self.slots.iter().map(|s| s.record().clone()).collect(),
            contract: self.contract,
            fit_since: self.fit_since,
            sessions_max: settings.sessions_max,
            load: self.load.clone(),
        }
    }

    /// When something of it is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let present = self.is_present();
        let probes = self
            .slots
            .iter()
            .map(Slot::poll_timeout)
            .filter(|_| present)
            .min();
        let drain = self.drain.as_ref().map(Drain::poll_timeout);
        [
            probes,
            drain,
            self.ejection.until(),
            self.wishes.poll_timeout().filter(|_| present),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
