//! Every profile, small: real processes are drained, stopped and killed, and the books balance.

use std::time::Duration;

use holdfast_loadtest::client::Client;
use http::Method;
use serde_json::Value;
use tokio::process::Command;

use crate::support::lab::Lab;
use crate::support::process::LOADTEST;
use crate::support::{SOON, eventually};

/// Runs a profile against a lab; its report comes back if it succeeded.
async fn run(lab: &Lab, arguments: &[&str]) -> Value {
    let reports = lab.dir().join("reports");
    let mut command = Command::new(LOADTEST);
    command
        .arg("run")
        .args(arguments)
        .args(["--speed", "0.2", "--audit", "1"])
        .arg("--lab")
        .arg(lab.dir().join("lab.json"))
        .arg("--dir")
        .arg(&reports)
        .kill_on_drop(true);
    let ended = tokio::time::timeout(RUN_MAX, command.output()).await;
    let ended = ended.expect("a profile ends").expect("it was started");
    let (said, errors) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(
        ended.status.success(),
        "{arguments:?}: {}\n{said}\n{errors}",
        ended.status
    );
    let path = said
        .lines()
        .find_map(|line| line.strip_prefix("report: "))
        .expect("it names its report");
    let page = std::fs::read_to_string(path.replace(".json", ".html")).expect("its page");
    assert!(page.contains("balanced"), "{page}");
    serde_json::from_str(&std::fs::read_to_string(path).expect("its report")).expect("JSON")
}

fn count(report: &Value, name: &str) -> u64 {
    report["findings"][name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[tokio::test]
async fn deploys_kills_and_lost_zones_go_unseen() {
    let lab = Lab::start("unseen", &["--reference", "--sticky-apps", "1"]).await;
    let brief = ["--sessions", "4", "--seconds", "1", "--interval", "1"];
    let with =
        |profile: &'static str, more: &[&'static str]| [&[profile], &brief[..], more].concat();
    let rolled = run(&lab, &with("rolling-deploy", &["--times", "1"])).await;
    assert!(count(&rolled, "received") > 0 && count(&rolled, "commands") > 0);
    assert!(count(&rolled, "audited") > 0);
    assert_eq!(rolled["reference"]["sessions"], 5, "{rolled}");
    assert!(rolled["proxy"]["totals"]["moves"].as_u64() > Some(0));

    let killed = run(&lab, &with("kill", &["--times", "2"])).await;
    assert_eq!(killed["events"].as_array().map(Vec::len), Some(2));
    let more = ["--hold", "2", "--times", "1"];
    run(&lab, &with("zone-failover", &more)).await;
}

#[tokio::test]
async fn fronts_and_the_backends_behind_them_are_killed_unseen() {
    let arguments = ["--backends", "2", "--fronts", "2", "--sticky-apps", "1"];
    let lab = Lab::start("fronts", &arguments).await;
    let brief = ["--sessions", "4", "--seconds", "1", "--interval", "2"];
    let report = run(&lab, &[&["kill", "--times", "4"], &brief[..]].concat()).await;
    let killed = report["events"].as_array().expect("a list").iter();
    let killed: Vec<_> = killed
        .filter_map(|event| event["endpoint"].as_str())
        .collect();
    assert_eq!(killed, ["fa", "fb", "a", "b"], "{report}");
    assert!(count(&report, "received") > 0 && count(&report, "commands") > 0);
    assert!(report["proxy"]["totals"]["moves"].as_u64() > Some(0));
}

#[tokio::test]
async fn orders_sent_while_their_backend_dies_are_done_once() {
    let lab = Lab::start("orders-at-a-kill", &["--sticky-apps", "1"]).await;
    let arguments = ["commands", "--sessions", "6", "--commands", "40"];
    let brief = ["--seconds", "1", "--interval", "1", "--orders", "0"];
    let report = run(&lab, &[&arguments[..], &brief].concat()).await;
    assert!(count(&report, "commands") >= 40, "{report}");
    assert_eq!(count(&report, "unanswered"), 0);
    assert_eq!(report["self_check"]["by_answers"], true);
}

#[tokio::test]
async fn drains_storms_and_silence_go_unseen() {
    let lab = Lab::start("drains-and-storms", &["--sticky-apps", "1"]).await;
    let brief = ["--sessions", "4", "--seconds", "1", "--interval", "1"];
    let with =
        |profile: &'static str, more: &[&'static str]| [&[profile], &brief[..], more].concat();
    let stayed = run(&lab, &with("affinity", &[])).await;
    assert!(count(&stayed, "requests") > 0);
    run(&lab, &with("idle-timeout", &[])).await;
    run(&lab, &with("reconnect-storm", &["--times", "2"])).await;
    run(
        &lab,
        &with("graceful-shutdown", &["--times", "1", "--hold", "30"]),
    )
    .await;
}

#[tokio::test]
async fn a_stopped_owner_takes_nothing_back_and_a_killed_store_loses_nothing() {
    let lab = Lab::start("redis", &["--store", "redis", "--sticky-apps", "1"]).await;
    let brief = ["--sessions", "4", "--seconds", "1", "--interval", "2"];
    let stopped = [&["pause", "--hold", "8"], &brief[..]].concat();
    let report = run(&lab, &stopped).await;
    assert_eq!(report["seen"].as_array().map(Vec::len), Some(3), "{report}");
    let restarted = [&["redis-restart", "--times", "1"], &brief[..]].concat();
    run(&lab, &restarted).await;
}

#[tokio::test]
async fn clients_of_a_drained_application_are_told_in_time_and_go_elsewhere() {
    let flags = [
        "--backends",
        "1",
        "--sticky-apps",
        "2",
        "--drain-deadline",
        "3",
    ];
    let lab = Lab::start("opaque-drain", &flags).await;
    let report = run(&lab, &["opaque-drain", "--sessions", "20", "--times", "1"]).await;
    let drained = &report["pace"]["drains"][0];
    assert!(drained["closed"].as_u64() > Some(0), "{report}");
    assert_eq!(drained["closed"], drained["elsewhere"]);
}

/// The WebSockets of each session go through one proxy, its event stream through another.
#[tokio::test]
async fn two_proxies_that_drain_different_backends_agree_on_one_owner() {
    let lab = Lab::start("two-proxies", &["--sticky-apps", "1"]).await;
    let second = lab.second_proxy().await;
    let admin = Client::new(SOON);
    let through = second.address.to_string();
    let arguments = [
        "graceful-shutdown",
        "--sessions",
        "4",
        "--times",
        "2",
        "--hold",
        "60",
    ];
    let brief = [
        "--seconds",
        "1",
        "--interval",
        "1",
        "--events-through",
        &through,
    ];
    let arguments = [&arguments[..], &brief].concat();
    // The first proxy is told to drain a, then b; the second one drains c meanwhile.
    let opposite = async {
        for what in ["drain", "ready", "drain", "ready"] {
            let path = format!("/endpoints/backend/c/{what}");
            let told = admin.call(Method::POST, second.admin, &path).await;
            assert!(told.expect("an answer").status().is_success());
            eventually("the second proxy sees what it was told", async || {
                let status = admin
                    .call(Method::GET, second.admin, "/status")
                    .await
                    .ok()?;
                let status: Value = serde_json::from_slice(status.body()).ok()?;
                let endpoints = status["clusters"].as_array()?.iter();
                let backends = endpoints.clone().find(|one| one["name"] == "backend")?;
                let c = backends["endpoints"].as_array()?.iter();
                let c = c.clone().find(|one| one["id"] == "c")?;
                let left = c["connections"]["sse"].as_u64()?;
                (what == "ready" || left == 0).then_some(())
            })
            .await;
        }
    };
    let (report, ()) = tokio::join!(run(&lab, &arguments), opposite);
    assert!(count(&report, "received") > 0);
}

/// For a profile of seconds, on a machine that does much else.
const RUN_MAX: Duration = Duration::from_secs(240);
