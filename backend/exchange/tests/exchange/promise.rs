//! Events are a function of the scenario, the seed and the commands with their ticks.

use holdfast_exchange::{Command, Event, Events, Exchange, NewOrder, Quantity, Scenario, Side};

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
