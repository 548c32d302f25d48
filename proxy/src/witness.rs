//! What the relays tell, passed on to the log, the metrics and the control plane.

use holdfast_core::connection::{Ending, Moved};
use holdfast_core::health::Kind;
use holdfast_core::{ClusterName, Endpoint, EndpointId, Relay};
use tracing::info;

use crate::access_log::{AccessLog, Line};
use crate::control::Outcomes;
use crate::relay::{ConnectionId, Ended, Observer};
use crate::telemetry::Telemetry;

/// Listens to the relays.
pub struct Witness {
    /// One line for each stream that ended.
    pub log: AccessLog,
    /// Moves, losses and endings are counted.
    pub telemetry: Telemetry,
    /// How endpoints served.
    pub outcomes: Outcomes,
}

impl Observer for Witness {
    fn opened(&self, _relay: Relay, _cluster: &ClusterName, _endpoint: &EndpointId) {}

    fn moved(&self, connection: ConnectionId, relay: Relay, cluster: &ClusterName, moved: &Moved) {
        let outcome = if moved.from == moved.to {
            "back"
        } else {
            "moved"
        };
        self.telemetry
            .moved(relay, moved.cause.as_str(), outcome, Some(moved.took));
        info!(
            %connection,
            relay = relay.as_str(),
            cluster = cluster.as_str(),
            from = moved.from.as_str(),
            to = moved.to.as_str(),
            cause = moved.cause.as_str(),
            took_ms = moved.took.as_secs_f64() * 1e3,
            "connection moved"
        );
    }

    fn ended(&self, record: &Ended) {
        self.telemetry.ended(record.relay, record.ending.as_str());
        let (received, sent) = record.messages;
        for (direction, count) in [("up", received), ("down", sent)] {
            self.telemetry
                .messages(record.relay, direction)
                .inc_by(count);
        }
        let code = match record.ending {
            Ending::Lost(reason) => {
                self.telemetry.lost(reason.as_str());
                if let Some(cause) = record.moving {
                    self.telemetry
                        .moved(record.relay, cause.as_str(), "lost", None);
                }
                reason.as_str()
            }
            Ending::Drained => record.because,
            _ => "",
        };
        self.log.write(&Line {
            request_id: &record.request_id,
            connection: &record.connection,
            client: Some(record.client),
            method: "GET", // nothing else opens a stream
            host: &record.host,
            path: &record.path,
            status: record.status,
            snapshot: record.snapshot,
            received: record.bytes.0,
            sent: record.bytes.1,
            duration: record.lived,
            route: &record.route,
            cluster: record.cluster.as_str(),
            endpoint: record.endpoint.as_ref().map_or("", EndpointId::as_str),
            affinity: record.why.as_str(),
            relay: record.relay.as_str(),
            moves: record.moves,
            messages: Some(record.messages),
            ending: record.ending.as_str(),
            code,
            ..Line::default()
        });
    }

    fn outcome(&self, cluster: &ClusterName, endpoint: &Endpoint, kind: Kind) {
        self.outcomes.send(cluster, endpoint, kind);
    }
}
