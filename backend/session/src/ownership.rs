//! Who may run a session. The record in the store decides, by compare-and-set;
//! this module says what to do about what it says. There are no leases: a new
//! owner pulls, and a paused or cut-off one is refused at its next write.

mod lineage;

use serde::{Deserialize, Serialize};

use crate::id::{ClaimId, EndpointId, Incarnation};

pub use lineage::{Ancestors, Served};

/// An owner refuses to release a session it took less than this ago, unless it
/// is leaving: two proxies of two minds cannot pull it back and forth.
pub const HOLD_MS: u64 = 10_000;

/// A released session is served again by its old owner when nobody has claimed
/// it after this.
pub const GIVE_BACK_MS: u64 = 2_000;

/// How long a released session that the store has lost is left to whoever may
/// have pulled it: that one looks at the store every 2 s. Both together are
/// shorter than the 5 s for which nobody is told that the session is gone.
const PULLER_FIRST_MS: u64 = 2_500;

/// An endpoint as the record names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The name that outlives address and process.
    pub endpoint: EndpointId,
    /// Which start of its process.
    pub incarnation: Incarnation,
    /// Where its gRPC listens: `host:port`.
    pub address: String,
}

/// What every write to the store names: the number that grows with each change
/// of owner, and a random id beside it, since a store that lost its last second
/// could hand out the number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The fencing number; the first owner has 1.
    pub generation: u64,
    /// Drawn at each claim.
    pub id: ClaimId,
}

/// What the store says about who owns a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The present claim.
    pub claim: Claim,
    /// Who made it.
    pub owner: Owner,
    /// The owner drains: others may pull the session.
    pub leaving: bool,
    /// The owner has written everything and stopped; nobody needs to be asked.
    pub laid_down: bool,
    /// The claims that led to this one.
    pub ancestors: Ancestors,
}

impl Record {
    /// The ancestors of whoever claims next.
    pub fn lineage(&self) -> Ancestors {
        self.ancestors.with(self.claim)
    }
}

/// What to do about a request for a session that is not running here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Claim it from the store now.
    Claim,
    /// The request belongs to this owner: 421.
    Redirect(Owner),
    /// Ask this owner to release it, then see [`after_release`].
    AskRelease(Owner),
    /// This endpoint drains and takes nothing over: 503, elsewhere.
    Decline,
}

/// Judges a request that came to `me`. `moved_from` are the endpoints its proxy
/// does not admit; this endpoint has no opinion of its own about their health.
pub fn judge(record: &Record, me: &Owner, moved_from: &[EndpointId], draining: bool) -> Step {
    if record.owner.endpoint == me.endpoint {
        // this process without the session in memory, or the one before it
        return Step::Claim;
    }
    // one that drains takes nothing over: all it can do is to say whose it is
    let stays = draining || !record.leaving;
    if stays && !moved_from.contains(&record.owner.endpoint) {
        return Step::Redirect(record.owner.clone());
    }
    match (draining, record.laid_down) {
        (true, _) => Step::Decline,
        (false, true) => Step::Claim,
        (false, false) => Step::AskRelease(record.owner.clone()),
    }
}

/// What the owner that was asked has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReleaseAnswer {
    /// It has stopped and written everything.
    Released,
    /// It holds on to it.
    Held,
    /// It does not run it (any more).
    NotOwner,
    /// It did not answer in time; the store decides.
    Unreachable,
}

/// What to do after the owner was asked.
pub fn after_release(answer: ReleaseAnswer, owner: Owner) -> Step {
    match answer {
        ReleaseAnswer::Held => Step::Redirect(owner),
        ReleaseAnswer::Released | ReleaseAnswer::NotOwner | ReleaseAnswer::Unreachable => {
            Step::Claim
        }
    }
}

/// The owner's side: what it may do with a session it has claimed. Times are
/// milliseconds of the owner's monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    claim: Claim,
    ancestors: Ancestors,
    since_ms: u64,
    released_ms: Option<u64>,
    missed: bool,
}

/// What the holder does about being asked for a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRelease {
    /// Stop at a command boundary, write everything, end the legs, then answer.
    Stop,
    /// It has been done before; answer at once.
    Stopped,
    /// Refuse; asking again makes sense after so many milliseconds.
    Hold {
        /// How long the hold lasts from now.
        retry_after_ms: u64,
    },
}

impl Holder {
    /// Holds under `claim` from `now_ms` on.
    pub const fn new(claim: Claim, ancestors: Ancestors, now_ms: u64) -> Self {
        Self {
            claim,
            ancestors,
            since_ms: now_ms,
            released_ms: None,
            missed: false,
        }
    }

    /// The same owner has claimed anew, and holds from `now_ms` on.
    pub fn renew(&mut self, claim: Claim, now_ms: u64) {
        *self = Self::new(claim, self.ancestors.with(self.claim), now_ms);
    }

    /// The same owner goes on under another claim, as if it had always had it.
    pub fn rename(&mut self, claim: Claim) {
        self.ancestors = self.ancestors.with(self.claim);
        self.claim = claim;
    }

    /// The ancestors of whoever claims next.
    pub fn lineage(&self) -> Ancestors {
        self.ancestors.with(self.claim)
    }

    /// What a record under `claim` says of those before it.
    pub fn ancestors_of(&self, claim: Claim) -> Ancestors {
        if claim == self.claim {
            self.ancestors.clone()
        } else {
            self.ancestors.with(self.claim)
        }
    }

    /// The claim every write must name.
    pub const fn claim(&self) -> Claim {
        self.claim
    }

    /// Another endpoint asks for the session.
    pub const fn on_release(&self, now_ms: u64, leaving: bool, hold_ms: u64) -> OnRelease {
        let held_ms = now_ms.saturating_sub(self.since_ms);
        match self.released_ms {
            Some(_) => OnRelease::Stopped,
            None if leaving || held_ms >= hold_ms => OnRelease::Stop,
            None => OnRelease::Hold {
                retry_after_ms: hold_ms - held_ms,
            },
        }
    }

    /// Whether a connection that was served under generation `seen` shows that
    /// somebody else has claimed the session since: this owner slept, or was
    /// cut off. Only the store can say; until it does, such a connection is not
    /// taken, since this owner lacks what was accepted from it later.
    pub const fn is_outdated(&self, seen: Option<Served>) -> bool {
        matches!(seen, Some(seen) if seen.generation > self.claim.generation)
    }

    /// Whether a connection was served under a claim that this one does not come
    /// from: the store has lost that claim, and with it perhaps commands whose
    /// effects the connection has seen. It cannot go on from where it was.
    pub fn is_stranger(&self, seen: Option<Served>) -> bool {
        seen.is_some_and(|seen| !self.ancestors.lead_to(self.claim, seen))
    }

    /// Everything is in the store and the legs have ended.
    pub const fn stopped(&mut self, now_ms: u64) {
        self.released_ms = Some(now_ms);
    }

    /// The store does not know the released session any more. Whoever pulled it
    /// may have it in memory, and more of it: such an owner looks at the store
    /// every 2 s, and goes first. True when it had its chance.
    pub const fn may_write_anew(&mut self, now_ms: u64) -> bool {
        if self.missed {
            return true;
        }
        self.missed = true;
        self.released_ms = Some(now_ms + PULLER_FIRST_MS - GIVE_BACK_MS);
        false
    }

    /// Whether requests are served; while it is stopped they get 503.
    pub const fn serves(&self) -> bool {
        self.released_ms.is_none()
    }

    /// When a stopped session is to be claimed back.
    pub fn give_back_at_ms(&self) -> Option<u64> {
        self.released_ms.map(|at| at + GIVE_BACK_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str, incarnation: u128) -> Owner {
        Owner {
            endpoint: name.parse().expect("a name"),
            incarnation: Incarnation::new(incarnation),
            address: format!("{name}:1"),
        }
    }

    fn record(owner: Owner) -> Record {
        let claim = Claim {
            generation: 3,
            id: ClaimId::new(9),
        };
        Record {
            claim,
            owner,
            leaving: false,
            laid_down: false,
            ancestors: Ancestors::default(),
        }
    }

    fn names(names: &[&str]) -> Vec<EndpointId> {
        names
            .iter()
            .map(|name| name.parse().expect("a name"))
            .collect()
    }

    #[test]
    fn a_request_for_anothers_session_is_sent_to_its_owner() {
        let (a, b) = (owner("a", 1), owner("b", 2));
        let step = judge(&record(a.clone()), &b, &names(&["c"]), false);
        assert_eq!(step, Step::Redirect(a));
    }

    #[test]
    fn only_moved_from_or_leaving_lets_another_take_it() {
        let (a, b) = (owner("a", 1), owner("b", 2));
        let moved = judge(&record(a.clone()), &b, &names(&["a"]), false);
        assert_eq!(moved, Step::AskRelease(a.clone()));
        let leaving = Record {
            leaving: true,
            ..record(a.clone())
        };
        assert_eq!(judge(&leaving, &b, &[], false), Step::AskRelease(a));
    }

    #[test]
    fn what_is_laid_down_needs_no_asking() {
        let laid = Record {
            laid_down: true,
            leaving: true,
            ..record(owner("a", 1))
        };
        assert_eq!(judge(&laid, &owner("b", 2), &[], false), Step::Claim);
        let declined = judge(&laid, &owner("b", 2), &names(&["a"]), true);
        assert_eq!(declined, Step::Decline);
    }

    #[test]
    fn one_that_drains_says_whose_the_session_is() {
        let leaving = Record {
            leaving: true,
            ..record(owner("a", 1))
        };
        let step = judge(&leaving, &owner("b", 2), &names(&["c"]), true);
        assert_eq!(step, Step::Redirect(owner("a", 1)));
    }

    #[test]
    fn a_restarted_owner_claims_at_once_even_while_it_drains() {
        let before = record(owner("a", 1));
        assert_eq!(judge(&before, &owner("a", 2), &[], true), Step::Claim);
    }

    #[test]
    fn a_refused_release_leads_back_to_the_owner_and_everything_else_to_the_store() {
        let a = owner("a", 1);
        let step = |answer| after_release(answer, a.clone());
        assert_eq!(step(ReleaseAnswer::Held), Step::Redirect(a.clone()));
        for answer in [
            ReleaseAnswer::Released,
            ReleaseAnswer::NotOwner,
            ReleaseAnswer::Unreachable,
        ] {
            assert_eq!(step(answer), Step::Claim);
        }
    }

    #[test]
    fn a_session_just_taken_is_held_unless_its_owner_leaves() {
        let claim = Claim {
            generation: 1,
            id: ClaimId::new(1),
        };
        let holder = Holder::new(claim, Ancestors::default(), 1_000);
        let hold = OnRelease::Hold {
            retry_after_ms: 4_000,
        };
        assert_eq!(holder.on_release(7_000, false, HOLD_MS), hold);
        assert_eq!(holder.on_release(7_000, true, HOLD_MS), OnRelease::Stop);
        assert_eq!(holder.on_release(11_000, false, HOLD_MS), OnRelease::Stop);
    }

    #[test]
    fn a_connection_from_a_later_generation_tells_an_owner_that_it_was_overtaken() {
        let claim = Claim {
            generation: 3,
            id: ClaimId::new(1),
        };
        let holder = Holder::new(claim, Ancestors::default(), 0);
        let seen = |generation: u64| Some(Served::from(generation));
        assert!(holder.is_outdated(seen(4)));
        assert!(!holder.is_outdated(seen(3)) && !holder.is_outdated(None));
    }

    #[test]
    fn a_connection_of_a_claim_that_was_lost_is_a_stranger() {
        let claim = |generation, id| Claim {
            generation,
            id: ClaimId::new(id),
        };
        let seen = |claim: Claim| Some(Served::from(claim));
        let first = Ancestors::default().with(claim(1, 1));
        let mut holder = Holder::new(claim(2, 22), first, 0);
        assert!(holder.is_stranger(seen(claim(2, 21))), "the same number");
        assert!(!holder.is_stranger(seen(claim(2, 22))) && !holder.is_stranger(None));
        holder.rename(claim(2, 23));
        holder.renew(claim(3, 31), 5);
        assert!(holder.is_stranger(seen(claim(2, 21))));
        for own in [claim(1, 1), claim(2, 22), claim(2, 23), claim(3, 31)] {
            assert!(!holder.is_stranger(seen(own)), "{own}");
        }
    }

    #[test]
    fn a_released_session_is_given_back_after_two_seconds() {
        let claim = Claim {
            generation: 1,
            id: ClaimId::new(1),
        };
        let mut holder = Holder::new(claim, Ancestors::default(), 0);
        assert!(holder.serves());
        assert_eq!(holder.give_back_at_ms(), None);
        holder.stopped(20_000);
        assert!(!holder.serves());
        assert_eq!(
            holder.on_release(20_001, false, HOLD_MS),
            OnRelease::Stopped
        );
        assert_eq!(holder.give_back_at_ms(), Some(22_000));
    }

    #[test]
    fn a_released_session_that_is_lost_is_written_anew_by_whoever_pulled_it_first() {
        let claim = Claim {
            generation: 1,
            id: ClaimId::new(1),
        };
        let mut holder = Holder::new(claim, Ancestors::default(), 0);
        holder.stopped(20_000);
        assert!(!holder.may_write_anew(22_000), "the other goes first");
        assert_eq!(holder.give_back_at_ms(), Some(24_500));
        assert!(holder.may_write_anew(24_500));
    }
}
