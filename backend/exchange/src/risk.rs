//! What is checked before an order may touch the book. A refused order leaves no trace.

use crate::account::shifted;
use crate::command::{Amount, Kind, NewOrder, TimeInForce};
use crate::engine::Engine;
use crate::instrument::money_text;
use crate::market::{Market, crosses};
use crate::refusal::Refusal;
use crate::units::{AccountId, Money, Price, Quantity, UNITS_MAX};

/// The limits every outside account has.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Working orders, sleeping ones too.
    pub(crate) open_orders: u32,
    /// The least an order must be worth.
    pub(crate) minimum_notional: Money,
    /// How far a limit may lie from the mark, in basis points.
    pub(crate) price_band: u16,
    /// The largest position either way, for each instrument.
    pub(crate) positions: Vec<Quantity>,
    /// How many times its equity an account may hold.
    pub(crate) leverage: u32,
}

impl Engine {
    pub(crate) fn check(&self, account: AccountId, new: &NewOrder) -> Result<(), Refusal> {
        let market = self.markets.get(new.symbol.index());
        let market = market.ok_or_else(|| Refusal::UnknownSymbol(format!("#{}", new.symbol.0)))?;
        check_shape(new)?;
        let (quantity, value) = self.check_market(new, market)?;
        if value < self.limits.minimum_notional {
            return Err(Refusal::NotionalTooSmall {
                value: money_text(value),
                minimum: money_text(self.limits.minimum_notional),
            });
        }
        let books = &self.accounts[account.index()];
        if books.orders >= self.limits.open_orders {
            return Err(Refusal::TooManyOrders(self.limits.open_orders));
        }
        self.check_position(account, new, quantity)?;
        self.check_balance(account, new, quantity, value)
    }

    /// Checks an order again that has slept, as the market and the account are by now.
    pub(crate) fn check_woken(&self, account: AccountId, new: &NewOrder) -> Result<(), Refusal> {
        let market = &self.markets[new.symbol.index()];
        let (quantity, value) = self.check_market(new, market)?;
        self.check_position(account, new, quantity)?;
        self.check_balance(account, new, quantity, value)
    }

    /// What the market says to the order; how many lots it is for and what they are worth.
    fn check_market(&self, new: &NewOrder, market: &Market) -> Result<(Quantity, Money), Refusal> {
        if self.clock.market < market.halted_until {
            return Err(Refusal::Halted(market.instrument.symbol().to_owned()));
        }
        let limit = self.check_prices(new)?;
        let reference = limit.unwrap_or_else(|| market.mark());
        Ok(match new.amount {
            Amount::Quantity(quantity) => {
                (quantity, market.instrument.notional(reference, quantity))
            }
            Amount::Notional(value) => (
                market.instrument.affordable(value, reference.max(Price(1))),
                value,
            ),
        })
    }

    /// Ticks, band, and what the book says to the kind. The limit price, if there is one.
    fn check_prices(&self, new: &NewOrder) -> Result<Option<Price>, Refusal> {
        let market = &self.markets[new.symbol.index()];
        let instrument = &market.instrument;
        let (limit, trigger) = match new.kind {
            Kind::Limit { price } => (Some(price), None),
            Kind::Market => (None, None),
            Kind::Stop { trigger } | Kind::TakeProfit { trigger } => (None, Some(trigger)),
            Kind::StopLimit { trigger, price } | Kind::TakeProfitLimit { trigger, price } => {
                (Some(price), Some(trigger))
            }
            Kind::TrailingStop { distance } => (None, Some(distance)),
        };
        for price in limit.iter().chain(&trigger) {
            if !(1..=UNITS_MAX).contains(&price.0) {
                return Err(Refusal::InvalidPrice("must be above zero".to_owned()));
            }
        }
        if let Some(price) = limit {
            let (mark, band) = (market.mark(), i64::from(self.limits.price_band));
            // both sides times ten thousand: no division, and far from 64 bits
            let distance = (price - mark).0.abs() * 10_000;
            if distance > mark.0 * band {
                let (low, high) = (shifted(mark, -band), shifted(mark, band));
                return Err(Refusal::OutsideBand {
                    price: instrument.price_text(price),
                    low: instrument.price_text(low),
                    high: instrument.price_text(high),
                });
            }
        }
        let opposite = market.book.best(new.side.opposite());
        match (new.kind, opposite) {
            (Kind::Market, None) => {
                let missing = if new.side.sign() > 0 { "asks" } else { "bids" };
                Err(Refusal::NoLiquidity(missing))
            }
            (Kind::Limit { price }, Some(best))
                if new.post_only && crosses(new.side, price, best) =>
            {
                Err(Refusal::WouldTake(instrument.price_text(best)))
            }
            _ => Ok(limit),
        }
    }

    /// The position with all working orders of the side filled must stay within the limit, unless
    /// the order only brings it nearer to zero.
    fn check_position(
        &self,
        account: AccountId,
        new: &NewOrder,
        quantity: Quantity,
    ) -> Result<(), Refusal> {
        let position = &self.accounts[account.index()].positions[new.symbol.index()];
        let limit = self.limits.positions[new.symbol.index()];
        let working = position.working[new.side.index()] + quantity;
        let reached = position.quantity + Quantity(working.0 * new.side.sign());
        if reached.0 * new.side.sign() <= limit.0 {
            return Ok(());
        }
        let instrument = &self.markets[new.symbol.index()].instrument;
        Err(Refusal::PositionLimit {
            reached: instrument.quantity_text(reached),
            limit: instrument.quantity_text(limit),
        })
    }

    /// Equity times leverage must cover the worst the account could come to hold.
    fn check_balance(
        &self,
        account: AccountId,
        new: &NewOrder,
        quantity: Quantity,
        value: Money,
    ) -> Result<(), Refusal> {
        let books = &self.accounts[account.index()];
        let (mut equity, mut before, mut after) = (books.balance, Money::ZERO, Money::ZERO);
        for (market, position) in self.markets.iter().zip(&books.positions) {
            let mark = market.mark();
            let worth = |lots: i64| market.instrument.notional(mark, Quantity(lots));
            equity += worth(position.quantity.0);
            let [mut buys, mut sells] = position.working.map(|lots| lots.0);
            let held = position.quantity.0;
            before += worth((held + buys).abs().max((held - sells).abs()));
            if market.book.symbol == new.symbol {
                match new.side {
                    crate::Side::Buy => buys += quantity.0,
                    crate::Side::Sell => sells += quantity.0,
                }
                // its own lots at what they would cost, if that is more than the mark
                let dearer = Money((value - worth(quantity.0)).0.max(0));
                after += dearer;
            }
            after += worth((held + buys).abs().max((held - sells).abs()));
        }
        let power = Money(equity.0.max(0) * i128::from(self.limits.leverage));
        if after <= power || after <= before {
            return Ok(());
        }
        Err(Refusal::InsufficientBalance {
            needed: money_text(after - before),
            available: money_text(Money((power - before).0.max(0))),
        })
    }
}

/// What no market could make sense of.
fn check_shape(new: &NewOrder) -> Result<(), Refusal> {
    let wrong = |text: &str| Err(Refusal::InvalidOrder(text.to_owned()));
    let limit = new.kind.limit().is_some();
    let takes_now = matches!(new.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    match new.amount {
        Amount::Quantity(quantity) if !(1..=UNITS_MAX).contains(&quantity.0) => {
            return Err(Refusal::InvalidQuantity("must be above zero".to_owned()));
        }
        Amount::Notional(value) if value <= Money::ZERO => {
            return Err(Refusal::InvalidQuantity(
                "notional must be above zero".to_owned(),
            ));
        }
        Amount::Notional(_) if new.kind != Kind::Market => {
            return wrong("only market orders can be given by notional; give a quantity");
        }
        _ => {}
    }
    if new.post_only && (!matches!(new.kind, Kind::Limit { .. }) || takes_now) {
        return wrong("only limit orders that may rest (gtc, gtd, day) can be post-only");
    }
    if let Some(display) = new.display {
        if !limit || takes_now {
            return wrong("only limit orders that may rest can show less than their quantity");
        }
        if display <= Quantity::ZERO {
            return Err(Refusal::InvalidQuantity(
                "display must be above zero".to_owned(),
            ));
        }
    }
    if let TimeInForce::Gtd(0) = new.time_in_force {
        return wrong("a good-till-date order has to live for at least one tick");
    }
    Ok(())
}
