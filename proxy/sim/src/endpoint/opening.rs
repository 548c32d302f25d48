//! Legs come and go.

use std::rc::Rc;

use holdfast_session::connections::Connection;
use holdfast_session::engine::{Engine, Start};
use holdfast_session::id::{ClientId, EntryId};
use holdfast_session::reader::Reader;
use holdfast_session::subscription::{Channels, Coalesce};
use holdfast_session::view::{Reset, ResetReason};

use super::Dial;
use super::leg::{Ending, Leg};
use super::running::{Goes, Mail, Opened, Refusal, Running, StandIn, Taken};
use super::writes::{Owns, stored};
use crate::Sight;
use crate::act::Step;
use crate::hub::Reply;
use crate::store::StoreError;

impl Running {
    /// Takes a dial, or holds it back until it is known what was accepted from the leg before.
    pub(super) async fn open(&mut self, dial: Rc<Dial>, reply: Reply<Opened>) -> Goes {
        if self.holder.serves() && !self.engine.settles(dial.connection) {
            self.held = Some(Mail::Open(dial, reply));
            return Goes::Continue(());
        }
        let (opened, goes) = match self.still_owns(dial.generation).await {
            Owns::Yes => (self.attach(&dial).await, Goes::Continue(())),
            Owns::Unknown => (Err(Refusal::Unavailable), Goes::Continue(())),
            Owns::No { generation } => {
                let goes = self.refused(StoreError::Fenced { generation }).await;
                let opened = match goes {
                    Goes::Continue(()) => self.attach(&dial).await,
                    Goes::Break(()) => Err(Refusal::Unavailable),
                };
                (opened, goes)
            }
        };
        reply.give(opened);
        goes
    }

    async fn attach(&mut self, dial: &Rc<Dial>) -> Opened {
        if !self.holder.serves() {
            return Err(Refusal::Unavailable);
        }
        self.reach_back(dial).await?;
        let asked = Connection {
            attempt: dial.attempt,
            accepted: 0,
            client: dial.client.clone(),
            channels: Channels::ALL,
            coalesce: Coalesce::None,
            tick: 0,
        };
        let known = self
            .engine
            .dial(dial.connection, dial.attempt, &asked)
            .map_err(|refused| match refused {
                holdfast_session::connections::Refused::Superseded { highest } => {
                    Refusal::Superseded(highest)
                }
                holdfast_session::connections::Refused::Full => Refusal::Unavailable,
            })?;
        let older = self.handle.legs.borrow_mut().remove(&dial.connection);
        if let Some(older) = older {
            older.end(Ending::Replaced);
        }
        let start = self.start(dial);
        let (place, opening) = self.opening(dial, &start);
        let answers = (!dial.sse).then(|| known.client.clone());
        let reader = Reader::new(place.clone(), known.channels, known.coalesce, answers);
        let leg = Rc::new(Leg::new(
            dial,
            &self.handle,
            known.accepted,
            reader,
            opening,
        ));
        let mut legs = self.handle.legs.borrow_mut();
        legs.insert(dial.connection, leg.clone());
        self.step(Step::Taken);
        Ok(Taken {
            leg,
            position: place.to_string(),
            claim: self.holder.claim(),
            accepted: known.accepted,
        })
    }

    fn start(&mut self, dial: &Dial) -> Start {
        let place = dial.last_event_id.as_deref();
        let generation = dial.generation.map(|served| served.generation);
        let mut log = self.handle.log.borrow_mut();
        match self.engine.start(&mut log, place, generation) {
            Start::After(_) if self.holder.is_stranger(dial.generation) => {
                Start::Reset(ResetReason::Diverged)
            }
            start => start,
        }
    }

    /// Where the leg starts, and what it is sent before the log.
    fn opening(&self, dial: &Dial, start: &Start) -> (EntryId, Vec<StandIn>) {
        let beginning = self.handle.log.borrow().id(0);
        let given = dial.last_event_id.as_deref();
        let given = given.and_then(|id| id.parse().ok());
        match start {
            Start::After(seq) => {
                let seq = *seq;
                (EntryId { seq, ..beginning }, Vec::new())
            }
            Start::Fresh => {
                let (id, body) = self.whole(&dial.client);
                (beginning, vec![("snapshot", id, body)])
            }
            Start::Reset(reason) => {
                self.node.hub.see(Sight::Reset(*reason));
                let (id, body) = self.whole(&dial.client);
                let reset = serde_json::to_string(&Reset { reason: *reason });
                let reset = reset.expect("a reset is always JSON").into();
                let opening = vec![("reset", id.clone(), reset), ("snapshot", id, body)];
                (given.unwrap_or(beginning), opening)
            }
        }
    }

    pub(super) fn whole(&self, client: &ClientId) -> (EntryId, Rc<str>) {
        let log = self.handle.log.borrow();
        let whole = serde_json::to_string(&self.engine.whole(Some(client)));
        let whole = whole.expect("a snapshot is always JSON");
        (log.id(log.top()), whole.into())
    }

    /// Entries from before the snapshot that it was revived from, for who was away meanwhile.
    async fn reach_back(&mut self, dial: &Dial) -> Result<(), Refusal> {
        let place = dial.last_event_id.as_deref();
        let place = place.and_then(|id| id.parse::<EntryId>().ok());
        let (Some(mark), Some(EntryId { epoch, seq })) = (self.revived_at, place) else {
            return Ok(());
        };
        let away = {
            let log = self.handle.log.borrow();
            (1..log.bottom()).contains(&seq) && epoch == *log.epoch()
        };
        if !away {
            return Ok(());
        }
        let fence = self.fence();
        let read = self.node.store(move |store| store.past(fence, seq));
        let Some(past) = read.await.map_err(|_| Refusal::Unavailable)? else {
            return Ok(());
        };
        let older = Engine::regenerate(stored(&past.snapshot, &past.journal), &mark, seq);
        if let Ok(older) = older {
            self.handle.log.borrow_mut().prepend(&older);
        }
        if self.handle.log.borrow().bottom() > seq {
            self.revived_at = None;
        }
        Ok(())
    }
}
