//! A running session: one task around one engine, as the backend has it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use holdfast_session::engine::{Advanced, Engine, Incoming, Mark};
use holdfast_session::id::{ClaimId, ClientId, ConnectionId, EntryId};
use holdfast_session::journal::Asked;
use holdfast_session::message::{Said, read};
use holdfast_session::ownership::{Claim, Holder};

use super::leg::{Ending, Leg};
use super::yielding::RELEASED_CHECK_MS;
use super::{Dial, Handle, Node};
use crate::Mutation;
use crate::act::Step;
use crate::hub::Reply;
use crate::store::{Found, StoreError};

/// One question or write on its way to the store.
type Pending<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>>>>;

/// Whether the task goes on.
pub(super) type Goes = std::ops::ControlFlow<()>;

/// What a session is told.
pub(super) enum Mail {
    Open(Rc<Dial>, Reply<Opened>),
    Say {
        connection: ConnectionId,
        attempt: u32,
        text: String,
    },
    Snapshot(ClientId, Reply<(EntryId, Rc<str>)>),
    Release(Reply<Released>),
    Leaving(bool),
}

/// A message made for one connection: kind, id and body.
pub(super) type StandIn = (&'static str, EntryId, Rc<str>);

/// What another endpoint that wants the session is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    LetGo,
    Held,
    NotOwner,
}

/// What a dial came to at the session.
pub(super) type Opened = Result<Taken, Refusal>;

/// A leg that was taken.
pub(super) struct Taken {
    pub(super) leg: Rc<Leg>,
    pub(super) position: String,
    pub(super) claim: Claim,
    pub(super) accepted: u64,
}

/// Why a dial is not taken.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    Owner(String),
    Missing,
    Unavailable,
    Superseded(u32),
}

/// The task of one session. Times are milliseconds of the world's clock.
pub(super) struct Running {
    pub(super) node: Rc<Node>,
    pub(super) handle: Rc<Handle>,
    pub(super) engine: Engine,
    pub(super) holder: Holder,
    /// Under which claim it may go on already, if the store did as it was asked.
    pub(super) renaming: Option<ClaimId>,
    /// Where it was revived; entries from before are made again for who was away.
    pub(super) revived_at: Option<Mark>,
    /// How long the journal was when it was claimed.
    pub(super) claimed_length: u64,
    pub(super) leaving: bool,
    pub(super) append: Option<Pending<()>>,
    pub(super) snapshot: Option<Pending<()>>,
    /// Whether this still is the owner is being asked.
    pub(super) check: Option<Pending<Option<Found>>>,
    pub(super) held: Option<Mail>,
    pub(super) held_is_ready: bool,
    pub(super) pulse_at: u64,
    pub(super) snapshot_at: u64,
    pub(super) check_at: u64,
    /// Commands cannot be journaled; when that is tried again.
    pub(super) trouble: Option<u64>,
    /// Since when the store has not answered.
    pub(super) silent: Option<u64>,
}

/// One thing that happened.
enum Came {
    Appended(Result<(), StoreError>),
    Written(Result<(), StoreError>),
    Checked(Result<Option<Found>, StoreError>),
    Mail(Mail),
    Time,
}

impl Running {
    pub(super) fn new(
        node: &Rc<Node>,
        handle: &Rc<Handle>,
        engine: Engine,
        holder: Holder,
        revived_at: Option<Mark>,
    ) -> Self {
        let now = node.hub.now();
        let mut spread = node.hub.chance(|chance| chance.below(SNAPSHOT_MS));
        if engine.generation() > 1 && revived_at.is_none() {
            // A new epoch that is not in the store is another new one after the next crash.
            spread = 0;
        }
        let claimed_length = engine.length();
        Self {
            node: node.clone(),
            handle: handle.clone(),
            engine,
            holder,
            renaming: None,
            revived_at,
            claimed_length,
            leaving: node.draining.get(),
            append: None,
            snapshot: None,
            check: None,
            held: None,
            held_is_ready: false,
            pulse_at: now,
            snapshot_at: now + spread,
            check_at: now + CHECK_MS,
            trouble: None,
            silent: None,
        }
    }

    /// Runs the session until it is over here.
    pub(super) async fn run(mut self) {
        loop {
            if self.was_absent() {
                if self.look_about().await.is_break() {
                    break;
                }
                continue;
            }
            // A leg that came while the market was behind would seem to be ahead of it.
            if self.go_on() == Advanced::Again {
                continue;
            }
            if std::mem::take(&mut self.held_is_ready) {
                if let Some(mail) = self.held.take()
                    && self.take(mail).await.is_break()
                {
                    break;
                }
                continue;
            }
            let goes = match self.next().await {
                Came::Appended(done) => self.appended(done).await,
                Came::Written(done) => self.snapshot_written(done).await,
                Came::Checked(found) => self.checked(found).await,
                Came::Mail(mail) if self.was_absent() => {
                    self.held = Some(mail);
                    self.held_is_ready = true;
                    Goes::Continue(())
                }
                Came::Mail(mail) => self.take(mail).await,
                Came::Time => self.timers().await,
            };
            if goes.is_break() {
                break;
            }
        }
        self.end_legs(Ending::Moved);
        self.handle.over.set(true);
        let mut sessions = self.node.sessions.borrow_mut();
        if sessions
            .get(&self.handle.session)
            .is_some_and(|handle| Rc::ptr_eq(handle, &self.handle))
        {
            sessions.remove(&self.handle.session);
        }
        self.node.hub.stir();
    }

    pub(super) fn now(&self) -> u64 {
        self.node.hub.now()
    }

    /// Lets the market go on to now, then opens the next append.
    fn go_on(&mut self) -> Advanced {
        if !self.holder.serves() {
            return Advanced::Done;
        }
        let wall_ms = self.node.hub.wall_ms();
        let advanced = self
            .engine
            .advance(&mut self.handle.log.borrow_mut(), wall_ms);
        self.pulse_at = match advanced {
            Advanced::Again => self.now(),
            Advanced::Done => self.now() + PULSE_MS,
        };
        if self.append.is_none() && self.trouble.is_none() {
            self.open_append();
        }
        advanced
    }

    async fn next(&mut self) -> Came {
        let due = self.due();
        let closed = self.append.is_some() && self.mutates(Mutation::EmitWhileOpen);
        let mut timer = Box::pin(self.node.hub.sleep_until(self.node.index, due));
        poll_fn(|cx| {
            if let Some(done) = poll_pending(&mut self.append, cx) {
                return Poll::Ready(Came::Appended(done));
            }
            if let Some(done) = poll_pending(&mut self.snapshot, cx) {
                return Poll::Ready(Came::Written(done));
            }
            if let Some(found) = poll_pending(&mut self.check, cx) {
                return Poll::Ready(Came::Checked(found));
            }
            if self.held.is_none()
                && !closed
                && let Some(mail) = self.handle.mail.borrow_mut().pop_front()
            {
                return Poll::Ready(Came::Mail(mail));
            }
            timer.as_mut().poll(cx).map(|()| Came::Time)
        })
        .await
    }

    fn due(&self) -> u64 {
        let mut due = self.snapshot_at.min(self.check_at);
        if self.holder.serves() && self.append.is_none() {
            due = due.min(self.pulse_at);
        }
        if let Some(again) = self.trouble {
            due = due.min(again);
        }
        if let Some(since) = self.silent {
            due = due.min(since + GRACE_MS);
        }
        self.holder
            .give_back_at_ms()
            .map_or(due, |give_back| due.min(give_back))
    }

    async fn timers(&mut self) -> Goes {
        let now = self.now();
        if self.silent.is_some_and(|since| now >= since + GRACE_MS) {
            return Goes::Break(());
        }
        if self.trouble.is_some_and(|again| now >= again) {
            return self.try_store_again().await;
        }
        if self.holder.give_back_at_ms().is_some_and(|at| now >= at) {
            return self.claim_back().await;
        }
        if now >= self.snapshot_at {
            self.snapshot_at = now + SNAPSHOT_MS;
            self.open_snapshot();
        }
        if now >= self.check_at {
            let interval = match self.holder.serves() {
                true => CHECK_MS,
                false => RELEASED_CHECK_MS,
            };
            self.check_at = now + interval;
            return self.open_check().await;
        }
        Goes::Continue(())
    }

    async fn take(&mut self, mail: Mail) -> Goes {
        match mail {
            Mail::Open(dial, reply) => return self.open(dial, reply).await,
            Mail::Say {
                connection,
                attempt,
                text,
            } => self.say(connection, attempt, text),
            Mail::Snapshot(client, reply) => reply.give(self.whole(&client)),
            Mail::Leaving(leaving) => return self.set_leaving(leaving).await,
            Mail::Release(reply) => return self.release(reply).await,
        }
        Goes::Continue(())
    }

    fn say(&mut self, connection: ConnectionId, attempt: u32, text: String) {
        let leg = self.handle.legs.borrow().get(&connection).cloned();
        let Some(leg) = leg.filter(|leg| leg.attempt == attempt) else {
            // an older leg: nothing more is accepted from it
            return;
        };
        if !self.holder.serves() {
            return;
        }
        let (number, asked) = match read(&text) {
            Said::Command { n, asked } => (Some((leg.client.clone(), n)), asked),
            Said::Nothing | Said::Nonsense(_) => (None, Asked::Nothing),
        };
        let incoming = Incoming {
            connection: Some(connection),
            number,
            asked,
            ticket: None,
        };
        if self.engine.submit(incoming).is_err() {
            self.held = Some(Mail::Say {
                connection,
                attempt,
                text,
            });
        }
    }

    /// Tells each leg what is accepted from it by now.
    pub(super) fn tell_accepted(&self) {
        let mut legs = self.handle.legs.borrow_mut();
        legs.retain(|_, leg| !leg.is_over());
        for (id, leg) in legs.iter() {
            if let Some(known) = self.engine.connection(*id) {
                leg.accept(known.accepted, known.channels);
            }
        }
    }

    pub(super) fn end_legs(&self, ending: Ending) {
        for leg in std::mem::take(&mut *self.handle.legs.borrow_mut()).values() {
            leg.end(ending);
        }
    }

    pub(super) fn step(&self, step: Step) {
        self.node.hub.step(self.node.index, step);
    }

    pub(super) fn mutates(&self, mutation: Mutation) -> bool {
        self.node.hub.mutates(mutation)
    }

    /// The live connections, for what must not be forgotten.
    pub(super) fn live(&self) -> Vec<ConnectionId> {
        self.handle.legs.borrow().keys().copied().collect()
    }
}

fn poll_pending<T>(
    asked: &mut Option<Pending<T>>,
    cx: &mut Context<'_>,
) -> Option<Result<T, StoreError>> {
    let Poll::Ready(done) = asked.as_mut()?.as_mut().poll(cx) else {
        return None;
    };
    *asked = None;
    Some(done)
}

const PULSE_MS: u64 = 50;
const SNAPSHOT_MS: u64 = 5_000;
pub(super) const CHECK_MS: u64 = 2_000;
/// How long market data goes on without a store.
const GRACE_MS: u64 = 30_000;
