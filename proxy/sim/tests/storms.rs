//! Runs that seeds decide.
//!
//! `HOLDFAST_SEED=7 cargo test -p holdfast-sim --test storms` runs one seed again;
//! `HOLDFAST_SEEDS=100000` runs so many, and both together so many from that one on.

use std::time::Instant;

use holdfast_sim::storm::{Tally, run};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// All that fail are named, each as soon as it does.
#[test]
fn whatever_happens_each_message_comes_once_and_in_order() {
    let (first, count) = match (number("HOLDFAST_SEED"), number("HOLDFAST_SEEDS")) {
        (Some(seed), count) => (seed, count.unwrap_or(1)),
        (None, count) => (1, count.unwrap_or(SEEDS)),
    };
    let begun = Instant::now();
    let mut all = Tally::default();
    let mut failed = Vec::new();
    for seed in first..first + count {
        match run(seed, None) {
            Ok(tally) => all.add(&tally),
            Err(broken) => {
                eprintln!("HOLDFAST_SEED={seed}: {broken}");
                failed.push(seed);
            }
        }
        if failed.len() == FAILED_MAX {
            break;
        }
    }
    let took = begun.elapsed();
    println!("{count} seeds from {first} in {took:.1?}: {all:?}");
    assert!(failed.is_empty(), "seeds that broke a promise: {failed:?}");
    assert!(all.moves > 0 || count < 10, "nothing ever moved");
}

/// Seeds of a usual run.
const SEEDS: u64 = 300;
/// With so many found there is enough to mend.
const FAILED_MAX: usize = 10;
