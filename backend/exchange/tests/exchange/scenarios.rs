//! The scenarios that are delivered: `conf/scenarios/*.yaml`.

use holdfast_exchange::{
    Command, Condition, Event, Events, Exchange, NewOrder, OrderId, Price, Quantity, Scenario,
    ShockRequest, Side, SymbolId,
};
use std::path::Path;

/// Reads one of the delivered scenarios.
pub(crate) fn scenario(name: &str) -> Scenario {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf/scenarios");
    let text = std::fs::read_to_string(folder.join(name)).expect("a delivered scenario");
    serde_saphyr::from_str(&text).expect(name)
}

const ALL: [&str; 6] = [
    "calm.yaml",
    "volatile.yaml",
    "flash_crash.yaml",
    "halt.yaml",
    "thin_book.yaml",
    "news_shock.yaml",
];
const ACME: SymbolId = SymbolId(0);

#[test]
fn the_built_in_scenario_is_the_calm_one() {
    let mut calm = scenario("calm.yaml");
    let built_in = Scenario::default();
    // "100.00" and 100 are the same price, written differently
    for (file, default) in calm.symbols.iter_mut().zip(&built_in.symbols) {
        assert_eq!(
            file.price.as_str().parse(),
            default.price.as_str().parse::<f64>()
        );
        file.price = default.price.clone();
    }
    assert_eq!(calm, built_in);
}

#[test]
fn every_scenario_trades_balances_and_survives_a_revival() {
    for name in ALL {
        let mut exchange = Exchange::new(&scenario(name), 9).expect(name);
        let mut events = Events::new();
        let mut trades = 0;
        for minute in 1..=6_u64 {
            for second in 0..60 {
                events.clear();
                exchange.advance((minute - 1) * 6_000 + second * 100 + 100, &mut events);
                trades += events
                    .iter()
                    .filter(|event| matches!(event, Event::Trade(_)))
                    .count();
            }
            exchange.audit().expect(name);
            let bytes = exchange.snapshot();
            let revived = Exchange::restore(&bytes).expect(name);
            assert_eq!(revived.state_hash(), exchange.state_hash(), "{name}");
            assert!(bytes.len() < 48 * 1024, "{name}: {} bytes", bytes.len());
            exchange = revived;
        }
        assert!(trades > 100, "{name}: {trades} trades in six minutes");
    }
}

#[test]
fn a_scenario_out_of_bounds_names_the_key_and_the_bounds() {
    let refuse = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = Scenario::default();
        change(&mut scenario);
        Exchange::new(&scenario, 0)
            .expect_err("out of bounds")
            .to_string()
    };
    let explosive = refuse(&|scenario| {
        scenario.flow.clusters.as_mut().expect("on").branching = 1.0;
    });
    assert!(
        explosive.starts_with("flow.clusters.branching: 0 to below 1"),
        "{explosive}"
    );
    let symbol = refuse(&|scenario| scenario.symbols[1].symbol = "ACME".to_owned());
    assert!(
        symbol.starts_with("symbols[1].symbol: is there twice"),
        "{symbol}"
    );
    let price = refuse(&|scenario| scenario.symbols[0].price = "100.005".into());
    assert!(price.contains("nearest are 100.00 and 100.01"), "{price}");
    let unknown = serde_saphyr::from_str::<Scenario>("flow: { crowds: {} }");
    assert!(
        unknown
            .expect_err("unknown key")
            .to_string()
            .contains("crowds")
    );
}

#[test]
fn a_crash_goes_deep_and_comes_back() {
    let mut exchange = Exchange::new(&scenario("flash_crash.yaml"), 3).expect("sound");
    let before = low(&mut exchange, 11_900, 12_000);
    let bottom = low(&mut exchange, 12_000, 15_000);
    let after = low(&mut exchange, 28_000, 30_000);
    assert!(before - bottom > 60, "{before} to {bottom}: no crash");
    assert!(
        after - bottom > (before - bottom) / 2,
        "{bottom} to {after}: no recovery"
    );
}

#[test]
fn a_halt_refuses_orders_and_lets_cancels_through() {
    let mut exchange = Exchange::new(&scenario("halt.yaml"), 3).expect("sound");
    let mut events = Events::new();
    let price = Price(exchange.last_price(ACME).0 - 800);
    let order = Command::Place(NewOrder::limit(ACME, Side::Buy, price, Quantity(100)));
    let resting = exchange
        .apply(10, &order, &mut events)
        .expect("nothing is halted");
    let holdfast_exchange::Accepted::Order(report) = resting else {
        panic!("an order's answer is an order: {resting:?}");
    };
    events.clear();
    exchange.advance(6_600, &mut events);
    let condition = |events: &Events, wanted: Condition| {
        events.iter().any(|event| {
            matches!(event, Event::Simulator(report)
                if report.condition == Some((ACME, wanted)))
        })
    };
    assert!(condition(&events, Condition::News) && condition(&events, Condition::Halted));
    let refusal = exchange
        .apply(6_600, &order, &mut events)
        .expect_err("halted");
    assert_eq!((refusal.code(), refusal.retryable()), ("halted", true));
    events.clear();
    exchange.advance(12_000, &mut events);
    let traded = events
        .iter()
        .any(|event| matches!(event, Event::Trade(trade) if trade.symbol == ACME));
    assert!(!traded, "somebody traded in a halted market");
    exchange
        .apply(12_000, &Command::Cancel(report.id), &mut events)
        .expect("cancels pass");
    let gone = exchange.apply(12_000, &Command::Cancel(OrderId(1 << 40)), &mut events);
    assert_eq!(gone.expect_err("never was").code(), "unknown_order");
    events.clear();
    exchange.advance(13_000, &mut events);
    assert!(condition(&events, Condition::Reopened));
}

#[test]
fn news_moves_the_price_to_where_it_now_belongs() {
    let mut exchange = Exchange::new(&scenario("calm.yaml"), 3).expect("sound");
    let mut events = Events::new();
    exchange.advance(1_000, &mut events);
    let before = exchange.last_price(ACME).0;
    let news = ShockRequest::News {
        symbol: "ACME".to_owned(),
        basis_points: 200,
    };
    let command = exchange.read_shock(&news).expect("listed");
    exchange
        .apply(1_000, &command, &mut events)
        .expect("within bounds");
    exchange.advance(7_000, &mut events);
    let moved = exchange.last_price(ACME).0 - before;
    assert!(
        (120..=280).contains(&moved),
        "{moved} ticks after news of 2 %"
    );
}

/// The lowest trade between two ticks.
fn low(exchange: &mut Exchange, from: u64, to: u64) -> i64 {
    let mut events = Events::new();
    exchange.advance(from, &mut events);
    events.clear();
    exchange.advance(to, &mut events);
    let prices = events.iter().filter_map(|event| match event {
        Event::Trade(trade) if trade.symbol == ACME => Some(trade.price.0),
        _ => None,
    });
    prices.min().expect("somebody traded")
}
