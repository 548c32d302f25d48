//! What the session notes for the ledger goes with its snapshots. The ledger itself
//! is nowhere near: a session knows its store alone.

use holdfast_session::trail::{BYTES_MAX, BYTES_SOON, Ended, Trail, What};

use super::Running;
use crate::clock::{self, wall_ms};
use crate::sessions::feed;
use crate::store::{Kept, Post};

impl Running {
    /// What goes with a snapshot of this moment.
    pub(super) fn post(&self) -> Option<Post> {
        self.feed.as_ref()?.post(self.engine.trail()?)
    }

    /// What went along is in the store, up to the fact `last`.
    pub(super) fn posted(&mut self, last: Option<u64>, kept: Kept) {
        let (Some(feed), Some(last)) = (&self.feed, last) else {
            return;
        };
        let Some(trail) = self.engine.trail_mut() else {
            return;
        };
        let facts = trail.kept(last);
        match kept {
            Kept::Whole => feed.backlog.waits(self.shared.id, facts, wall_ms()),
            Kept::Numbers => feed.backlog.overflows(self.shared.id, facts, wall_ms()),
        }
    }

    /// The store may have lost what went along last.
    pub(super) fn post_again(&mut self) {
        if let Some(trail) = self.engine.trail_mut() {
            trail.again();
        }
    }

    /// What goes with the end of the session. It may yet fail: then it has not ended.
    pub(super) fn last_post(&self) -> Option<Post> {
        let mut trail: Trail = self.engine.trail()?.clone();
        let seq = self.shared.log.lock().top();
        trail.note(wall_ms(), What::Ended(Ended { seq }));
        self.feed.as_ref()?.post(&trail)
    }

    pub(super) fn tell_of_the_end(&self) {
        if let Some(feed) = &self.feed {
            feed.backlog.waits(self.shared.id, 1, wall_ms());
        }
    }

    /// This endpoint goes on under another claim.
    pub(super) fn note_owner(&mut self) {
        feed::note_owner(&self.me, &self.shared, &mut self.engine);
    }

    /// Whether so much is to be kept that nothing more may happen before it is. What is
    /// a little less is reason for a snapshot of its own.
    pub(super) fn waits_for_its_trail(&mut self) -> bool {
        let bytes = self.engine.trail().map_or(0, Trail::bytes);
        if bytes >= BYTES_SOON && self.snapshot.is_none() {
            self.times.snapshot = self.times.snapshot.min(clock::now());
        }
        bytes >= BYTES_MAX
    }
}
