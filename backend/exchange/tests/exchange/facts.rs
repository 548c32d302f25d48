//! What the synthetic market is like: the base layer against theory, the layers against the
//! stylized facts of real markets (Cont 2001). Seeds are fixed, so a figure changes only when the
//! market does.

use crate::scenarios::scenario;
use crate::statistics::{autocorrelation_over, kurtosis, mean, returns};
use holdfast_exchange::{
    CrowdSettings, Event, Events, Exchange, FlowSettings, Level, Scenario, SymbolId,
};

const ACME: SymbolId = SymbolId(0);

/// A market of the crowd alone, with prices so fine that the tick does not matter.
fn crowd(limit_rate: f64, market_rate: f64, cancel_rate: f64) -> Scenario {
    let mut scenario = Scenario::default();
    scenario.symbols.truncate(1);
    scenario.symbols[0].price = "1000.00".into();
    let (prices, lots) = (400, 1);
    let crowd = CrowdSettings {
        limit_rate,
        market_rate,
        cancel_rate,
        prices,
        lots,
    };
    scenario.flow = FlowSettings {
        crowd: Some(crowd),
        ..FlowSettings::default()
    };
    scenario
}

/// Means over a long run: resting orders, depth of a price far from the best, spread.
fn means(scenario: &Scenario) -> (f64, f64, f64) {
    let mut exchange = Exchange::new(scenario, 11).expect("sound");
    let mut events = Events::new();
    let (mut resting, mut deep, mut spreads) = (Vec::new(), Vec::new(), Vec::new());
    for sample in 0..22_000_u64 {
        events.clear();
        exchange.advance((sample + 1) * 50, &mut events);
        if sample < 2_000 {
            continue;
        }
        let depth = exchange.depth(ACME, usize::MAX);
        let (bid, ask) = (depth.bids[0].price.0, depth.asks[0].price.0);
        let lots = |level: &Level| level.quantity.0 as f64;
        spreads.push((ask - bid) as f64);
        resting.push(depth.bids.iter().chain(&depth.asks).map(lots).sum());
        let far = |level: &&Level| (200..250).contains(&(ask - level.price.0));
        deep.push(depth.bids.iter().filter(far).map(lots).sum::<f64>() / 50.0);
    }
    (mean(&resting), mean(&deep), mean(&spreads))
}

/// Whether `value` is within 5 % of `theory`.
fn agrees(what: &str, value: f64, theory: f64) {
    assert!(
        (value / theory - 1.0).abs() < 0.05,
        "{what}: {value:.3}, theory says {theory:.3}"
    );
}

#[test]
fn depth_of_the_base_layer_is_what_theory_says() {
    for (limits, markets, cancels) in [(0.05, 4.0, 0.02), (0.05, 4.0, 0.1), (0.1, 4.0, 0.1)] {
        let (resting, deep, _) = means(&crowd(limits, markets, cancels));
        // what comes in and is not taken is cancelled (Little's law)
        agrees(
            "resting orders",
            resting,
            (2.0 * 400.0 * limits - markets) / cancels,
        );
        // far from the best nothing is taken: arrivals over cancellations
        agrees("depth of a price", deep, limits / cancels);
    }
}

#[test]
fn spread_of_the_base_layer_scales_as_theory_says() {
    // the spread has no closed form, but its law has: (market / limit) * f(cancel / market)
    let (limits, markets, cancels) = (0.05, 4.0, 0.1);
    let (_, _, spread) = means(&crowd(limits, markets, cancels));
    for (limit_factor, market_factor) in [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0)] {
        let scenario = crowd(
            limits * limit_factor,
            markets * market_factor,
            cancels * market_factor,
        );
        let (_, _, scaled) = means(&scenario);
        agrees("spread", scaled, spread * market_factor / limit_factor);
    }
}

#[test]
fn spread_of_the_base_layer_has_the_form_of_the_mean_field_theory_and_lies_below_it() {
    // Smith, Farmer, Gillemot and Krishnamurthy (2003) solve the model approximately, with mean
    // fields; Farmer, Patelli and Zovko (2005) give a fit of that solution: in units of market rate
    // over limit rate, 0.28 + 1.86 x^(3/4), x being cancel rate over market rate. Mean fields leave
    // out how neighbouring prices depend on each other, and make the spread too wide.
    let (limits, markets) = (0.05, 4.0);
    let measured = |ratio: f64| {
        let (_, _, spread) = means(&crowd(limits, markets, ratio * markets));
        spread * limits / markets
    };
    let theory = |ratio: f64| 0.28 + 1.86 * ratio.powf(0.75);
    let [few, some, many] = [0.005, 0.05, 0.2].map(|ratio| (ratio, measured(ratio)));
    for (ratio, spread) in [few, some, many] {
        let share = spread / theory(ratio);
        assert!(
            (0.55..0.85).contains(&share),
            "{ratio}: {share:.3} of the theory's"
        );
    }
    // what grows with the ratio grows with its power 3/4, within a tenth
    let slope =
        |from: (f64, f64), to: (f64, f64)| (to.1 - from.1) / (to.0.powf(0.75) - from.0.powf(0.75));
    let change = slope(some, many) / slope(few, some);
    assert!(
        (change - 1.0).abs() < 0.1,
        "the slope changes by {change:.3}"
    );
}

/// Middles of the book, one a second, and the signs of the trades.
fn run(scenario: &Scenario, seed: u64, seconds: u64) -> (Vec<f64>, Vec<f64>) {
    let mut exchange = Exchange::new(scenario, seed).expect("sound");
    let mut events = Events::new();
    let (mut middles, mut signs) = (Vec::new(), Vec::new());
    for second in 1..=seconds {
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

#[test]
fn with_the_layers_on_the_market_is_like_a_real_one() {
    let scenario = scenario("volatile.yaml");
    let (middles, signs) = run(&scenario, 5, 6 * 3_600);
    let seconds = returns(&middles, 1);
    let minutes = returns(&middles, 60);
    let (sharp, flat) = (kurtosis(&seconds), kurtosis(&minutes));
    assert!(sharp > 4.5, "tails are heavy: kurtosis {sharp:.2}");
    assert!(
        flat < sharp,
        "and less so over longer times: {flat:.2} over a minute"
    );
    let linear = autocorrelation_over(&seconds, 10..60);
    assert!(linear.abs() < 0.015, "returns do not remember: {linear:.4}");
    let sizes: Vec<f64> = seconds.iter().map(|change| change.abs()).collect();
    let soon = autocorrelation_over(&sizes, 1..10);
    let later = autocorrelation_over(&sizes, 20..60);
    assert!(soon > 0.08, "volatility clusters: {soon:.3}");
    assert!(
        later > 0.015 && later < soon,
        "and calms down slowly: {later:.3}"
    );
    let near = autocorrelation_over(&signs, 1..10);
    let far = autocorrelation_over(&signs, 30..50);
    assert!(near > 0.05, "signs remember: {near:.3}");
    assert!(far > 0.02 && far < near, "for long: {far:.3}");
}

#[test]
fn the_crowd_alone_remembers_nothing() {
    let mut scenario = Scenario::default();
    scenario.symbols.truncate(1);
    scenario.flow = FlowSettings::default();
    let (middles, signs) = run(&scenario, 5, 3 * 3_600);
    let sizes: Vec<f64> = returns(&middles, 1)
        .iter()
        .map(|change| change.abs())
        .collect();
    let later = autocorrelation_over(&sizes, 20..60);
    assert!(
        later.abs() < 0.015,
        "volatility does not cluster: {later:.3}"
    );
    let signs = autocorrelation_over(&signs, 1..50);
    assert!(signs.abs() < 0.01, "signs do not remember: {signs:.4}");
}
