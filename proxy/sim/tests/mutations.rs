//! The checks can fail: each fault in the glue is found within a thousand seeds.

use holdfast_sim::Mutation;
use holdfast_sim::storm::run;

/// Runs seeds until one shows the fault.
fn found(mutation: Mutation) -> String {
    let broken = (1..=SEEDS_MAX).find_map(|seed| {
        let broken = run(seed, Some(mutation)).err()?;
        Some(format!("seed {seed}: {broken}"))
    });
    broken.unwrap_or_else(|| panic!("{mutation:?} is not found in {SEEDS_MAX} seeds"))
}

#[test]
fn a_store_that_skips_the_generation_is_found() {
    println!("{}", found(Mutation::SkipGeneration));
}

#[test]
fn a_replayed_message_that_is_dropped_is_found() {
    println!("{}", found(Mutation::DropReplayed));
}

#[test]
fn an_acknowledgement_before_the_append_is_found() {
    println!("{}", found(Mutation::AcknowledgeFirst));
}

#[test]
fn a_market_that_goes_on_while_an_append_is_open_is_found() {
    println!("{}", found(Mutation::EmitWhileOpen));
}

#[test]
fn a_forgotten_hold_is_found() {
    println!("{}", found(Mutation::ForgetHold));
}

const SEEDS_MAX: u64 = 1_000;
