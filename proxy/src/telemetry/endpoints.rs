//! What is known of endpoints, as metrics of this moment.

use holdfast_core::{Admin, Health, Relay, Snapshot};
use prometheus::proto::MetricFamily;

use super::Maker;

/// The metrics of all endpoints of a snapshot, sorted by name.
pub(super) fn families(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let make = Maker(prometheus::Registry::new());
    let connections = make.gauges(
        "holdfast_connections",
        "Requests in flight and connections open, by relay and endpoint",
        &["relay", "cluster", "endpoint"],
    );
    let sessions = make.gauges(
        "holdfast_endpoint_sessions",
        "Sessions by the endpoint's own word and what was placed there since",
        &["cluster", "endpoint"],
    );
    let state = make.gauges(
        "holdfast_endpoint_state",
        "1 for the admin state an endpoint is in: ready, drain, maint",
        &["cluster", "endpoint", "state"],
    );
    let health = make.gauges(
        "holdfast_endpoint_health",
        "1 for the health an endpoint is in: untried, up, degraded, down, ejected",
        &["cluster", "endpoint", "health"],
    );
    let failing_open = make.gauges(
        "holdfast_cluster_failing_open",
        "1 while so few endpoints are fit that all of them serve",
        &["cluster"],
    );
    for (name, cluster) in &snapshot.clusters {
        failing_open
            .with_label_values(&[name.as_str()])
            .set(i64::from(cluster.failing_open));
        for endpoint in cluster.endpoints() {
            let (name, id) = (name.as_str(), endpoint.id.as_str());
            for relay in Relay::ALL {
                let open = i64::from(endpoint.load.open_count(relay));
                connections
                    .with_label_values(&[relay.as_str(), name, id])
                    .set(open);
            }
            sessions
                .with_label_values(&[name, id])
                .set(i64::from(endpoint.load.sessions()));
            for admin in [Admin::Ready, Admin::Drain, Admin::Maint] {
                let is = i64::from(endpoint.admin == admin);
                state.with_label_values(&[name, id, admin.as_str()]).set(is);
            }
            for known in HEALTHS {
                let is = i64::from(endpoint.health == known);
                health
                    .with_label_values(&[name, id, known.as_str()])
                    .set(is);
            }
        }
    }
    make.0.gather()
}

const HEALTHS: [Health; 5] = [
    Health::Untried,
    Health::Up,
    Health::Degraded,
    Health::Down,
    Health::Ejected,
];
