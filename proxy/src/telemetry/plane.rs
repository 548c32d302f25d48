//! What the control plane hears and does.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::Maker;

pub(super) struct Plane {
    pub(super) snapshot_number: IntGauge,
    pub(super) probes: IntCounterVec,
    pub(super) reports: IntCounterVec,
    pub(super) discovery: IntCounterVec,
    pub(super) outcomes_dropped: IntCounter,
    pub(super) events_missed: IntCounter,
    pub(super) reloads: IntCounterVec,
}

impl Plane {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            snapshot_number: make.gauge(
                "holdfast_snapshot_number",
                "Number of the snapshot in force; grows with every change",
            ),
            probes: make.counters(
                "holdfast_probes_total",
                "Probes by cluster, kind and result",
                &["cluster", "kind", "result"],
            ),
            reports: make.counters(
                "holdfast_reports_total",
                "Changes of endpoints and clusters, by what changed",
                &["cluster", "what"],
            ),
            discovery: make.counters(
                "holdfast_discovery_total",
                "Answers of discovery, by cluster and result",
                &["cluster", "result"],
            ),
            outcomes_dropped: make.counter(
                "holdfast_outcomes_dropped_total",
                "Outcomes the control plane did not hear of because its queue was full",
            ),
            events_missed: make.counter(
                "holdfast_events_missed_total",
                "Events an operators' page missed because it read too slowly",
            ),
            reloads: make.counters(
                "holdfast_reloads_total",
                "Configuration reloads by result",
                &["result"],
            ),
        }
    }
}
