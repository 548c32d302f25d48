//! Events are a function of the scenario, the seed and the commands with their ticks.

use holdfast_exchange::{
    Amend, Command, Control, Event, Events, Exchange, Kind, NewOrder, OrderId, Price, Quantity,
    Scenario, SelfTrade, Side, TimeInForce,
};

fn exchange(seed: u64) -> Exchange {
    Exchange::new(&Scenario::default(), seed).expect("the default scenario is sound")
}

#[test]
fn a_market_moves_by_itself() {
    let mut exchange = exchange(1);
    let mut events = Events::new();
    exchange.advance(1_000, &mut events);
    let trades = events
        .iter()
        .filter(|event| matches!(event, Event::Trade(_)))
        .count();
    let books = events
        .iter()
        .filter(|event| matches!(event, Event::Book(_)))
        .count();
    assert!(trades > 10, "{trades} trades in ten seconds");
    assert!(books > 100, "{books} book updates in ten seconds");
}

#[test]
fn how_the_way_is_walked_makes_no_difference() {
    let (mut once, mut often) = (exchange(7), exchange(7));
    let (mut left, mut right) = (Events::new(), Events::new());
    let order = Command::Place(NewOrder::market(
        once.symbol("ACME").expect("listed"),
        Side::Buy,
        Quantity(2_500),
    ));
    once.apply(500, &order, &mut left).expect("there are asks");
    once.advance(1_000, &mut left);
    for tick in 0..=1_000 {
        often.advance(tick, &mut right);
        if tick == 500 {
            often
                .apply(tick, &order, &mut right)
                .expect("there are asks");
        }
    }
    let texts = |exchange: &Exchange, events: &Events| -> Vec<_> {
        events
            .iter()
            .map(|event| exchange.view(events, event))
            .collect()
    };
    assert_eq!(texts(&once, &left), texts(&often, &right));
    assert_eq!(once.state_hash(), often.state_hash());
    assert_eq!(once.positions(), often.positions());
    assert_eq!(once.positions()[0].quantity, Quantity(2_500));
}

#[test]
fn another_seed_gives_another_market() {
    let (mut one, mut other) = (exchange(1), exchange(2));
    let (mut left, mut right) = (Events::new(), Events::new());
    one.advance(100, &mut left);
    other.advance(100, &mut right);
    assert_ne!(left, right);
}

#[test]
fn a_restored_exchange_goes_on_as_if_nothing_had_happened() {
    let mut original = exchange(3);
    let mut copy = original.clone();
    let (mut left, mut right) = (Events::new(), Events::new());
    for (tick, command) in session(&original).into_iter().enumerate() {
        let tick = tick as u64 * 7;
        left.clear();
        right.clear();
        let verdict = original.apply(tick, &command, &mut left);
        // the copy is torn down and revived before every single event
        copy = Exchange::restore(&copy.snapshot()).expect("a snapshot of our own");
        assert_eq!(
            copy.apply(tick, &command, &mut right),
            verdict,
            "{command:?}"
        );
        assert_eq!(left, right, "{command:?}");
        assert_eq!(original.state_hash(), copy.state_hash(), "{command:?}");
    }
    assert!(original.fills().count() > 5, "the session is not idle");
    assert_eq!(original.working_orders(), copy.working_orders());
}

#[test]
fn an_exchange_revived_at_every_tick_comes_to_the_same_state() {
    for name in ["calm.yaml", "flash_crash.yaml", "news_shock.yaml"] {
        let scenario = crate::scenarios::scenario(name);
        let mut original = Exchange::new(&scenario, 8).expect(name);
        // shortly before the scheduled shocks of the scenarios
        original.advance(11_900, &mut Events::new());
        let mut copy = original.clone();
        let (mut left, mut right) = (Events::new(), Events::new());
        for tick in 11_900..12_600 {
            left.clear();
            right.clear();
            original.advance(tick, &mut left);
            copy = Exchange::restore(&copy.snapshot()).expect("a snapshot of our own");
            copy.advance(tick, &mut right);
            assert_eq!(left, right, "{name} at {tick}");
        }
        assert_eq!(original.state_hash(), copy.state_hash(), "{name}");
    }
}

#[test]
fn a_session_fits_in_64_kib() {
    let mut exchange = exchange(4);
    let mut events = Events::new();
    for (place, command) in session(&exchange).iter().cycle().take(2_000).enumerate() {
        events.clear();
        let _ = exchange.apply(place as u64 * 20, command, &mut events);
    }
    let size = exchange.snapshot().len();
    assert!(size < 64 * 1024, "{size} bytes");
}

#[test]
fn damaged_snapshots_are_refused() {
    let mut exchange = exchange(5);
    exchange.advance(50, &mut Events::new());
    let bytes = exchange.snapshot();
    assert!(Exchange::restore(&bytes).is_ok());
    for place in (0..bytes.len()).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x10;
        assert!(Exchange::restore(&damaged).is_err(), "byte {place}");
        assert!(
            Exchange::restore(&bytes[..place]).is_err(),
            "cut at {place}"
        );
    }
}

/// A busy user: every kind of order and command, near the market.
fn session(exchange: &Exchange) -> Vec<Command> {
    let symbol = exchange.symbol("ACME").expect("listed");
    let mut commands = Vec::new();
    for round in 0..60_i64 {
        let side = if round % 2 == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let near = Price(10_000 - side.sign() * (round % 9));
        let far = Price(10_000 + side.sign() * (5 + round % 3));
        let limit = NewOrder::limit(symbol, side, near, Quantity(1_000 + round));
        let sleeping = |kind| Command::Place(NewOrder { kind, ..limit });
        commands.extend([
            Command::Place(limit),
            Command::Place(NewOrder {
                display: Some(Quantity(300)),
                ..limit
            }),
            Command::Place(NewOrder {
                time_in_force: TimeInForce::Gtd(40),
                ..limit
            }),
            Command::Place(NewOrder::market(symbol, side, Quantity(700))),
            sleeping(Kind::Stop { trigger: far }),
            sleeping(Kind::StopLimit {
                trigger: far,
                price: far,
            }),
            sleeping(Kind::TakeProfit { trigger: far }),
            sleeping(Kind::TakeProfitLimit {
                trigger: far,
                price: far,
            }),
            Command::Place(NewOrder {
                kind: Kind::TrailingStop { distance: Price(3) },
                self_trade: SelfTrade::Decrement,
                ..limit
            }),
            Command::Amend(Amend {
                order: OrderId(900 + round as u64 * 3),
                quantity: Some(Quantity(500)),
                price: None,
                trigger: None,
            }),
            Command::Cancel(OrderId(900 + round as u64 * 5)),
        ]);
        match round % 20 {
            5 => commands.push(Command::CancelAfter(Some(100))),
            9 => commands.push(Command::CancelAll {
                symbol: Some(symbol),
                side: Some(side),
            }),
            11 => commands.push(Command::Control(Control::Speed(2_500))),
            13 => commands.push(Command::Control(Control::Pause)),
            15 => commands.push(Command::Control(Control::Step(50))),
            17 => commands.push(Command::Control(Control::Resume)),
            _ => {}
        }
    }
    commands
}
