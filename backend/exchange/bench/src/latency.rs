//! Latencies, of an operation alone or in an open loop.

use crate::contender::Contender;
use crate::flow::Operation;
use std::time::Instant;

/// Sorted nanoseconds, each from when the operation was due, or began, to when it was done.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Latencies {
    /// The 99th percentile leads, so that the better of two runs is the smaller.
    p99: u64,
    sorted: Vec<u64>,
}

impl Latencies {
    pub(crate) fn of(
        engine: &mut impl Contender,
        operations: &[Operation],
        rate: Option<u64>,
    ) -> Self {
        let mut sorted = Vec::with_capacity(operations.len());
        let start = Instant::now();
        for (index, operation) in operations.iter().enumerate() {
            let due = match rate {
                Some(rate) => index as u64 * 1_000_000_000 / rate,
                None => nanoseconds(start),
            };
            while nanoseconds(start) < due {
                std::hint::spin_loop();
            }
            engine.apply(operation);
            sorted.push(nanoseconds(start) - due);
        }
        sorted.sort_unstable();
        Self {
            p99: sorted[sorted.len() * 99 / 100],
            sorted,
        }
    }

    /// The latency that so many thousandths do not exceed.
    pub(crate) fn share(&self, thousandths: usize) -> u64 {
        self.sorted[(self.sorted.len() - 1) * thousandths / 1_000]
    }
}

fn nanoseconds(start: Instant) -> u64 {
    start.elapsed().as_nanos() as u64
}
