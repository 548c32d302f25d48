//! Third-party servers, installed from their packages and unmodified, behind the edge: it must
//! carry what it knows nothing about, and keep clients where their state is.

use std::net::SocketAddr;
use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use holdfast_loadtest::lab::plan::{free_ports, loopback};
use http::{HeaderMap, Method, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::browser::{Browser, next_text};
use crate::support::process::{Running, bin_dir};
use crate::support::python::python;
use crate::support::{SOON, directory, eventually};

/// An edge with two servers of each kind behind it.
struct Edge {
    address: SocketAddr,
    _processes: Vec<Running>,
}

impl Edge {
    async fn start(test: &str) -> Self {
        let dir = directory(test);
        let ports = free_ports(6).expect("free ports");
        let (servers, own) = ports.split_at(4);
        let scripts = [
            "websocket_echo.py",
            "websocket_echo.py",
            "hit_counter.py",
            "hit_counter.py",
        ];
        let mut processes = Vec::new();
        for (script, port) in scripts.iter().zip(servers) {
            processes.push(serve(script, *port));
        }
        for port in servers {
            let up = async || TcpStream::connect(loopback(*port)).await.ok();
            eventually("a third-party server listens", up).await;
        }
        let config = dir.join("proxy.yaml");
        std::fs::write(dir.join("affinity"), "5a".repeat(32)).expect("key");
        std::fs::write(&config, configuration(servers, own)).expect("configuration");
        let proxy = bin_dir().join("holdfast-proxy");
        let arguments = ["run", "--config", &config.display().to_string()];
        processes.push(Running::start(&proxy, &arguments));
        let edge = Self {
            address: loopback(own[0]),
            _processes: processes,
        };
        let mut admin = Browser::new(loopback(own[1]));
        eventually("the edge is ready", async || {
            TcpStream::connect(loopback(own[1])).await.ok()?;
            (admin.get("/readyz").await.status() == StatusCode::OK).then_some(())
        })
        .await;
        edge
    }

    fn host(&self, name: &str) -> Browser {
        Browser::new(self.address).with_host(name)
    }
}

fn configuration(servers: &[u16], own: &[u16]) -> String {
    let words = ["ea", "eb", "ca", "cb", "address", "admin"];
    let template = include_str!("opaque/proxy.yaml").to_owned();
    words
        .iter()
        .zip(servers.iter().chain(own))
        .fold(template, |text, (word, port)| {
            text.replace(&format!("{{{{{word}}}}}"), &loopback(*port).to_string())
        })
}

/// Starts a script of `tests/opaque` with the Python of the tests.
fn serve(script: &str, port: u16) -> Running {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/opaque")
        .join(script);
    let port = format!("PORT={port}");
    let python = python().display().to_string();
    Running::start(
        Path::new("/usr/bin/env"),
        &[&port, &python, &path.display().to_string()],
    )
}

fn endpoint(headers: &HeaderMap) -> String {
    let name = headers
        .get("holdfast-endpoint")
        .expect("the edge names the endpoint");
    name.to_str().expect("ASCII").to_owned()
}

#[tokio::test]
async fn a_third_party_websocket_server_is_carried_whole() {
    let edge = Edge::start("opaque-websocket").await;
    let (mut socket, head) = edge.host("echo.test").upgrade("/any/path?x=1").await;
    let server = head
        .get("server")
        .expect("named by the server")
        .to_str()
        .expect("ASCII");
    assert!(server.contains("websockets/"), "{server}");

    socket.send(Message::text("grüße")).await.expect("open");
    assert_eq!(next_text(&mut socket).await, "grüße");
    // Larger than every buffer of the edge, so that it streams through.
    let large = "0123456789abcdef".repeat(20_000);
    socket
        .send(Message::text(large.clone()))
        .await
        .expect("open");
    assert_eq!(next_text(&mut socket).await, large);

    socket.send(Message::text("leave")).await.expect("open");
    let last = timeout(SOON, socket.next())
        .await
        .expect("in time")
        .expect("a last message");
    let Message::Close(Some(close)) = last.expect("whole") else {
        panic!("expected a close")
    };
    assert_eq!(
        close.code,
        CloseCode::Library(4242),
        "the application's word is not changed"
    );
    assert_eq!(close.reason.as_str(), "as you wish");
}

#[tokio::test]
async fn compression_is_between_the_client_and_an_opaque_server() {
    let edge = Edge::start("opaque-compression").await;
    let mut browser = edge.host("echo.test").offering_compression();
    let (_, head) = browser.upgrade("/").await;
    let agreed = head
        .get("sec-websocket-extensions")
        .expect("the server takes it");
    assert!(
        agreed
            .to_str()
            .expect("ASCII")
            .starts_with("permessage-deflate")
    );
}

#[tokio::test]
async fn websockets_of_one_browser_come_to_one_server() {
    let edge = Edge::start("opaque-sticky-websocket").await;
    let mut browser = edge.host("echo.test");
    // A plain request, refused by the server for want of an upgrade, brings the cookie too.
    let first = browser.get("/").await;
    assert_eq!(first.status(), StatusCode::UPGRADE_REQUIRED);
    let first = endpoint(first.headers());
    for _ in 0..20 {
        let (mut socket, head) = browser.upgrade("/").await;
        assert_eq!(endpoint(&head), first);
        socket.close(None).await.expect("closes");
    }
}

#[tokio::test]
async fn an_application_with_sessions_in_memory_counts_on_with_affinity_and_breaks_without() {
    let edge = Edge::start("opaque-sessions").await;
    let mut faithful = edge.host("counter.test");
    let mut counts = Vec::new();
    for _ in 0..10 {
        counts.push(visits(&mut faithful).await);
    }
    assert_eq!(counts, (1..=10).collect::<Vec<u32>>());

    let mut forgetful = edge.host("forgetful.test");
    let mut counts = Vec::new();
    for _ in 0..10 {
        counts.push(visits(&mut forgetful).await);
    }
    assert!(
        counts.windows(2).any(|pair| pair[1] <= pair[0]),
        "{counts:?}"
    );
}

/// "During your current session, you've viewed this page N times!"
async fn visits(browser: &mut Browser) -> u32 {
    let answer = browser.ask(Method::GET, "/", "").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    let words: Vec<&str> = text.split_whitespace().collect();
    let times = words
        .iter()
        .position(|word| *word == "times!")
        .expect("the tutorial's page");
    words[times - 1].parse().expect("a number")
}
