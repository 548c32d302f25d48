//! A running session: one task around one engine. It takes its mail, lets the
//! market go on, and never has more than one append open.

mod ends;
mod legs;
mod losses;
mod mail;
mod past;
mod persist;
mod trail;
mod yielding;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use holdfast_session::engine::{Advanced, Engine, Mark, Ticket};
use holdfast_session::id::{ClientId, ConnectionId, SessionId};
use holdfast_session::log::Log;
use holdfast_session::message::Answer;
use holdfast_session::ownership::{Claim, Holder, Owner};
use holdfast_session::terms::Terms;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use ends::Alone;
pub(super) use legs::about;
pub(super) use mail::Mail;
use yielding::RELEASED_CHECK;

use super::attachment::{Ending, Leg};
use super::feed::Feed;
use super::settings::Settings;
use super::{Me, Refusal, Tally};
use crate::clock::{self, Instant, wall_ms};
use crate::store::{Fence, Found, Kept, Store, StoreError};

/// What the task shares with its legs and with those who ask.
pub(super) struct Shared {
    pub(super) id: SessionId,
    pub(super) subject: Option<String>,
    pub(super) created_ms: u64,
    pub(super) log: Mutex<Log>,
    /// What its user has laid down, for lists.
    pub(super) terms: Mutex<Terms>,
    /// How many legs each client has.
    attached: Mutex<HashMap<ClientId, usize>>,
}

impl Shared {
    pub(super) fn new(id: SessionId, subject: Option<String>, created_ms: u64, log: Log) -> Self {
        let attached = Mutex::default();
        Self {
            id,
            subject,
            created_ms,
            log: Mutex::new(log),
            terms: Mutex::default(),
            attached,
        }
    }

    pub(super) fn joined(&self, client: &ClientId) {
        *self.attached.lock().entry(client.clone()).or_default() += 1;
    }

    pub(super) fn left(&self, client: &ClientId) {
        let mut attached = self.attached.lock();
        if let Some(legs) = attached.get_mut(client) {
            *legs -= 1;
            if *legs == 0 {
                attached.remove(client);
            }
        }
    }

    /// How many legs are attached, of how many clients.
    pub(super) fn attached(&self) -> (usize, usize) {
        let attached = self.attached.lock();
        (attached.values().sum(), attached.len())
    }
}

/// One question or write on its way to the store.
type Pending<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// A write.
type Write = Pending<()>;

/// The task of one session.
pub(super) struct Running {
    pub(super) me: Me,
    pub(super) settings: Settings,
    pub(super) store: Arc<dyn Store>,
    pub(super) tally: Arc<Tally>,
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Engine,
    pub(super) holder: Holder,
    /// Under which claim this owner may go on already, if the store did as it was asked.
    pub(super) renaming: Option<Claim>,
    /// Where the session was revived; entries from before are made again when
    /// a leg asks for them.
    pub(super) revived_at: Option<Mark>,
    /// How many records the journal had when the session was claimed.
    pub(super) claimed_length: u64,
    pub(super) leaving: bool,
    pub(super) mail: mpsc::Receiver<Mail>,
    pub(super) own_mail: mpsc::WeakSender<Mail>,
    pub(super) times: Times,
    pub(super) legs: HashMap<ConnectionId, Arc<Leg>>,
    pub(super) alone: Alone,
    pub(super) tickets: HashMap<Ticket, oneshot::Sender<Result<Answer, Refusal>>>,
    pub(super) last_ticket: u64,
    pub(super) append: Option<Write>,
    pub(super) snapshot: Option<Pending<Kept>>,
    /// Where the ledger is fed; none without one.
    pub(super) feed: Option<Feed>,
    /// The last fact that the open snapshot takes along.
    pub(super) posting: Option<u64>,
    /// Whether this still is the owner is being asked.
    pub(super) check: Option<Pending<Option<Found>>>,
    /// Mail that could not be taken up before the open append is done.
    pub(super) held: Option<Mail>,
    pub(super) held_is_ready: bool,
}

/// When what is due.
pub(super) struct Times {
    pub(super) started: Instant,
    pub(super) pulse: Instant,
    pub(super) snapshot: Instant,
    pub(super) check: Instant,
    pub(super) asked: Instant,
    /// Commands cannot be journaled; when that is tried again.
    pub(super) trouble: Option<Instant>,
    /// Since when the store has not answered.
    pub(super) silent: Option<Instant>,
}

impl Times {
    pub(super) fn new(now: Instant, settings: &Settings) -> Self {
        // spread over the interval, so that sessions do not write together
        let part = settings
            .snapshot_interval
            .mul_f64(crate::random::fraction());
        Self {
            started: now,
            pulse: now,
            snapshot: now + part,
            check: now + settings.check_interval,
            asked: now,
            trouble: None,
            silent: None,
        }
    }
}

/// Whether the task goes on.
pub(super) type Goes = std::ops::ControlFlow<Over>;

/// Why it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Somebody else owns the session.
    Lost,
    /// It was ended for good.
    Ended,
    /// It is laid down in the store.
    LaidDown,
    /// The store was silent for too long.
    StoreGone,
}

impl Running {
    /// Runs the session until it is over here.
    pub(super) async fn run(mut self) -> Over {
        let over = loop {
            if self.was_absent() {
                if let Goes::Break(over) = self.look_about().await {
                    break over;
                }
                continue;
            }
            if self.go_on() == Advanced::Again {
                // a leg taken before the market is up to the clock would seem to be ahead of it
                tokio::task::yield_now().await;
                continue;
            }
            if self.held_is_ready {
                self.held_is_ready = false;
                if let Some(mail) = self.held.take()
                    && let Goes::Break(over) = self.take(mail).await
                {
                    break over;
                }
                continue;
            }
            if let Goes::Break(over) = self.step().await {
                break over;
            }
        };
        let ending = if over == Over::Ended {
            Ending::Ended
        } else {
            Ending::Moved
        };
        self.refuse_all("the session goes on elsewhere");
        for leg in self.legs.values() {
            leg.end(ending);
        }
        tracing::info!(session = %self.shared.id, reason = ?over, "session is over here");
        over
    }

    /// Lets the market go on to now, then opens the next append. Says whether it is there.
    fn go_on(&mut self) -> Advanced {
        if !self.holder.serves() {
            return Advanced::Done;
        }
        if self.waits_for_its_trail() {
            self.times.pulse = clock::now() + self.settings.pulse;
            return Advanced::Done;
        }
        let (grown, advanced) = {
            let mut log = self.shared.log.lock();
            let before = log.top();
            let advanced = self.engine.advance(&mut log, wall_ms());
            let now = clock::now();
            self.times.pulse = match advanced {
                Advanced::Again => now,
                Advanced::Done => now + self.settings.pulse,
            };
            (log.top() > before, advanced)
        };
        if grown {
            self.wake_legs();
        }
        if self.append.is_none() && self.times.trouble.is_none() {
            self.open_append();
        }
        advanced
    }

    /// Waits for one thing to happen and acts on it.
    async fn step(&mut self) -> Goes {
        let due = self.due();
        let takes_mail = self.held.is_none();
        // each branch is cancel-safe: a write stays where it is, mail is taken whole
        tokio::select! {
            biased;
            done = pending(&mut self.append) => {
                self.append = None;
                self.appended(done).await
            }
            done = pending(&mut self.snapshot) => {
                self.snapshot = None;
                self.snapshot_written(done).await
            }
            found = pending(&mut self.check) => {
                self.check = None;
                self.checked(found).await
            }
            mail = self.mail.recv(), if takes_mail => match mail {
                Some(mail) if self.was_absent() => {
                    self.held = Some(mail);
                    self.held_is_ready = true;
                    Goes::Continue(())
                }
                Some(mail) => self.take(mail).await,
                None => self.lay_down().await,
            },
            () = sleep_until(due) => self.timers().await,
        }
    }

    fn due(&self) -> Instant {
        let times = &self.times;
        let mut due = times.snapshot.min(times.check);
        if self.holder.serves() && self.append.is_none() {
            due = due.min(times.pulse);
        }
        if let Some(again) = times.trouble {
            due = due.min(again);
        }
        if let Some(since) = times.silent {
            due = due.min(since + self.settings.store_grace);
        }
        if let Some(at_ms) = self.holder.give_back_at_ms() {
            due = due.min(times.started + std::time::Duration::from_millis(at_ms));
        }
        due
    }

    async fn timers(&mut self) -> Goes {
        let now = clock::now();
        let gone = |since| now >= since + self.settings.store_grace;
        if self.times.silent.is_some_and(gone) {
            return Goes::Break(Over::StoreGone);
        }
        if self.times.trouble.is_some_and(|again| now >= again) {
            return self.try_store_again(now).await;
        }
        if self
            .holder
            .give_back_at_ms()
            .is_some_and(|at_ms| self.now_ms() >= at_ms)
        {
            return self.claim_back().await;
        }
        if let Goes::Break(over) = self.mind_the_end(now).await {
            return Goes::Break(over);
        }
        if now >= self.times.snapshot {
            self.times.snapshot = now + self.settings.snapshot_interval;
            self.open_snapshot();
        }
        if now >= self.times.check {
            let interval = self.settings.check_interval;
            self.times.check = now
                + match self.holder.serves() {
                    true => interval,
                    false => interval.min(RELEASED_CHECK),
                };
            return self.open_check(now).await;
        }
        Goes::Continue(())
    }

    /// This process, as the record names it.
    pub(super) fn owner(&self) -> Owner {
        Owner {
            endpoint: self.me.endpoint.clone(),
            incarnation: self.me.incarnation,
            address: self.me.address.clone(),
        }
    }

    pub(super) fn fence(&self) -> Fence {
        Fence {
            session: self.shared.id,
            claim: self.holder.claim(),
            length: self.engine.length(),
        }
    }

    /// Milliseconds of this task's own clock, for the holder.
    pub(super) fn now_ms(&self) -> u64 {
        let elapsed = clock::now().duration_since(self.times.started).as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }
}

async fn pending<T>(asked: &mut Option<Pending<T>>) -> Result<T, StoreError> {
    match asked {
        Some(asked) => asked.await,
        None => std::future::pending().await,
    }
}
