//! The input: made once, so that every engine gets the same operations with the same numbers.

use crate::contender::{Contender, Holdfast};
use holdfast_exchange::Side;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Lots of a limit order.
pub(crate) const LOTS: i64 = 1_000;
/// Where the prices lie around, in ticks.
const MIDDLE: i64 = 100_000;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// A limit order under the next number.
    Add { id: u64, side: Side, price: i64 },
    /// An order that is working at this point of the flow.
    Cancel { id: u64 },
    /// A market order of so many lots.
    Take { id: u64, side: Side, lots: i64 },
}

/// Fills a book to `resting` orders on `prices` prices of each side, then mixes: as many
/// operations again as `count`, the first half of which only warms up.
pub(crate) fn generate(resting: usize, prices: u64, count: usize) -> Vec<Operation> {
    let mut random = ChaCha8Rng::seed_from_u64(42);
    let mut engine = Holdfast::new();
    let mut operations = Vec::with_capacity(resting + 2 * count);
    let mut next_id = 1;
    let add = |random: &mut ChaCha8Rng, id: u64| {
        let side = if random.next_u32() & 1 == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let distance = below(random, prices) as i64 + 1;
        Operation::Add {
            id,
            side,
            price: MIDDLE - distance * side.sign(),
        }
    };
    while operations.len() < resting {
        let operation = add(&mut random, next_id);
        next_id += 1;
        engine.apply(&operation);
        operations.push(operation);
    }
    for _ in 0..2 * count {
        let operation = match below(&mut random, 100) {
            0..70 => add(&mut random, next_id),
            70..90 => {
                let live = engine.live();
                Operation::Cancel {
                    id: live[below(&mut random, live.len() as u64) as usize],
                }
            }
            _ => {
                // five on average, more or less to keep the book at its size
                let orders = if engine.live().len() < resting { 4 } else { 6 };
                let side = if random.next_u32() & 1 == 0 {
                    Side::Buy
                } else {
                    Side::Sell
                };
                Operation::Take {
                    id: next_id,
                    side,
                    lots: orders * LOTS,
                }
            }
        };
        next_id += u64::from(!matches!(operation, Operation::Cancel { .. }));
        engine.apply_watched(&operation);
        operations.push(operation);
    }
    operations
}

fn below(random: &mut ChaCha8Rng, bound: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(bound)) >> 64) as u64
}
