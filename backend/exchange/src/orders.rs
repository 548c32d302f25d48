//! Every live order, in one array with a free list; queues, accounts and the crowd are threads
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
    /// Neighbours among the account's orders, oldest first.
    pub(crate) account_next: Slot,
    pub(crate) account_previous: Slot,
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
            account_next: NONE,
            account_previous: NONE,
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
    /// First and last order of each account.
    chains: Vec<(Slot, Slot)>,
}

impl Orders {
    pub(crate) fn new(accounts: usize) -> Self {
        Self {
            hot: Vec::new(),
            cold: Vec::new(),
            free: NONE,
            count: 0,
            index: Index::new(),
            chains: vec![(NONE, NONE); accounts],
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
        let slot = self.insert_unchained(order, detail);
        self.chain(order.account, slot);
        slot
    }

    /// As [`Orders::insert`], but the account does not know of it until [`Orders::rechain`].
    pub(crate) fn insert_unchained(&mut self, order: Order, detail: Detail) -> Slot {
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

    /// Gives an account its orders, oldest first; whether they are its own.
    pub(crate) fn rechain(&mut self, account: AccountId, slots: &[Slot]) -> bool {
        let own = slots.iter().all(|slot| self.hot(*slot).account == account);
        for slot in slots {
            self.chain(account, *slot);
        }
        own
    }

    /// Forgets an order that is in no queue any more.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let (id, account) = (self.hot(slot).id, self.hot(slot).account);
        self.unchain(account, slot);
        let hot = &self.hot;
        self.index.remove(id.0, |slot| hot[slot as usize].id.0);
        let free = self.free;
        let order = self.hot_mut(slot);
        order.id = OrderId(0);
        order.next = free;
        self.free = slot;
        self.count -= 1;
    }

    /// An account's oldest order.
    pub(crate) fn first_of(&self, account: AccountId) -> Option<Slot> {
        Some(self.chains[account.index()].0).filter(|slot| *slot != NONE)
    }

    /// An account's orders, oldest first.
    pub(crate) fn of(&self, account: AccountId) -> impl Iterator<Item = Slot> + '_ {
        std::iter::successors(self.first_of(account), |slot| {
            Some(self.hot(*slot).account_next).filter(|next| *next != NONE)
        })
    }

    fn chain(&mut self, account: AccountId, slot: Slot) {
        let last = self.chains[account.index()].1;
        let order = self.hot_mut(slot);
        order.account_previous = last;
        order.account_next = NONE;
        if last == NONE {
            self.chains[account.index()].0 = slot;
        } else {
            self.hot_mut(last).account_next = slot;
        }
        self.chains[account.index()].1 = slot;
    }

    fn unchain(&mut self, account: AccountId, slot: Slot) {
        let (previous, next) = {
            let order = self.hot(slot);
            (order.account_previous, order.account_next)
        };
        if previous == NONE {
            self.chains[account.index()].0 = next;
        } else {
            self.hot_mut(previous).account_next = next;
        }
        if next == NONE {
            self.chains[account.index()].1 = previous;
        } else {
            self.hot_mut(next).account_previous = previous;
        }
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
