//! What must hold in the long run: no allocation.

use holdfast_exchange::{
    Command, Events, Exchange, NewOrder, OrderId, Price, Quantity, Scenario, Side, SymbolId,
};

#[test]
fn the_steady_state_allocates_nothing() {
    let mut exchange = Exchange::new(&Scenario::default(), 1).expect("sound");
    let mut events = Events::new();
    let mut trade = |from: u64, to: u64| {
        let mut placed = 0;
        for tick in from..to {
            events.clear();
            exchange.advance(tick, &mut events);
            let side = if tick % 2 == 0 { Side::Buy } else { Side::Sell };
            let price = exchange.last_price(SymbolId(0)) - Price(side.sign() * 3);
            let order = NewOrder::limit(SymbolId(0), side, price, Quantity(500));
            let verdict = exchange.apply(tick, &Command::Place(order), &mut events);
            if let Ok(holdfast_exchange::Accepted::Order(report)) = verdict {
                placed += 1;
                // a cancelled order may have traded before; the refusal of that has no text
                let OrderId(id) = report.id;
                let _ = exchange.apply(tick, &Command::Cancel(OrderId(id)), &mut events);
            }
        }
        placed
    };
    // until all that grows has grown: two hours of market
    trade(1, 720_000);
    let mut placed = 0;
    let counted = allocation_counter::measure(|| placed = trade(720_000, 740_000));
    assert!(placed > 15_000, "{placed} orders: the engine was not busy");
    assert_eq!(counted.count_total, 0, "allocations in steady state");
}
