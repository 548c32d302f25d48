//! The example backend behind a real edge: its processes are killed and drained under clients that
//! keep accounts, and none of them may notice.

mod client;

use std::net::SocketAddr;
use std::path::Path;

use holdfast_loadtest::lab::plan::{free_ports, loopback};
use http::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::browser::{Browser, json};
use crate::support::process::{Running, bin_dir};
use crate::support::python::root;
use crate::support::rooms::{Room, example};
use crate::support::{directory, eventually};
use client::Clients;

/// The edge of the example's own configuration, and what is behind it.
struct Stage {
    proxy: SocketAddr,
    admin: Browser,
    processes: Vec<Room>,
    _edge: Running,
}

impl Stage {
    async fn start(test: &str) -> Self {
        let dir = directory(test);
        let ports = free_ports(5).expect("free ports");
        let mut processes = Vec::new();
        for (id, port) in ["a", "b", "c"].into_iter().zip(&ports) {
            processes.push(Room::start(&example(), id, *port, &dir).await);
        }
        let config = dir.join("proxy.yaml");
        std::fs::write(dir.join("affinity"), "5a".repeat(32)).expect("key");
        std::fs::write(&config, configuration(&ports)).expect("configuration");
        let arguments = ["run", "--config", &config.display().to_string()];
        let edge = Running::start(&bin_dir().join("holdfast-proxy"), &arguments);
        let mut stage = Self {
            proxy: loopback(ports[3]),
            admin: Browser::new(loopback(ports[4])),
            processes,
            _edge: edge,
        };
        let address = loopback(ports[4]);
        let listens = async || tokio::net::TcpStream::connect(address).await.ok();
        eventually("the edge listens to operators", listens).await;
        for at in 0..stage.processes.len() {
            stage.is_admitted(at).await;
        }
        stage
    }

    /// What the edge says of a process.
    async fn endpoint(&mut self, at: usize) -> Option<Value> {
        let status = json(&self.admin.get("/status").await);
        let endpoints = status["clusters"][0]["endpoints"].as_array()?;
        let id = &self.processes[at].id;
        endpoints
            .iter()
            .find(|endpoint| endpoint["id"] == id.as_str())
            .cloned()
    }

    async fn is_admitted(&mut self, at: usize) {
        eventually("the edge admits the process", async || {
            let endpoint = self.endpoint(at).await?;
            (endpoint["health"] == "up" && endpoint["admin"] == "ready").then_some(())
        })
        .await;
    }

    /// Whoever has the most clients.
    async fn busiest(&mut self) -> usize {
        let mut most = (0, 0);
        for at in 0..self.processes.len() {
            let endpoint = self.endpoint(at).await.expect("it is configured");
            let connections = endpoint["connections"]["websocket"].as_u64();
            most = most.max((connections.expect("a number"), at));
        }
        assert!(most.0 > 0, "somebody has clients");
        most.1
    }

    async fn command(&mut self, at: usize, command: &str) {
        let path = format!("/endpoints/rooms/{}/{command}", self.processes[at].id);
        let answer = self.admin.ask(Method::POST, &path, "").await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}: {answer:?}");
    }

    async fn totals(&mut self) -> Value {
        json(&self.admin.get("/status").await)["totals"].clone()
    }
}

/// The example's configuration on ports of this test.
fn configuration(ports: &[u16]) -> String {
    let path = root().join("docs/examples/rooms/proxy.yaml");
    let text = std::fs::read_to_string(&path).expect("the example's configuration");
    let own = [":9201", ":9202", ":9203", ":8080", ":9090"];
    let moved = own.iter().zip(ports).fold(text, |text, (from, to)| {
        assert_eq!(
            text.matches(from).count(),
            1,
            "{from} in {}",
            path.display()
        );
        text.replace(from, &format!(":{to}"))
    });
    // on a busy machine too, a process has the time it needs
    moved.replace("contract: required", "contract: required, deadline: 60s")
        + "shutdown: { propagation: 0s, spread: 0s, deadline: 30s }\n"
}

#[tokio::test]
async fn nobody_in_a_room_notices_that_its_processes_are_killed_and_drained() {
    let mut stage = Stage::start("rooms").await;
    let clients = Clients::enter(stage.proxy, 4, 3).await;
    clients.go_on().await;
    for round in 0..9 {
        let at = stage.busiest().await;
        if round % 3 == 2 {
            stage.command(at, "drain?wait=30s").await;
            clients.go_on().await;
            stage.processes[at].process().signal(Signal::TERM);
            let (status, errors) = stage.processes[at].process().end().await;
            assert!(status.success(), "{errors}");
            stage.processes[at].restart().await;
            stage.command(at, "ready").await;
        } else {
            // as often by its own wish as without a word
            let signal = [Signal::KILL, Signal::TERM][round % 2];
            stage.processes[at].process().signal(signal);
            clients.go_on().await;
            stage.processes[at].restart().await;
        }
        stage.is_admitted(at).await;
    }
    clients.check().await;
    let totals = stage.totals().await;
    assert_eq!(totals["lost"], 0, "{totals}");
    let moves = totals["moves"].as_u64().expect("a number");
    assert!(moves >= 9, "{totals}");
}

#[test]
fn the_example_has_fewer_than_150_lines_and_its_readme_a_screen() {
    let lines = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("a file of the example");
        text.lines().count()
    };
    assert!(lines(&example()) < 150);
    assert!(lines(&root().join("docs/examples/rooms/README.md")) <= 40);
}
