//! A store that has lost something: what an owner that still has it in memory does about it.

use holdfast_session::ownership::{Claim, Record};

use super::running::{Goes, Running};
use crate::Sight;
use crate::store::{Found, Store, StoreError};

impl Running {
    /// The store does not take a write of this owner.
    pub(super) async fn refused(&mut self, error: StoreError) -> Goes {
        match error {
            StoreError::Missing => self.missing().await,
            // A write under a claim that was lost meets the one that was made in its place.
            StoreError::Fenced { generation } if generation <= self.engine.generation() => {
                self.take_back().await
            }
            StoreError::Fenced { .. } => Goes::Break(()),
            other => self.failed(&other),
        }
    }

    /// If the store names an owner from before this one, it has lost this one's claim: the session
    /// is claimed again, under a higher generation, unless somebody has written since.
    async fn take_back(&mut self) -> Goes {
        let (own, session) = (self.holder.claim(), self.handle.session);
        let found = match self.node.store(move |store| store.find(session)).await {
            Ok(Some(found)) if found.record.claim == own => return Goes::Continue(()),
            Ok(Some(found)) => found,
            Ok(None) | Err(StoreError::Lost) => return self.missing().await,
            Err(error) => return self.failed(&error),
        };
        let Found { record, length } = found;
        let seen = record.claim;
        if self.renaming == Some(seen.id) {
            // Its own, asked for when it did not know what became of an append.
            self.rename(seen);
            return Goes::Continue(());
        }
        if seen.generation >= own.generation || length > self.claimed_length {
            return Goes::Break(());
        }
        let next = self.next_record();
        let claim = next.claim;
        let asked = move |store: &mut Store| store.claim(session, seen, next);
        match self.node.store(asked).await {
            Ok(_) => {}
            Err(StoreError::Fenced { .. } | StoreError::Missing) => return Goes::Break(()),
            Err(error) => return self.failed(&error),
        }
        self.renew(claim);
        self.stand_for_the_lost()
    }

    /// Writes a snapshot before anything else: it stands for what is missing.
    pub(super) fn stand_for_the_lost(&mut self) -> Goes {
        self.open_snapshot();
        self.in_trouble()
    }

    /// What the store is to say when this owner claims again.
    pub(super) fn next_record(&self) -> Record {
        let (own, lineage) = (self.holder.claim(), self.holder.lineage());
        self.node.next_record(own, lineage, self.leaving)
    }

    /// Goes on under another claim of this owner.
    pub(super) fn renew(&mut self, claim: Claim) {
        let now = self.now();
        self.holder.renew(claim, now);
        self.engine.renew(claim.generation);
        self.claimed_length = self.engine.length();
        self.node.hub.see(Sight::Claimed {
            session: self.handle.session,
            at: self.node.owner.endpoint.to_string(),
            generation: claim.generation,
        });
    }

    /// The store does not know the session that is served here.
    pub(super) async fn missing(&mut self) -> Goes {
        if !self.holder.serves() {
            // It was let go: whoever pulled it has more of it, and goes first.
            return Goes::Continue(());
        }
        match self.write_anew(false).await {
            Ok(()) => {
                self.out_of_trouble();
                Goes::Continue(())
            }
            Err(StoreError::Fenced { .. } | StoreError::Missing) => Goes::Break(()),
            Err(error) => self.failed(&error),
        }
    }

    /// The store has lost the session: it is written anew from memory, under the claim it has.
    pub(super) async fn write_anew(&mut self, last_act: bool) -> Result<(), StoreError> {
        let (claim, session) = (self.holder.claim(), self.handle.session);
        match self.node.store(move |store| store.find(session)).await {
            Ok(None) | Err(StoreError::Lost) => {}
            // It was written, and only the answer was lost.
            Ok(Some(found)) if found.record.claim == claim => return Ok(()),
            Ok(Some(found)) => {
                let generation = found.record.claim.generation;
                return Err(StoreError::Fenced { generation });
            }
            Err(error) => return Err(error),
        }
        let record = Record {
            claim,
            owner: self.node.owner.clone(),
            leaving: self.leaving,
            laid_down: false,
            ancestors: self.holder.ancestors_of(claim),
        };
        let snapshot = self.state(last_act).ok_or(StoreError::Failed)?;
        let create = move |store: &mut Store| store.create_anew(session, record, snapshot);
        self.node.store(create).await
    }
}
