//! Sources told apart, changed and lost.

mod name_server;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};

use self::name_server::NameServer;
use super::*;

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

/// What discovery tells, instead of a control plane that listens.
struct Told {
    events: mpsc::Receiver<Event>,
    telemetry: Telemetry,
}

impl Told {
    fn listen() -> (Discoveries, Self) {
        let telemetry = Telemetry::new();
        let (sender, events) = mpsc::channel(1);
        let handle = Handle {
            events: sender,
            reports: broadcast::channel(1).0,
        };
        let discoveries = Discoveries::new(handle, telemetry.clone());
        (discoveries, Self { events, telemetry })
    }

    /// The ids of the set that is told next.
    async fn next(&mut self) -> Vec<String> {
        let event = tokio::time::timeout(Duration::from_secs(60), self.events.recv());
        match event.await.expect("in time").expect("somebody tells") {
            Event::Discovered { members, .. } => {
                members.iter().map(|m| m.id.as_str().to_owned()).collect()
            }
            other => panic!("discovery tells sets of endpoints, not {other:?}"),
        }
    }

    /// Nothing is told for so long.
    async fn nothing(&mut self, span: Duration) {
        let told = tokio::time::timeout(span, self.events.recv()).await;
        assert!(told.is_err(), "{told:?}");
    }

    fn has_failed(&self, times: u32) -> bool {
        let counted =
            format!("holdfast_discovery_total{{cluster=\"c\",result=\"failed\"}} {times}\n");
        self.telemetry.text(&Default::default()).contains(&counted)
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_source_replaces_its_endpoints() {
    let (mut discoveries, mut told) = Told::listen();
    let fixed = |ids: &[&str]| Discovery::Static(ids.iter().map(|id| endpoint(id, 1)).collect());
    discoveries.look_for([(name(), fixed(&["a", "b"]))]);
    assert_eq!(told.next().await, ["a", "b"]);
    discoveries.look_for([(name(), fixed(&["a", "b"]))]);
    told.nothing(Duration::from_secs(60)).await;
    discoveries.look_for([(name(), fixed(&["b", "c"]))]);
    assert_eq!(told.next().await, ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_when_it_changes_and_a_bad_one_tells_nothing() {
    let (mut discoveries, mut told) = Told::listen();
    let folder = std::env::temp_dir().join(format!("holdfast-discovery-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder of our own");
    let path = folder.join("endpoints.yaml");
    write(&path, "- { id: a, address: 127.0.0.1:1 }\n");
    let source = Discovery::File {
        path: path.clone(),
        interval: Duration::from_secs(1),
    };
    discoveries.look_for([(name(), source)]);
    assert_eq!(told.next().await, ["a"]);
    let both = "- { id: a, address: 127.0.0.1:1 }\n- { id: b, address: 127.0.0.1:2 }\n";
    write(&path, both);
    assert_eq!(told.next().await, ["a", "b"]);
    write(&path, "- { id: a, address: nowhere }\n");
    // The paused clock stands while the file is being read, so these are several looks.
    told.nothing(Duration::from_secs(5)).await;
    assert!(told.has_failed(1), "counted, and read once");
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

/// Puts a whole file in place: nobody sees half of it.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("writable");
    std::fs::rename(&beside, path).expect("the same folder");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_again_after_its_ttl_and_silence_tells_nothing() {
    let (mut discoveries, mut told) = Told::listen();
    // While its thread listens, the paused clock moves by our hand alone.
    let mut server = NameServer::start();
    server.answers(&[Ipv4Addr::new(127, 0, 0, 2)]);
    let source = Discovery::Dns {
        name: "backend.test.".to_owned(),
        port: 9001,
        interval: Duration::from_secs(30),
        server: Some(server.address()),
    };
    discoveries.look_for([(name(), source)]);
    assert_eq!(told.next().await, ["127.0.0.2"]);

    server.answers(&[Ipv4Addr::new(127, 0, 0, 4), Ipv4Addr::new(127, 0, 0, 3)]);
    tokio::time::advance(name_server::TTL).await;
    assert_eq!(told.next().await, ["127.0.0.3", "127.0.0.4"]);

    server.is_silent();
    tokio::time::advance(name_server::TTL).await;
    server.is_asked().await;
    tokio::time::advance(dns::ASK_MAX).await;
    // All that is left to happen is in this runtime: a few turns are enough.
    for _ in 0..1_000 {
        if told.has_failed(1) {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(told.has_failed(1), "silence is counted");
    assert!(told.events.try_recv().is_err(), "and nothing is told");

    server.answers(&[Ipv4Addr::new(127, 0, 0, 5)]);
    tokio::time::advance(dns::FAILED_PAUSE).await;
    assert_eq!(told.next().await, ["127.0.0.5"]);
}
