//! A proxy is replaced by its next version while clients keep coming.

use std::net::SocketAddr;
use std::sync::Arc;

use holdfast_wire::websocket::{CloseCode, ControlFrame};
use rustix::process::Signal;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::client::Client;
use crate::support::endpoint::{Endpoint, ok, switching};
use crate::support::process::Process;
use crate::support::proxy::Setup;

/// Takes WebSockets, and answers everything else.
async fn endpoint() -> Endpoint {
    let script = |head: &str| match head.to_ascii_lowercase() {
        head if head.contains("upgrade: websocket") => switching(""),
        _ => ok("a"),
    };
    Endpoint::scripted("a", Arc::new(script)).await
}

async fn proxy(a: &Endpoint) -> Process {
    let setup = Setup {
        top: "shutdown: { propagation: 30s, spread: 100ms, deadline: 60s }\n".to_owned(),
        ..Setup::default()
    };
    Process::start(&setup.file(&[a])).await
}

/// Connects anew for each request until it is stopped; says how many were answered. A refused or
/// broken connection fails the test.
fn keep_asking(address: SocketAddr, stop: CancellationToken) -> JoinHandle<u32> {
    tokio::spawn(async move {
        let mut answered = 0;
        while !stop.is_cancelled() {
            let mut client = Client::connect(address).await;
            let answer = client.get("/", "Connection: close\r\n").await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answered += 1;
        }
        answered
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_is_refused_while_a_proxy_is_replaced() {
    let a = endpoint().await;
    let mut proxy = proxy(&a).await;
    let stop = CancellationToken::new();
    let asking = [(); 3].map(|()| keep_asking(proxy.address, stop.clone()));
    let mut socket = Client::connect(proxy.address).await;
    assert_eq!(socket.upgrade("/ws", "", b"").await.status, 101);
    proxy.signal(Signal::QUIT);
    proxy
        .logged("the new process serves; this one leaves")
        .await;
    // Paced, at the boundary of a message, and without the wait for a load balancer.
    let close = ControlFrame::close(CloseCode::RESTART, "drained", None);
    socket.expect(close.as_ref()).await;
    socket
        .send(ControlFrame::close(CloseCode::RESTART, "", Some([1; 4])).as_ref())
        .await;
    socket.rest().await;
    assert!(proxy.ended().await.success());
    let mut late = Client::connect(proxy.address).await;
    assert_eq!(late.get("/", "").await.status, 200, "the new one serves");
    drop(late);
    stop.cancel();
    for asking in asking {
        assert!(asking.await.expect("nobody is refused") > 0);
    }
    // It can be replaced like the first one.
    proxy.signal_successor(Signal::QUIT);
    proxy
        .logged("the new process serves; this one leaves")
        .await;
    proxy.logged("everybody has left").await;
    let mut last = Client::connect(proxy.address).await;
    assert_eq!(last.get("/", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_whose_successor_does_not_come_up_goes_on() {
    let a = endpoint().await;
    let mut proxy = proxy(&a).await;
    std::fs::write(&proxy.config, "listeners: none\n").expect("the file is written");
    proxy.signal(Signal::QUIT);
    let line = proxy.logged("no upgrade; this process goes on").await;
    let cause = line["fields"]["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("exit status: 64"), "{line}");
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.get("/", "").await.status, 200);
}
