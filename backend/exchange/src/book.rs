//! One instrument's order book: price-time priority over two ladders of levels.

mod ladder;

use crate::event::Level;
use crate::orders::{NONE, Orders, Slot};
use crate::units::{Price, Quantity, Side, SymbolId};
use ladder::Ladder;

/// A queue of orders at one price.
#[derive(Clone, Copy, Debug)]
struct Queue {
    price: Price,
    /// All that is displayed.
    quantity: Quantity,
    orders: u32,
    head: Slot,
    tail: Slot,
    /// The update in which it last changed.
    stamp: u64,
}

/// Two ladders and their queues.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) symbol: SymbolId,
    sides: [Ladder; 2],
    queues: Vec<Queue>,
    /// First unused queue; unused ones are threaded by `head`.
    free: u32,
    /// Levels that changed since the last update was taken.
    changed: Vec<(Side, Price)>,
    /// Number of changes since the book began.
    pub(crate) changes: u64,
    /// Number of changes at the last update.
    pub(crate) published: u64,
    /// Number of updates taken.
    pub(crate) updates: u64,
}

impl Book {
    pub(crate) fn new(symbol: SymbolId) -> Self {
        Self {
            symbol,
            sides: [Ladder::new(Side::Buy), Ladder::new(Side::Sell)],
            queues: Vec::new(),
            free: NONE,
            changed: Vec::new(),
            changes: 0,
            published: 0,
            updates: 0,
        }
    }

    /// The best price of a side.
    pub(crate) fn best(&self, side: Side) -> Option<Price> {
        self.sides[side.index()]
            .best()
            .map(|queue| self.queues[queue as usize].price)
    }

    /// The order that is first in line on a side.
    pub(crate) fn first(&self, side: Side) -> Option<Slot> {
        self.sides[side.index()]
            .best()
            .map(|queue| self.queues[queue as usize].head)
    }

    /// What is displayed at a price.
    pub(crate) fn quantity_at(&self, side: Side, price: Price) -> Quantity {
        let queue = self.sides[side.index()].find(price);
        queue.map_or(Quantity::ZERO, |queue| self.queues[queue as usize].quantity)
    }

    /// The levels of a side, best first.
    pub(crate) fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        self.sides[side.index()]
            .iter()
            .map(move |queue| self.level(side, queue))
    }

    /// The orders of a side in the order in which they would trade.
    pub(crate) fn queue<'a>(
        &'a self,
        orders: &'a Orders,
        side: Side,
    ) -> impl Iterator<Item = Slot> + 'a {
        self.sides[side.index()].iter().flat_map(move |queue| {
            let head = Some(self.queues[queue as usize].head);
            std::iter::successors(head, |slot| {
                Some(orders.hot(*slot).next).filter(|next| *next != NONE)
            })
        })
    }

    /// The queues of a side, worst price first: price, number of orders, first in line.
    pub(crate) fn queues_from_worst(
        &self,
        side: Side,
    ) -> impl Iterator<Item = (Price, u32, Slot)> + '_ {
        self.sides[side.index()].iter().rev().map(|queue| {
            let queue = &self.queues[queue as usize];
            (queue.price, queue.orders, queue.head)
        })
    }

    /// How many levels a side has.
    pub(crate) fn depth(&self, side: Side) -> usize {
        self.sides[side.index()].len()
    }

    /// Puts an order behind the others of its price.
    pub(crate) fn enter(&mut self, orders: &mut Orders, slot: Slot) {
        let (side, price, open) = {
            let order = orders.hot(slot);
            (order.side, order.price, order.open)
        };
        let index = match self.sides[side.index()].find(price) {
            Some(index) => index,
            None => self.add_queue(side, price),
        };
        let queue = &mut self.queues[index as usize];
        let tail = queue.tail;
        queue.tail = slot;
        queue.quantity += open;
        queue.orders += 1;
        if tail == NONE {
            queue.head = slot;
        } else {
            orders.hot_mut(tail).next = slot;
        }
        let order = orders.hot_mut(slot);
        order.previous = tail;
        order.next = NONE;
        order.level = index;
        self.touch(side, index);
    }

    /// Takes an order out of its queue.
    pub(crate) fn leave(&mut self, orders: &mut Orders, slot: Slot) {
        let order = *orders.hot(slot);
        let queue = &mut self.queues[order.level as usize];
        queue.quantity -= order.open;
        queue.orders -= 1;
        if order.previous == NONE {
            queue.head = order.next;
        } else {
            orders.hot_mut(order.previous).next = order.next;
        }
        if order.next == NONE {
            queue.tail = order.previous;
        } else {
            orders.hot_mut(order.next).previous = order.previous;
        }
        let empty = queue.orders == 0;
        orders.hot_mut(slot).level = NONE;
        self.touch(order.side, order.level);
        if empty {
            self.sides[order.side.index()].remove(order.price);
            self.queues[order.level as usize].head = self.free;
            self.free = order.level;
        }
    }

    /// Takes lots off an order's displayed part; it keeps its place.
    pub(crate) fn reduce(&mut self, orders: &mut Orders, slot: Slot, by: Quantity) {
        let order = orders.hot_mut(slot);
        order.open -= by;
        let (side, level) = (order.side, order.level);
        self.queues[level as usize].quantity -= by;
        self.touch(side, level);
    }

    /// Whether something changed since the last update.
    pub(crate) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The levels changed since the last update, as they are now, each once; begins the next.
    pub(crate) fn take_changes(&mut self, mut each: impl FnMut(Level)) {
        let mut changed = std::mem::take(&mut self.changed);
        // a level that went and came again is in the list twice
        changed.sort_unstable();
        changed.dedup();
        for (side, price) in &changed {
            each(match self.sides[side.index()].find(*price) {
                Some(queue) => self.level(*side, queue),
                None => Level {
                    side: *side,
                    price: *price,
                    quantity: Quantity::ZERO,
                    orders: 0,
                },
            });
        }
        changed.clear();
        self.changed = changed;
        self.published = self.changes;
        self.updates += 1;
    }

    fn level(&self, side: Side, queue: u32) -> Level {
        let queue = &self.queues[queue as usize];
        Level {
            side,
            price: queue.price,
            quantity: queue.quantity,
            orders: queue.orders,
        }
    }

    fn touch(&mut self, side: Side, index: u32) {
        self.changes += 1;
        let stamp = self.updates + 1;
        let queue = &mut self.queues[index as usize];
        if queue.stamp != stamp {
            queue.stamp = stamp;
            self.changed.push((side, queue.price));
        }
    }

    fn add_queue(&mut self, side: Side, price: Price) -> u32 {
        let queue = Queue {
            price,
            quantity: Quantity::ZERO,
            orders: 0,
            head: NONE,
            tail: NONE,
            stamp: 0,
        };
        let index = if self.free == NONE {
            self.queues.push(queue);
            (self.queues.len() - 1) as u32
        } else {
            let index = self.free;
            self.free = self.queues[index as usize].head;
            self.queues[index as usize] = queue;
            index
        };
        self.sides[side.index()].insert(price, index);
        index
    }
}
