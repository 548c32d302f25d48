//! What is known to wait for the ledger: a few numbers per session, told by the sessions that run
//! here and by the looks into the store. What waits itself is in the store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_session::id::SessionId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::{self, Instant};

/// What waits, by session.
#[derive(Default)]
pub struct Backlog {
    sessions: Mutex<HashMap<SessionId, Session>>,
    more: Notify,
    /// Facts of which nothing but their number was kept.
    overflown: AtomicU64,
}

struct Session {
    facts: u64,
    /// Since when, in milliseconds since 1970.
    since_ms: u64,
    /// How often something was added.
    added: u64,
    /// It is not looked at before.
    not_before: Option<Instant>,
    is_full: bool,
}

/// How far the ledger is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Sessions of which something waits.
    pub sessions: usize,
    /// Facts that are known to wait.
    pub facts: u64,
    /// How long the oldest has waited.
    pub age: Duration,
    /// Sessions of which no more is kept than numbers.
    pub full: usize,
}

/// A session that is due, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub id: SessionId,
    added: u64,
}

impl Backlog {
    /// So many facts of a session wait in the store from now on.
    pub fn waits(&self, id: SessionId, facts: u64, now_ms: u64) {
        self.add(id, facts, now_ms);
        self.more.notify_one();
    }

    /// So many came to a session's outbox that was full.
    pub fn overflows(&self, id: SessionId, facts: u64, now_ms: u64) {
        self.overflown.fetch_add(facts, Ordering::Relaxed);
        self.add(id, facts, now_ms);
        if let Some(session) = self.sessions.lock().get_mut(&id) {
            session.is_full = true;
        }
        self.more.notify_one();
    }

    /// Something may wait of a session that nobody has told of.
    pub fn found(&self, id: SessionId, now_ms: u64) {
        if !self.sessions.lock().contains_key(&id) {
            self.add(id, 0, now_ms);
        }
    }

    /// Resolves when something was added.
    pub async fn more(&self) {
        self.more.notified().await;
    }

    /// Sessions to look at now, those that have waited longest first.
    pub fn due(&self, most: usize) -> Vec<Due> {
        let (sessions, now) = (self.sessions.lock(), clock::now());
        let due = sessions
            .iter()
            .filter(|(_, session)| session.not_before.is_none_or(|then| then <= now));
        let mut due: Vec<_> = due
            .map(|(id, session)| {
                let added = session.added;
                (session.since_ms, Due { id: *id, added })
            })
            .collect();
        due.sort_unstable_by_key(|(since, due)| (*since, due.id.bits()));
        due.truncate(most);
        due.into_iter().map(|(_, due)| due).collect()
    }

    /// So many facts of it are in the ledger; `rest_ms`: since when the next waits.
    pub fn done(&self, due: Due, facts: u64, rest_ms: Option<u64>) {
        let mut sessions = self.sessions.lock();
        let Some(session) = sessions.get_mut(&due.id) else {
            return;
        };
        session.facts = session.facts.saturating_sub(facts);
        session.is_full = false;
        match rest_ms {
            Some(since_ms) => session.since_ms = since_ms,
            // nothing came meanwhile
            None if session.added == due.added => drop(sessions.remove(&due.id)),
            None => {}
        }
    }

    /// What it has is not taken: others first.
    pub fn set_aside(&self, id: SessionId, pause: Duration) {
        if let Some(session) = self.sessions.lock().get_mut(&id) {
            session.not_before = Some(clock::now() + pause);
        }
    }

    /// How far the ledger is behind.
    pub fn lag(&self, now_ms: u64) -> Lag {
        let sessions = self.sessions.lock();
        let oldest = sessions.values().map(|session| session.since_ms).min();
        Lag {
            sessions: sessions.len(),
            facts: sessions.values().map(|session| session.facts).sum(),
            age: oldest.map_or(Duration::ZERO, |since| {
                Duration::from_millis(now_ms.saturating_sub(since))
            }),
            full: sessions.values().filter(|session| session.is_full).count(),
        }
    }

    /// Facts of which nothing but their number was kept, since the start of the process.
    pub fn overflown(&self) -> u64 {
        self.overflown.load(Ordering::Relaxed)
    }

    fn add(&self, id: SessionId, facts: u64, now_ms: u64) {
        let mut sessions = self.sessions.lock();
        let session = sessions.entry(id).or_insert(Session {
            facts: 0,
            since_ms: now_ms,
            added: 0,
            not_before: None,
            is_full: false,
        });
        session.facts += facts;
        session.added += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> SessionId {
        SessionId::new(1)
    }

    #[test]
    fn what_came_while_it_was_carried_still_waits() {
        let backlog = Backlog::default();
        backlog.waits(one(), 3, 1_000);
        let due = backlog.due(10);
        backlog.waits(one(), 2, 2_000);
        backlog.done(due[0], 3, None);
        assert_eq!(backlog.lag(3_000).facts, 2);
        let due = backlog.due(10);
        backlog.done(due[0], 2, None);
        assert_eq!(backlog.lag(3_000), Lag::default());
    }

    #[test]
    fn the_oldest_goes_first_and_what_is_set_aside_not_at_all() {
        let backlog = Backlog::default();
        for (id, at_ms) in [(1, 3_000), (2, 1_000), (3, 2_000)] {
            backlog.waits(SessionId::new(id), 1, at_ms);
        }
        let ids = |due: Vec<Due>| due.iter().map(|due| due.id.bits()).collect::<Vec<_>>();
        assert_eq!(ids(backlog.due(2)), [2, 3]);
        backlog.set_aside(SessionId::new(2), Duration::from_secs(60));
        assert_eq!(ids(backlog.due(9)), [3, 1]);
        assert_eq!(backlog.lag(4_000).age, Duration::from_secs(3));
    }

    #[test]
    fn an_overflow_is_told_until_it_is_carried() {
        let backlog = Backlog::default();
        backlog.overflows(one(), 5, 1_000);
        assert_eq!((backlog.lag(1_000).full, backlog.overflown()), (1, 5));
        let due = backlog.due(1);
        backlog.done(due[0], 5, None);
        assert_eq!((backlog.lag(1_000).full, backlog.overflown()), (0, 5));
    }
}
