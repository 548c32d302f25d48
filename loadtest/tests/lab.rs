//! The lab: what starts, stops, dies and comes back.

use std::net::TcpListener;

use http::{Method, StatusCode};
use rustix::process::Signal;

use crate::support::browser::{Browser, json};
use crate::support::lab::Lab;
use crate::support::process::{LOADTEST, Running, alive, signal};
use crate::support::{directory, eventually};

#[tokio::test]
async fn a_taken_port_is_named_before_anything_starts() {
    let squatter = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = squatter.local_addr().expect("bound").port().to_string();
    let dir = directory("taken-port");
    let arguments = [
        "lab",
        "--port-base",
        "0",
        "--admin-port",
        &port,
        "--dir",
        &dir.display().to_string(),
    ];
    let (status, errors) = Running::start(LOADTEST.as_ref(), &arguments).end().await;

    assert_eq!(status.code(), Some(1));
    let told = format!("port {port} for the proxy's admin listener is taken");
    assert!(errors.contains(&told), "{errors}");
    assert!(!dir.join("proxy.yaml").exists(), "nothing was written yet");
}

#[tokio::test]
async fn a_missing_binary_is_named_with_the_way_to_get_it() {
    let dir = directory("missing-binary");
    let place = dir.display().to_string();
    let arguments = [
        "lab",
        "--port-base",
        "0",
        "--dir",
        &place,
        "--bin-dir",
        &place,
    ];
    let (status, errors) = Running::start(LOADTEST.as_ref(), &arguments).end().await;

    assert_eq!(status.code(), Some(1));
    assert!(
        errors.contains("holdfast-backend: no such program; build it with"),
        "{errors}"
    );
}
