//! A front: the HTTP surface of sessions that run in other backends (`exchange.address`).
//!
//! It keeps nothing. Each question goes to the configured address, or to the owner that was found
//! there before; a live connection is a stream to the owner, opened by what the contract's headers
//! said and carried message by message. So any front serves any session, and a connection moves
//! from one front to another as it moves between endpoints.

mod call;
mod channels;
mod leg;
mod question;
mod route;
pub(crate) mod wire;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_session::id::{ClientId, SessionId};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};

use call::Lost;
use channels::Channels;
pub use leg::{Input, Output};
pub use question::{Look, Question};
use route::{Doubt, Known, Route};

use crate::config::SecretBytes;
use crate::exchanges::Attachment;
use crate::sessions::{Ask, Counts, Dial, Me, Refusal, Tally};

/// Sessions that run in other backends.
#[derive(Clone)]
pub struct Front {
    inner: Arc<Inner>,
}

struct Inner {
    me: Me,
    /// The configured address: `host:port`.
    home: String,
    key: Option<MetadataValue<Ascii>>,
    channels: Mutex<Channels>,
    /// What is known of sessions that are not at the configured address.
    known: Mutex<HashMap<SessionId, Known>>,
    legs: Mutex<Legs>,
    /// A leg has ended.
    left: Notify,
    draining: AtomicBool,
    /// Ends all legs.
    stop: CancellationToken,
    /// Why the configured address does not answer.
    trouble: Mutex<Option<String>>,
    tally: Tally,
}

impl Front {
    /// A front of whoever answers at `home`, as the endpoint `me`.
    pub fn new(me: Me, home: String, key: Option<&SecretBytes>) -> Self {
        let key = key.map(SecretBytes::hex);
        let inner = Inner {
            me,
            home,
            key: key.and_then(|key| key.parse().ok()),
            channels: Mutex::default(),
            known: Mutex::default(),
            legs: Mutex::default(),
            left: Notify::new(),
            draining: AtomicBool::new(false),
            stop: CancellationToken::new(),
            trouble: Mutex::new(Some("it was not asked yet".to_owned())),
            tally: Tally::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Asks, wherever the answer is.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        ask: &Ask,
        question: Question,
    ) -> Result<T, Refusal> {
        let text = serde_json::to_string(&question).map_err(|error| unreadable(&error))?;
        let doubt = match question.is_repeatable() {
            true => Doubt::Again,
            false => Doubt::Told,
        };
        let mut route = Route::new(self, question.session(), doubt);
        loop {
            let outcome = self.put(&route, ask, &text).await;
            if let ControlFlow::Break(answer) = route.after(self, outcome) {
                let answer = serde_json::from_str(&answer?);
                return answer.map_err(|error| match doubt {
                    Doubt::Told => done_unreadably(&error),
                    _ => unreadable(&error),
                });
            }
        }
    }

    /// Looks at something of a session.
    pub async fn look<T: DeserializeOwned>(
        &self,
        id: SessionId,
        ask: &Ask,
        at: Look,
    ) -> Result<T, Refusal> {
        self.ask(ask, Question::Look { id, at }).await
    }

    /// Attaches a connection to its session.
    pub async fn open(&self, id: SessionId, ask: &Ask, dial: Dial) -> Result<Attachment, Refusal> {
        let leaving = || Refusal::unavailable("this endpoint leaves");
        let mut route = Route::new(self, Some(id), Doubt::Redialled);
        let opened = async {
            loop {
                let outcome = self.dial(&route, ask, id, &dial).await;
                if let ControlFlow::Break(opened) = route.after(self, outcome) {
                    return opened;
                }
            }
        };
        // both are cancel-safe: a dial that is given up is a leg without anybody
        tokio::select! {
            opened = timeout(OPENED_IN_ALL, opened) => opened.unwrap_or_else(|_| {
                Err(Refusal::unavailable("the exchange does not answer in time"))
            }),
            () = self.inner.stop.cancelled() => Err(leaving()),
        }
    }

    /// This process.
    pub fn me(&self) -> &Me {
        &self.inner.me
    }

    /// What is counted, since the start of the process.
    pub fn tally(&self) -> &Tally {
        &self.inner.tally
    }

    /// Legs here, and the sessions and clients that have them.
    pub fn counts(&self) -> Counts {
        self.inner.legs.lock().counts()
    }

    /// From now on it says that it leaves, or no longer.
    pub fn set_draining(&self, draining: bool) {
        self.inner.draining.store(draining, Ordering::Release);
    }

    /// Whether it leaves.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Acquire)
    }

    /// Returns when no leg is left.
    pub async fn emptied(&self) {
        loop {
            let left = self.inner.left.notified();
            if self.inner.legs.lock().0.is_empty() {
                return;
            }
            left.await;
        }
    }

    /// Ends all legs: they go on elsewhere.
    pub fn shut_down(&self) {
        self.set_draining(true);
        self.inner.stop.cancel();
    }

    /// Why the configured address does not answer; `None` is well.
    pub fn trouble(&self) -> Option<String> {
        self.inner.trouble.lock().clone()
    }

    /// Asks the configured address whether it answers, until `stop`: every 2 s, and more often
    /// while it does not.
    pub async fn watch(&self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let trouble = self.probe().await.err();
            let pause = if trouble.is_some() { TROUBLED } else { WELL };
            let before = std::mem::replace(&mut *self.inner.trouble.lock(), trouble.clone());
            if before != trouble {
                tracing::info!(
                    trouble,
                    address = self.inner.home,
                    "the exchange's state changed"
                );
            }
            // both are cancel-safe: neither takes anything with it
            tokio::select! {
                () = &mut stop => return,
                () = sleep(pause) => {}
            }
        }
    }

    async fn probe(&self) -> Result<(), String> {
        let question = serde_json::to_string(&Question::Endpoint {}).unwrap_or_default();
        let route = Route::new(self, None, Doubt::Again);
        let asked = timeout(PROBED, self.put(&route, &Ask::default(), &question)).await;
        let home = &self.inner.home;
        let answer = asked.map_err(|_| format!("{home}: no answer within {PROBED:?}"))?;
        match answer {
            Ok(Ok(_)) => Ok(()),
            // others may answer at the same address
            Ok(Err(_)) => {
                self.inner.forget(home);
                Err(format!("{home}: it is leaving"))
            }
            Err(lost) => Err(lost.to_string()),
        }
    }

    /// What is known of where a session is.
    fn known(&self, session: SessionId) -> Option<Known> {
        self.inner.known.lock().get(&session).cloned()
    }

    /// Where a session is; without anything, at the configured address.
    fn note(&self, session: SessionId, what: Option<Known>) {
        let mut known = self.inner.known.lock();
        match what {
            None => drop(known.remove(&session)),
            Some(what) => {
                if known.len() >= KNOWN_MAX {
                    known.clear();
                }
                known.insert(session, what);
            }
        }
    }

    #[cfg(test)]
    fn of_tests(home: &str) -> Self {
        let me = Me {
            endpoint: "front".parse().expect("a name"),
            incarnation: holdfast_session::id::Incarnation::new(1),
            address: "front:1".to_owned(),
        };
        Self::new(me, home.to_owned(), None)
    }
}

impl Inner {
    /// The connection to a backend has failed; the next one finds its name anew.
    fn forget(&self, address: &str) {
        self.channels.lock().forget(address);
    }
}

/// The legs there are, by numbers.
#[derive(Default)]
struct Legs(HashMap<u64, (SessionId, ClientId)>, u64);

impl Legs {
    fn enter(&mut self, id: SessionId, client: ClientId) -> u64 {
        self.1 += 1;
        self.0.insert(self.1, (id, client));
        self.1
    }

    fn leave(&mut self, number: u64) {
        self.0.remove(&number);
    }

    fn counts(&self) -> Counts {
        let sessions: HashSet<_> = self.0.values().map(|(id, _)| id).collect();
        let clients: HashSet<_> = self.0.values().collect();
        Counts {
            sessions: sessions.len(),
            connections: self.0.len(),
            clients: clients.len(),
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    tracing::error!(%error, "an exchange of another version answered");
    Refusal::unavailable("the exchange answers in another version")
}

/// It was done, but what it led to cannot be told: "not processed" would have it done again.
fn done_unreadably(error: &serde_json::Error) -> Refusal {
    tracing::error!(%error, "an exchange of another version answered");
    Refusal::Unknown("the exchange has answered in another version; whether it was done is unknown")
}

/// Below the 3 s that the edge gives a dial.
const OPENED_IN_ALL: Duration = Duration::from_millis(2_900);
const PROBED: Duration = Duration::from_secs(1);
const WELL: Duration = Duration::from_secs(2);
const TROUBLED: Duration = Duration::from_millis(250);
/// Sessions whose owners are remembered; beyond, they are found anew.
const KNOWN_MAX: usize = 16_384;
