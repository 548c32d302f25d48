//! A store that has lost something: what an owner that still has it in memory
//! does about it.

use holdfast_session::id::ClaimId;
use holdfast_session::ownership::{Claim, Record};

use super::{Goes, Over, Running};
use crate::random;
use crate::sessions::tally::Loss;
use crate::store::{Kept, New, StoreError};

impl Running {
    /// The store does not take a write of this owner.
    pub(super) async fn refused(&mut self, error: StoreError) -> Goes {
        match error {
            StoreError::Missing => self.missing().await,
            // a write under a claim that was lost meets the one that was made in its place
            StoreError::Fenced { generation } if generation <= self.engine.generation() => {
                self.take_back().await
            }
            StoreError::Fenced { .. } => Goes::Break(Over::Lost),
            other => self.failed(&other),
        }
    }

    /// If the store names an owner from before this one, it has lost this one's
    /// claim: the session is claimed again, under a higher generation. (Under
    /// the same number somebody else has claimed what the store has left, and
    /// stands.) Only where nobody has written since: an owner from before that
    /// has, and has answered for it, is to be gone on from.
    async fn take_back(&mut self) -> Goes {
        let own = self.holder.claim();
        let found = match self.store.find(self.shared.id).await {
            Ok(Some(found)) if found.ended => return Goes::Break(Over::Ended),
            Ok(Some(found)) if found.record.claim == own => return Goes::Continue(()),
            Ok(Some(found)) => found,
            Ok(None) | Err(StoreError::Lost) => return self.missing().await,
            Err(error) => return self.failed(&error),
        };
        let seen = found.record.claim;
        if self.renaming == Some(seen) {
            // its own, asked for when it did not know what became of an append
            self.rename(seen);
            return Goes::Continue(());
        }
        if seen.generation >= own.generation || found.length > self.claimed_length {
            return Goes::Break(Over::Lost);
        }
        let next = self.next_claim();
        match self
            .store
            .claim(self.shared.id, seen, self.record(next))
            .await
        {
            Ok(_) => {}
            Err(error) if Self::is_lost(&error) => return Goes::Break(Over::Lost),
            Err(error) => return self.failed(&error),
        }
        self.tally.lost(Loss::Claim);
        let (id, lost, generation) = (self.shared.id, seen.generation, next.generation);
        tracing::warn!(session = %id, lost, generation, "claimed what the store had lost");
        self.renew(next);
        self.stand_for_the_lost("the store had lost the claim")
    }

    /// Writes a snapshot before anything else: it stands for what is missing.
    pub(super) fn stand_for_the_lost(&mut self, why: &str) -> Goes {
        self.post_again();
        self.open_snapshot();
        self.trouble(why)
    }

    /// Goes on under another claim of this owner.
    pub(super) fn renew(&mut self, claim: Claim) {
        let now_ms = self.now_ms();
        self.holder.renew(claim, now_ms);
        self.engine.renew(claim.generation);
        self.claimed_length = self.engine.length();
        self.note_owner();
    }

    pub(super) fn next_claim(&self) -> Claim {
        Claim {
            generation: self.holder.claim().generation + 1,
            id: ClaimId::new(random::bits128()),
        }
    }

    /// What the store is to say about who owns the session.
    pub(super) fn record(&self, claim: Claim) -> Record {
        Record {
            claim,
            owner: self.owner(),
            leaving: self.leaving,
            laid_down: false,
            ancestors: self.holder.ancestors_of(claim),
        }
    }

    /// The store does not know the session that is served here.
    pub(super) async fn missing(&mut self) -> Goes {
        if !self.holder.serves() {
            // it was let go: whoever pulled it has more of it, and goes first
            return Goes::Continue(());
        }
        match self.write_anew(false).await {
            Ok(()) => {
                self.out_of_trouble();
                Goes::Continue(())
            }
            Err(StoreError::Missing) => Goes::Break(Over::Ended),
            Err(error) if Self::is_lost(&error) => Goes::Break(Over::Lost),
            Err(error) => self.failed(&error),
        }
    }

    /// Unless the session was ended, the store has lost it: it is written anew
    /// from memory, under the claim it has. Only its owner can do that; whoever
    /// is first stands.
    pub(super) async fn write_anew(&mut self, last_act: bool) -> Result<(), StoreError> {
        let claim = self.holder.claim();
        match self.store.find(self.shared.id).await {
            Ok(None) | Err(StoreError::Lost) => {}
            Ok(Some(found)) if found.ended => return Err(StoreError::Missing),
            // it was written, and only the answer was lost
            Ok(Some(found)) if found.record.claim == claim => return Ok(()),
            Ok(Some(found)) => {
                let generation = found.record.claim.generation;
                return Err(StoreError::Fenced { generation });
            }
            Err(error) => return Err(error),
        }
        self.post_again();
        let snapshot = self.state(last_act).ok_or(StoreError::Busy)?;
        let posting = snapshot.post.as_ref().map(|post| post.parcel.last);
        let new = New {
            id: self.shared.id,
            record: self.record(claim),
            subject: self.shared.subject.clone(),
            created_ms: self.shared.created_ms,
            snapshot,
        };
        self.store.create(new).await?;
        self.posted(posting, Kept::Whole);
        self.tally.lost(Loss::Session);
        tracing::warn!(session = %self.shared.id, "the store had lost the session: written anew");
        Ok(())
    }

    pub(super) const fn is_lost(error: &StoreError) -> bool {
        matches!(error, StoreError::Fenced { .. } | StoreError::Missing)
    }
}
