//! The matching engine's figures, beside another Rust engine on the same input in the same run.
//!
//! `cargo run --release [operations]`. Figures go to the terminal; nothing fails on a slow machine.
//! Throughput is operations per second of processor time, closed loop. Latency is given twice:
//! what an operation takes by itself, and open loop, where operations are due at a fixed rate
//! whether or not the engine is ready, and each is timed from when it was due, so that a stall
//! counts for all who wait behind it. The latter needs a quiet machine.

mod contender;
mod flow;
#[path = "../../tests/golden/run.rs"]
mod golden;
mod latency;
mod session;

use contender::{Contender, Holdfast, OrderbookRs};
use cpu_time::ThreadTime;
use flow::Operation;
use latency::Latencies;

/// Operations due a second in the open loop.
const RATE: [u64; 2] = [1_000_000, 200_000];

fn main() {
    let count = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    let same = golden::state_hash() == golden::GOLDEN;
    println!(
        "state hash of this build: {}",
        if same {
            "as in every build"
        } else {
            "DIFFERENT"
        }
    );
    println!("70 % limit orders, 20 % cancels, 10 % market orders that take five; {count} each");
    println!(
        "{:<13} {:>7} {:>8} {:>7} {:>8} {:>8} | {:>9} {:>7} {:>9} {:>10}",
        "engine", "orders", "ops/s", "p50", "p99", "allocs", "rate/s", "p50", "p99", "p99.9"
    );
    for (resting, prices) in [(1_000, 100), (100_000, 1_000)] {
        let operations = flow::generate(resting, prices, count);
        measure::<Holdfast>(resting, &operations, RATE[0]);
        measure::<OrderbookRs>(resting, &operations, RATE[1]);
    }
    session::measure();
}

/// One line of the table: the best of three runs, so that neighbours on the machine count less.
fn measure<C: Contender>(resting: usize, operations: &[Operation], rate: u64) {
    let (warm, measured) = operations.split_at(operations.len() / 2);
    let ready = || {
        let mut engine = C::new();
        warm.iter().for_each(|operation| engine.apply(operation));
        engine
    };
    let fastest = (0..3)
        .map(|_| {
            let mut engine = ready();
            let start = ThreadTime::now();
            measured
                .iter()
                .for_each(|operation| engine.apply(operation));
            measured.len() as f64 / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max);
    let mut engine = ready();
    let allocations = allocation_counter::measure(|| {
        measured
            .iter()
            .for_each(|operation| engine.apply(operation));
    });
    let best = |rate| {
        let runs = (0..3)
            .map(|_| Latencies::of(&mut ready(), measured, rate))
            .min();
        runs.expect("three runs")
    };
    let (alone, open) = (best(None), best(Some(rate)));
    println!(
        "{:<13} {:>7} {:>7.2}M {:>5}ns {:>6}ns {:>8.2} | {:>9} {:>5}ns {:>7}ns {:>8}ns",
        C::NAME,
        resting,
        fastest / 1e6,
        alone.share(500),
        alone.share(990),
        allocations.count_total as f64 / measured.len() as f64,
        rate,
        open.share(500),
        open.share(990),
        open.share(999),
    );
}
