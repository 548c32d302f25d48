//! The sessions this process runs. `http/*` and `service/*` ask here and only
//! translate; who owns a session, what is accepted and what is emitted is
//! decided in `holdfast-session`.
//!
//! Every question about a session first settles who owns it, with the
//! [`Ask`] of the request: it may lead to a [`Refusal`] such as "the owner is
//! another endpoint", or to this endpoint taking the session over (from its
//! owner when that one lets go, from the store when it is gone), and only then
//! is it answered.

mod ask;
mod attachment;
mod feed;
mod listing;
mod making;
mod queries;
mod refusal;
mod running;
pub mod scenarios;
mod settings;
mod settle;
mod tally;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_session::id::{ClientId, EndpointId, Incarnation, SessionId};
use holdfast_session::journal::Asked;
use holdfast_session::message::{Answer, Command, Problem};
use holdfast_session::view;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Gate, Notify, mpsc, oneshot};
use tokio_util::task::TaskTracker;

pub use ask::{
    Ask, CommandRequest, Dial, FillsQuery, ForkRequest, OrdersQuery, SessionsQuery, Transport,
};
pub use attachment::{Attachment, Delivery, Ending, Input, LegEnded, Outgoing, Output, Present};
pub use feed::Feed;
pub use refusal::Refusal;
pub use settings::Settings;
pub use tally::{Quota, Tally};

use crate::handoff::{Handoff, ReleaseAsk, Released};
use crate::store::Store;
use running::{Mail, Shared};
use tally::Loss;

/// This process, as the store names owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The name that outlives the address.
    pub endpoint: EndpointId,
    /// This start of the process; drawn at random.
    pub incarnation: Incarnation,
    /// Where other backends reach this one's gRPC: `host:port`.
    pub address: String,
}

/// A cheap handle on the sessions this process runs.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

/// What `/health` counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions this process owns and runs.
    pub sessions: usize,
    /// WebSockets and event streams attached to them.
    pub connections: usize,
    /// Clients that have such a connection.
    pub clients: usize,
}

impl Sessions {
    /// Sessions of the endpoint `me`, kept in `store`, pulled from other
    /// endpoints by `handoff`.
    pub fn new(me: Me, store: Arc<dyn Store>, handoff: Arc<dyn Handoff>) -> Self {
        Self::with_settings(me, store, handoff, Settings::default())
    }

    /// The same, run by other settings than the default ones.
    pub fn with_settings(
        me: Me,
        store: Arc<dyn Store>,
        handoff: Arc<dyn Handoff>,
        settings: Settings,
    ) -> Self {
        Self::with_ledger(me, store, handoff, settings, None)
    }

    /// The same, noting for a ledger what is to last.
    pub fn with_ledger(
        me: Me,
        store: Arc<dyn Store>,
        handoff: Arc<dyn Handoff>,
        settings: Settings,
        feed: Option<Feed>,
    ) -> Self {
        let inner = Inner {
            me,
            settings,
            feed,
            store,
            handoff,
            running: Mutex::default(),
            gates: Mutex::default(),
            draining: AtomicBool::new(false),
            store_trouble: Mutex::default(),
            changed: Notify::new(),
            tally: Arc::new(Tally::new()),
            tasks: TaskTracker::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// This process, as the store names owners.
    pub fn me(&self) -> &Me {
        &self.inner.me
    }

    /// Creates a session owned by this endpoint and starts its simulator.
    pub async fn create(
        &self,
        subject: Option<&str>,
        request: view::SessionRequest,
    ) -> Result<view::Session, Refusal> {
        self.inner.create(&Ask::of(subject), request, None).await
    }

    /// The same, made once for all who give the key.
    pub async fn create_once(
        &self,
        ask: &Ask,
        request: view::SessionRequest,
        key: Option<&ClientId>,
    ) -> Result<view::Session, Refusal> {
        self.inner.create(ask, request, key).await
    }

    /// Creates another session from a point of this one, owned by this endpoint.
    pub async fn fork(
        &self,
        id: SessionId,
        ask: &Ask,
        request: ForkRequest,
        key: Option<&ClientId>,
    ) -> Result<view::Session, Refusal> {
        self.inner.fork(id, ask, request, key).await
    }

    /// The subject's sessions, newest first, whoever owns them (at most 1,000).
    /// Those of other endpoints are shown as of their last snapshot.
    pub async fn list(&self, subject: Option<&str>) -> Result<Vec<view::Session>, Refusal> {
        self.inner.list(&Ask::of(subject)).await
    }

    /// Those of them that match, by pages.
    pub async fn page(
        &self,
        ask: &Ask,
        query: &SessionsQuery,
    ) -> Result<view::SessionPage, Refusal> {
        self.inner.page(ask, query).await
    }

    /// Ends a session for good: its legs end with [`Ending::Ended`], later
    /// requests for it are [`Refusal::Ended`].
    pub async fn end(&self, id: SessionId, ask: &Ask) -> Result<(), Refusal> {
        self.inner
            .mail(id, ask, |reply| Mail::End { reply })
            .await?
    }

    /// Attaches a connection: ends its older legs, throws away what they had
    /// not yet accepted, and says where this leg starts.
    pub async fn open(&self, id: SessionId, ask: &Ask, dial: Dial) -> Result<Attachment, Refusal> {
        let came_back = dial.attempt > 1 || dial.last_event_id.is_some();
        let dial = Box::new(dial);
        let opened = self.inner.mail(id, ask, |reply| Mail::Open { dial, reply });
        let opened = opened.await.flatten();
        if came_back && opened.as_ref().err() == Some(&Refusal::Missing("session")) {
            self.inner.tally.lost(Loss::Gone);
        }
        opened
    }

    /// Executes one command that came without a connection. It returns when
    /// the command is journaled and done; the same key gets the same answer
    /// without doing it again.
    pub async fn command(
        &self,
        id: SessionId,
        ask: &Ask,
        request: CommandRequest,
    ) -> Result<Answer, Refusal> {
        if matches!(
            request.command,
            Command::Subscribe(_) | Command::Unsubscribe(_)
        ) {
            let problem = "subscriptions belong to a connection; use ?channels=";
            return Err(Refusal::Invalid(Problem::new("invalid_argument", problem)));
        }
        let number = request
            .idempotency_key
            .as_ref()
            .map(client_of_key)
            .transpose()?;
        let number = number.map(|client| (client, 1));
        let asked = scenarios::resolved(Asked::Command(request.command));
        let mail = |reply| Mail::Command {
            number,
            asked,
            reply,
        };
        match self.inner.deliver(id, ask, mail).await? {
            Ok(answer) => answer,
            Err(Unanswered::NotTaken) => Err(Refusal::unavailable(CHANGING_HANDS)),
            Err(Unanswered::Given | Unanswered::Late) => Err(Refusal::Unknown(
                "the session did not answer; whether the command was executed is unknown",
            )),
        }
    }

    /// What is counted, since the start of the process.
    pub fn tally(&self) -> &Tally {
        &self.inner.tally
    }

    /// How many of everything, at this moment.
    pub fn counts(&self) -> Counts {
        let running = self.inner.running.lock();
        let mut counts = Counts {
            sessions: running.len(),
            ..Counts::default()
        };
        for handle in running.values() {
            let (connections, clients) = handle.shared.attached();
            counts.connections += connections;
            counts.clients += clients;
        }
        counts
    }

    /// From now on (`true`) this endpoint says in every record it owns that it
    /// is leaving, creates nothing and takes nothing over; or (`false`) no longer.
    pub fn set_draining(&self, draining: bool) {
        self.inner.draining.store(draining, Ordering::Release);
        let handles: Vec<_> = self.inner.running.lock().values().cloned().collect();
        for handle in handles {
            self.inner.tasks.spawn(async move {
                // a session that is over needs to be told nothing
                drop(handle.mail.send(Mail::Leaving(draining)).await);
            });
        }
    }

    /// Whether this endpoint drains.
    pub fn is_draining(&self) -> bool {
        self.inner.is_draining()
    }

    /// Returns when no session runs here: pulled by other endpoints, ended, or
    /// laid down in the store.
    pub async fn emptied(&self) {
        loop {
            let changed = self.inner.changed.notified();
            if self.inner.count() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Lays down every session in the store and ends all legs with
    /// [`Ending::Moved`]: the last act before the process exits. Give it a deadline.
    pub async fn shut_down(&self) {
        self.inner.draining.store(true, Ordering::Release);
        let handles: Vec<_> = self.inner.running.lock().values().cloned().collect();
        for handle in handles {
            // a session that is over needs to be told nothing
            drop(handle.mail.send(Mail::Leaving(true)).await);
            drop(handle.mail.send(Mail::LayDown).await);
        }
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Another endpoint asks for a session. Answered when everything is in the
    /// store and the legs here have ended; may be asked twice and by several.
    pub async fn release(&self, ask: &ReleaseAsk) -> Released {
        let unknown = Released::NotOwner { generation: 0 };
        let Some(handle) = self.inner.running_soon(ask.session).await else {
            return unknown;
        };
        let (reply, answer) = oneshot::channel();
        match handle.mail.send(Mail::Release { reply }).await {
            Ok(()) => answer.await.unwrap_or(unknown),
            Err(_) => unknown,
        }
    }

    /// Where the store stands; for health. `None` is well.
    pub fn store_trouble(&self) -> Option<String> {
        self.inner.store_trouble.lock().clone()
    }

    /// Asks the store every 2 s whether it answers, until `stop`: what
    /// [`Self::store_trouble`] says.
    pub async fn watch_store(&self, stop: impl Future<Output = ()>) {
        const INTERVAL: Duration = Duration::from_secs(2);
        const LIMIT: Duration = Duration::from_secs(1);
        let mut stop = std::pin::pin!(stop);
        loop {
            let trouble = match tokio::time::timeout(LIMIT, self.inner.store.probe()).await {
                Ok(probed) => probed.err().map(|error| error.to_string()),
                Err(_) => Some("it does not answer".into()),
            };
            *self.inner.store_trouble.lock() = trouble;
            // both are cancel-safe: neither takes anything with it
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

/// What the handles share.
struct Inner {
    me: Me,
    settings: Settings,
    feed: Option<Feed>,
    store: Arc<dyn Store>,
    handoff: Arc<dyn Handoff>,
    running: Mutex<HashMap<SessionId, Handle>>,
    /// Held by whoever settles the ownership of a session.
    gates: Mutex<HashMap<SessionId, Arc<Gate<()>>>>,
    draining: AtomicBool,
    store_trouble: Mutex<Option<String>>,
    /// A session has come or gone.
    changed: Notify,
    tally: Arc<Tally>,
    tasks: TaskTracker,
}

/// A session that runs here.
#[derive(Clone)]
struct Handle {
    mail: mpsc::Sender<Mail>,
    shared: Arc<Shared>,
}

impl Handle {
    fn for_subject(self, ask: &Ask) -> Result<Self, Refusal> {
        if self.shared.subject == ask.subject {
            Ok(self)
        } else {
            Err(Refusal::Forbidden)
        }
    }
}

impl Inner {
    /// Settles who owns the session and sends it one piece of mail. A session
    /// that stops before it has answered is looked for again: nothing was done.
    async fn mail<T>(
        self: &Arc<Self>,
        id: SessionId,
        ask: &Ask,
        mail: impl FnOnce(oneshot::Sender<T>) -> Mail,
    ) -> Result<T, Refusal> {
        let delivered = self.deliver(id, ask, mail).await?;
        delivered.map_err(|unanswered| match unanswered {
            Unanswered::NotTaken | Unanswered::Given => Refusal::unavailable(CHANGING_HANDS),
            Unanswered::Late => Refusal::unavailable("the session does not answer in time"),
        })
    }

    /// The same, telling what became of mail that was not answered.
    async fn deliver<T>(
        self: &Arc<Self>,
        id: SessionId,
        ask: &Ask,
        mail: impl FnOnce(oneshot::Sender<T>) -> Mail,
    ) -> Result<Result<T, Unanswered>, Refusal> {
        let handle = self.settle(id, ask).await?;
        let (reply, answer) = oneshot::channel();
        let asked = async {
            let sent = handle.mail.send(mail(reply)).await;
            sent.map_err(|_| Unanswered::NotTaken)?;
            answer.await.map_err(|_| Unanswered::Given)
        };
        let asked = tokio::time::timeout(self.settings.patience, asked).await;
        Ok(asked.unwrap_or(Err(Unanswered::Late)))
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    fn running(&self, id: SessionId) -> Option<Handle> {
        self.running
            .lock()
            .get(&id)
            .filter(|handle| !handle.mail.is_closed())
            .cloned()
    }

    fn count(&self) -> usize {
        self.running.lock().len()
    }

    /// The gate of a session; gates nobody waits at are forgotten.
    /// As [`Self::running`], but a session that is being settled here is waited for: it may be
    /// claimed in the store already, and whoever is told that it does not run here would take it
    /// from an owner that has just begun.
    async fn running_soon(&self, id: SessionId) -> Option<Handle> {
        /// Well below the second that whoever asks for a release waits in all.
        const SETTLING_MAX: Duration = Duration::from_millis(500);
        if let Some(handle) = self.running(id) {
            return Some(handle);
        }
        let gate = self.gate(id);
        drop(tokio::time::timeout(SETTLING_MAX, gate.lock()).await);
        self.running(id)
    }

    fn gate(&self, id: SessionId) -> Arc<Gate<()>> {
        let mut gates = self.gates.lock();
        gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        Arc::clone(gates.entry(id).or_default())
    }
}

/// Why mail was not answered.
enum Unanswered {
    /// The session stopped before it could be sent.
    NotTaken,
    /// It was sent; the session stopped without an answer.
    Given,
    /// It was sent, or was about to be.
    Late,
}

/// What whoever asks meanwhile is told.
const CHANGING_HANDS: &str = "the session is changing hands";

/// The client a key stands for. Keys live apart from clients of connections.
fn client_of_key(key: &ClientId) -> Result<ClientId, Refusal> {
    let invalid = || {
        let message = "an Idempotency-Key has 1 to 64 of letters, digits, '.', '_' and '-'";
        Refusal::Invalid(Problem::new("bad_request", message))
    };
    if key.as_str().len() > 64 {
        return Err(invalid());
    }
    format!("key.{key}").parse().map_err(|_| invalid())
}

#[cfg(test)]
mod tests;
