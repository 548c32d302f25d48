//! What becomes of connections, those of clients and those the relays keep.

use holdfast_core::Relay;
use holdfast_core::connection::{Cause, Lost};
use prometheus::{Histogram, IntCounterVec, IntGauge};

use super::Maker;

pub(super) struct Connections {
    pub(super) downstream_connections: IntGauge,
    pub(super) refused_connections: IntCounterVec,
    pub(super) moves: IntCounterVec,
    pub(super) move_seconds: Histogram,
    pub(super) lost: IntCounterVec,
    pub(super) ended: IntCounterVec,
    pub(super) messages: IntCounterVec,
}

impl Connections {
    pub(super) fn new(make: &Maker) -> Self {
        let connections = Self::register(make);
        connections.start_at_zero();
        connections
    }

    /// What alerts are set on is there from the start: a counter that appears with its first
    /// event has no increase to be seen.
    fn start_at_zero(&self) {
        for reason in Lost::ALL {
            self.lost.with_label_values(&[reason.as_str()]);
        }
        for relay in [Relay::WebSocket, Relay::Sse] {
            for cause in Cause::ALL {
                for outcome in OUTCOMES {
                    let labels = [relay.as_str(), cause.as_str(), outcome];
                    self.moves.with_label_values(&labels);
                }
            }
        }
    }

    fn register(make: &Maker) -> Self {
        Self {
            downstream_connections: make.gauge(
                "holdfast_downstream_connections",
                "Connections of clients to the edge",
            ),
            refused_connections: make.counters(
                "holdfast_refused_connections_total",
                "Connections refused before a request was read, by reason",
                &["reason"],
            ),
            moves: make.counters(
                "holdfast_moves_total",
                "Moves of live connections between endpoints",
                &["relay", "cause", "outcome"],
            ),
            move_seconds: make.histogram(
                "holdfast_move_seconds",
                "From the loss of the old upstream leg to the first byte over the new one",
            ),
            lost: make.counters(
                "holdfast_lost_total",
                "Connections that could not be kept, by reason; the number to watch",
                &["reason"],
            ),
            ended: make.counters(
                "holdfast_ended_total",
                "Connections that ended, by relay and ending",
                &["relay", "ending"],
            ),
            messages: make.counters(
                "holdfast_messages_total",
                "WebSocket messages and events of streams that have ended, by relay and direction",
                &["relay", "direction"],
            ),
        }
    }
}

/// How moves end: at another endpoint, back where they began since nobody else took them, or
/// with the connection, which is counted as lost then.
pub(super) const OUTCOMES: [&str; 3] = ["moved", "back", "lost"];
