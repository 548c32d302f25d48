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

#[tokio::test]
async fn a_killed_backend_comes_back_under_its_id_and_lab_json_says_so() {
    let lab = Lab::start("killed-backend", &["--sticky-apps", "1"]).await;
    let place = |record: &serde_json::Value| record["backends"][1].clone();
    let before = place(&lab.record().expect("written once everything answers"));
    let pid = u32::try_from(before["pid"].as_u64().expect("pid")).expect("pid");
    signal(pid, Signal::KILL);
    let after = lab
        .record_with("another pid in lab.json", |record| {
            Some(place(record)).filter(|now| now["pid"] != before["pid"])
        })
        .await;
    assert_eq!(after["id"], "b");
    assert_eq!(after["address"], before["address"]);
    assert_eq!(after["restarts"], 1);
    assert_eq!(after["last_exit"], "signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn a_redis_server_of_the_labs_own_keeps_its_sessions_over_its_own_death() {
    let mut lab = Lab::start("redis", &["--sticky-apps", "1", "--store", "redis"]).await;
    let mut browser = Browser::new(lab.proxy());
    let token = browser.ask(Method::POST, "/api/v1/demo/token", "{}").await;
    assert_eq!(token.status(), StatusCode::OK);
    let made = browser.ask(Method::POST, "/api/v1/sessions", "{}").await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let path = format!(
        "/api/v1/sessions/{}",
        json(&made)["id"].as_str().expect("id")
    );
    let before = lab.record().expect("written once everything answers")["redis"].clone();
    let pid = u32::try_from(before["pid"].as_u64().expect("pid")).expect("pid");
    signal(pid, Signal::KILL);
    lab.record_with("another redis in lab.json", |record| {
        (record["redis"]["pid"] != before["pid"]).then_some(())
    })
    .await;
    // without the owner's memory only the store can know it
    let backends = lab.record().expect("lab.json")["backends"].clone();
    for backend in backends.as_array().expect("a list") {
        let pid = u32::try_from(backend["pid"].as_u64().expect("pid")).expect("pid");
        signal(pid, Signal::KILL);
    }
    eventually("the session is there", async || {
        (browser.get(&path).await.status() == StatusCode::OK).then_some(())
    })
    .await;
    let pids = lab.pids();
    lab.process.signal(Signal::TERM);
    let (status, errors) = lab.process.end().await;
    assert!(status.success(), "{errors}");
    assert!(pids.iter().all(|&pid| !alive(pid)));
}

#[tokio::test]
async fn the_page_may_kill_a_backend_and_a_page_of_another_site_may_not() {
    let lab = Lab::start("kill-button", &["--sticky-apps", "1"]).await;
    let mut foreign = Browser::new(lab.proxy()).with_host("evil.example");
    let refused = foreign.ask(Method::POST, "/lab/backends/a/kill", "").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);

    let mut page = Browser::new(lab.proxy());
    let unknown = page.ask(Method::POST, "/lab/backends/z/kill", "").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let killed = page.ask(Method::POST, "/lab/backends/a/kill", "").await;
    assert_eq!(killed.status(), StatusCode::ACCEPTED);
    eventually("the page sees the restart", async || {
        let state = json(&page.get("/lab/state").await);
        (state["backends"][0]["restarts"] == 1).then_some(())
    })
    .await;
    let state = json(&page.get("/lab/state").await);
    assert_eq!(
        state["backends"][1]["restarts"], 0,
        "nobody else was touched"
    );
}

#[tokio::test]
async fn sigterm_ends_every_process_and_removes_the_record() {
    let mut lab = Lab::start("sigterm", &["--sticky-apps", "1"]).await;
    let pids = lab.pids();
    assert!(pids.iter().all(|&pid| alive(pid)));
    lab.process.signal(Signal::TERM);
    let (status, errors) = lab.process.end().await;
    assert!(status.success(), "{errors}");
    assert!(pids.iter().all(|&pid| !alive(pid)));
    assert!(lab.record().is_none());
}

#[tokio::test]
async fn no_process_outlives_a_lab_that_is_killed() {
    let lab = Lab::start("sigkill", &["--sticky-apps", "1"]).await;
    let pids = lab.pids();
    lab.process.signal(Signal::KILL);
    eventually("every process of the lab is gone", async || {
        pids.iter().all(|&pid| !alive(pid)).then_some(())
    })
    .await;
}
