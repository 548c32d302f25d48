//! Leaving: say so, serve until the sessions were taken over or time is up, lay down the rest.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;

use crate::app::Backend;

impl Backend {
    /// From now on this endpoint says everywhere that it leaves, or that it does not.
    pub async fn set_draining(&self, draining: bool) {
        self.sessions.set_draining(draining);
        let status = match draining {
            true => ServingStatus::NotServing,
            false => ServingStatus::Serving,
        };
        for service in [
            "",
            "holdfast.session.v1.Sessions",
            "holdfast.exchange.v1.Exchange",
        ] {
            self.reporter.set_service_status(service, status).await;
        }
        tracing::info!(draining, "the endpoint's state changed");
    }
}

/// Lets every session go and ends every connection. Bounded by `shutdown.deadline` and a little.
pub async fn leave(backend: &Backend, stop: &CancellationToken) {
    backend.set_draining(true).await;
    backend.leaving.cancel();
    let deadline = backend.config.shutdown;
    if timeout(deadline, backend.sessions.emptied()).await.is_err() {
        let left = backend.sessions.counts().sessions;
        tracing::warn!(
            left,
            "sessions were not taken over in time: they are let go"
        );
    }
    if timeout(LAY_DOWN, backend.sessions.shut_down())
        .await
        .is_err()
    {
        tracing::error!("the store did not take the last sessions in time");
    }
    stop.cancel();
    backend.tracker.close();
    if timeout(CLOSING, backend.tracker.wait()).await.is_err() {
        tracing::warn!(
            left = backend.tracker.len(),
            "connections did not end in time"
        );
    }
}

/// For snapshots of what nobody took over.
const LAY_DOWN: Duration = Duration::from_secs(10);
/// For close frames to be answered and answers to be written.
const CLOSING: Duration = Duration::from_secs(5);
