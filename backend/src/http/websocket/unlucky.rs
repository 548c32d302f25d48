//! Which clients' WebSockets never live long: something on their way does not let them through,
//! and an event stream would do better.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Instant;

/// Remembers, for a bounded number of clients, how many WebSockets in a row lived too short.
#[derive(Default)]
pub struct Unlucky {
    clients: Mutex<HashMap<String, Streak>>,
}

struct Streak {
    length: u32,
    last: Instant,
}

impl Unlucky {
    /// A client's WebSocket ended after so long, without anybody having wished for it.
    pub(super) fn ended(&self, client: &str, lived: Duration, now: Instant) {
        let mut clients = self.clients.lock();
        if lived >= LONG {
            clients.remove(client);
            return;
        }
        clients.retain(|_, streak| now.duration_since(streak.last) < MEMORY);
        let length = clients.get(client).map_or(0, |streak| streak.length) + 1;
        if clients.len() < CLIENTS_MAX || length > 1 {
            clients.insert(client.to_owned(), Streak { length, last: now });
        }
    }

    /// Whether a client should take another transport.
    pub(super) fn is(&self, client: &str, now: Instant) -> bool {
        let clients = self.clients.lock();
        clients.get(client).is_some_and(|streak| {
            streak.length >= STREAK && now.duration_since(streak.last) < MEMORY
        })
    }
}

/// A WebSocket that lived this long got through.
const LONG: Duration = Duration::from_secs(5);
/// So many short ones in a row are no chance.
const STREAK: u32 = 3;
const MEMORY: Duration = Duration::from_secs(120);
const CLIENTS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn three_short_lives_in_a_row_are_no_chance() {
        let (unlucky, now) = (Unlucky::default(), clock::now());
        for _ in 0..2 {
            unlucky.ended("ann", Duration::from_secs(1), now);
        }
        assert!(!unlucky.is("ann", now));
        unlucky.ended("ann", Duration::from_secs(1), now);
        assert!(unlucky.is("ann", now));
        assert!(!unlucky.is("bob", now));
        assert!(!unlucky.is("ann", now + MEMORY), "it is forgotten");
        unlucky.ended("ann", LONG, now);
        assert!(!unlucky.is("ann", now), "one that got through ends it");
    }
}
