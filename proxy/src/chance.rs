//! Random numbers for draws, request ids and nonces.
//!
//! Affinity keys and ticket ids must not be guessed, so this is a cryptographic generator, one
//! per thread and seeded by the system, which costs no system call per request.

use std::cell::RefCell;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// 128 random bits.
pub fn bits() -> u128 {
    u128::from_le_bytes(bytes())
}

/// Random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    GENERATOR.with_borrow_mut(|generator| generator.fill_bytes(&mut bytes));
    bytes
}

thread_local! {
    static GENERATOR: RefCell<ChaCha12Rng> = RefCell::new(seeded());
}

fn seeded() -> ChaCha12Rng {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the system has randomness");
    ChaCha12Rng::from_seed(seed)
}
