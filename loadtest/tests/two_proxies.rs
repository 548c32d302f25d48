//! Two proxies in front of the same backends, whose operators want opposite things.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use futures_util::SinkExt as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;

use crate::support::browser::{Browser, Socket, json, next_json};
use crate::support::eventually;
use crate::support::lab::Lab;
use crate::support::process::bin_dir;

/// A second proxy beside the lab's, with the same endpoints and keys.
struct Second {
    address: SocketAddr,
    admin: SocketAddr,
    _process: Child,
}

impl Second {
    async fn start(lab: &Lab) -> Self {
        let free = || {
            let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
            (socket.local_addr().expect("its address"), socket)
        };
        let ((address, a), (admin, b), (h2c, c)) = (free(), free(), free());
        let text = std::fs::read_to_string(lab.dir().join("proxy.yaml")).expect("the lab's proxy");
        let mut ours = text.replace(&lab.proxy().to_string(), &address.to_string());
        let theirs = lab.address("/proxy/admin");
        ours = ours.replace(&theirs.to_string(), &admin.to_string());
        let line = ours.lines().find(|line| line.contains("h2c: true"));
        let h2c_of_lab = line.and_then(|line| line.split('"').nth(1)).expect("h2c");
        let ours = ours.replace(h2c_of_lab, &h2c.to_string());
        let file = lab.dir().join("second.yaml");
        std::fs::write(&file, ours).expect("written");
        drop((a, b, c));
        let log = std::fs::File::create(lab.dir().join("second.log")).expect("a file");
        let process = Command::new(bin_dir().join("holdfast-proxy"))
            .args(["run", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let second = Self {
            address,
            admin,
            _process: process,
        };
        eventually("the second proxy is ready", async || {
            let up = tokio::net::TcpStream::connect(admin).await.is_ok();
            let ready = up && Browser::new(admin).get("/readyz").await.status() == StatusCode::OK;
            ready.then_some(())
        })
        .await;
        second
    }
}

/// One client's WebSocket, and the id of the last message: each names the one before it.
struct Ear {
    socket: Socket,
    last: Option<String>,
    commands: u64,
}

impl Ear {
    async fn open(browser: &mut Browser, session: &str, client: &str) -> Self {
        let path = format!("/api/v1/sessions/{session}/ws?client={client}");
        Self {
            socket: browser.websocket(&path).await,
            last: None,
            commands: 0,
        }
    }

    /// Asks for something and hears everything up to the answer: nothing is missing, and the
    /// connection is still the same.
    async fn ask(&mut self) {
        self.commands += 1;
        let n = self.commands;
        let order = json!({ "type": "order.cancel", "n": n, "data": { "order_id": "none" } });
        let said = Message::text(order.to_string());
        self.socket.send(said).await.expect("it is open");
        loop {
            let message = next_json(&mut self.socket).await;
            self.follow(&message);
            if message["type"] == "answer" && message["n"] == n {
                return;
            }
        }
    }

    fn follow(&mut self, message: &Value) {
        assert_ne!(message["type"], "reset", "nothing was forgotten: {message}");
        let Some(id) = message["id"].as_str() else {
            return;
        };
        if let (Some(last), Some(prev)) = (&self.last, message["prev"].as_str()) {
            assert_eq!(prev, last, "nothing is missing before {message}");
        }
        self.last = Some(id.to_owned());
    }
}

/// Who has the session, by the word of a request through this edge.
async fn owner(browser: &mut Browser, session: &str) -> String {
    let answer = browser.get(&format!("/api/v1/sessions/{session}")).await;
    let endpoint = answer.headers().get("holdfast-endpoint");
    let endpoint = endpoint.map(|value| value.to_str().expect("an id").to_owned());
    endpoint
        .filter(|_| answer.status() == StatusCode::OK)
        .unwrap_or_default()
}

async fn wish(admin: SocketAddr, endpoint: &str, verb: &str) {
    let path = format!("/endpoints/backend/{endpoint}/{verb}");
    let answer = Browser::new(admin).ask(Method::POST, &path, "").await;
    assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
}

/// What this proxy believes of its endpoints: `(id, admin state)`.
async fn beliefs(admin: SocketAddr) -> Vec<(String, String)> {
    let status = json(&Browser::new(admin).get("/status").await);
    let clusters = status["clusters"].as_array().expect("clusters");
    let backend = clusters.iter().find(|cluster| cluster["name"] == "backend");
    let endpoints = backend.expect("the cluster")["endpoints"].as_array();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = endpoints.expect("endpoints").iter();
    all.map(|e| (text(&e["id"]), text(&e["admin"]))).collect()
}

async fn moves(admin: SocketAddr) -> u64 {
    let status = json(&Browser::new(admin).get("/status").await);
    status["totals"]["moves"].as_u64().expect("a number")
}

#[tokio::test]
async fn two_proxies_with_opposite_drains_end_in_one_owner() {
    let lab = Lab::start("two-minds", &["--backends", "2", "--sticky-apps", "1"]).await;
    let second = Second::start(&lab).await;
    let (one, other) = (lab.address("/proxy/admin"), second.admin);
    let mut here = Browser::new(lab.proxy());
    let token = here.ask(Method::POST, "/api/v1/demo/token", "{}").await;
    assert_eq!(token.status(), StatusCode::OK, "{token:?}");
    let made = json(&here.ask(Method::POST, "/api/v1/sessions", "{}").await);
    let session = made["id"].as_str().expect("an id").to_owned();
    let mut there = here.clone().at(second.address);
    let mut ears = [
        Ear::open(&mut here, &session, "here").await,
        Ear::open(&mut there, &session, "there").await,
    ];
    for ear in &mut ears {
        ear.ask().await;
    }
    let first = owner(&mut here, &session).await;
    let rest = if first == "a" { "b" } else { "a" };

    // Each drains what the other one moves to.
    tokio::join!(wish(one, &first, "drain"), wish(other, rest, "drain"));
    eventually("both proxies know that both endpoints drain", async || {
        let known = [beliefs(one).await, beliefs(other).await].concat();
        known
            .iter()
            .all(|(_, admin)| admin == "drain")
            .then_some(())
    })
    .await;
    for ear in &mut ears {
        ear.ask().await;
    }
    let settled = eventually("both proxies find the same owner", async || {
        let found = (
            owner(&mut here, &session).await,
            owner(&mut there, &session).await,
        );
        (found.0 == found.1 && !found.0.is_empty()).then_some(found.0)
    })
    .await;
    let before = moves(one).await + moves(other).await;
    assert!(before <= 8, "{before} moves: the session went to and fro");

    // Whoever is put back first gets it, through whichever proxy that is said.
    let home = if settled == "a" { "b" } else { "a" };
    wish(other, home, "ready").await;
    eventually(
        "the session comes to the endpoint that is ready",
        async || {
            let found = (
                owner(&mut here, &session).await,
                owner(&mut there, &session).await,
            );
            (found.0 == home && found.1 == home).then_some(())
        },
    )
    .await;
    for ear in &mut ears {
        ear.ask().await;
    }
}
