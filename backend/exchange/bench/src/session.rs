//! Figures of whole sessions: snapshots, and how many of them a core carries.

use cpu_time::ThreadTime;
use holdfast_exchange::{
    Command, Events, Exchange, NewOrder, Price, Quantity, Scenario, Side, SymbolId,
};
use std::time::Duration;

pub(crate) fn measure() {
    let mut exchange = full(10_000);
    let size = exchange.snapshot().len();
    let both = best(20, || {
        let start = ThreadTime::now();
        let bytes = exchange.snapshot();
        exchange = Exchange::restore(&bytes).expect("a snapshot of our own");
        start.elapsed()
    });
    println!(
        "snapshot and restore of 10,000 orders: {both:?}, {} KiB",
        size / 1024
    );
    carry();
    busy();
}

/// The default scenario with a user who never rests: how large a snapshot gets at most.
fn busy() {
    let mut exchange = Exchange::new(&Scenario::default(), 1).expect("sound");
    let mut events = Events::new();
    let mut largest = 0;
    for round in 0..36_000_u64 {
        events.clear();
        let side = if round % 2 == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let symbol = SymbolId((round / 2 % 2) as u16);
        let away = Price(side.sign() * (1 + round as i64 % 40));
        let price = exchange.last_price(symbol) - away;
        let order = match round % 5 {
            0 => NewOrder::market(symbol, side, Quantity(300)),
            _ => NewOrder::limit(symbol, side, price, Quantity(700)),
        };
        // past 200 working orders they are refused
        let _ = exchange.apply(round * 10, &Command::Place(order), &mut events);
        if round % 1_000 == 0 {
            largest = largest.max(exchange.snapshot().len());
        }
    }
    println!(
        "{} working orders, ten commands a second for an hour: snapshot at most {} KiB",
        exchange.working_orders().len(),
        largest / 1024
    );
}

/// The default scenario's sessions, a minute of market time each.
fn carry() {
    let mut events = Events::new();
    let mut sessions: Vec<Exchange> = (0..200)
        .map(|seed| Exchange::new(&Scenario::default(), seed).expect("sound"))
        .collect();
    let start = ThreadTime::now();
    let mut count = 0;
    for tick in 1..=6_000 {
        for session in &mut sessions {
            events.clear();
            session.advance(tick, &mut events);
            count += events.len();
        }
    }
    let spent = start.elapsed().as_secs_f64();
    let market = 60.0 * sessions.len() as f64;
    println!(
        "default sessions: {:.0} events a second each, one core carries {:.0} at speed 1 \
         ({:.1} million events a second), snapshot {} KiB",
        count as f64 / market,
        market / spent,
        count as f64 / spent / 1e6,
        sessions[0].snapshot().len() / 1024
    );
}

/// An exchange with so many of the user's orders.
fn full(orders: i64) -> Exchange {
    let mut scenario = Scenario::default();
    scenario.symbols.truncate(1);
    scenario.limits.open_orders = 20_000;
    scenario.symbols[0].position = "1000000000".into();
    scenario.deposit = "10000000000".into();
    let mut exchange = Exchange::new(&scenario, 0).expect("sound");
    let mut events = Events::new();
    for index in 0..orders {
        let side = if index % 2 == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let price = Price(10_000 - side.sign() * (100 + index % 500));
        let order = NewOrder::limit(SymbolId(0), side, price, Quantity(1_000));
        events.clear();
        exchange
            .apply(0, &Command::Place(order), &mut events)
            .expect("allowed");
    }
    exchange
}

fn best(rounds: usize, mut round: impl FnMut() -> Duration) -> Duration {
    (0..rounds).map(|_| round()).min().unwrap_or_default()
}
