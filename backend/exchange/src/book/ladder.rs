//! One side's prices in order. A sorted array with the best price at its end: most prices come and
//! go near the best, so searches end soon and insertions move little.

use crate::units::{Price, Side};

#[derive(Clone, Copy, Debug)]
struct Rung {
    /// Larger is better on either side.
    key: i64,
    queue: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Ladder {
    side: Side,
    rungs: Vec<Rung>,
}

/// Rungs looked at one by one from the best before the search halves.
const NEAR: usize = 8;

impl Ladder {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            rungs: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rungs.len()
    }

    /// The queue at the best price.
    pub(super) fn best(&self) -> Option<u32> {
        self.rungs.last().map(|rung| rung.queue)
    }

    /// The queues, best first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.rungs.iter().rev().map(|rung| rung.queue)
    }

    /// Adds a price that is not there yet.
    pub(super) fn insert(&mut self, price: Price, queue: u32) {
        if let Err(at) = self.place(price) {
            self.rungs.insert(
                at,
                Rung {
                    key: self.key(price),
                    queue,
                },
            );
        }
    }

    pub(super) fn remove(&mut self, price: Price) {
        if let Ok(at) = self.place(price) {
            self.rungs.remove(at);
        }
    }

    fn key(&self, price: Price) -> i64 {
        price.0 * self.side.sign()
    }

    /// Where `price` is, or where it belongs.
    fn place(&self, price: Price) -> Result<usize, usize> {
        let key = self.key(price);
        let near = self.rungs.len().saturating_sub(NEAR);
        for (back, rung) in self.rungs[near..].iter().rev().enumerate() {
            if rung.key <= key {
                let at = self.rungs.len() - 1 - back;
                return if rung.key == key { Ok(at) } else { Err(at + 1) };
            }
        }
        self.rungs[..near].binary_search_by(|rung| rung.key.cmp(&key))
    }
}
