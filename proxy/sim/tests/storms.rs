//! Runs that seeds decide.
//!
//! `HOLDFAST_SEED=7 cargo test -p holdfast-sim storms` runs one seed again;
//! `HOLDFAST_SEEDS=100000` runs so many.

use holdfast_sim::storm::{Tally, run};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_each_message_comes_once_and_in_order() {
    let (first, count) = match number("HOLDFAST_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("HOLDFAST_SEEDS").unwrap_or(SEEDS)),
    };
    let mut all = Tally::default();
    for seed in first..first + count {
        match run(seed, None) {
            Ok(tally) => {
                all.moves += tally.moves;
                all.answers += tally.answers;
                all.heard += tally.heard;
                all.resets += tally.resets;
                all.lost += tally.lost;
                all.claims += tally.claims;
            }
            Err(broken) => panic!("HOLDFAST_SEED={seed}: {broken}"),
        }
    }
    println!("{count} seeds: {all:?}");
    assert!(all.moves > 0 || count < 10, "nothing ever moved");
}

/// Seeds of a usual run.
const SEEDS: u64 = 300;
