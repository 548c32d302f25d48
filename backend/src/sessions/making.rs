//! Sessions come to be: new ones, and forks of others.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use holdfast_session::engine::{Engine, Founding, SEED_END, Stored};
use holdfast_session::id::{ClaimId, ClientId, EntryId, Epoch, SessionId};
use holdfast_session::journal::print;
use holdfast_session::log::Log;
use holdfast_session::message::{Problem, SessionUpdate};
use holdfast_session::ownership::{Ancestors, Claim, Holder, Record};
use holdfast_session::terms::Terms;
use holdfast_session::trail::Why;
use holdfast_session::view;

use super::running::{Mail, Shared, about};
use super::settle::{bits64, trouble};
use super::{Ask, ForkRequest, Inner, Quota, Refusal, scenarios};
use crate::clock::wall_ms;
use crate::random;
use crate::store::{New, Snapshot, StoreError};

impl Inner {
    /// A new session; the one that the key has made before, if it has.
    pub(super) async fn create(
        self: &Arc<Self>,
        ask: &Ask,
        request: view::SessionRequest,
        key: Option<&ClientId>,
    ) -> Result<view::Session, Refusal> {
        let asked = print(&request);
        let id = named(ask, key, "create")?;
        if let Some(made) = self.made_before(id, ask, key, asked).await? {
            return Ok(made);
        }
        let founding = self.founding(&request)?;
        let terms = terms(Terms::default(), &request, founding.wall_ms)?;
        let terms = Terms {
            asked: key.map(|_| asked),
            ..terms
        };
        let mut engine =
            Engine::found(&founding).map_err(|error| invalid(format!("scenario: {error}")))?;
        engine
            .set_out(terms, request.speed, request.paused)
            .map_err(Refusal::Invalid)?;
        self.settle_in(id, ask, engine, key, asked).await
    }

    /// Another session from a point of this one.
    pub(super) async fn fork(
        self: &Arc<Self>,
        origin: SessionId,
        ask: &Ask,
        request: ForkRequest,
        key: Option<&ClientId>,
    ) -> Result<view::Session, Refusal> {
        let asked = print(&(origin, &request));
        let id = named(ask, key, "fork")?;
        if let Some(made) = self.made_before(id, ask, key, asked).await? {
            return Ok(made);
        }
        let now_ms = wall_ms();
        let mut engine = match &request.at {
            None => self.fork_here(origin, ask, now_ms).await?,
            Some(at) => self.fork_there(origin, ask, at, now_ms).await?,
        };
        let mut terms = engine.terms().clone();
        terms
            .update(&request.update(), now_ms)
            .map_err(Refusal::Invalid)?;
        terms.asked = key.map(|_| asked);
        engine
            .set_out(terms, None, false)
            .map_err(Refusal::Invalid)?;
        self.settle_in(id, ask, engine, key, asked).await
    }

    async fn fork_here(
        self: &Arc<Self>,
        origin: SessionId,
        ask: &Ask,
        now_ms: u64,
    ) -> Result<Engine, Refusal> {
        let asked = |reply: tokio::sync::oneshot::Sender<Engine>| {
            Mail::Query(Box::new(move |engine, log| {
                let at = log.id(log.top());
                // the asker may have gone meanwhile
                drop(reply.send(engine.fork(&at, &origin.to_string(), now_ms)));
            }))
        };
        self.mail(origin, ask, asked).await
    }

    /// From what the store has of the past: about as far back as streams can resume.
    async fn fork_there(
        self: &Arc<Self>,
        origin: SessionId,
        ask: &Ask,
        at: &str,
        now_ms: u64,
    ) -> Result<Engine, Refusal> {
        let at: EntryId = at
            .parse()
            .map_err(|error| invalid(format!("at {at:?}: {error}")))?;
        let place = self
            .mail(origin, ask, |reply| Mail::Whereabouts { reply })
            .await?;
        let gone = |why: String| Refusal::Invalid(Problem::new("trimmed", why));
        if at.epoch != place.top.epoch {
            return Err(gone(format!("this log's epoch is {}", place.top.epoch)));
        }
        if at.seq > place.top.seq {
            return Err(invalid(format!("at: the log ends at {}", place.top)));
        }
        let past = self.store.past(place.fence, at.seq).await;
        let past = past.map_err(|error| match error {
            StoreError::Fenced { .. } | StoreError::Missing => {
                Refusal::unavailable("the session is changing hands")
            }
            error => trouble(error),
        })?;
        let past = past.ok_or_else(|| gone("what led there is no longer kept".into()))?;
        let catch_up_ms = u64::try_from(self.settings.catch_up.as_millis()).unwrap_or(u64::MAX);
        let walked = tokio::task::spawn_blocking(move || {
            let stored = Stored {
                snapshot: &past.snapshot.state,
                last_act: past.snapshot.last_act,
                rewound: false,
                journal: &past.journal,
            };
            let engine = Engine::at(stored, at.seq, place.tick, catch_up_ms);
            engine.map(|engine| engine.fork(&at, &origin.to_string(), now_ms))
        });
        match walked.await {
            Ok(Ok(engine)) => Ok(engine),
            Ok(Err(error)) => Err(gone(format!("that place cannot be reached again: {error}"))),
            Err(_) => Err(Refusal::unavailable("the fork was not made")),
        }
    }

    /// What the same key has made before.
    async fn made_before(
        self: &Arc<Self>,
        id: SessionId,
        ask: &Ask,
        key: Option<&ClientId>,
        asked: u64,
    ) -> Result<Option<view::Session>, Refusal> {
        if key.is_none() || self.store.find(id).await.map_err(trouble)?.is_none() {
            return Ok(None);
        }
        self.again(id, ask, asked).await.map(Some)
    }

    async fn again(
        self: &Arc<Self>,
        id: SessionId,
        ask: &Ask,
        asked: u64,
    ) -> Result<view::Session, Refusal> {
        let question = |reply| Mail::About { reply };
        let (session, before) = self.mail(id, ask, question).await?;
        if before == Some(asked) {
            return Ok(session);
        }
        let message = "this key was used for another session; take a new one";
        Err(Refusal::Invalid(Problem::new("key_reused", message)))
    }

    /// Writes a session that is to be into the store, and runs it.
    async fn settle_in(
        self: &Arc<Self>,
        id: SessionId,
        ask: &Ask,
        mut engine: Engine,
        key: Option<&ClientId>,
        asked: u64,
    ) -> Result<view::Session, Refusal> {
        if self.is_draining() {
            return Err(Refusal::unavailable("this endpoint is leaving"));
        }
        self.room()?;
        self.quota(ask).await?;
        let claim = Claim {
            generation: 1,
            id: ClaimId::new(random::bits128()),
        };
        let log = Log::new(Epoch::new(bits64()), 0);
        let (now_ms, top) = (wall_ms(), log.id(0));
        let shared = Shared::new(id, ask.subject.clone(), now_ms, log);
        self.enrol(&shared, &mut engine, Why::Created);
        let state = engine.state(&shared.log.lock());
        let state = state.ok_or_else(|| Refusal::unavailable("no state"))?;
        let session = about(&shared, &engine, &self.me, &top, now_ms);
        let record = Record {
            claim,
            owner: self.owner(),
            leaving: false,
            laid_down: false,
            ancestors: Ancestors::default(),
        };
        let new = New {
            id,
            record,
            subject: shared.subject.clone(),
            created_ms: now_ms,
            snapshot: Snapshot {
                length: 0,
                seq: 0,
                at_ms: now_ms,
                state,
                about: serde_json::to_string(&session).unwrap_or_default(),
                last_act: false,
                post: self.post(&engine),
            },
        };
        match self.store.create(new).await {
            Ok(()) => {}
            // the same was asked twice at a time
            Err(StoreError::Exists) if key.is_some() => return self.again(id, ask, asked).await,
            Err(error) => return Err(trouble(error)),
        }
        self.posted(id, &mut engine);
        let holder = Holder::new(claim, Ancestors::default(), 0);
        self.start(shared, engine, holder, None);
        Ok(session)
    }

    /// Whether the user may have another.
    async fn quota(self: &Arc<Self>, ask: &Ask) -> Result<(), Refusal> {
        let most = self.settings.sessions_per_subject;
        if ask.subject.is_none() || self.list(ask).await?.len() < most {
            return Ok(());
        }
        self.tally.refused(Quota::Sessions);
        let message = format!("you have {most} sessions, which is the most; end one first");
        Err(Refusal::Full(Problem::retryable("quota_exceeded", message)))
    }

    fn founding(&self, request: &view::SessionRequest) -> Result<Founding, Refusal> {
        let scenario = scenarios::named(request.scenario.as_deref()).map_err(invalid)?;
        if request.seed.is_some_and(|seed| seed >= SEED_END) {
            return Err(invalid(
                "seed: below 2^53, so that JSON numbers keep it".into(),
            ));
        }
        Ok(Founding {
            scenario,
            seed: request.seed.unwrap_or_else(bits64),
            wall_ms: wall_ms(),
            catch_up_ms: u64::try_from(self.settings.catch_up.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

fn terms(mut terms: Terms, request: &view::SessionRequest, now_ms: u64) -> Result<Terms, Refusal> {
    let labels = request.labels.iter();
    let update = SessionUpdate {
        labels: labels
            .map(|(key, value)| (key.clone(), Some(value.clone())))
            .collect(),
        expires_in: request.expires_in,
        idle_expires_in: request.idle_expires_in,
        cancel_on_disconnect: request.cancel_on_disconnect,
    };
    terms.update(&update, now_ms).map_err(Refusal::Invalid)?;
    Ok(terms)
}

/// A random name, or the one that belongs to the user's key: whoever says it again finds it.
fn named(ask: &Ask, key: Option<&ClientId>, act: &str) -> Result<SessionId, Refusal> {
    let Some(key) = key else {
        return Ok(SessionId::new(random::bits128()));
    };
    let Some(subject) = &ask.subject else {
        let message = "an Idempotency-Key for a session needs a signed-in user: \
                       anonymous ones are not told apart";
        return Err(invalid(message.into()));
    };
    let text = format!("holdfast session\n{act}\n{key}\n{subject}");
    let hash = digest(&SHA256, text.as_bytes());
    let (bits, _) = hash
        .as_ref()
        .split_first_chunk()
        .expect("a hash has 32 bytes");
    Ok(SessionId::new(u128::from_be_bytes(*bits)))
}

fn invalid(message: String) -> Refusal {
    Refusal::Invalid(Problem::new("invalid_argument", message))
}
