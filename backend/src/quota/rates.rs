//! How fast each user may trade: a bucket that fills evenly and holds two seconds' worth.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Instant;

/// One bucket for each user that has traded lately.
pub struct Rates {
    per_second: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rates {
    /// So many operations a second.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            buckets: Mutex::default(),
        }
    }

    /// Takes so many at once, or says how long to wait. More than a bucket holds are let through
    /// when it is full, and paid for afterwards: else they would never be.
    pub fn take(&self, who: &str, count: usize, now: Instant) -> Result<(), Duration> {
        let (most, count) = (self.per_second * BURST_SECONDS, count as f64);
        let mut buckets = self.buckets.lock();
        if buckets.len() >= USERS_MAX && !buckets.contains_key(who) {
            // who has not traded for as long as a bucket takes to fill is as good as new
            buckets.retain(|_, bucket| self.filled(*bucket, now) < most);
        }
        let known = buckets.get(who).copied();
        let tokens = known.map_or(most, |bucket| self.filled(bucket, now));
        if tokens < count.min(most) {
            let missing = count.min(most) - tokens;
            return Err(Duration::from_secs_f64(missing / self.per_second));
        }
        let left = Bucket {
            tokens: tokens - count,
            at: now,
        };
        match buckets.get_mut(who) {
            Some(bucket) => *bucket = left,
            None => drop(buckets.insert(who.to_owned(), left)),
        }
        Ok(())
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let passed = now.duration_since(bucket.at).as_secs_f64();
        (bucket.tokens + passed * self.per_second).min(self.per_second * BURST_SECONDS)
    }
}

const BURST_SECONDS: f64 = 2.0;
/// Above so many, those whose buckets are full are forgotten first.
const USERS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_user_is_slowed_to_the_rate_and_told_how_long_to_wait() {
        let (rates, now) = (Rates::new(10), clock::now());
        for _ in 0..20 {
            rates.take("ann", 1, now).expect("two seconds at once");
        }
        let wait = rates.take("ann", 1, now).expect_err("the bucket is empty");
        assert_eq!(wait, Duration::from_millis(100));
        assert!(rates.take("bob", 1, now).is_ok(), "bob is somebody else");
        assert!(rates.take("ann", 1, now + wait).is_ok());
        assert!(rates.take("ann", 1, now + wait).is_err());
    }

    #[test]
    fn a_batch_larger_than_a_bucket_is_paid_for_afterwards() {
        let (rates, now) = (Rates::new(10), clock::now());
        rates.take("ann", 50, now).expect("the bucket is full");
        let second = Duration::from_secs(1);
        assert!(rates.take("ann", 1, now + 2 * second).is_err());
        assert!(rates.take("ann", 1, now + 4 * second).is_ok());
    }

    #[test]
    fn nothing_is_remembered_of_who_has_not_traded_for_a_while() {
        let (rates, now) = (Rates::new(10), clock::now());
        for user in 0..USERS_MAX {
            rates.take(&user.to_string(), 1, now).expect("new");
        }
        let later = now + Duration::from_secs(10);
        rates.take("ann", 1, later).expect("new");
        assert_eq!(rates.buckets.lock().len(), 1);
    }
}
