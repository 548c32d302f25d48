//! What is wanted of an endpoint, and by whom.
//!
//! Two have a say: operators, through this proxy, and the endpoint itself, in its readiness
//! answer. An endpoint that keeps the contract is told what operators want, so that it says so
//! itself and every other proxy hears it. Once it has said so, its word is the truth: when it
//! is ready again, an operator said so at another proxy.

use std::time::Duration;

use super::{Heard, TELL_TIMEOUT};
use crate::cluster::Admin;
use crate::health::ReadinessState;
use crate::time::Instant;

/// What is wanted of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// What operators want, by this proxy.
    operator: Admin,
    /// What it says of itself.
    says: ReadinessState,
    /// What it is still to be told.
    telling: Option<Telling>,
    /// It knows that it drains, from us.
    knows: bool,
    /// It has said so since.
    echoed: bool,
}

#[derive(Debug)]
struct Telling {
    drain: bool,
    /// When to tell it (again); of what is `out`, when to stop waiting for an answer.
    at: Instant,
    /// Told, and no word of what it made of that yet.
    out: bool,
    tries: u32,
}

impl Wishes {
    /// What counts.
    pub(super) const fn admin(&self) -> Admin {
        match (self.operator, self.says) {
            (Admin::Maint, _) => Admin::Maint,
            (Admin::Drain, _) | (Admin::Ready, ReadinessState::Draining) => Admin::Drain,
            (Admin::Ready, _) => Admin::Ready,
        }
    }

    /// Whether it says that it serves with something missing.
    pub(super) fn is_degraded(&self) -> bool {
        self.says == ReadinessState::Degraded
    }

    /// An operator wants this. `listens`: it may keep the contract, so it is to be told; one that
    /// does not knows no such path.
    pub(super) fn wish(&mut self, admin: Admin, listens: bool, now: Instant) {
        let was_draining = self.admin() == Admin::Drain;
        self.operator = admin;
        self.knows = false;
        self.echoed = false;
        let drain = match admin {
            Admin::Drain => true,
            Admin::Ready => false,
            Admin::Maint => return,
        };
        if !drain {
            // What it said before it heard of this counts no more.
            self.says = ReadinessState::Ready;
        }
        if listens && (drain || was_draining) {
            self.telling = Some(Telling {
                drain,
                at: now,
                out: false,
                tries: 0,
            });
        }
    }

    /// It says this of itself.
    pub(super) fn hear(&mut self, state: ReadinessState) {
        if self.telling.is_some() {
            return;
        }
        self.says = state;
        self.echoed |= self.knows && state == ReadinessState::Draining;
        if self.echoed && self.operator == Admin::Drain && state != ReadinessState::Draining {
            self.operator = Admin::Ready;
            self.knows = false;
            self.echoed = false;
        }
    }

    /// What it is to be told now, if anything.
    pub(super) fn tell(&mut self, now: Instant) -> Option<bool> {
        let telling = self.telling.as_mut().filter(|t| t.at <= now)?;
        if telling.tries == TRIES_MAX {
            self.telling = None;
            return None;
        }
        telling.tries += 1;
        telling.out = true;
        telling.at = now + 2 * TELL_TIMEOUT;
        Some(telling.drain)
    }

    /// What it made of being told. False: it cannot be told, this proxy acts alone.
    #[must_use]
    pub(super) fn told(&mut self, drain: bool, heard: Heard, now: Instant) -> bool {
        let Some(telling) = self.telling.as_mut().filter(|t| t.out && t.drain == drain) else {
            return true;
        };
        match heard {
            Heard::Yes => {
                self.knows = drain;
                self.telling = None;
                true
            }
            Heard::NotNow if telling.tries < TRIES_MAX => {
                telling.out = false;
                telling.at = now + TELL_PAUSE * telling.tries;
                true
            }
            Heard::NotNow | Heard::Never => {
                self.telling = None;
                false
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.telling
            .as_ref()
            .filter(|telling| !telling.out)
            .map(|telling| telling.at)
    }
}

const TRIES_MAX: u32 = 5;
const TELL_PAUSE: Duration = Duration::from_millis(500);
