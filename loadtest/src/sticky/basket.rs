//! The state that stickiness protects: one basket per client, in memory.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::clock::Instant;

/// All baskets of this process, at most [`CLIENTS_MAX`].
#[derive(Debug)]
pub(super) struct Baskets {
    by_client: HashMap<String, Entry>,
    started: Instant,
}

#[derive(Debug)]
struct Entry {
    basket: watch::Sender<Basket>,
    used: Instant,
}

/// What one client put together here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Basket {
    /// Increments since the basket was made.
    pub(super) count: u64,
    /// The last [`ITEMS_MAX`] things.
    pub(super) items: Vec<String>,
}

impl Baskets {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            by_client: HashMap::new(),
            started,
        }
    }

    /// The client's basket, and whether it had to be made.
    pub(super) fn open(&mut self, client: &str, now: Instant) -> (&watch::Sender<Basket>, bool) {
        let fresh = !self.by_client.contains_key(client);
        if fresh && self.by_client.len() >= CLIENTS_MAX {
            self.make_room(now);
        }
        let entry = self
            .by_client
            .entry(client.to_owned())
            .or_insert_with(|| Entry {
                basket: watch::Sender::default(),
                used: now,
            });
        entry.used = now;
        (&entry.basket, fresh)
    }

    pub(super) fn clients(&self) -> usize {
        self.by_client.len()
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.started)
    }

    /// Forgets who was away for [`IDLE_MAX`]; if nobody was, whoever was away longest.
    fn make_room(&mut self, now: Instant) {
        self.by_client
            .retain(|_, entry| now.duration_since(entry.used) < IDLE_MAX);
        if self.by_client.len() < CLIENTS_MAX {
            return;
        }
        let oldest = self.by_client.iter().min_by_key(|(_, entry)| entry.used);
        if let Some(client) = oldest.map(|(client, _)| client.clone()) {
            self.by_client.remove(&client);
        }
    }
}

impl Basket {
    pub(super) fn add(&mut self, item: Option<String>) {
        self.count += 1;
        if let Some(item) = item {
            if self.items.len() == ITEMS_MAX {
                self.items.remove(0);
            }
            self.items.push(item);
        }
    }
}

const CLIENTS_MAX: usize = 10_000;
const ITEMS_MAX: usize = 20;
const IDLE_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basket_is_made_once_and_then_found() {
        let now = Instant::now();
        let mut baskets = Baskets::new(now);
        assert!(baskets.open("ann", now).1);
        baskets
            .open("ann", now)
            .0
            .send_modify(|basket| basket.add(Some("pear".to_owned())));

        let (basket, fresh) = baskets.open("ann", now);
        assert!(!fresh);
        assert_eq!(
            *basket.borrow(),
            Basket {
                count: 1,
                items: vec!["pear".to_owned()]
            }
        );
        assert_eq!(baskets.open("bob", now).0.borrow().count, 0);
    }

    #[test]
    fn the_number_of_clients_is_bounded_and_the_longest_away_is_forgotten() {
        let start = Instant::now();
        let mut baskets = Baskets::new(start);
        for n in 0..CLIENTS_MAX {
            baskets.open(&n.to_string(), start + Duration::from_millis(n as u64));
        }
        let now = start + Duration::from_secs(60);
        baskets.open("one more", now);

        assert_eq!(baskets.clients(), CLIENTS_MAX);
        assert!(!baskets.open("1", now).1, "the second oldest stays");
        assert!(baskets.open("0", now).1, "the oldest was forgotten");
    }

    #[test]
    fn a_basket_keeps_the_last_items_only() {
        let mut basket = Basket::default();
        for n in 0..ITEMS_MAX + 5 {
            basket.add(Some(n.to_string()));
        }
        assert_eq!(basket.count, ITEMS_MAX as u64 + 5);
        assert_eq!(basket.items.len(), ITEMS_MAX);
        assert_eq!(basket.items[0], "5");
    }
}
