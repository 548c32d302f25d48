//! How endpoints served, on the way from the data plane to the control plane.

use holdfast_core::control::Outcome;
use holdfast_core::health::Kind;
use holdfast_core::{ClusterName, Endpoint};
use tokio::sync::mpsc;

use crate::telemetry::Telemetry;

/// Where the data plane tells how endpoints served; cheap to clone, never waits.
#[derive(Clone)]
pub struct Outcomes {
    sender: mpsc::Sender<Outcome>,
    telemetry: Telemetry,
}

/// The other end, for the control loop.
pub type OutcomesReceiver = mpsc::Receiver<Outcome>;

impl Outcomes {
    /// A bounded channel of outcomes.
    pub fn channel(telemetry: Telemetry) -> (Self, OutcomesReceiver) {
        let (sender, receiver) = mpsc::channel(OUTCOMES_MAX);
        (Self { sender, telemetry }, receiver)
    }

    /// Tells how `endpoint` served. What is no news (a healthy endpoint serving well) costs
    /// an atomic load and goes no further. When the control plane does not keep up the
    /// outcome is dropped and counted: bad endpoints will be heard of again.
    pub fn send(&self, cluster: &ClusterName, endpoint: &Endpoint, kind: Kind) {
        let news = match kind {
            Kind::Contract { kept } => kept && !endpoint.contract,
            Kind::DialFailed => {
                self.telemetry.dial_failed(cluster);
                endpoint.load.is_news(kind.service())
            }
            _ if kind.is_doubt() => endpoint.load.doubt(),
            _ => endpoint.load.is_news(kind.service()),
        };
        if !news {
            return;
        }
        let outcome = Outcome {
            cluster: cluster.clone(),
            endpoint: endpoint.id.clone(),
            kind,
        };
        if self.sender.try_send(outcome).is_err() {
            self.telemetry.outcome_dropped();
        }
    }
}

/// Outcomes on their way; at a hundred bytes each a fraction of a megabyte.
const OUTCOMES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use holdfast_core::EndpointId;
    use holdfast_core::cluster::ClusterSettings;

    use super::*;

    #[test]
    fn a_doubt_is_told_once_until_a_probe_was_answered() {
        let (outcomes, mut receiver) = Outcomes::channel(Telemetry::new());
        let cluster = ClusterName::parse("c").expect("a good name");
        let settings = ClusterSettings::new(cluster.clone());
        let id = EndpointId::parse("a").expect("a good id");
        let endpoint = Endpoint::new(id, SocketAddr::from(([127, 0, 0, 1], 1)), 1, &settings);
        for round in 0..2 {
            for kind in [Kind::NotTaken, Kind::Missed, Kind::Answered { status: 421 }] {
                outcomes.send(&cluster, &endpoint, kind);
            }
            let told = receiver.try_recv().map(|outcome| outcome.kind);
            assert_eq!(told, Ok(Kind::NotTaken), "round {round}");
            assert!(receiver.try_recv().is_err(), "a flood is one question");
            endpoint.load.trust();
        }
    }

    #[test]
    fn a_full_channel_drops_and_counts() {
        let telemetry = Telemetry::new();
        let (outcomes, mut receiver) = Outcomes::channel(telemetry.clone());
        let cluster = ClusterName::parse("c").expect("a good name");
        let settings = ClusterSettings::new(cluster.clone());
        let id = EndpointId::parse("a").expect("a good id");
        let endpoint = Endpoint::new(id, SocketAddr::from(([127, 0, 0, 1], 1)), 1, &settings);
        outcomes.send(&cluster, &endpoint, Kind::Answered { status: 200 });
        assert!(receiver.try_recv().is_err(), "serving well is no news");
        for _ in 0..OUTCOMES_MAX + 3 {
            outcomes.send(&cluster, &endpoint, Kind::DialFailed);
        }
        let text = telemetry.text(&holdfast_core::Snapshot::default());
        assert!(
            text.contains("holdfast_outcomes_dropped_total 3\n"),
            "{text}"
        );
        assert!(
            text.contains("holdfast_dial_failures_total{cluster=\"c\"} 4099\n"),
            "{text}"
        );
        assert_eq!(
            receiver.try_recv().map(|outcome| outcome.kind),
            Ok(Kind::DialFailed)
        );
    }
}
