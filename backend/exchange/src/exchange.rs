//! The exchange as its user sees it: commands and ticks in, events out.

use crate::account::Account;
use crate::candle::Candles;
use crate::clock::{Clock, SPEED_MAX, SPEED_MIN, SimulatorState};
use crate::command::{Command, Control, Shock};
use crate::engine::Engine;
use crate::event::{Condition, Event, Events, OrderReport, SimulatorReport};
use crate::flow::Flow;
use crate::history::History;
use crate::market::Market;
use crate::orders::Orders;
use crate::refusal::Refusal;
use crate::risk::Limits;
use crate::scenario::{Scenario, ScenarioError};
use crate::units::{AccountId, Money, OrderId, SymbolId, TradeId};

/// A whole simulated exchange. Its events are a function of the scenario, the seed, and the
/// commands with their ticks; how the ticks between are walked makes no difference.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub(crate) scenario: Scenario,
    pub(crate) seed: u64,
    pub(crate) engine: Engine,
    pub(crate) flow: Flow,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// An order was entered, amended or cancelled, and now stands like this.
    Order(OrderReport),
    /// So many orders were cancelled.
    Cancelled(u32),
    /// The simulator now is in this state.
    Simulator(SimulatorReport),
    /// Done, nothing to tell.
    Done,
}

impl Exchange {
    /// A new exchange with filled books, at tick 0, running.
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Self, ScenarioError> {
        Self::with_accounts(scenario, seed, 1)
    }

    /// A new exchange with several outside accounts: [`AccountId::USER`] and those after it.
    pub fn with_accounts(
        scenario: &Scenario,
        seed: u64,
        outside: u16,
    ) -> Result<Self, ScenarioError> {
        let mut exchange = Self::unopened(scenario, seed, outside)?;
        let mut events = Events::new();
        exchange.flow.open(&mut exchange.engine, &mut events);
        exchange.engine.publish(&mut events);
        Ok(exchange)
    }

    /// The same exchange in the place of another: ticks, order numbers and trade numbers go on
    /// from there, market time begins anew.
    #[must_use]
    pub fn following(mut self, before: &Self) -> Self {
        let (engine, before) = (&mut self.engine, &before.engine);
        engine.clock.tick = before.clock.tick;
        engine.last_order = engine.last_order.max(before.last_order);
        engine.last_trade = engine.last_trade.max(before.last_trade);
        self
    }

    /// An exchange with empty books.
    pub(crate) fn unopened(
        scenario: &Scenario,
        seed: u64,
        outside: u16,
    ) -> Result<Self, ScenarioError> {
        let terms = scenario.terms()?;
        let kept = usize::from(scenario.remembered);
        let count = usize::from(
            outside.clamp(1, OUTSIDE_MAX) + scenario.flow.accounts(terms.symbols.len()),
        );
        let markets = terms
            .symbols
            .into_iter()
            .enumerate()
            .map(|(index, (instrument, price))| {
                let candles = Candles::new(scenario.candle.ticks(), kept);
                Market::new(SymbolId(index as u16), instrument, price, kept, candles)
            });
        let markets: Vec<_> = markets.collect();
        let account = Account::new(terms.deposit, markets.len());
        let engine = Engine {
            clock: Clock::new(),
            markets,
            orders: Orders::new(),
            accounts: vec![account; count],
            outside: outside.clamp(1, OUTSIDE_MAX),
            deposit: terms.deposit,
            treasury: Money::ZERO,
            fees: terms.fees,
            limits: Limits {
                open_orders: scenario.limits.open_orders,
                minimum_notional: terms.minimum_notional,
                price_band: scenario.limits.price_band,
                positions: terms.positions,
                leverage: scenario.leverage,
            },
            day: scenario.day.ticks(),
            last_order: OrderId(0),
            last_trade: TradeId(0),
            history: History::new(kept),
            dead_man: vec![None; count],
            moved: Vec::new(),
            next_expiry: u64::MAX,
        };
        let mut flow = Flow::new(&scenario.flow, seed, &engine);
        flow.schedule(&scenario.flow.shocks, &engine)?;
        Ok(Self {
            scenario: scenario.clone(),
            seed,
            engine,
            flow,
        })
    }

    /// Walks on to `tick` and emits what happens on the way; a tick not after the present one
    /// changes nothing. Time and events are bounded by the distance: walk long ways in parts.
    pub fn advance(&mut self, tick: u64, events: &mut Events) {
        while self.engine.clock.tick < tick {
            let due = self.engine.clock.step();
            self.dead_men(events);
            for _ in 0..due {
                self.market_tick(events);
            }
            self.engine.publish(events);
        }
    }

    /// Applies the user's command at `tick`: after all that happens by itself up to and in that
    /// tick. A refused command changes nothing.
    pub fn apply(
        &mut self,
        tick: u64,
        command: &Command,
        events: &mut Events,
    ) -> Result<Accepted, Refusal> {
        self.apply_as(AccountId::USER, tick, command, events)
    }

    /// As [`Exchange::apply`], for one of several outside accounts.
    pub fn apply_as(
        &mut self,
        account: AccountId,
        tick: u64,
        command: &Command,
        events: &mut Events,
    ) -> Result<Accepted, Refusal> {
        let now = self.engine.clock.tick;
        if tick < now {
            return Err(Refusal::TickInPast { given: tick, now });
        }
        if !self.engine.reports(account) {
            let problem = format!("account {} is none of the outside ones", account.0);
            return Err(Refusal::InvalidControl(problem));
        }
        self.advance(tick, events);
        let verdict = self.execute(account, command, events);
        self.engine.wake(events);
        self.engine.publish(events);
        verdict
    }

    fn execute(
        &mut self,
        account: AccountId,
        command: &Command,
        events: &mut Events,
    ) -> Result<Accepted, Refusal> {
        let engine = &mut self.engine;
        match command {
            Command::Place(order) => engine.place(account, order, events).map(Accepted::Order),
            Command::Amend(amend) => engine.amend(account, amend, events).map(Accepted::Order),
            Command::Cancel(order) => engine.cancel(account, *order, events).map(Accepted::Order),
            Command::CancelAll { symbol, side } => Ok(Accepted::Cancelled(
                engine.cancel_all(account, *symbol, *side, events),
            )),
            Command::CancelAfter(ticks) => {
                let at = ticks.map(|ticks| engine.clock.tick.saturating_add(ticks.max(1)));
                engine.dead_man[account.index()] = at;
                Ok(Accepted::Done)
            }
            Command::Control(control) => self.control(*control, events),
            Command::Inject(shock) => self.inject(*shock, events),
        }
    }

    fn control(&mut self, control: Control, events: &mut Events) -> Result<Accepted, Refusal> {
        match control {
            Control::Start | Control::Resume => {
                self.engine.clock.state = SimulatorState::Running;
            }
            Control::Pause => {
                if self.engine.clock.state == SimulatorState::Stopped {
                    let problem = "the simulator is stopped; start it first".to_owned();
                    return Err(Refusal::InvalidControl(problem));
                }
                self.engine.clock.state = SimulatorState::Paused;
            }
            Control::Stop => {
                self.engine.clock.state = SimulatorState::Stopped;
                for account in self.engine.outside..self.engine.accounts.len() as u16 {
                    self.engine
                        .cancel_all(AccountId(account), None, None, events);
                }
            }
            Control::Speed(speed) => {
                if !(SPEED_MIN..=SPEED_MAX).contains(&speed) {
                    let problem = "speed has to be 0.1 to 1000".to_owned();
                    return Err(Refusal::InvalidControl(problem));
                }
                self.engine.clock.speed = speed;
            }
            Control::Step(ticks) => {
                if !(1..=STEP_MAX).contains(&ticks) {
                    let problem = format!("a step has to be 1 to {STEP_MAX} ticks");
                    return Err(Refusal::InvalidControl(problem));
                }
                for _ in 0..ticks {
                    self.market_tick(events);
                }
            }
        }
        let report = self.engine.simulator(None);
        events.push(Event::Simulator(report));
        Ok(Accepted::Simulator(report))
    }

    fn inject(&mut self, shock: Shock, events: &mut Events) -> Result<Accepted, Refusal> {
        self.flow.inject(shock, &mut self.engine, events)?;
        Ok(Accepted::Simulator(self.engine.simulator(None)))
    }

    /// One tick of market time: what expires, then what the simulated traders do.
    fn market_tick(&mut self, events: &mut Events) {
        self.engine.clock.market += 1;
        self.engine.expire(events);
        if self.engine.clock.state != SimulatorState::Stopped {
            self.flow.strike(&mut self.engine, events);
            self.flow.run(&mut self.engine, events);
        }
    }

    /// Takes out the orders of accounts whose dead man's switch has run out.
    fn dead_men(&mut self, events: &mut Events) {
        let tick = self.engine.clock.tick;
        for account in 0..self.engine.outside {
            let switch = &mut self.engine.dead_man[usize::from(account)];
            if switch.is_some_and(|at| at <= tick) {
                *switch = None;
                self.engine
                    .cancel_all(AccountId(account), None, None, events);
            }
        }
    }
}

impl Engine {
    pub(crate) fn simulator(&self, condition: Option<(SymbolId, Condition)>) -> SimulatorReport {
        SimulatorReport {
            state: self.clock.state,
            speed: self.clock.speed,
            condition,
            time: self.clock.market,
        }
    }

    /// Enters a simulated trader's order: the traders know the rules, so nothing is checked but
    /// that the price is one.
    pub(crate) fn place_simulated(
        &mut self,
        account: AccountId,
        request: &crate::command::NewOrder,
        events: &mut Events,
    ) -> Option<OrderReport> {
        let sound = match request.kind {
            crate::command::Kind::Limit { price } => price.0 > 0,
            _ => true,
        };
        if !sound {
            return None;
        }
        self.last_order.0 += 1;
        let entry = crate::entry::Entry::new(self.last_order, account, request, self);
        Some(self.execute(entry, events))
    }
}

/// Outside accounts at most.
const OUTSIDE_MAX: u16 = 64;
/// Ticks of market time in one step at most: ten minutes.
const STEP_MAX: u32 = 60_000;
