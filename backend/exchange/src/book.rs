//! One instrument's order book: price-time priority over two ladders of levels.

mod ladder;
mod queue;

use crate::event::Level;
use crate::index::Index;
use crate::orders::{NONE, Orders, Slot};
use crate::units::{Price, Quantity, Side, SymbolId};
use ladder::Ladder;
use queue::{Blocks, Queue};

/// The orders at one price.
#[derive(Clone, Copy, Debug)]
struct Rank {
    price: Price,
    /// All that is displayed.
    quantity: Quantity,
    /// The update in which it last changed.
    stamp: u64,
    orders: u32,
    queue: Queue,
}

/// Two ladders and their levels.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) symbol: SymbolId,
    sides: [Ladder; 2],
    ranks: Vec<Rank>,
    /// Ranks by price, of each side.
    by_price: [Index; 2],
    blocks: Blocks,
    /// Unused ranks.
    free: Vec<u32>,
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
            ranks: Vec::new(),
            by_price: [Index::new(), Index::new()],
            blocks: Blocks::new(),
            free: Vec::new(),
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
            .map(|rank| self.ranks[rank as usize].price)
    }

    /// The order that is first in line on a side, and its price.
    pub(crate) fn first(&self, side: Side) -> Option<(Slot, Price)> {
        let rank = &self.ranks[self.sides[side.index()].best()? as usize];
        Some((self.blocks.first(rank.queue)?, rank.price))
    }

    /// The price of an order that is in the book.
    pub(crate) fn price_at(&self, place: u32) -> Price {
        self.ranks[self.blocks.level(place) as usize].price
    }

    /// What is displayed at a price.
    pub(crate) fn quantity_at(&self, side: Side, price: Price) -> Quantity {
        let rank = self.find(side, price);
        rank.map_or(Quantity::ZERO, |rank| self.ranks[rank as usize].quantity)
    }

    /// What is displayed at the price of an order that is in the book.
    pub(crate) fn quantity_around(&self, place: u32) -> Quantity {
        self.ranks[self.blocks.level(place) as usize].quantity
    }

    /// The levels of a side, best first.
    pub(crate) fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        self.sides[side.index()]
            .iter()
            .map(move |rank| self.level(side, rank))
    }

    /// The orders of a side in the order in which they would trade, with their prices.
    pub(crate) fn queue(&self, side: Side) -> impl Iterator<Item = (Slot, Price)> + '_ {
        self.sides[side.index()].iter().flat_map(move |rank| {
            let rank = &self.ranks[rank as usize];
            let line = self.blocks.iter(rank.queue);
            line.map(move |slot| (slot, rank.price))
        })
    }

    /// The levels of a side, worst price first: price, number of orders, and who they are.
    pub(crate) fn queues_from_worst(
        &self,
        side: Side,
    ) -> impl Iterator<Item = (Price, u32, impl Iterator<Item = Slot> + '_)> + '_ {
        self.sides[side.index()].iter().rev().map(|rank| {
            let rank = &self.ranks[rank as usize];
            (rank.price, rank.orders, self.blocks.iter(rank.queue))
        })
    }

    /// How many levels a side has.
    pub(crate) fn depth(&self, side: Side) -> usize {
        self.sides[side.index()].len()
    }

    /// Puts an order behind the others of its price.
    pub(crate) fn enter(&mut self, orders: &mut Orders, slot: Slot, price: Price) {
        let order = orders.get_mut(slot);
        let side = order.side;
        let index = match self.find(side, price) {
            Some(index) => index,
            None => self.add_rank(side, price),
        };
        let rank = &mut self.ranks[index as usize];
        rank.quantity += order.open;
        rank.orders += 1;
        order.place = self.blocks.push(&mut rank.queue, index, slot);
        self.touch(side, index);
    }

    /// Takes an order out of its queue.
    pub(crate) fn leave(&mut self, orders: &mut Orders, slot: Slot) {
        let order = orders.get_mut(slot);
        let (side, place) = (order.side, order.place);
        let index = self.blocks.level(place);
        let rank = &mut self.ranks[index as usize];
        rank.quantity -= order.open;
        rank.orders -= 1;
        order.place = NONE;
        self.blocks.remove(&mut rank.queue, place);
        let (empty, price) = (rank.orders == 0, rank.price);
        self.touch(side, index);
        if empty {
            self.sides[side.index()].remove(price);
            self.by_price[side.index()].remove(price.0 as u64, index);
            self.free.push(index);
        }
    }

    /// Takes lots off an order's displayed part; it keeps its place.
    pub(crate) fn reduce(&mut self, orders: &mut Orders, slot: Slot, by: Quantity) {
        let order = orders.get_mut(slot);
        order.open -= by;
        let (side, index) = (order.side, self.blocks.level(order.place));
        self.ranks[index as usize].quantity -= by;
        self.touch(side, index);
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
            each(match self.find(*side, *price) {
                Some(rank) => self.level(*side, rank),
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

    fn find(&self, side: Side, price: Price) -> Option<u32> {
        let price_of = |rank: u32| self.ranks[rank as usize].price.0 as u64;
        self.by_price[side.index()].find(price.0 as u64, price_of)
    }

    fn level(&self, side: Side, rank: u32) -> Level {
        let rank = &self.ranks[rank as usize];
        Level {
            side,
            price: rank.price,
            quantity: rank.quantity,
            orders: rank.orders,
        }
    }

    fn touch(&mut self, side: Side, index: u32) {
        self.changes += 1;
        let stamp = self.updates + 1;
        let rank = &mut self.ranks[index as usize];
        if rank.stamp != stamp {
            rank.stamp = stamp;
            self.changed.push((side, rank.price));
        }
    }

    fn add_rank(&mut self, side: Side, price: Price) -> u32 {
        let rank = Rank {
            price,
            quantity: Quantity::ZERO,
            stamp: 0,
            orders: 0,
            queue: Queue::EMPTY,
        };
        let index = if let Some(index) = self.free.pop() {
            self.ranks[index as usize] = rank;
            index
        } else {
            self.ranks.push(rank);
            (self.ranks.len() - 1) as u32
        };
        self.sides[side.index()].insert(price, index);
        self.by_price[side.index()].insert(price.0 as u64, index);
        index
    }
}
