//! Connections come and go.

use std::sync::Arc;

use holdfast_session::connections::{Connection, Refused};
use holdfast_session::engine::{Engine, Start};
use holdfast_session::id::{ClientId, EntryId};
use holdfast_session::message::Problem;
use holdfast_session::reader::Reader;
use holdfast_session::view::{Reset, ResetReason, Session};
use serde::Serialize;
use tokio::sync::oneshot;

use super::persist::{Owns, waits};
use super::{Goes, Mail, Running, Shared};
use crate::sessions::attachment::{Leg, Presence, Present};
use crate::sessions::{Attachment, Dial, Ending, Input, Me, Output, Refusal, Transport};
use crate::store::StoreError;

/// A message made for one connection: kind, id and body.
type StandIn = (&'static str, EntryId, Arc<str>);

/// What a dial is told that comes from a later owner than this.
const OVERTAKEN: &str = "another endpoint has taken the session over";

impl Running {
    /// Takes a dial, or holds it back until it is known what was accepted from
    /// the leg before.
    pub(super) async fn open(
        &mut self,
        dial: Box<Dial>,
        reply: oneshot::Sender<Result<Attachment, Refusal>>,
    ) -> Goes {
        if self.holder.serves() && !self.engine.settles(dial.connection) {
            self.held = Some(Mail::Open { dial, reply });
            return Goes::Continue(());
        }
        let (opened, goes) = match self.still_owns(dial.generation).await {
            Owns::Yes => (self.attach(&dial).await, Goes::Continue(())),
            Owns::Unknown => (Err(Refusal::unavailable(OVERTAKEN)), Goes::Continue(())),
            Owns::No { generation } => (
                Err(Refusal::unavailable(OVERTAKEN)),
                self.refused(StoreError::Fenced { generation }).await,
            ),
        };
        // the dialler may have gone meanwhile; then the leg is gone at once too
        drop(reply.send(opened));
        goes
    }

    async fn attach(&mut self, dial: &Dial) -> Result<Attachment, Refusal> {
        if !self.holder.serves() {
            return Err(Refusal::unavailable(
                "the session is on its way to another endpoint",
            ));
        }
        // before anything of the leg before is thrown away
        let place = dial.last_event_id.as_deref();
        if let Some(place) = place.and_then(|id| id.parse::<EntryId>().ok()) {
            self.reach_back(&place).await?;
        }
        let mail = self
            .own_mail
            .upgrade()
            .ok_or_else(|| Refusal::unavailable("it stops"))?;
        let client = dial
            .client
            .clone()
            .unwrap_or_else(|| ClientId::of_connection(dial.connection));
        let known = self.dial(dial, client)?;
        if let Some(older) = self.legs.remove(&dial.connection) {
            older.end(Ending::Replaced);
        }
        let leg = Arc::new(Leg::new(dial, known.client.clone(), known.accepted));
        let presence = Arc::new(Presence::new(Arc::clone(&leg), Arc::clone(&self.shared)));
        if self.times.trouble.is_some() {
            leg.notice(waits());
        }
        self.legs.insert(dial.connection, leg);

        let start = self.start(dial);
        self.tally.resumed(&start);
        let (place, opening) = self.opening(dial, &start, &known.client);
        let both_ways = matches!(dial.transport, Transport::WebSocket | Transport::GrpcTrade);
        let answers = both_ways.then_some(known.client);
        let reader = Reader::new(place.clone(), known.channels, known.coalesce, answers);
        Ok(Attachment {
            position: place.to_string(),
            claim: self.holder.claim(),
            accepted: known.accepted,
            output: Output::new(
                Arc::clone(&presence),
                mail.clone(),
                reader,
                opening,
                known.accepted,
            ),
            input: Input::new(presence, mail),
        })
    }

    fn dial(&mut self, dial: &Dial, client: ClientId) -> Result<Connection, Refusal> {
        let asked = Connection {
            attempt: dial.attempt,
            accepted: 0,
            client,
            channels: dial.channels,
            coalesce: dial.coalesce,
            tick: 0,
        };
        self.engine
            .dial(dial.connection, dial.attempt, &asked)
            .map_err(|refused| match refused {
                Refused::Superseded { highest } => Refusal::Superseded { highest },
                Refused::Full => Refusal::Full(Problem::retryable(
                    "quota_exceeded",
                    "the session remembers too many connections; come again later",
                )),
            })
    }

    fn start(&mut self, dial: &Dial) -> Start {
        let place = dial.last_event_id.as_deref();
        let generation = dial.generation.map(|served| served.generation);
        let mut log = self.shared.log.lock();
        match self.engine.start(&mut log, place, generation) {
            Start::After(_) if self.holder.is_stranger(dial.generation) => {
                Start::Reset(ResetReason::Diverged)
            }
            start => start,
        }
    }

    /// A leg that was away while the session changed hands wants entries from
    /// before.
    pub(super) async fn reach_back(&mut self, place: &EntryId) -> Result<(), Refusal> {
        if place.seq == 0 || place.epoch != *self.shared.log.lock().epoch() {
            return Ok(());
        }
        self.recall(place.seq).await.map_err(|error| {
            tracing::info!(session = %self.shared.id, %error, "older entries cannot be asked for");
            Refusal::unavailable("the store does not answer; what was missed cannot be read")
        })
    }

    /// Where the leg starts, and what it is sent before the log.
    fn opening(&self, dial: &Dial, start: &Start, client: &ClientId) -> (EntryId, Vec<StandIn>) {
        let beginning = self.shared.log.lock().id(0);
        let given = dial.last_event_id.as_deref().and_then(|id| id.parse().ok());
        match start {
            Start::After(seq) => (
                EntryId {
                    seq: *seq,
                    ..beginning
                },
                Vec::new(),
            ),
            Start::Fresh => {
                let (id, body) = self.whole(Some(client));
                (beginning, vec![("snapshot", id, body)])
            }
            Start::Reset(reason) => {
                tracing::info!(session = %self.shared.id, reason = ?reason, "resume was reset");
                let (id, body) = self.whole(Some(client));
                let reset = json(&Reset { reason: *reason });
                let opening = vec![("reset", id.clone(), reset), ("snapshot", id, body)];
                (given.unwrap_or(beginning), opening)
            }
        }
    }

    /// Everything at this moment, with the id of the last entry it includes.
    pub(super) fn whole(&self, client: Option<&ClientId>) -> (EntryId, Arc<str>) {
        #[derive(Serialize)]
        struct Everything {
            session: Session,
            #[serde(flatten)]
            whole: holdfast_session::engine::Whole,
        }
        let id = {
            let log = self.shared.log.lock();
            log.id(log.top())
        };
        let session = self.about(&id);
        (
            id,
            json(&Everything {
                session,
                whole: self.engine.whole(client),
            }),
        )
    }

    /// The session as it is shown.
    pub(super) fn about(&self, top: &EntryId) -> Session {
        about(&self.shared, &self.engine, &self.me, top, self.active_ms())
    }

    /// Who is connected, oldest first.
    pub(super) fn present(&self) -> Vec<Present> {
        let there = self.legs.values().filter(|leg| !leg.is_over());
        let mut present: Vec<_> = there.map(|leg| leg.present()).collect();
        present.sort_by(|a, b| (a.since_ms, &a.client).cmp(&(b.since_ms, &b.client)));
        present
    }

    /// The log has grown: whoever wants every entry is woken.
    pub(super) fn wake_legs(&self) {
        for leg in self.legs.values() {
            leg.wake();
        }
    }

    /// Tells each leg what is accepted from it by now.
    pub(super) fn tell_accepted(&mut self) {
        self.legs.retain(|_, leg| !leg.is_over());
        for (id, leg) in &self.legs {
            if let Some(known) = self.engine.connection(*id) {
                leg.accept(known.accepted, known.channels);
            }
        }
    }
}

/// A session as it is shown.
pub(in crate::sessions) fn about(
    shared: &Shared,
    engine: &Engine,
    me: &Me,
    top: &EntryId,
    active_ms: u64,
) -> Session {
    let terms = engine.terms();
    Session {
        id: shared.id.to_string(),
        state: engine.simulator_state(),
        endpoint: me.endpoint.to_string(),
        epoch: top.epoch.to_string(),
        seq: top.seq,
        symbols: engine.symbols(),
        scenario: engine.scenario().into(),
        seed: engine.seed(),
        generation: engine.generation(),
        created_ms: shared.created_ms,
        labels: terms.labels.clone(),
        expires_ms: terms.expires_ms,
        idle_expires_ms: terms.idle_expires_ms,
        cancel_on_disconnect_ms: terms.cancel_on_disconnect_ms,
        active_ms,
        forked_from: terms.forked_from.clone(),
    }
}

fn json(value: &impl Serialize) -> Arc<str> {
    // values of these types have string keys only and writing to memory cannot fail
    serde_json::to_string(value)
        .unwrap_or_else(|_| "{}".into())
        .into()
}
