//! Chance: ChaCha with 8 rounds, one stream for each trader, and the few distributions in use.
//! Logarithms come from `libm`, so that every build draws the same.

use crate::units::Side;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One trader's stream of chance.
#[derive(Clone, Debug)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64, trader: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(trader);
        Self(generator)
    }

    /// How many words were drawn: with seed and trader, all there is to know.
    pub(crate) fn position(&self) -> u64 {
        // 2^64 words would take centuries
        self.0.get_word_pos() as u64
    }

    pub(crate) fn go_to(&mut self, position: u64) {
        self.0.set_word_pos(u128::from(position));
    }

    /// Evenly from above 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly from 0 to `bound` - 1; `bound` is above zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // multiply and shift: the bias is below bound / 2^64
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Microseconds until the next event of a Poisson process of `rate` events a second.
    pub(crate) fn wait(&mut self, rate: f64) -> u64 {
        let seconds = -libm::log(self.unit()) / rate;
        (seconds * super::MICROS_PER_SECOND) as u64
    }

    /// Either side, evenly.
    pub(crate) fn side(&mut self) -> Side {
        if self.0.next_u32() & 1 == 0 {
            Side::Buy
        } else {
            Side::Sell
        }
    }

    /// From the standard normal distribution (Box and Muller; the second value is not kept).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// A Poisson-distributed count; for small means.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let limit = libm::exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > limit && count < 1_000 {
            product *= self.unit();
            count += 1;
        }
        count
    }
}
