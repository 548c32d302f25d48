//! Every metric of the backend, with its help, in one place.

use prometheus::{
    Encoder, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use crate::ledger::{self, carrier::Health};
use crate::sessions::{Counts, Tally};

/// Every metric of the backend.
pub struct Metrics {
    registry: Registry,
    sessions: IntGauge,
    clients: IntGauge,
    draining: IntGauge,
    streams: IntGaugeVec,
    streams_ended: IntCounterVec,
    requests: IntCounterVec,
}

impl Metrics {
    /// All of them, at zero, with what is counted about sessions.
    pub fn new(tally: &Tally, ledger: Option<&ledger::Tally>) -> Self {
        let registry = Registry::new();
        if let Some(ledger) = ledger {
            ledger.register(&registry);
        }
        register(&registry, tally.resumes.clone());
        register(&registry, tally.losses.clone());
        register(&registry, tally.refusals.clone());
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("name and help are constants");
            register(&registry, gauge)
        };
        let options = |name: &str, help: &str| Opts::new(name, help);
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(options(name, help), labels);
            register(&registry, counter.expect("name and help are constants"))
        };
        let streams = IntGaugeVec::new(
            options("holdfast_backend_streams", "Open streams of clients"),
            &["transport"],
        );
        Self {
            sessions: gauge("holdfast_backend_sessions", "Sessions owned and run here"),
            clients: gauge("holdfast_backend_clients", "Clients with an open stream"),
            draining: gauge("holdfast_backend_draining", "1 while this endpoint drains"),
            streams: register(&registry, streams.expect("name and help are constants")),
            streams_ended: counter(
                "holdfast_backend_streams_ended_total",
                "Streams of clients that ended, by why",
                &["transport", "reason"],
            ),
            requests: counter(
                "holdfast_backend_requests_total",
                "Answers by class of status: 1xx to 5xx",
                &["class"],
            ),
            registry,
        }
    }

    /// An answer went out.
    pub fn answered(&self, status: http::StatusCode) {
        let class = match status.as_u16() / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.requests.with_label_values(&[class]).inc();
    }

    /// A stream began.
    pub fn stream_began(&self, transport: &str) {
        self.streams.with_label_values(&[transport]).inc();
    }

    /// A stream that had begun has ended.
    pub fn stream_ended(&self, transport: &str, reason: &str) {
        self.streams.with_label_values(&[transport]).dec();
        let labels = [transport, reason];
        self.streams_ended.with_label_values(&labels).inc();
    }

    /// The text that Prometheus reads.
    pub fn text(&self, counts: Counts, draining: bool, ledger: Option<&Health>) -> String {
        if let Some(ledger) = ledger {
            ledger.measure();
        }
        self.sessions.set(counts.sessions as i64);
        self.clients.set(counts.clients as i64);
        self.draining.set(i64::from(draining));
        let mut text = Vec::new();
        // writing to memory does not fail, and what is written is text
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    let registered = registry.register(Box::new(collector.clone()));
    registered.expect("every name is registered once");
    collector
}
