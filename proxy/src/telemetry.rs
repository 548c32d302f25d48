//! Every metric of the edge, with its help text, in one place.
//!
//! Labels come from configured or built-in sets alone, never from what a client sent. What
//! belongs to an endpoint is read from the snapshot when somebody asks ([`endpoints`]), so an
//! endpoint that is gone leaves no series behind.

mod connections;
mod endpoints;
mod holdings;
mod plane;
mod requests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use holdfast_core::affinity::AffinityVerdict;
use holdfast_core::connection::Holdings;
use holdfast_core::{ClusterName, Reject, Relay, Snapshot};
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use self::connections::Connections;
use self::plane::Plane;
use self::requests::Requests;

/// The metrics; cheap to clone, shared by all parts.
#[derive(Clone)]
pub struct Telemetry(Arc<Metrics>);

struct Metrics {
    registry: Registry,
    draining: AtomicBool,
    requests: Requests,
    connections: Connections,
    plane: Plane,
    /// What the relays hold; read when somebody asks.
    holdings: OnceLock<Arc<Holdings>>,
}

impl Telemetry {
    /// All metrics at zero.
    pub fn new() -> Self {
        let make = Maker(Registry::new());
        Self(Arc::new(Metrics {
            requests: Requests::new(&make),
            connections: Connections::new(&make),
            plane: Plane::new(&make),
            holdings: OnceLock::new(),
            draining: AtomicBool::new(false),
            registry: make.0,
        }))
    }

    /// A request came in on this route.
    pub fn request(&self, route: &str, relay: Relay) {
        self.0
            .requests
            .requests
            .with_label_values(&[route, relay.as_str()])
            .inc();
    }

    /// A client was answered.
    pub fn response(&self, route: &str, status: u16) {
        self.0
            .requests
            .responses
            .with_label_values(&[route, class(status)])
            .inc();
    }

    /// The edge answered a request itself, because of the core's verdict.
    pub fn rejected(&self, reject: Reject) {
        self.refused(reject.as_str());
    }

    /// The edge answered a request itself; `reason` is one of the edge's own codes.
    pub fn refused(&self, reason: &'static str) {
        self.0.requests.rejected.with_label_values(&[reason]).inc();
    }

    /// A client's affinity was judged.
    pub fn affinity(&self, cluster: &ClusterName, verdict: AffinityVerdict) {
        self.0
            .requests
            .affinity
            .with_label_values(&[cluster.as_str(), verdict.as_str()])
            .inc();
    }

    /// An endpoint could not be reached.
    pub fn dial_failed(&self, cluster: &ClusterName) {
        self.0
            .requests
            .dial_failures
            .with_label_values(&[cluster.as_str()])
            .inc();
    }

    /// A 421 or 503 of an endpoint was followed elsewhere.
    pub fn redirected(&self, cluster: &ClusterName, status: u16) {
        let status = if status == 421 { "421" } else { "503" };
        self.0
            .requests
            .redirects
            .with_label_values(&[cluster.as_str(), status])
            .inc();
    }

    /// A connection moved, or did not. `took` is known of those that did.
    pub fn moved(
        &self,
        relay: Relay,
        cause: &'static str,
        outcome: &'static str,
        took: Option<Duration>,
    ) {
        self.0
            .connections
            .moves
            .with_label_values(&[relay.as_str(), cause, outcome])
            .inc();
        if let Some(took) = took {
            self.0.connections.move_seconds.observe(took.as_secs_f64());
        }
    }

    /// A connection could not be kept.
    pub fn lost(&self, reason: &'static str) {
        self.0.connections.lost.with_label_values(&[reason]).inc();
    }

    /// A connection ended.
    pub fn ended(&self, relay: Relay, ending: &'static str) {
        self.0
            .connections
            .ended
            .with_label_values(&[relay.as_str(), ending])
            .inc();
    }

    /// Shows what these connections hold. Once for each process.
    pub fn observe(&self, holdings: Arc<Holdings>) {
        let _ = self.0.holdings.set(holdings);
    }

    /// Counts a client's connection to the edge, until the guard is dropped.
    pub fn downstream_connection(&self) -> Counted {
        Counted::one(self.0.connections.downstream_connections.clone())
    }

    /// A connection was refused before a request was read.
    pub fn refused_connection(&self, reason: &'static str) {
        self.0
            .connections
            .refused_connections
            .with_label_values(&[reason])
            .inc();
    }

    /// The counter of messages in one direction (`up` from clients, `down` to them).
    pub fn messages(&self, relay: Relay, direction: &'static str) -> IntCounter {
        self.0
            .connections
            .messages
            .with_label_values(&[relay.as_str(), direction])
    }

    /// A token or ticket was judged.
    pub fn identity(&self, verdict: &'static str) {
        self.0.requests.identity.with_label_values(&[verdict]).inc();
    }

    /// A probe was answered.
    pub fn probed(&self, cluster: &ClusterName, kind: &'static str, passed: bool) {
        let result = if passed { "pass" } else { "fail" };
        self.0
            .plane
            .probes
            .with_label_values(&[cluster.as_str(), kind, result])
            .inc();
    }

    /// Something changed that people are told of.
    pub fn reported(&self, cluster: Option<&ClusterName>, what: &'static str) {
        let cluster = cluster.map_or("", ClusterName::as_str);
        self.0
            .plane
            .reports
            .with_label_values(&[cluster, what])
            .inc();
    }

    /// Discovery answered, or did not.
    pub fn discovered(&self, cluster: &ClusterName, found: bool) {
        let result = if found { "found" } else { "failed" };
        self.0
            .plane
            .discovery
            .with_label_values(&[cluster.as_str(), result])
            .inc();
    }

    /// The control plane's queue was full.
    pub fn outcome_dropped(&self) {
        self.0.plane.outcomes_dropped.inc();
    }

    /// An operators' page read too slowly and missed so many events.
    pub fn events_missed(&self, count: u64) {
        self.0.plane.events_missed.inc_by(count);
    }

    /// The configuration was read anew.
    pub fn reloaded(&self, accepted: bool) {
        let result = if accepted { "accepted" } else { "refused" };
        self.0.plane.reloads.with_label_values(&[result]).inc();
    }

    /// A snapshot is in force.
    pub fn published(&self, number: u64) {
        self.0
            .plane
            .snapshot_number
            .set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// From now on the proxy says that it is not ready: it is leaving.
    pub fn set_draining(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Whether the proxy is leaving.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// The sum of a counter over all its labels, for the operators' page.
    pub fn total(&self, name: &str) -> u64 {
        let families = self.0.registry.gather();
        let metrics = families.iter().filter(|family| family.name() == name);
        let counters = metrics.flat_map(|family| family.get_metric());
        counters
            .map(|metric| metric.get_counter().get_value() as u64)
            .sum()
    }

    /// All metrics in the text format of Prometheus, with what the snapshot says of endpoints.
    pub fn text(&self, snapshot: &Snapshot) -> String {
        let mut families = self.0.registry.gather();
        families.extend(endpoints::families(snapshot));
        if let Some(holdings) = self.0.holdings.get() {
            families.extend(holdings::families(holdings));
        }
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "metrics could not be written");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

/// One of what a gauge counts; dropping it ends the count.
#[derive(Debug)]
pub struct Counted(IntGauge);

impl Counted {
    fn one(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Makes metrics and registers them. Names and labels are literals of this module, so what
/// could be wrong with them would be wrong in every run: the tests would see it.
struct Maker(Registry);

impl Maker {
    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help).expect(LITERALS))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels).expect(LITERALS))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help).expect(LITERALS))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels).expect(LITERALS))
    }

    fn histogram(&self, name: &str, help: &str) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(MOVE_BUCKETS.to_vec());
        self.register(Histogram::with_opts(options).expect(LITERALS))
    }

    fn register<M: prometheus::core::Collector + Clone + 'static>(&self, metric: M) -> M {
        self.0.register(Box::new(metric.clone())).expect(LITERALS);
        metric
    }
}

fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

const LITERALS: &str = "names and labels of metrics are literals, each used once";
/// Seconds; finest around the 50 ms aimed at for planned moves and the 500 ms for crashes.
const MOVE_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.5, 10.0,
];

#[cfg(test)]
mod tests;
