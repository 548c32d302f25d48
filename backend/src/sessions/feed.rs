//! What sessions note for the ledger, and whom they tell that it waits.

use std::sync::Arc;

use holdfast_session::engine::Engine;
use holdfast_session::id::{Epoch, SessionId};
use holdfast_session::trail::{Owner, Trail, What, Why};

use super::running::Shared;
use super::settle::bits64;
use super::{Inner, Me};
use crate::clock::wall_ms;
use crate::ledger::Backlog;
use crate::store::Post;

/// The way to the ledger.
#[derive(Clone)]
pub struct Feed {
    /// Told what waits in the store.
    pub backlog: Arc<Backlog>,
    /// How many bytes may wait for one session.
    pub room: usize,
}

impl Feed {
    /// What goes with a snapshot of this state.
    pub(super) fn post(&self, trail: &Trail) -> Option<Post> {
        let parcel = trail.parcel()?;
        Some(Post {
            parcel,
            at_ms: wall_ms(),
            room: self.room,
        })
    }
}

impl Inner {
    /// Has a session that this endpoint owns from now on note facts, or not.
    pub(super) fn enrol(&self, shared: &Shared, engine: &mut Engine, why: Why) {
        if self.feed.is_none() {
            engine.end_trail();
            return;
        }
        if engine.trail().is_none() {
            let log = shared.log.lock();
            engine.begin_trail(&log, Epoch::new(bits64()), why);
        }
        note_owner(&self.me, shared, engine);
    }

    /// What goes with the first snapshot.
    pub(super) fn post(&self, engine: &Engine) -> Option<Post> {
        self.feed.as_ref()?.post(engine.trail()?)
    }

    /// It is in the store.
    pub(super) fn posted(&self, id: SessionId, engine: &mut Engine) {
        if let (Some(feed), Some(trail)) = (&self.feed, engine.trail_mut()) {
            trail.kept(trail.count());
            feed.backlog.waits(id, trail.count(), wall_ms());
        }
    }
}

/// Notes that this endpoint owns the session from here on.
pub(super) fn note_owner(me: &Me, shared: &Shared, engine: &mut Engine) {
    let owner = Owner {
        endpoint: me.endpoint.to_string(),
        incarnation: me.incarnation.to_string(),
        generation: engine.generation(),
        subject: shared.subject.clone(),
        created_ms: shared.created_ms,
    };
    if let Some(trail) = engine.trail_mut() {
        trail.note(wall_ms(), What::Owner(owner));
    }
}
