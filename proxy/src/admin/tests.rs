//! The port over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use holdfast_core::cluster::ClusterSettings;
use holdfast_core::control::{self, Command, Event, Member};
use holdfast_core::health::{ProbeKind, ProbeSettings};
use holdfast_core::{ClusterName, Controller, EndpointId, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::control::{Control, Outcomes, Parts as ControlParts};

/// A port over a control loop with cluster `c` of endpoint `a`.
async fn port(commands: bool) -> (SocketAddr, Telemetry) {
    let (telemetry, clock) = (Telemetry::new(), Clock::start());
    let snapshots = Snapshots::default();
    let start = clock;
    let registry = Registry::new(Arc::new(move || Instant::after_start(start.since_start())));
    let (handle, control) = Control::new(ControlParts {
        snapshots: snapshots.clone(),
        outcomes: Outcomes::channel(telemetry.clone()).1,
        orders: Arc::new(registry.clone()),
        telemetry: telemetry.clone(),
        clock,
        cluster_key: None,
        seed: 1,
    });
    tokio::spawn(control.run(CancellationToken::new()));
    let name = ClusterName::parse("c").expect("a good name");
    let mut reports = handle.reports();
    let clusters = vec![ClusterSettings::new(name.clone())];
    handle
        .tell(Event::Reload(control::Config {
            clusters,
            ..Default::default()
        }))
        .await;
    let id = EndpointId::parse("a").expect("a good id");
    let member = Member {
        id,
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        weight: 1,
    };
    handle
        .tell(Event::Discovered {
            cluster: name.clone(),
            members: vec![member],
        })
        .await;
    while reports.recv().await.expect("the loop runs").what.as_str() != "joined" {}
    while snapshots
        .load()
        .cluster(&name)
        .is_none_or(|c| c.endpoints().is_empty())
    {
        tokio::task::yield_now().await;
    }
    let text = "clusters:\n  c:\n    discovery: { static: [{ id: a, address: 127.0.0.1:1 }] }\n\
                listeners: [{ address: 127.0.0.1:0 }]\nroutes: [{ path: /, cluster: c }]\n";
    let config = Config::parse(std::path::Path::new("proxy.yaml"), text).expect("a good file");
    let admin = Admin::new(Parts {
        snapshots,
        handle,
        telemetry: telemetry.clone(),
        registry,
        config: Arc::new(ArcSwap::from_pointee(config)),
        clock,
        commands,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(admin.serve(listener, CancellationToken::new()));
    (address, telemetry)
}

async fn ask(port: SocketAddr, line: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(port).await.expect("it listens");
    let text = format!(
        "{line} HTTP/1.1\r\nhost: {port}\r\nconnection: close\r\ncontent-length: 0\r\n{more}\r\n"
    );
    stream.write_all(text.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers");
    answer
}

#[tokio::test]
async fn every_surface_answers() {
    let (port, telemetry) = port(true).await;
    for (path, wanted) in [
        ("/livez", "ok"),
        ("/readyz", "ok"),
        (
            "/metrics",
            "holdfast_endpoint_state{cluster=\"c\",endpoint=\"a\",state=\"ready\"} 1",
        ),
        ("/status", "\"id\":\"a\""),
        ("/connections", "\"total\":0"),
        ("/config", "\"routes\""),
        ("/", "<!doctype html>"),
        ("/operators.js", "/status"),
    ] {
        let answer = ask(port, &format!("GET {path}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        assert!(
            answer.to_lowercase().contains(&wanted.to_lowercase()),
            "{path}: {answer}"
        );
    }
    assert!(
        ask(port, "GET /nothing", "")
            .await
            .starts_with("HTTP/1.1 404 ")
    );
    telemetry.set_draining();
    assert!(
        ask(port, "GET /readyz", "")
            .await
            .starts_with("HTTP/1.1 503 ")
    );
    assert!(
        ask(port, "GET /livez", "")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test]
async fn an_operator_drains_and_puts_back() {
    let (port, _) = port(true).await;
    let drained = ask(port, "POST /endpoints/c/a/drain?wait=5s", "").await;
    assert!(drained.starts_with("HTTP/1.1 200 "), "{drained}");
    assert!(drained.contains("\"admin\":\"drain\"") && drained.contains("\"connections\":0"));
    assert!(
        ask(port, "GET /status", "")
            .await
            .contains("\"admin\":\"drain\"")
    );
    assert!(
        ask(port, "POST /endpoints/c/a/ready", "")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(
        ask(port, "GET /status", "")
            .await
            .contains("\"admin\":\"ready\"")
    );
    for (path, status) in [
        ("/endpoints/c/z/drain", 404),
        ("/endpoints/x/a/drain", 404),
        ("/endpoints/c/a/explode", 404),
        ("/endpoints/c/a/drain?wait=forever", 400),
    ] {
        let answer = ask(port, &format!("POST {path}"), "").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn nobody_drains_where_it_is_off_or_from_another_site() {
    let (off, _) = port(false).await;
    let answer = ask(off, "POST /endpoints/c/a/drain", "").await;
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.contains("commands_off"),
        "{answer}"
    );
    let (on, _) = port(true).await;
    let answer = ask(
        on,
        "POST /endpoints/c/a/drain",
        "origin: http://evil.example\r\n",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.contains("cross_site"),
        "{answer}"
    );
    assert!(
        ask(on, "GET /status", "")
            .await
            .contains("\"admin\":\"ready\"")
    );
}

#[test]
fn status_tells_what_each_check_heard_last_and_how_often() {
    let name = ClusterName::parse("c").expect("a good name");
    let id = EndpointId::parse("a").expect("a good id");
    let mut settings = ClusterSettings::new(name.clone());
    settings.probes.push(ProbeSettings::new(ProbeKind::Tcp));
    let (now, mut controller) = (Instant::START, Controller::new(1));
    let config = control::Config {
        clusters: vec![settings],
        ..Default::default()
    };
    controller.handle(Event::Reload(config), now);
    let member = Member {
        id: id.clone(),
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        weight: 1,
    };
    let members = vec![member];
    let cluster = name.clone();
    controller.handle(Event::Discovered { cluster, members }, now);
    controller.handle_timeout(now);
    let (mut shown, mut asked) = (None, None);
    while let Some(command) = controller.poll_command() {
        match command {
            Command::Publish(snapshot) => shown = snapshot.cluster(&name).cloned(),
            Command::Probe { ticket, .. } => asked = Some(ticket),
            _ => {}
        }
    }
    let (shown, ticket) = (shown.expect("it is seen"), asked.expect("it is asked"));
    let probes = || {
        let later = now + Duration::from_secs(3);
        status::of_cluster(&shown, later)["endpoints"][0]["probes"].take()
    };
    let untold = json!([{
        "kind": "tcp", "rise": 2, "fall": 3, "passing": null,
        "successes": 0, "failures": 0, "last": null, "since_ms": null,
    }]);
    assert_eq!(probes(), untold);
    let answer = Event::Probed {
        ticket,
        cluster: name,
        endpoint: id,
        result: Err("connect: refused".to_owned()),
    };
    controller.handle(answer, now + Duration::from_secs(1));
    let failed = json!([{
        "kind": "tcp", "rise": 2, "fall": 3, "passing": false,
        "successes": 0, "failures": 1, "last": "connect: refused", "since_ms": 2_000,
    }]);
    assert_eq!(probes(), failed);
}

#[test]
fn an_edge_that_does_not_know_its_endpoints_yet_is_not_ready() {
    let names = ["c", "d"].map(|name| ClusterName::parse(name).expect("a good name"));
    let mut controller = Controller::new(1);
    let now = Instant::after_start(Duration::ZERO);
    let clusters = names.iter().cloned().map(ClusterSettings::new);
    let config = control::Config {
        clusters: clusters.collect(),
        ..Default::default()
    };
    controller.handle(Event::Reload(config), now);
    let ready = names.map(|cluster| {
        let members = Vec::new();
        controller.handle(Event::Discovered { cluster, members }, now);
        let mut ready = None;
        while let Some(command) = controller.poll_command() {
            if let Command::Publish(snapshot) = command {
                ready = Some(knows_enough(&snapshot));
            }
        }
        ready
    });
    assert_eq!(ready, [Some(false), Some(true)], "also if there is nobody");
}
