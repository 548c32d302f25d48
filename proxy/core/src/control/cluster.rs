//! What the controller knows of one cluster.

mod draining;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::endpoint::EndpointState;
use super::{By, Cause, Command, Count, Desk, Heard, Member, What};
use crate::cluster::{Admin, Cluster, ClusterSettings, Contract, Endpoint, EndpointId};
use crate::cluster::{Health, Percent};
use crate::health::{Kind, Readiness};
use crate::time::Instant;

/// One cluster, with the endpoints that are there and those remembered.
#[derive(Debug)]
pub(super) struct ClusterState {
    settings: Arc<ClusterSettings>,
    endpoints: BTreeMap<EndpointId, EndpointState>,
    /// Whether discovery has answered at all.
    discovered: bool,
    turn: Arc<AtomicU64>,
    /// What the data plane knows.
    view: Arc<Cluster>,
    /// Whether it might not be true any more.
    stale: bool,
}

impl ClusterState {
    pub(super) fn new(settings: Arc<ClusterSettings>) -> Self {
        let turn = Arc::<AtomicU64>::default();
        let view = Arc::new(Cluster::undiscovered(settings.clone(), turn.clone()));
        let endpoints = BTreeMap::new();
        Self {
            settings,
            endpoints,
            discovered: false,
            turn,
            view,
            stale: true,
        }
    }

    pub(super) fn view(&self) -> &Arc<Cluster> {
        &self.view
    }

    /// Whether its endpoints keep the contract, as far as the configuration says.
    pub(super) fn may_keep_contract(&self) -> bool {
        self.settings.handoff.contract != Contract::Off
    }

    /// Takes over changed settings.
    pub(super) fn reload(&mut self, settings: Arc<ClusterSettings>, desk: &mut Desk, now: Instant) {
        self.settings = settings.clone();
        for id in self.ids() {
            let reload = |e: &mut EndpointState| {
                e.reload(&settings, now);
                Some("the configuration changed".to_owned())
            };
            self.change(&id, desk, now, reload, By::Operator);
        }
        self.release_beyond_share(desk, now);
        self.stale = true;
    }

    /// These are all the endpoints there are.
    pub(super) fn discovered(&mut self, members: Vec<Member>, desk: &mut Desk, now: Instant) {
        let founding = !std::mem::replace(&mut self.discovered, true);
        let mut missing = self.ids();
        for member in members {
            missing.retain(|id| *id != member.id);
            self.join(member, founding, desk, now);
        }
        for id in missing {
            let name = &self.settings.name;
            if let Some(state) = self.endpoints.get_mut(&id).filter(|e| e.is_present()) {
                state.left = Some(now);
                desk.report(Some(name), Some(&id), What::Left);
                self.pursue_drain(&id, now);
            }
        }
        self.forget(now);
        self.release_beyond_share(desk, now);
        self.stale = true;
    }

    fn join(&mut self, member: Member, founding: bool, desk: &mut Desk, now: Instant) {
        let (id, address) = (member.id.clone(), member.address);
        let what = match self.endpoints.get_mut(&id) {
            Some(state) => {
                let back = state.left.take().is_some();
                let moved = state.member.address != address;
                state.member = member;
                if moved {
                    state.slots.iter_mut().for_each(|slot| slot.hurry(now));
                }
                match (back, moved) {
                    (true, _) => Some(What::Joined { address }),
                    (false, true) => Some(What::Readdressed { address }),
                    (false, false) => None,
                }
            }
            None => {
                let state = EndpointState::new(member, founding, &self.settings, now);
                self.endpoints.insert(id.clone(), state);
                Some(What::Joined { address })
            }
        };
        self.pursue_drain(&id, now);
        if let Some(what) = what {
            desk.report(Some(&self.settings.name), Some(&id), what);
        }
    }

    /// A probe was answered.
    pub(super) fn probed(
        &mut self,
        id: &EndpointId,
        ticket: u64,
        result: Result<Readiness, String>,
        desk: &mut Desk,
        now: Instant,
    ) {
        let draw = desk.draw();
        let failed = result.is_err();
        let was_down = self.is_down(id);
        let answer = |e: &mut EndpointState| {
            e.load.trust();
            let said = result.as_ref().map(|_| ()).map_err(String::as_str);
            let was_down = e.health() == Health::Down;
            e.slots
                .iter_mut()
                .find_map(|slot| slot.answer(ticket, said, draw, now))?;
            match result {
                Ok(readiness) => {
                    e.hear(readiness);
                    // It was away meanwhile: what it did before says nothing of it now.
                    if was_down && e.health() == Health::Ejected {
                        e.ejection.release(now);
                    }
                    Some("probes pass".to_owned())
                }
                Err(why) => Some(why),
            }
        };
        self.change(id, desk, now, answer, By::Itself);
        if failed && was_down && !self.view.failing_open {
            // A dial may have been answered just before it was given up.
            self.abandon(id, desk);
        }
    }

    fn is_down(&self, id: &EndpointId) -> bool {
        let state = self.endpoints.get(id);
        state.is_some_and(|e| e.health() == Health::Down)
    }

    /// Whoever is connected to it goes elsewhere, without waiting for its connection to break.
    fn abandon(&self, id: &EndpointId, desk: &mut Desk) {
        let state = self.endpoints.get(id);
        if state.is_some_and(|e| e.contract && e.load.connections() > 0) {
            desk.order(Command::Move {
                cluster: self.settings.name.clone(),
                endpoint: id.clone(),
                count: Count::All,
                cause: Cause::Dead,
            });
        }
    }

    /// The data plane saw how it served.
    pub(super) fn outcome(&mut self, id: &EndpointId, kind: Kind, desk: &mut Desk, now: Instant) {
        let settings = self.settings.clone();
        if let Kind::Contract { kept } = kind {
            let learns = kept && settings.handoff.contract == Contract::Auto;
            if let Some(state) = self.endpoints.get_mut(id).filter(|e| learns && !e.contract) {
                state.contract = true;
                self.stale = true;
                desk.report(Some(&settings.name), Some(id), What::Contract);
            }
            return;
        }
        if kind.is_doubt() {
            return self.doubt(id, now);
        }
        let room = self.may_eject_one_more();
        let Some(state) = self.endpoints.get_mut(id).filter(|e| e.is_present()) else {
            return;
        };
        if kind == Kind::DialFailed {
            state.slots.iter_mut().for_each(|slot| slot.hurry(now));
        }
        let Some(eject) = &settings.eject else { return };
        let was_due = state.ejection.is_due(eject);
        if !state.ejection.observe(kind.service(), eject) {
            return;
        }
        if room {
            let take_out = |e: &mut EndpointState| {
                e.ejection.eject(eject, now);
                Some(format!("{} bad outcomes in a row", eject.failures))
            };
            self.change(id, desk, now, take_out, By::Itself);
        } else if !was_due {
            desk.report(Some(&settings.name), Some(id), What::Spared);
        }
    }

    /// Somebody was sent away from there: either it drains and we do not know it yet, or others
    /// do not any more. Both are asked at once, or clients would be refused until the next probe.
    fn doubt(&mut self, id: &EndpointId, now: Instant) {
        for (known, state) in &mut self.endpoints {
            if known == id || state.wishes.admin() == Admin::Drain {
                state.slots.iter_mut().for_each(|slot| slot.hurry(now));
            }
        }
    }

    /// It was told what operators want.
    pub(super) fn told(
        &mut self,
        id: &EndpointId,
        drain: bool,
        heard: Heard,
        desk: &mut Desk,
        now: Instant,
    ) {
        let Some(state) = self.endpoints.get_mut(id) else {
            return;
        };
        if !state.wishes.told(drain, heard, now) {
            desk.report(Some(&self.settings.name), Some(id), What::Untold);
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, desk: &mut Desk, now: Instant) {
        for id in self.ids() {
            self.probe(&id, desk, now);
            let come_back = |e: &mut EndpointState| {
                e.ejection
                    .expire(now)
                    .then(|| "its time out is over".to_owned())
            };
            self.change(&id, desk, now, come_back, By::Itself);
            self.tell(&id, desk, now);
            self.drain(&id, desk, now);
        }
        self.forget(now);
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = self
            .endpoints
            .values()
            .filter_map(EndpointState::poll_timeout)
            .min();
        let forget = self
            .endpoints
            .values()
            .filter_map(|e| e.left)
            .min()
            .map(|at| at + REMEMBER);
        due.into_iter().chain(forget).min()
    }

    /// Changes an endpoint and does what follows from that. The change answers with the reason,
    /// or with nothing if it left everything as it was.
    pub(super) fn change(
        &mut self,
        id: &EndpointId,
        desk: &mut Desk,
        now: Instant,
        change: impl FnOnce(&mut EndpointState) -> Option<String>,
        by: By,
    ) {
        let Some(state) = self.endpoints.get_mut(id) else {
            return;
        };
        let (health, admin, served) = (state.health(), state.wishes.admin(), state.serves());
        let Some(why) = change(state) else { return };
        self.stale = true;
        let name = &self.settings.name;
        let (to_health, to_admin) = (state.health(), state.wishes.admin());
        if !served && state.serves() {
            state.note_fit(now);
        }
        if health != to_health {
            desk.report(
                Some(name),
                Some(id),
                What::Health {
                    from: health,
                    to: to_health,
                    why,
                },
            );
        }
        if to_health == Health::Down && health != Health::Down {
            state.load.forget_report();
            self.abandon(id, desk);
        }
        if admin != to_admin {
            desk.report(
                Some(name),
                Some(id),
                What::Admin {
                    from: admin,
                    to: to_admin,
                    by,
                },
            );
            self.pursue_drain(id, now);
        }
    }

    /// Asks what is due to be asked.
    fn probe(&mut self, id: &EndpointId, desk: &mut Desk, now: Instant) {
        let Some(state) = self.endpoints.get_mut(id).filter(|e| e.is_present()) else {
            return;
        };
        let mut unanswered = Vec::new();
        for slot in &mut state.slots {
            unanswered.extend(slot.unanswered(now));
            let ticket = desk.ticket();
            if slot.ask(ticket, now) {
                let settings = slot.settings().clone();
                let mut address = state.member.address;
                address.set_port(settings.port.unwrap_or_else(|| address.port()));
                let (cluster, endpoint) = (self.settings.name.clone(), id.clone());
                desk.order(Command::Probe {
                    ticket,
                    cluster,
                    endpoint,
                    address,
                    settings,
                });
            }
        }
        for ticket in unanswered {
            self.probed(
                id,
                ticket,
                Err("the probe was not answered".to_owned()),
                desk,
                now,
            );
        }
    }

    /// Tells it what it is to know.
    fn tell(&mut self, id: &EndpointId, desk: &mut Desk, now: Instant) {
        let Some(state) = self.endpoints.get_mut(id).filter(|e| e.is_present()) else {
            return;
        };
        if let Some(drain) = state.wishes.tell(now) {
            let (cluster, endpoint) = (self.settings.name.clone(), id.clone());
            let address = state.member.address;
            desk.order(Command::Tell {
                cluster,
                endpoint,
                address,
                drain,
            });
        }
    }

    /// Makes the view true again. True if it was not.
    pub(super) fn refresh(&mut self, desk: &mut Desk) -> bool {
        if !std::mem::take(&mut self.stale) {
            return false;
        }
        let present = self.endpoints.values().filter(|e| e.is_present());
        let endpoints: Vec<Endpoint> = present.map(|e| e.view(&self.settings)).collect();
        let known = self.view.endpoints();
        let same = Arc::ptr_eq(&self.settings, &self.view.settings)
            && self.discovered == self.view.discovered
            && known.len() == endpoints.len()
            && known
                .iter()
                .zip(&endpoints)
                .all(|(known, new)| known.same(new));
        if same {
            return false;
        }
        // What did not change stays the same object.
        let keep = |new: Endpoint| match self.view.endpoint(&new.id) {
            Some(known) if known.same(&new) => known.clone(),
            _ => Arc::new(new),
        };
        let endpoints = endpoints.into_iter().map(keep).collect();
        let mut view = Cluster::new(self.settings.clone(), endpoints, self.turn.clone());
        view.discovered = self.discovered;
        if view.failing_open != self.view.failing_open {
            desk.report(
                Some(view.name()),
                None,
                What::FailingOpen(view.failing_open),
            );
        }
        self.view = Arc::new(view);
        true
    }

    /// Whether the share of those taken out allows another.
    fn may_eject_one_more(&self) -> bool {
        let share = self
            .settings
            .eject
            .as_ref()
            .map_or(Percent::ZERO, |eject| eject.share);
        self.ejected() < share.of(self.present())
    }

    /// Brings back those who are out beyond the share, which a leaving endpoint makes smaller.
    fn release_beyond_share(&mut self, desk: &mut Desk, now: Instant) {
        let share = self
            .settings
            .eject
            .as_ref()
            .map_or(Percent::ZERO, |eject| eject.share);
        while self.ejected() > share.of(self.present()) {
            let out = self.endpoints.iter().filter(|(_, e)| e.is_present());
            let soonest = out
                .filter_map(|(id, e)| Some((e.ejection.until()?, id.clone())))
                .min();
            let Some((_, id)) = soonest else { return };
            let release = |e: &mut EndpointState| {
                e.ejection.release(now);
                Some("too many are out".to_owned())
            };
            self.change(&id, desk, now, release, By::Itself);
        }
    }

    fn ejected(&self) -> usize {
        let present = self.endpoints.values().filter(|e| e.is_present());
        present.filter(|e| e.ejection.until().is_some()).count()
    }

    fn present(&self) -> usize {
        self.endpoints.values().filter(|e| e.is_present()).count()
    }

    fn ids(&self) -> Vec<EndpointId> {
        self.endpoints.keys().cloned().collect()
    }

    /// Forgets endpoints that left long ago, and the longest gone if there are too many.
    fn forget(&mut self, now: Instant) {
        self.endpoints
            .retain(|_, e| e.left.is_none_or(|at| now.since(at) < REMEMBER));
        while self.endpoints.len() - self.present() > REMEMBERED_MAX {
            let gone = self
                .endpoints
                .iter()
                .filter_map(|(id, e)| Some((e.left?, id.clone())));
            let Some((_, longest)) = gone.min() else {
                return;
            };
            self.endpoints.remove(&longest);
        }
    }
}

/// How long an absent endpoint keeps its admin state and its record.
const REMEMBER: Duration = Duration::from_secs(600);
/// How many of them.
const REMEMBERED_MAX: usize = 256;
