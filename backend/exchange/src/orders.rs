//! Every live order, in one array with a free list; queues are threads
//! through it. A slot is a number, so nothing is allocated once the array has grown.

use crate::command::{Amount, Kind, NewOrder, SelfTrade, TimeInForce};
use crate::index::Index;
use crate::units::{AccountId, Money, OrderId, Price, Quantity, Side, SymbolId};

/// A place in the array.
pub(crate) type Slot = u32;

/// No place.
pub(crate) const NONE: Slot = u32::MAX;

/// What matching looks at: one cache line per order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) price: Price,
    /// What the queue shows of it.
    pub(crate) open: Quantity,
    /// What waits behind (icebergs).
    pub(crate) hidden: Quantity,
    pub(crate) next: Slot,
    pub(crate) previous: Slot,
    /// Its level in the book; `NONE` while it is not in one.
    pub(crate) level: u32,
    pub(crate) account: AccountId,
    pub(crate) symbol: SymbolId,
    pub(crate) side: Side,
}

impl Order {
    /// Of `side`, all `open`, in no queue.
    pub(crate) fn new(
        id: OrderId,
        account: AccountId,
        symbol: SymbolId,
        side: Side,
        price: Price,
        open: Quantity,
    ) -> Self {
        Self {
            id,
            price,
            open,
            hidden: Quantity::ZERO,
            next: NONE,
            previous: NONE,
            level: NONE,
            account,
            symbol,
            side,
        }
    }

    /// What may still trade.
    pub(crate) fn remaining(&self) -> Quantity {
        self.open + self.hidden
    }
}

/// What only reports, triggers and expiry look at: two cache lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detail {
    pub(crate) kind: Kind,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) display: Option<Quantity>,
    pub(crate) post_only: bool,
    pub(crate) self_trade: SelfTrade,
    pub(crate) waiting: bool,
    /// Its place in the crowd's list.
    pub(crate) crowd: u32,
    /// The trigger of a sleeping order, as it trails.
    pub(crate) trigger: Price,
    /// Total quantity, as amended; decrements of self-trade prevention taken off.
    pub(crate) quantity: Quantity,
    pub(crate) filled: Quantity,
    pub(crate) value: Money,
    pub(crate) entered: u64,
    /// Market time at which it expires; `u64::MAX`: never.
    pub(crate) expires: u64,
}

impl Detail {
    /// Of an order that neither sleeps nor expires, with nothing filled.
    pub(crate) fn new(request: &NewOrder, quantity: Quantity, entered: u64) -> Self {
        Self {
            kind: request.kind,
            time_in_force: request.time_in_force,
            display: request.display,
            post_only: request.post_only,
            self_trade: request.self_trade,
            waiting: false,
            crowd: 0,
            trigger: Price::ZERO,
            quantity,
            filled: Quantity::ZERO,
            value: Money::ZERO,
            entered,
            expires: u64::MAX,
        }
    }

    /// The order as it would be asked for now, for its total quantity.
    pub(crate) fn request(&self, order: &Order) -> NewOrder {
        NewOrder {
            symbol: order.symbol,
            side: order.side,
            kind: self.kind,
            amount: Amount::Quantity(self.quantity),
            time_in_force: self.time_in_force,
            post_only: self.post_only,
            display: self.display,
            self_trade: self.self_trade,
        }
    }
}

/// The array, and the ways to find an order in it.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    hot: Vec<Order>,
    cold: Vec<Detail>,
    free: Slot,
    count: u32,
    index: Index,
}

impl Orders {
    pub(crate) fn new() -> Self {
        Self {
            hot: Vec::new(),
            cold: Vec::new(),
            free: NONE,
            count: 0,
            index: Index::new(),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    pub(crate) fn hot(&self, slot: Slot) -> &Order {
        &self.hot[slot as usize]
    }

    pub(crate) fn hot_mut(&mut self, slot: Slot) -> &mut Order {
        &mut self.hot[slot as usize]
    }

    pub(crate) fn cold(&self, slot: Slot) -> &Detail {
        &self.cold[slot as usize]
    }

    pub(crate) fn cold_mut(&mut self, slot: Slot) -> &mut Detail {
        &mut self.cold[slot as usize]
    }

    pub(crate) fn find(&self, id: OrderId) -> Option<Slot> {
        self.index.find(id.0, |slot| self.hot[slot as usize].id.0)
    }

    /// How many slots there are, used or free.
    pub(crate) fn slots(&self) -> usize {
        self.hot.len()
    }

    /// Takes an order in; it is in no queue yet.
    pub(crate) fn insert(&mut self, order: Order, detail: Detail) -> Slot {
        let slot = if self.free == NONE {
            self.hot.push(order);
            self.cold.push(detail);
            (self.hot.len() - 1) as Slot
        } else {
            let slot = self.free;
            self.free = self.hot[slot as usize].next;
            self.hot[slot as usize] = order;
            self.cold[slot as usize] = detail;
            slot
        };
        self.count += 1;
        let hot = &self.hot;
        self.index
            .insert(order.id.0, slot, |slot| hot[slot as usize].id.0);
        slot
    }

    /// Forgets an order that is in no queue any more.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let id = self.hot(slot).id;
        let hot = &self.hot;
        self.index.remove(id.0, |slot| hot[slot as usize].id.0);
        let free = self.free;
        let order = self.hot_mut(slot);
        order.id = OrderId(0);
        order.next = free;
        self.free = slot;
        self.count -= 1;
    }

    /// An account's orders, oldest first. Looks at all there are: seldom asked, and a list kept for
    /// it would cost every order three cache misses.
    pub(crate) fn of(&self, account: AccountId) -> Vec<Slot> {
        self.oldest_first(|slot| self.hot(slot).account == account)
    }

    /// What has expired at `now`, oldest first, and when the next of the others does.
    pub(crate) fn expired(&self, now: u64) -> (Vec<Slot>, u64) {
        let live = self.live().map(|slot| self.cold(slot).expires);
        let next = live.filter(|expires| *expires > now).min();
        let expired = self.oldest_first(|slot| self.cold(slot).expires <= now);
        (expired, next.unwrap_or(u64::MAX))
    }

    /// Slots in use.
    pub(crate) fn live(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.hot.len() as Slot).filter(|slot| self.hot(*slot).id != OrderId(0))
    }

    fn oldest_first(&self, wanted: impl Fn(Slot) -> bool) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self.live().filter(|slot| wanted(*slot)).collect();
        slots.sort_unstable_by_key(|slot| self.hot(*slot).id);
        slots
    }
}

/// When an order entered at `now` expires.
pub(crate) fn expiry(time_in_force: TimeInForce, now: u64, day: u64) -> u64 {
    match time_in_force {
        TimeInForce::Gtd(ticks) => now.saturating_add(ticks),
        TimeInForce::Day => (now / day + 1) * day,
        TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok => u64::MAX,
    }
}
