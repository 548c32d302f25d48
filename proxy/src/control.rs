//! The single writer: what the world tells goes in, what the core commands is done.
//!
//! The data plane and this plane never call each other. Down goes a snapshot
//! ([`Snapshots`]) and orders to move or close ([`Orders`]); up goes a bounded channel of
//! outcomes ([`Outcomes`]), which drops and counts when it is full.

pub mod discovery;
pub mod outcomes;
pub mod probe;
pub mod publish;
pub mod reload;
mod tell;

use std::sync::Arc;

use holdfast_core::control::{Cause, Command, Count, Event, Report};
use holdfast_core::{ClusterName, Controller, EndpointId, Instant};
pub use outcomes::Outcomes;
pub use publish::Snapshots;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::outcomes::OutcomesReceiver;
use crate::clock::{self, Clock};
use crate::config::SecretBytes;
use crate::telemetry::Telemetry;

/// Who carries out orders about open connections: the relays' registry.
pub trait Orders: Send + Sync + 'static {
    /// Move connections of an endpoint elsewhere, idle ones first. Must not block.
    fn move_connections(
        &self,
        cluster: &ClusterName,
        endpoint: &EndpointId,
        count: Count,
        cause: Cause,
    );

    /// Close connections of an endpoint in good manners, idle ones first, and remember their
    /// keys ([`Load::tell`](holdfast_core::cluster::Load::tell)). Must not block.
    fn close_connections(
        &self,
        cluster: &ClusterName,
        endpoint: &EndpointId,
        count: Count,
        cause: Cause,
    );
}

/// How others tell the control plane something; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    events: mpsc::Sender<Event>,
    reports: broadcast::Sender<Report>,
}

impl Handle {
    /// Tells it; waits while its queue is full. False: it has ended.
    pub async fn tell(&self, event: Event) -> bool {
        self.events.send(event).await.is_ok()
    }

    /// Everything people are told from now on.
    pub fn reports(&self) -> broadcast::Receiver<Report> {
        self.reports.subscribe()
    }
}

/// The control loop; runs until it is stopped.
pub struct Control {
    controller: Controller,
    events: mpsc::Receiver<Event>,
    outcomes: OutcomesReceiver,
    reports: broadcast::Sender<Report>,
    snapshots: Snapshots,
    orders: Arc<dyn Orders>,
    telemetry: Telemetry,
    clock: Clock,
    cluster_key: Option<SecretBytes>,
    /// Probes under way, at most one for each endpoint and check, and words to endpoints.
    /// Each has its own deadline and ends in an event.
    errands: JoinSet<Event>,
}

/// What the control loop is given.
pub struct Parts {
    /// Where it publishes.
    pub snapshots: Snapshots,
    /// Where it hears how endpoints served.
    pub outcomes: OutcomesReceiver,
    /// Who moves and closes connections.
    pub orders: Arc<dyn Orders>,
    /// Where it counts.
    pub telemetry: Telemetry,
    /// The process's clock.
    pub clock: Clock,
    /// By what endpoints know us.
    pub cluster_key: Option<SecretBytes>,
    /// Makes its jitter differ from that of other proxies.
    pub seed: u64,
}

impl Control {
    /// A loop to be run, and the handle to tell it things. Tell it the configuration first.
    pub fn new(parts: Parts) -> (Handle, Self) {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let (reports, _) = broadcast::channel(REPORTS_MAX);
        let handle = Handle {
            events: sender,
            reports: reports.clone(),
        };
        let control = Self {
            controller: Controller::new(parts.seed),
            events,
            outcomes: parts.outcomes,
            reports,
            snapshots: parts.snapshots,
            orders: parts.orders,
            telemetry: parts.telemetry,
            clock: parts.clock,
            cluster_key: parts.cluster_key,
            errands: JoinSet::new(),
        };
        (handle, control)
    }

    /// Takes one event after the other and does what follows, until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            while let Some(command) = self.controller.poll_command() {
                self.obey(command);
            }
            let due = self.controller.poll_timeout();
            // Cancel-safe: each branch either took one whole event or nothing. Timers go first,
            // so that a flood of outcomes cannot hold up a drain.
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep_until(due, self.clock) => None,
                Some(event) = self.events.recv() => Some(event),
                Some(ended) = self.errands.join_next() => match ended {
                    Ok(event) => Some(event),
                    // The core gives up waiting for its answer by itself.
                    Err(error) => {
                        tracing::error!(%error, "an errand of the control loop broke");
                        None
                    }
                },
                Some(outcome) = self.outcomes.recv() => Some(Event::Outcome(outcome)),
            };
            let now = Instant::after_start(self.clock.since_start());
            match event {
                Some(event) => self.controller.handle(event, now),
                None => self.controller.handle_timeout(now),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Publish(snapshot) => {
                self.telemetry.published(snapshot.number);
                self.snapshots.publish(snapshot);
            }
            Command::Probe {
                ticket,
                cluster,
                endpoint,
                address,
                settings,
            } => {
                let telemetry = self.telemetry.clone();
                self.errands.spawn(async move {
                    let result = probe::ask(address, &settings).await;
                    telemetry.probed(&cluster, settings.kind.as_str(), result.is_ok());
                    Event::Probed {
                        ticket,
                        cluster,
                        endpoint,
                        result,
                    }
                });
            }
            Command::Move {
                cluster,
                endpoint,
                count,
                cause,
            } => {
                self.orders
                    .move_connections(&cluster, &endpoint, count, cause);
            }
            Command::Close {
                cluster,
                endpoint,
                count,
                cause,
            } => {
                self.orders
                    .close_connections(&cluster, &endpoint, count, cause);
            }
            Command::Tell {
                cluster,
                endpoint,
                address,
                drain,
            } => {
                let key = self.cluster_key.clone();
                self.errands.spawn(async move {
                    let heard = tell::tell(address, drain, key.as_ref()).await;
                    Event::Told {
                        cluster,
                        endpoint,
                        drain,
                        heard,
                    }
                });
            }
            Command::Report(report) => self.report(report),
        }
    }

    fn report(&self, report: Report) {
        let cluster = report.cluster.as_ref();
        self.telemetry.reported(cluster, report.what.as_str());
        tracing::info!(
            cluster = cluster.map(ClusterName::as_str),
            endpoint = report.endpoint.as_ref().map(EndpointId::as_str),
            what = report.what.as_str(),
            "{}",
            report.what
        );
        // Nobody may be looking.
        let _ = self.reports.send(report);
    }
}

async fn sleep_until(due: Option<Instant>, clock: Clock) {
    match due {
        Some(due) => {
            let wait = due.since_start().saturating_sub(clock.since_start());
            tokio::time::sleep_until(clock::moment() + wait).await;
        }
        None => std::future::pending().await,
    }
}

/// Events on their way from discovery, reload and admin; they come one at a time.
const EVENTS_MAX: usize = 256;
/// Reports an operators' page may lag behind.
const REPORTS_MAX: usize = 1024;

#[cfg(test)]
mod tests;
