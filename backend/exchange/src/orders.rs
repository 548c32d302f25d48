//! Every live order, in one array with a free list. A slot is a number, so nothing is allocated
//! once the array has grown.
//!
//! An order is one cache line, and most of what happens to it touches no other line of its own:
//! where it queues is kept by the book, its price by its level, and what only few orders have
//! ([`Terms`]) apart.

use crate::command::{Amount, Kind, NewOrder, SelfTrade, TimeInForce};
use crate::index::Index;
use crate::units::{AccountId, Money, OrderId, Price, Quantity, Side, SymbolId};

/// A place in the array.
pub(crate) type Slot = u32;

/// No place.
pub(crate) const NONE: Slot = u32::MAX;

/// A live order.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    /// What the queue shows of it.
    pub(crate) open: Quantity,
    /// Total quantity, as amended; decrements of self-trade prevention taken off.
    pub(crate) quantity: Quantity,
    /// What the traded part was worth.
    pub(crate) value: Money,
    pub(crate) entered: u64,
    /// Where it queues in the book; `NONE` while it is not in one.
    pub(crate) place: u32,
    /// Of the crowd's: its place in the crowd's list. Of a special one: its terms.
    pub(crate) link: u32,
    pub(crate) account: AccountId,
    pub(crate) symbol: SymbolId,
    pub(crate) side: Side,
    pub(crate) self_trade: SelfTrade,
    /// Whether it has terms of its own.
    special: bool,
}

impl Order {
    /// As asked for, all of `quantity` shown, in no queue.
    pub(crate) fn new(
        id: OrderId,
        account: AccountId,
        request: &NewOrder,
        quantity: Quantity,
        entered: u64,
    ) -> Self {
        Self {
            id,
            open: quantity,
            quantity,
            value: Money::ZERO,
            entered,
            place: NONE,
            link: NONE,
            account,
            symbol: request.symbol,
            side: request.side,
            self_trade: request.self_trade,
            special: false,
        }
    }
}

/// What makes an order more than a good-till-cancelled limit order that shows all it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) kind: Kind,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) post_only: bool,
    pub(crate) display: Option<Quantity>,
    /// What waits behind the shown part.
    pub(crate) hidden: Quantity,
    /// The trigger of a sleeping order, as it trails.
    pub(crate) trigger: Price,
    pub(crate) waiting: bool,
    /// Market time at which it expires; `u64::MAX`: never.
    pub(crate) expires: u64,
}

impl Terms {
    /// Of a plain order.
    pub(crate) fn plain(price: Price) -> Self {
        Self {
            kind: Kind::Limit { price },
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            display: None,
            hidden: Quantity::ZERO,
            trigger: Price::ZERO,
            waiting: false,
            expires: u64::MAX,
        }
    }

    /// As asked for.
    pub(crate) fn of(request: &NewOrder, expires: u64) -> Self {
        Self {
            kind: request.kind,
            time_in_force: request.time_in_force,
            post_only: request.post_only,
            display: request.display,
            expires,
            ..Self::plain(Price::ZERO)
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Limit { .. })
            && self.time_in_force == TimeInForce::Gtc
            && self.display.is_none()
            && !self.post_only
    }

    /// The order as it would be asked for now, for its total quantity.
    pub(crate) fn request(&self, order: &Order) -> NewOrder {
        NewOrder {
            symbol: order.symbol,
            side: order.side,
            kind: self.kind,
            amount: Amount::Quantity(order.quantity),
            time_in_force: self.time_in_force,
            post_only: self.post_only,
            display: self.display,
            self_trade: order.self_trade,
        }
    }
}

/// The array, and the ways to find an order in it.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    orders: Vec<Order>,
    /// First unused slot; unused ones are threaded by `link`.
    free: Slot,
    terms: Vec<Terms>,
    free_terms: Vec<u32>,
    count: u32,
    index: Index,
}

impl Orders {
    pub(crate) fn new() -> Self {
        Self {
            orders: Vec::new(),
            free: NONE,
            terms: Vec::new(),
            free_terms: Vec::new(),
            count: 0,
            index: Index::new(),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    pub(crate) fn get(&self, slot: Slot) -> &Order {
        &self.orders[slot as usize]
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut Order {
        &mut self.orders[slot as usize]
    }

    /// What it has beyond a plain order.
    pub(crate) fn terms(&self, slot: Slot) -> Option<&Terms> {
        let order = self.get(slot);
        order.special.then(|| &self.terms[order.link as usize])
    }

    pub(crate) fn terms_mut(&mut self, slot: Slot) -> Option<&mut Terms> {
        let order = &self.orders[slot as usize];
        order.special.then(|| &mut self.terms[order.link as usize])
    }

    /// What waits behind the shown part.
    pub(crate) fn hidden(&self, slot: Slot) -> Quantity {
        self.terms(slot)
            .map_or(Quantity::ZERO, |terms| terms.hidden)
    }

    /// What may still trade.
    pub(crate) fn remaining(&self, slot: Slot) -> Quantity {
        self.get(slot).open + self.hidden(slot)
    }

    /// What has traded.
    pub(crate) fn filled(&self, slot: Slot) -> Quantity {
        self.get(slot).quantity - self.remaining(slot)
    }

    pub(crate) fn find(&self, id: OrderId) -> Option<Slot> {
        self.index.find(id.0, |slot| self.get(slot).id.0)
    }

    /// How many slots there are, used or free.
    pub(crate) fn slots(&self) -> usize {
        self.orders.len()
    }

    /// Takes an order in; it is in no queue yet.
    pub(crate) fn insert(&mut self, mut order: Order, terms: Option<Terms>) -> Slot {
        if let Some(terms) = terms {
            order.special = true;
            order.link = if let Some(place) = self.free_terms.pop() {
                self.terms[place as usize] = terms;
                place
            } else {
                self.terms.push(terms);
                (self.terms.len() - 1) as u32
            };
        }
        let slot = if self.free == NONE {
            self.orders.push(order);
            (self.orders.len() - 1) as Slot
        } else {
            let slot = self.free;
            self.free = self.get(slot).link;
            *self.get_mut(slot) = order;
            slot
        };
        self.count += 1;
        self.index.insert(order.id.0, slot);
        slot
    }

    /// Forgets an order that is in no queue any more.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let order = *self.get(slot);
        if order.special {
            self.free_terms.push(order.link);
        }
        self.index.remove(order.id.0, slot);
        let free = self.free;
        let order = self.get_mut(slot);
        order.id = OrderId(0);
        order.special = false;
        order.link = free;
        self.free = slot;
        self.count -= 1;
    }

    /// An account's orders, oldest first. Looks at all there are: seldom asked, and a list kept for
    /// it would cost every order three cache misses.
    pub(crate) fn of(&self, account: AccountId) -> Vec<Slot> {
        self.oldest_first(|slot| self.get(slot).account == account)
    }

    /// What has expired at `now`, oldest first, and when the next of the others does.
    pub(crate) fn expired(&self, now: u64) -> (Vec<Slot>, u64) {
        let expires = |slot| self.terms(slot).map_or(u64::MAX, |terms| terms.expires);
        let next = self.live().map(expires).filter(|expires| *expires > now);
        let next = next.min().unwrap_or(u64::MAX);
        (self.oldest_first(|slot| expires(slot) <= now), next)
    }

    /// Slots in use.
    pub(crate) fn live(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.orders.len() as Slot).filter(|slot| self.get(*slot).id != OrderId(0))
    }

    fn oldest_first(&self, wanted: impl Fn(Slot) -> bool) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self.live().filter(|slot| wanted(*slot)).collect();
        slots.sort_unstable_by_key(|slot| self.get(*slot).id);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_one_cache_line() {
        assert_eq!(size_of::<Order>(), 64);
    }
}
