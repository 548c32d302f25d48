//! What is counted about the ledger.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::{Lag, Pool, Recorded};

/// What is counted; registered with all other metrics.
#[derive(Clone)]
pub struct Tally {
    /// Facts recorded by this process.
    pub facts: IntCounter,
    /// Facts that are missing for good.
    pub missing: IntCounter,
    /// Facts that came to an outbox that was full.
    pub overflown: IntCounter,
    /// Batches that failed, by why.
    pub failures: IntCounterVec,
    /// Times between which the ledger was written to.
    pub outages: IntCounter,
    /// 1 while the ledger is written to.
    pub up: IntGauge,
    /// Facts known to wait.
    pub lag_facts: IntGauge,
    /// How long the oldest has waited.
    pub lag_seconds: IntGauge,
    /// Connections by state.
    pub pool: IntGaugeVec,
}

impl Default for Tally {
    fn default() -> Self {
        let expected = "name and help are constants";
        let counter = |name: &str, help: &str| IntCounter::new(name, help).expect(expected);
        let gauge = |name: &str, help: &str| IntGauge::new(name, help).expect(expected);
        let failures = Opts::new(
            "holdfast_ledger_failures_total",
            "Batches that the ledger did not take: away, refused, newer, changed",
        );
        let pool = Opts::new(
            "holdfast_ledger_pool",
            "Connections to the ledger: idle, used, the most there may be, and waited for",
        );
        let failures = IntCounterVec::new(failures, &["reason"]).expect(expected);
        for reason in ["away", "refused", "newer", "changed"] {
            failures.with_label_values(&[reason]).inc_by(0);
        }
        Self {
            facts: counter(
                "holdfast_ledger_facts_total",
                "Facts this process has recorded in the ledger",
            ),
            missing: counter(
                "holdfast_ledger_missing_facts_total",
                "Facts recorded as missing for good: their outbox was full, or the store lost them",
            ),
            overflown: counter(
                "holdfast_ledger_overflown_facts_total",
                "Facts that came to a full outbox: only their numbers are kept",
            ),
            failures,
            outages: counter(
                "holdfast_ledger_outages_total",
                "How often the ledger stopped being written to",
            ),
            up: gauge("holdfast_ledger_up", "1 while the ledger is written to"),
            lag_facts: gauge(
                "holdfast_ledger_lag_facts",
                "Facts known to wait for the ledger",
            ),
            lag_seconds: gauge(
                "holdfast_ledger_lag_seconds",
                "How long the oldest of them has waited",
            ),
            pool: IntGaugeVec::new(pool, &["state"]).expect(expected),
        }
    }
}

impl Tally {
    /// Adds all of it to what Prometheus reads.
    pub fn register(&self, registry: &Registry) {
        let all: [Box<dyn Collector>; 9] = [
            Box::new(self.facts.clone()),
            Box::new(self.missing.clone()),
            Box::new(self.overflown.clone()),
            Box::new(self.failures.clone()),
            Box::new(self.outages.clone()),
            Box::new(self.up.clone()),
            Box::new(self.lag_facts.clone()),
            Box::new(self.lag_seconds.clone()),
            Box::new(self.pool.clone()),
        ];
        for collector in all {
            let registered = registry.register(collector);
            registered.expect("every name is registered once");
        }
    }

    /// Something was recorded.
    pub fn recorded(&self, recorded: Recorded) {
        self.facts.inc_by(recorded.facts);
        self.missing.inc_by(recorded.missing);
    }

    /// What is so at this moment.
    pub fn now(&self, lag: Lag, overflown: u64, pool: Pool) {
        self.overflown
            .inc_by(overflown.saturating_sub(self.overflown.get()));
        self.lag_facts.set(lag.facts.cast_signed());
        self.lag_seconds.set(lag.age.as_secs().cast_signed());
        let set = |state: &str, count: u32| {
            self.pool.with_label_values(&[state]).set(i64::from(count));
        };
        set("idle", pool.idle);
        set("used", pool.open.saturating_sub(pool.idle));
        set("most", pool.most);
        set("waiting", pool.waiting);
    }
}
