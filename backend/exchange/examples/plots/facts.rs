//! Runs of the market, and what is read off them.

use holdfast_exchange::{CrowdSettings, Event, Events, Exchange, FlowSettings, Scenario, SymbolId};
use std::path::Path;

const ACME: SymbolId = SymbolId(0);

/// Prices on which limit orders of the base layer come, from the opposite best.
pub(crate) const PRICES: u16 = 400;

/// A market of the crowd alone, with prices so fine that the tick does not matter.
pub(crate) fn crowd(limit_rate: f64, market_rate: f64, cancel_rate: f64) -> Scenario {
    let mut scenario = Scenario::default();
    scenario.symbols.truncate(1);
    scenario.symbols[0].price = "1000.00".into();
    scenario.flow = FlowSettings {
        crowd: Some(CrowdSettings {
            limit_rate,
            market_rate,
            cancel_rate,
            prices: PRICES,
            lots: 1,
        }),
        ..FlowSettings::default()
    };
    scenario
}

/// One of the delivered scenarios.
pub(crate) fn delivered(name: &str) -> std::io::Result<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf/scenarios");
    let text = std::fs::read_to_string(folder.join(name))?;
    serde_saphyr::from_str(&text).map_err(std::io::Error::other)
}

/// Mean depth in lots at each distance from the opposite best (in ticks, from 1), and mean spread.
pub(crate) fn book(scenario: &Scenario, samples: u64) -> (Vec<f64>, f64) {
    let mut exchange = Exchange::new(scenario, 11).expect("a sound scenario");
    let mut events = Events::new();
    let warm = samples / 10;
    let (mut depth, mut spread) = (vec![0.0; usize::from(PRICES)], 0.0);
    for sample in 0..samples + warm {
        events.clear();
        exchange.advance((sample + 1) * 50, &mut events);
        let now = exchange.depth(ACME, usize::MAX);
        let (Some(bid), Some(ask)) = (now.bids.first(), now.asks.first()) else {
            continue;
        };
        if sample < warm {
            continue;
        }
        spread += (ask.price.0 - bid.price.0) as f64 / samples as f64;
        for level in &now.bids {
            let distance = (ask.price.0 - level.price.0) as usize;
            if let Some(mean) = depth.get_mut(distance.wrapping_sub(1)) {
                *mean += level.quantity.0 as f64 / samples as f64;
            }
        }
    }
    (depth, spread)
}

/// Middles of the book, one a second, and the signs of the trades.
pub(crate) fn run(scenario: &Scenario, hours: u64) -> (Vec<f64>, Vec<f64>) {
    let mut exchange = Exchange::new(scenario, 5).expect("a sound scenario");
    let mut events = Events::new();
    let (mut middles, mut signs) = (Vec::new(), Vec::new());
    for second in 1..=hours * 3_600 {
        events.clear();
        exchange.advance(second * 100, &mut events);
        signs.extend(events.iter().filter_map(|event| match event {
            Event::Trade(trade) if trade.symbol == ACME => Some(trade.taker.sign() as f64),
            _ => None,
        }));
        let depth = exchange.depth(ACME, 1);
        if let ([bid], [ask]) = (&depth.bids[..], &depth.asks[..]) {
            middles.push((bid.price.0 + ask.price.0) as f64 / 2.0);
        }
    }
    (middles, signs)
}
