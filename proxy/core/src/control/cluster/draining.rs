//! How an endpoint that is to be left is emptied.

use super::super::endpoint::EndpointState;
use super::super::{Cause, Command, Count, Desk, What};
use super::ClusterState;
use crate::cluster::{Client, ClusterSettings, EndpointId};
use crate::drain::{Drain, Pace};
use crate::time::Instant;

impl ClusterState {
    /// Begins or ends the drain of an endpoint, as what is wanted of it demands.
    pub(super) fn pursue_drain(&mut self, id: &EndpointId, now: Instant) {
        let settings = &self.settings.drain;
        let Some(state) = self.endpoints.get_mut(id) else {
            return;
        };
        if state.leaving().is_none() && (state.drain.is_some() || state.drained) {
            state.drain = None;
            state.drained = false;
            state.load.forget_told();
        } else if state.leaving().is_some() && state.drain.is_none() && !state.drained {
            state.drain = Some(Drain::begin(settings, state.load.connections(), now));
        }
    }

    /// Lets those go who are due.
    pub(super) fn drain(&mut self, id: &EndpointId, desk: &mut Desk, now: Instant) {
        // What it keeps may have changed meanwhile, by a reload or its first answer.
        self.pursue_drain(id, now);
        let can_leave = self.somebody_else_takes(id);
        let Some(state) = self.endpoints.get_mut(id) else {
            return;
        };
        let (Some(cause), Some(drain)) = (state.leaving(), &state.drain) else {
            return;
        };
        let over = drain.is_over(now);
        let mut leaving = Leaving {
            settings: &self.settings,
            id,
            began: drain.began(),
            state,
            cause,
            can_leave,
        };
        if over {
            leaving.close_the_rest(desk, now);
            self.stale = true;
            return;
        }
        if leaving.is_empty() {
            self.stale |= leaving.note_drained(0, desk, now);
        }
        leaving.let_go(desk, now);
    }

    /// Whether anybody but this endpoint would take its connections.
    fn somebody_else_takes(&self, id: &EndpointId) -> bool {
        let others = self.view.endpoints().iter().filter(|e| e.id != *id);
        others.into_iter().any(|e| self.view.admits(e, Client::New))
    }
}

/// An endpoint in the middle of its drain.
struct Leaving<'a> {
    settings: &'a ClusterSettings,
    id: &'a EndpointId,
    state: &'a mut EndpointState,
    began: Instant,
    cause: Cause,
    /// Somebody else would take its connections.
    can_leave: bool,
}

impl Leaving<'_> {
    /// Nobody is there, and nobody can come back.
    fn is_empty(&self) -> bool {
        // Clients of an opaque endpoint that are between two requests cannot be seen, unless it
        // tells how many sessions it has.
        let unseen = self.settings.affinity.is_some() && self.state.load.reported() != Some(0);
        let nobody_returns = if self.state.contract {
            self.can_leave
        } else {
            !unseen
        };
        self.state.load.total() == 0 && nobody_returns
    }

    /// Moves (or, from an opaque endpoint, closes) as many as are due.
    fn let_go(&mut self, desk: &mut Desk, now: Instant) {
        let state = &mut *self.state;
        // Those on their way are not told twice, and do not raise the rate.
        let remaining = state.load.staying();
        let (pace, can_leave) = if state.contract {
            (Pace::Rate, self.can_leave)
        } else {
            (Pace::Spread, true)
        };
        let Some(drain) = &mut state.drain else {
            return;
        };
        let settings = &self.settings.drain;
        let step = drain.step(remaining, can_leave, pace, settings, desk.draw(), now);
        if let Some(raised) = step.raised {
            let configured = settings.rate;
            self.report(What::RateRaised { configured, raised }, desk);
        }
        if step.leave > 0 {
            let (cluster, endpoint) = (self.settings.name.clone(), self.id.clone());
            let (count, cause) = (Count::AtMost(step.leave), self.cause);
            desk.order(if self.state.contract {
                Command::Move {
                    cluster,
                    endpoint,
                    count,
                    cause,
                }
            } else {
                Command::Close {
                    cluster,
                    endpoint,
                    count,
                    cause,
                }
            });
        }
    }

    /// Its time is up: whoever is left is closed.
    fn close_the_rest(&mut self, desk: &mut Desk, now: Instant) {
        let left = self.state.load.connections();
        self.state.drain = None;
        if left > 0 {
            desk.order(Command::Close {
                cluster: self.settings.name.clone(),
                endpoint: self.id.clone(),
                count: Count::All,
                cause: Cause::Deadline,
            });
        }
        self.note_drained(left, desk, now);
    }

    /// It counts as drained. True if it did not before.
    fn note_drained(&mut self, left: u32, desk: &mut Desk, now: Instant) -> bool {
        let news = !std::mem::replace(&mut self.state.drained, true);
        if news {
            let took = now.since(self.began);
            self.report(What::Drained { took, left }, desk);
        }
        news
    }

    fn report(&self, what: What, desk: &mut Desk) {
        desk.report(Some(&self.settings.name), Some(self.id), what);
    }
}
