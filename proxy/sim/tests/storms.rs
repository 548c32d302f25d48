//! Runs that seeds decide.
//!
//! `HOLDFAST_SEED=7 cargo test -p holdfast-sim --test storms` runs one seed again;
//! `HOLDFAST_SEEDS=100000` runs so many, and both together so many from that one on.
//! `HOLDFAST_SCENARIO=7 cargo test -p holdfast-sim --test storms scenario -- --nocapture` prints
//! a seed as a scenario file; of one that fails, the few lines that make it fail.

use std::panic::catch_unwind;
use std::time::Instant;

use holdfast_sim::storm::{Tally, run, scenario};

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
        let what = match catch_unwind(|| run(seed, None)) {
            Ok(Ok(tally)) => {
                all.add(&tally);
                continue;
            }
            Ok(Err(broken)) => broken.to_string(),
            Err(_) => "panicked".to_owned(),
        };
        eprintln!("HOLDFAST_SEED={seed}: {what}\n{}", replay(seed));
        failed.push(seed);
        if failed.len() == FAILED_MAX {
            break;
        }
    }
    let took = begun.elapsed();
    println!("{count} seeds from {first} in {took:.1?}: {all:?}");
    assert!(failed.is_empty(), "seeds that broke a promise: {failed:?}");
    assert!(all.moves > 0 || count < 10, "nothing ever moved");
}

/// How to see a seed fail again.
fn replay(seed: u64) -> String {
    let test = "cargo test -p holdfast-sim --test storms --";
    format!(
        "again:       HOLDFAST_SEED={seed} {test} whatever\n\
         as scenario: HOLDFAST_SCENARIO={seed} {test} scenario --nocapture"
    )
}

/// What a seed does can be written down, and the scenario comes to the same end.
#[test]
fn a_seed_is_written_out_as_a_scenario() {
    let seed = number("HOLDFAST_SCENARIO").unwrap_or(1);
    let text = scenario(seed, None);
    println!("{text}");
    let script = holdfast_sim::scenario::Script::read(&text).expect("a scenario");
    let replayed = holdfast_sim::scenario::trial(&script);
    assert_eq!(replayed.is_err(), run(seed, None).is_err(), "{replayed:?}");
}

/// Seeds of a usual run.
const SEEDS: u64 = 2_000;
/// With so many found there is enough to mend.
const FAILED_MAX: usize = 10;
