//! The same seed and commands give the same state in every build. The benchmark checks the same
//! figure in its build, with link-time optimisation; `make test` runs this without optimisation
//! too.

#[path = "golden/run.rs"]
mod run;

#[test]
fn every_build_computes_the_same_state() {
    assert_eq!(
        format!("{:016x}", run::state_hash()),
        format!("{:016x}", run::GOLDEN)
    );
}
