//! The loop on a paused clock: events in, snapshots out, timers served.

use std::net::SocketAddr;
use std::time::Duration;

use holdfast_core::cluster::{ClusterSettings, Contract};
use holdfast_core::control::{Config, Member, What};
use holdfast_core::{Admin, Relay};
use parking_lot::Mutex;

use super::*;

/// Writes down what is ordered.
#[derive(Default)]
struct Orderly(Mutex<Vec<(&'static str, Count, Cause)>>);

impl Orders for Orderly {
    fn move_connections(&self, _: &ClusterName, _: &EndpointId, count: Count, cause: Cause) {
        self.0.lock().push(("move", count, cause));
    }

    fn close_connections(&self, _: &ClusterName, _: &EndpointId, count: Count, cause: Cause) {
        self.0.lock().push(("close", count, cause));
    }
}

fn name() -> ClusterName {
    ClusterName::parse("c").expect("a good name")
}

fn id(text: &str) -> EndpointId {
    EndpointId::parse(text).expect("a good id")
}

struct Running {
    handle: Handle,
    snapshots: Snapshots,
    orders: Arc<Orderly>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    reports: broadcast::Receiver<Report>,
}

/// A loop with one opaque cluster of `a` and `b`, without probes.
async fn run() -> Running {
    let telemetry = Telemetry::new();
    let (_, outcomes) = Outcomes::channel(telemetry.clone());
    let (snapshots, orders) = (Snapshots::default(), Arc::new(Orderly::default()));
    let (handle, control) = Control::new(Parts {
        snapshots: snapshots.clone(),
        outcomes,
        orders: orders.clone(),
        telemetry,
        clock: Clock::start(),
        cluster_key: None,
        seed: 1,
    });
    let stop = CancellationToken::new();
    let reports = handle.reports();
    let task = tokio::spawn(control.run(stop.clone()));
    let mut running = Running {
        handle,
        snapshots,
        orders,
        stop,
        task,
        reports,
    };
    let mut settings = ClusterSettings::new(name());
    settings.handoff.contract = Contract::Off;
    running
        .tell(Event::Reload(Config {
            clusters: vec![settings],
            ..Config::default()
        }))
        .await;
    let member = |text: &str| Member {
        id: id(text),
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        weight: 1,
    };
    let members = vec![member("a"), member("b")];
    running
        .tell(Event::Discovered {
            cluster: name(),
            members,
        })
        .await;
    running
        .until(|what| matches!(what, What::Joined { .. }))
        .await;
    running
        .until(|what| matches!(what, What::Joined { .. }))
        .await;
    running
}

impl Running {
    async fn tell(&self, event: Event) {
        assert!(self.handle.tell(event).await, "the loop runs");
    }

    /// Waits for a report. The clock is paused, so nothing passes but what must.
    async fn until(&mut self, wanted: impl Fn(&What) -> bool) {
        while !wanted(&self.reports.recv().await.expect("the loop runs").what) {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_published_paced_and_over_by_its_deadline() {
    let mut running = run().await;
    let snapshot = running.snapshots.load();
    let load = snapshot
        .endpoint(&name(), &id("a"))
        .expect("there")
        .load
        .clone();
    let _open: Vec<_> = (0..30).map(|_| load.open(Relay::WebSocket)).collect();
    let began = clock::moment();
    running
        .tell(Event::Admin {
            cluster: name(),
            endpoint: id("a"),
            admin: Admin::Drain,
        })
        .await;
    running
        .until(|what| {
            matches!(
                what,
                What::Admin {
                    to: Admin::Drain,
                    ..
                }
            )
        })
        .await;
    running
        .until(|what| matches!(what, What::Drained { left: 30, .. }))
        .await;
    assert_eq!(began.elapsed().as_secs(), 30);
    let orders = running.orders.0.lock().clone();
    assert!(
        orders.len() > 20,
        "spread over the time there is: {orders:?}"
    );
    assert_eq!(orders.last(), Some(&("close", Count::All, Cause::Deadline)));
    let now = running.snapshots.load();
    assert!(now.number > snapshot.number);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_takes_its_endpoint_out() {
    let mut running = run().await;
    let mut settings = ClusterSettings::new(name());
    // Nothing listens on port 1.
    settings.probes = vec![holdfast_core::health::ProbeSettings::new(
        holdfast_core::health::ProbeKind::Tcp,
    )];
    running
        .tell(Event::Reload(Config {
            clusters: vec![settings],
            ..Config::default()
        }))
        .await;
    let down = |what: &What| {
        matches!(
            what,
            What::Health {
                to: holdfast_core::Health::Down,
                ..
            }
        )
    };
    running.until(down).await;
    running.until(down).await;
    tokio::time::timeout(Duration::from_secs(1), async {
        while running
            .snapshots
            .load()
            .endpoint(&name(), &id("b"))
            .expect("there")
            .health
            .fit()
        {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("published with the report");
}

#[tokio::test(start_paused = true)]
async fn the_loop_ends_when_it_is_stopped() {
    let running = run().await;
    running.stop.cancel();
    running.task.await.expect("ends in good order");
    let admin = Event::Admin {
        cluster: name(),
        endpoint: id("a"),
        admin: Admin::Drain,
    };
    assert!(!running.handle.tell(admin).await);
}
