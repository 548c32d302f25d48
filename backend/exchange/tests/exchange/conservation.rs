//! Whatever is thrown at it, nothing is made or lost.

use holdfast_exchange::{
    AccountId, Amend, Amount, Command, Event, Events, Exchange, Execution, Kind, NewOrder, OrderId,
    OrderReport, Price, Quantity, Scenario, SelfTrade, Side, SymbolId, TimeInForce, checksum,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Step {
    account: u16,
    wait: u64,
    command: Command,
}

fn kinds() -> impl Strategy<Value = Kind> {
    let price = (9_985_i64..10_015).prop_map(Price);
    prop_oneof![
        6 => price.clone().prop_map(|price| Kind::Limit { price }),
        2 => Just(Kind::Market),
        1 => price.clone().prop_map(|trigger| Kind::Stop { trigger }),
        1 => (price.clone(), price.clone())
            .prop_map(|(trigger, price)| Kind::StopLimit { trigger, price }),
        1 => price.clone().prop_map(|trigger| Kind::TakeProfit { trigger }),
        1 => (price.clone(), price)
            .prop_map(|(trigger, price)| Kind::TakeProfitLimit { trigger, price }),
        1 => (1_i64..9).prop_map(|distance| Kind::TrailingStop { distance: Price(distance) }),
    ]
}

fn orders() -> impl Strategy<Value = Command> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let force = prop_oneof![
        4 => Just(TimeInForce::Gtc),
        1 => Just(TimeInForce::Ioc),
        1 => Just(TimeInForce::Fok),
        1 => (1_u64..50).prop_map(TimeInForce::Gtd),
    ];
    let self_trade = prop_oneof![
        Just(SelfTrade::None),
        Just(SelfTrade::Taker),
        Just(SelfTrade::Maker),
        Just(SelfTrade::Both),
        Just(SelfTrade::Decrement),
    ];
    let display = proptest::option::weighted(0.2, (100_i64..900).prop_map(Quantity));
    (
        kinds(),
        side,
        50_i64..5_000,
        force,
        self_trade,
        display,
        any::<bool>(),
    )
        .prop_map(
            |(kind, side, lots, time_in_force, self_trade, display, by_notional)| {
                let resting = kind.limit().is_some()
                    && !matches!(time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
                let order = NewOrder {
                    kind,
                    time_in_force,
                    self_trade,
                    display: display.filter(|_| resting),
                    ..NewOrder::limit(SymbolId(0), side, Price(1), Quantity(lots))
                };
                let money = holdfast_exchange::Money(i128::from(lots) * 9_987_654_321);
                Command::Place(match kind {
                    Kind::Market if by_notional => NewOrder {
                        amount: Amount::Notional(money),
                        ..order
                    },
                    _ => order,
                })
            },
        )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let order = (1_u64..60).prop_map(OrderId);
    let command = prop_oneof![
        8 => orders(),
        2 => order.clone().prop_map(Command::Cancel),
        2 => (order, proptest::option::of(1_i64..5_000), proptest::option::of(9_985_i64..10_015))
            .prop_map(|(order, quantity, price)| Command::Amend(Amend {
                order,
                quantity: quantity.map(Quantity),
                price: price.map(Price),
                trigger: None,
            })),
        1 => Just(Command::CancelAll { symbol: None, side: Some(Side::Buy) }),
    ];
    let step = (0_u16..3, 0_u64..8, command).prop_map(|(account, wait, command)| Step {
        account,
        wait,
        command,
    });
    proptest::collection::vec(step, 1..120)
}

/// What a client knows who hears nothing but events.
#[derive(Default)]
struct Listener {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    last: u64,
    orders: BTreeMap<OrderId, OrderReport>,
    fills: BTreeMap<OrderId, i64>,
    /// Lots that were asked for, as amended.
    entered: BTreeMap<OrderId, i64>,
    /// Lots that were cancelled, expired, rejected or prevented.
    taken_off: BTreeMap<OrderId, i64>,
}

impl Listener {
    fn hear(&mut self, exchange: &Exchange, events: &Events) {
        for event in events {
            match event {
                Event::Book(update) => {
                    assert_eq!(update.first, self.last + 1, "an update is missing");
                    self.last = update.last;
                    for level in events.levels(update) {
                        let side = match level.side {
                            Side::Buy => &mut self.bids,
                            Side::Sell => &mut self.asks,
                        };
                        side.insert(level.price.0, level.quantity.0);
                    }
                    self.bids.retain(|_, lots| *lots != 0);
                    self.asks.retain(|_, lots| *lots != 0);
                    if let Some(expected) = update.checksum {
                        assert_eq!(self.checksum(exchange), expected);
                    }
                }
                Event::Order(report) => {
                    let before = self.orders.insert(report.id, *report);
                    let finished = before.is_some_and(|before| before.status.is_final());
                    assert!(!finished, "a finished order lives on: {report:?}");
                    self.count(before, report);
                }
                Event::Fill(fill) => {
                    *self.fills.entry(fill.order).or_default() += fill.quantity.0;
                }
                _ => {}
            }
        }
    }

    /// Lots in, lots off.
    fn count(&mut self, before: Option<OrderReport>, report: &OrderReport) {
        let entered = self.entered.entry(report.id).or_default();
        let off = self.taken_off.entry(report.id).or_default();
        let change = report.quantity.0 - before.map_or(0, |before| before.quantity.0);
        // what an order by notional is for is known at its end
        let by_notional = before.is_some_and(|before| before.quantity == Quantity::ZERO);
        match report.execution {
            Execution::New | Execution::Replaced => *entered += change,
            _ if by_notional => *entered += change,
            Execution::Prevented => *off -= change,
            _ => assert_eq!(change, 0, "lots from nowhere: {before:?} {report:?}"),
        }
        if report.status.is_final() {
            *off += report.quantity.0 - report.filled.0;
        }
    }

    fn checksum(&self, exchange: &Exchange) -> u32 {
        let instrument = exchange.instrument(SymbolId(0));
        let text = |(price, lots): (&i64, &i64)| {
            let price = instrument.price_text(Price(*price));
            (price, instrument.quantity_text(Quantity(*lots)))
        };
        let asks: Vec<_> = self.asks.iter().map(text).collect();
        let bids: Vec<_> = self.bids.iter().rev().map(text).collect();
        fn pair(level: &(String, String)) -> (&str, &str) {
            (&level.0, &level.1)
        }
        checksum::of_text(asks.iter().map(pair), bids.iter().map(pair))
    }

    /// The book from events is the book; every order's quantity is filled, resting or cancelled.
    fn compare(&self, exchange: &Exchange) {
        let depth = exchange.depth(SymbolId(0), usize::MAX);
        let levels = |levels: &[holdfast_exchange::Level]| -> BTreeMap<i64, i64> {
            levels
                .iter()
                .map(|level| (level.price.0, level.quantity.0))
                .collect()
        };
        assert_eq!(levels(&depth.bids), self.bids);
        assert_eq!(levels(&depth.asks), self.asks);
        for (id, report) in &self.orders {
            let filled = self.fills.get(id).copied().unwrap_or_default();
            assert_eq!(report.filled.0, filled, "fills of {id:?}");
            assert!(report.filled <= report.quantity, "{report:?}");
            let resting = if report.status.is_final() {
                0
            } else {
                report.quantity.0 - filled
            };
            let (entered, off) = (self.entered[id], self.taken_off[id]);
            assert_eq!(entered, filled + resting + off, "{report:?}");
        }
        let heard = self
            .orders
            .values()
            .filter(|report| report.account == AccountId::USER && !report.status.is_final());
        let working = exchange.working_orders();
        let remaining = |report: &OrderReport| (report.id, report.quantity - report.filled);
        assert_eq!(
            working.iter().map(remaining).collect::<BTreeMap<_, _>>(),
            heard.map(remaining).collect::<BTreeMap<_, _>>(),
        );
    }
}

fn check(scenario: &Scenario, seed: u64, steps: &[Step]) {
    let mut exchange = Exchange::with_accounts(scenario, seed, 3).expect("a sound scenario");
    let depth = exchange.depth(SymbolId(0), usize::MAX);
    let mut listener = Listener {
        last: depth.last,
        ..Listener::default()
    };
    listener.bids.extend(
        depth
            .bids
            .iter()
            .map(|level| (level.price.0, level.quantity.0)),
    );
    listener.asks.extend(
        depth
            .asks
            .iter()
            .map(|level| (level.price.0, level.quantity.0)),
    );
    let mut events = Events::new();
    for step in steps {
        events.clear();
        let before = exchange.state_hash();
        let tick = exchange.tick() + step.wait;
        let account = AccountId(step.account);
        let verdict = exchange.apply_as(account, tick, &step.command, &mut events);
        if verdict.is_err() && step.wait == 0 {
            assert_eq!(
                exchange.state_hash(),
                before,
                "a refused command left a trace"
            );
            assert!(events.is_empty(), "a refused command was heard");
        }
        listener.hear(&exchange, &events);
        exchange.audit().expect("the books balance");
    }
    listener.compare(&exchange);
    let copy = Exchange::restore(&exchange.snapshot()).expect("a snapshot of our own");
    assert_eq!(copy.state_hash(), exchange.state_hash());
    copy.audit().expect("the copy's books balance");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_made_or_lost_among_users(steps in steps()) {
        let mut scenario = Scenario::default();
        scenario.symbols.truncate(1);
        scenario.flow.crowd = None;
        check(&scenario, 0, &steps);
    }

    #[test]
    fn nothing_is_made_or_lost_in_a_living_market(seed: u64, steps in steps()) {
        let mut scenario = Scenario::default();
        scenario.symbols.truncate(1);
        check(&scenario, seed, &steps);
    }
}
