//! Sources told apart, changed and lost.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::control::{Control, Orders, Outcomes, Parts, Snapshots};

fn name() -> ClusterName {
    ClusterName::parse("c").expect("a good name")
}

fn endpoint(id: &str, port: u16) -> Endpoint {
    Endpoint {
        id: id.to_owned(),
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        weight: 1,
    }
}

struct Nobody;

impl Orders for Nobody {
    fn move_connections(
        &self,
        _: &ClusterName,
        _: &EndpointId,
        _: holdfast_core::control::Count,
        _: holdfast_core::control::Cause,
    ) {
    }
    fn close_connections(
        &self,
        _: &ClusterName,
        _: &EndpointId,
        _: holdfast_core::control::Count,
        _: holdfast_core::control::Cause,
    ) {
    }
}

/// Waits until the snapshot's endpoints are these. The paused clock runs while it waits.
async fn until(snapshots: &Snapshots, ids: &[&str]) {
    let wait = async {
        loop {
            let snapshot = snapshots.load();
            let cluster = snapshot.cluster(&name());
            let found: Vec<_> = cluster
                .iter()
                .flat_map(|c| c.endpoints())
                .map(|e| e.id.as_str().to_owned())
                .collect();
            if found == ids {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .expect("the endpoints are found");
}

async fn control() -> (Discoveries, Snapshots, Telemetry) {
    let telemetry = Telemetry::new();
    let snapshots = Snapshots::default();
    let (handle, control) = Control::new(Parts {
        snapshots: snapshots.clone(),
        outcomes: Outcomes::channel(telemetry.clone()).1,
        orders: std::sync::Arc::new(Nobody),
        telemetry: telemetry.clone(),
        clock: crate::clock::Clock::start(),
        cluster_key: None,
        seed: 1,
    });
    tokio::spawn(control.run(tokio_util::sync::CancellationToken::new()));
    let settings = holdfast_core::cluster::ClusterSettings::new(name());
    let clusters = vec![settings];
    let config = holdfast_core::control::Config {
        clusters,
        ..Default::default()
    };
    assert!(handle.tell(Event::Reload(config)).await);
    (
        Discoveries::new(handle, telemetry.clone()),
        snapshots,
        telemetry,
    )
}

#[tokio::test(start_paused = true)]
async fn a_changed_source_replaces_its_endpoints() {
    let (mut discoveries, snapshots, _) = control().await;
    let fixed = |ids: &[&str]| Discovery::Static(ids.iter().map(|id| endpoint(id, 1)).collect());
    discoveries.look_for([(name(), fixed(&["a", "b"]))]);
    until(&snapshots, &["a", "b"]).await;
    discoveries.look_for([(name(), fixed(&["b", "c"]))]);
    until(&snapshots, &["b", "c"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_when_it_changes_and_the_last_good_list_stays() {
    let (mut discoveries, snapshots, telemetry) = control().await;
    let folder = std::env::temp_dir().join(format!("holdfast-discovery-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder of our own");
    let path = folder.join("endpoints.yaml");
    let write = |text: &str| std::fs::write(&path, text).expect("writable");
    write("- { id: a, address: 127.0.0.1:1 }\n");
    let source = Discovery::File {
        path: path.clone(),
        interval: Duration::from_secs(1),
    };
    discoveries.look_for([(name(), source)]);
    until(&snapshots, &["a"]).await;
    write("- { id: a, address: 127.0.0.1:1 }\n- { id: b, address: 127.0.0.1:2 }\n");
    until(&snapshots, &["a", "b"]).await;
    write("- { id: a, address: nowhere }\n");
    let failed = "holdfast_discovery_total{cluster=\"c\",result=\"failed\"} 1";
    let wait = async {
        while !telemetry.text(&snapshots.load()).contains(failed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .expect("the bad list is counted");
    until(&snapshots, &["a", "b"]).await;
    std::fs::remove_dir_all(&folder).expect("it is ours");
}
