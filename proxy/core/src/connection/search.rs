//! The search for an endpoint, in time.
//!
//! Whom to ask next is the data plane's question ([`decide::next`]); this adds when: at once, after
//! a pause, or not any more.

use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Lost};
use crate::affinity::AffinityKey;
use crate::cluster::{ClusterName, Endpoint, EndpointId};
use crate::decide;
use crate::snapshot::Snapshot;
use crate::time::Instant;

/// Looking for an endpoint.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) since: Instant,
    deadline: Instant,
    asked: decide::Search,
    /// Whom to ask without looking further, and whom to name there.
    pinned: Option<(Arc<Endpoint>, Vec<EndpointId>)>,
    /// When the next dial is due; `None` while one is under way.
    due: Option<Instant>,
    dialling: Option<(Arc<Endpoint>, Vec<EndpointId>)>,
    /// A `421` named the endpoint being dialled.
    followed: bool,
    hops: u8,
    conflicts: u8,
    rounds: u32,
    /// Somebody answered without the contract, or with another subprotocol.
    unsuitable: bool,
    /// Somebody said that it is to be taken elsewhere, or later.
    hopeful: bool,
}

/// What is to be done after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Dial, when it is due.
    Dial,
    /// Nobody will take it.
    Lost(Lost),
}

impl Search {
    pub(super) fn new(asked: decide::Search, since: Instant, deadline: Instant) -> Self {
        Self {
            since,
            deadline,
            asked,
            pinned: None,
            due: Some(since),
            dialling: None,
            followed: false,
            hops: 0,
            conflicts: 0,
            rounds: 0,
            unsuitable: false,
            hopeful: false,
        }
    }

    /// Asks this endpoint first.
    pub(super) fn pin(&mut self, endpoint: Arc<Endpoint>, moved_from: Vec<EndpointId>) {
        self.pinned = Some((endpoint, moved_from));
    }

    /// Puts the first dial off: the last leg broke as soon as it was there.
    pub(super) fn wait(&mut self, now: Instant, draw: u64) {
        self.due = Some(now + pause(1, draw));
    }

    /// When something is due: a dial, or the end.
    pub(super) fn timeout(&self) -> Instant {
        self.due.map_or(self.deadline, |due| due.min(self.deadline))
    }

    pub(super) fn expired(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    pub(super) fn dial_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Whether the endpoint being dialled was named by a `421`.
    pub(super) const fn followed(&self) -> bool {
        self.followed
    }

    /// Whether somebody may take it later who did not now.
    pub(super) const fn hopeful(&self) -> bool {
        self.hopeful
    }

    /// Whom to dial, and whom to name as not admitted (`Holdfast-Moved-From`). `None`: nobody
    /// is left to ask in this round.
    pub(super) fn place(
        &mut self,
        snapshot: &Snapshot,
        cluster: &ClusterName,
        key: AffinityKey,
    ) -> Option<(Arc<Endpoint>, Vec<EndpointId>)> {
        let placed = match self.pinned.take() {
            Some(pinned) => pinned,
            None => {
                let next = decide::next(snapshot, cluster, key, &mut self.asked)?;
                (next.endpoint, next.moved_from)
            }
        };
        self.due = None;
        self.dialling = Some(placed.clone());
        Some(placed)
    }

    /// Nobody is left to ask. Waits and begins another round, unless that is without hope.
    pub(super) fn nobody(&mut self, now: Instant, draw: u64) -> Step {
        if self.unsuitable {
            return Step::Lost(Lost::Contract);
        }
        self.rounds += 1;
        self.hops = 0;
        self.followed = false;
        self.asked.again();
        self.due = Some(now + pause(self.rounds, draw));
        Step::Dial
    }

    /// Takes an answer that did not take the connection. `attempt` is raised to what the
    /// endpoint has seen.
    pub(super) fn refused(&mut self, answer: &Answer, attempt: &mut u32, now: Instant) -> Step {
        let Some((endpoint, moved_from)) = self.dialling.take() else {
            return Step::Dial;
        };
        self.due = Some(now);
        self.hopeful |= matches!(answer, Answer::Elsewhere { .. } | Answer::Conflict { .. });
        let followed = std::mem::take(&mut self.followed);
        match answer {
            Answer::Failed => self.asked.dial_failed(&endpoint.id),
            Answer::Conflict { seen } => {
                *attempt = (*attempt).max(*seen);
                self.conflicts += 1;
                if self.conflicts > 1 {
                    return Step::Lost(Lost::Conflict);
                }
                self.followed = followed;
                self.pinned = Some((endpoint, moved_from));
            }
            Answer::Elsewhere {
                owner: Some(owner), ..
            } if self.hops < decide::HOPS_MAX => {
                self.hops += 1;
                self.followed = self
                    .asked
                    .redirected(&endpoint.id, owner.clone(), &moved_from);
            }
            _ => {
                self.unsuitable |= *answer == Answer::Unsuitable;
                self.asked.refused(&endpoint.id);
            }
        }
        Step::Dial
    }

    /// Somebody took it.
    pub(super) fn taken(&mut self) -> Option<EndpointId> {
        self.dialling
            .take()
            .map(|(endpoint, _)| endpoint.id.clone())
    }
}

/// A pause before the round of this number, half of it chance, so that connections that lost
/// their endpoint together do not come back together.
fn pause(round: u32, draw: u64) -> Duration {
    let pause = (ROUND_PAUSE_MIN * 2u32.pow(round.clamp(1, 6) - 1)).min(ROUND_PAUSE_MAX);
    pause / 2 + pause.mul_f64((draw % 1024) as f64 / 2048.0)
}

/// The first pause; doubled each time.
const ROUND_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Never longer than this.
const ROUND_PAUSE_MAX: Duration = Duration::from_secs(1);
