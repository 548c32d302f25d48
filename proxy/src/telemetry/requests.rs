//! What becomes of requests.

use prometheus::IntCounterVec;

use super::Maker;
use crate::edge::answer::Code;

pub(super) struct Requests {
    pub(super) requests: IntCounterVec,
    pub(super) responses: IntCounterVec,
    pub(super) rejected: IntCounterVec,
    pub(super) affinity: IntCounterVec,
    pub(super) dial_failures: IntCounterVec,
    pub(super) redirects: IntCounterVec,
    pub(super) identity: IntCounterVec,
}

impl Requests {
    pub(super) fn new(make: &Maker) -> Self {
        let requests = Self::register(make);
        for code in Code::ALL {
            requests.rejected.with_label_values(&[code.as_str()]);
        }
        requests
    }

    fn register(make: &Maker) -> Self {
        Self {
            requests: make.counters(
                "holdfast_requests_total",
                "Requests by route and relay",
                &["route", "relay"],
            ),
            responses: make.counters(
                "holdfast_responses_total",
                "Answers to clients by route and status class",
                &["route", "class"],
            ),
            rejected: make.counters(
                "holdfast_rejected_total",
                "Requests the edge answered itself, by reason",
                &["reason"],
            ),
            affinity: make.counters(
                "holdfast_affinity_total",
                "Verdicts on the affinity of clients",
                &["cluster", "verdict"],
            ),
            dial_failures: make.counters(
                "holdfast_dial_failures_total",
                "Endpoints that could not be reached",
                &["cluster"],
            ),
            redirects: make.counters(
                "holdfast_redirects_total",
                "Answers 421 and 503 of endpoints that were followed elsewhere",
                &["cluster", "status"],
            ),
            identity: make.counters(
                "holdfast_identity_total",
                "Tokens and tickets judged, by verdict",
                &["verdict"],
            ),
        }
    }
}
