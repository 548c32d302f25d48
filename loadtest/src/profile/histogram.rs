//! How long clients waited between two messages, all connections together.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Counts by powers of two of milliseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Histogram {
    /// `counts[n]`: times below `2^n` ms and not below the bound before; the last one has no
    /// bound.
    counts: [u64; BUCKETS],
}

impl Histogram {
    pub(super) fn count(&mut self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let place = (u64::BITS - ms.leading_zeros()) as usize;
        self.counts[place.min(BUCKETS - 1)] += 1;
    }

    /// Bars with their labels, up to the longest time there was.
    pub(super) fn bars(&self) -> impl Iterator<Item = (String, u64)> {
        let used = self
            .counts
            .iter()
            .rposition(|&count| count > 0)
            .map_or(0, |last| last + 1);
        self.counts[..used]
            .iter()
            .enumerate()
            .map(|(place, &count)| {
                let label = match place {
                    last if last == BUCKETS - 1 => format!("{} ms and more", 1_u64 << (last - 1)),
                    place => format!("below {} ms", 1_u64 << place),
                };
                (label, count)
            })
    }
}

/// The last bound is 2^15 ms, half a minute.
const BUCKETS: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_counted_once_in_the_bucket_of_its_power_of_two() {
        let mut histogram = Histogram::default();
        for ms in [0, 1, 2, 3, 4, 1023, 1024, 1 << 40] {
            histogram.count(Duration::from_millis(ms));
        }
        let bars: Vec<_> = histogram.bars().collect();
        let filled: Vec<_> = bars
            .iter()
            .filter(|(_, count)| *count > 0)
            .cloned()
            .collect();
        let wanted = [
            ("below 1 ms", 1),
            ("below 2 ms", 1),
            ("below 4 ms", 2),
            ("below 8 ms", 1),
            ("below 1024 ms", 1),
            ("below 2048 ms", 1),
            ("32768 ms and more", 1),
        ];
        assert_eq!(
            filled,
            wanted.map(|(label, count)| (label.to_owned(), count))
        );
        assert!(Histogram::default().bars().next().is_none());
    }
}
