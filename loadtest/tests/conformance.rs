//! The conformance kit: who keeps the contract passes, and who breaks a rule is told which.

mod mutants;

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use holdfast_loadtest::client::Client;
use holdfast_loadtest::lab::plan::{free_ports, loopback};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::browser::json;
use crate::support::lab::Lab;
use crate::support::process::{LOADTEST, Running};
use crate::support::python::{python, root};
use crate::support::rooms::{Room, example};
use crate::support::{SOON, directory, eventually};
use mutants::{MUTANTS, Mutant};

/// Runs the kit; its result as JSON, and whether it says by its exit status that all is well.
async fn conformance(arguments: &[&str]) -> (Value, bool) {
    let all: Vec<&str> = ["conformance", "--json"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    let mut kit = Running::start(LOADTEST.as_ref(), &all);
    let text = kit.output().await;
    let (status, errors) = kit.end().await;
    let report =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{errors}"));
    (report, status.success())
}

/// Names of the rules with this outcome.
fn rules<'r>(report: &'r Value, outcome: &str) -> Vec<&'r str> {
    let lines = report["rules"].as_array().expect("a list of rules");
    lines
        .iter()
        .filter(|line| line["outcome"] == outcome)
        .map(|line| line["rule"].as_str().expect("a name"))
        .collect()
}

#[tokio::test]
async fn the_session_service_keeps_the_contract() {
    let dir = directory("conformance-service-files");
    let template = dir.join("backend.yaml");
    let text = include_str!("../lab/backend.yaml").to_owned();
    // sessions may be taken at once: nothing here is about two proxies of two minds
    std::fs::write(&template, text + "handoff: { hold: 0s }\n").expect("template");
    let template = template.display().to_string();
    let options = [
        "--backends",
        "2",
        "--sticky-apps",
        "1",
        "--backend-template",
        &template,
    ];
    let lab = Lab::start("conformance-service", &options).await;
    let key_file = lab.dir().join("keys/cluster");
    let key = std::fs::read_to_string(&key_file).expect("the cluster key");
    let (first, second) = (
        lab.address("/backends/0/address"),
        lab.address("/backends/1/address"),
    );
    let request = Request::post(format!("http://{first}/api/v1/sessions"))
        .header("holdfast-cluster-key", key.trim())
        .body(Full::default())
        .expect("a request");
    let made = Client::new(SOON).ask(request).await.expect("an answer");
    assert_eq!(made.status(), StatusCode::CREATED, "{made:?}");
    let session = json(&made);
    let id = session["id"].as_str().expect("an id");
    let (report, well) = conformance(&[
        &format!("ws://{first}/api/v1/sessions/{id}/ws"),
        "--sse-url",
        &format!("http://{first}/api/v1/sessions/{id}/events"),
        "--second",
        &format!("http://{second}"),
        "--cluster-key",
        &key_file.display().to_string(),
        "--message",
        r#"{"type":"order.cancel","n":{n},"data":{"order_id":"1"}}"#,
        "--reply",
        r#""type":"answer","n":{n},"#,
        "--wait",
        "30",
    ])
    .await;
    assert!(well, "{report:#}");
    assert_eq!(rules(&report, "failed"), [""; 0], "{report:#}");
    assert_eq!(rules(&report, "not_shown"), [""; 0], "{report:#}");
}

#[tokio::test]
async fn the_example_backend_keeps_the_contract() {
    let dir = directory("conformance-example");
    let (report, well) = check_rooms(&example(), &dir, true, &["--wait", "30"]).await;
    assert!(well, "{report:#}");
    assert_eq!(rules(&report, "failed"), [""; 0], "{report:#}");
    assert_eq!(rules(&report, "not_shown"), [""; 0], "{report:#}");
}

#[tokio::test]
async fn each_mistake_in_a_copy_of_the_example_is_named() {
    let dir = directory("conformance-mutants");
    let source = std::fs::read_to_string(example()).expect("the example");
    let runs = MUTANTS.iter().map(|mutant| {
        let dir = dir.join(mutant.name.replace(' ', "-"));
        let copy = dir.join("rooms.py");
        std::fs::create_dir(&dir).expect("a directory of its own");
        std::fs::write(&copy, mutant.of(&source)).expect("the copy");
        async move { (mutant, check_mutant(mutant, &copy, &dir).await) }
    });
    let mut runs = stream::iter(runs).buffer_unordered(AT_ONCE);
    let mut missed = Vec::new();
    while let Some((mutant, (report, well))) = runs.next().await {
        let failed = rules(&report, "failed");
        if well || !failed.contains(&mutant.breaks) {
            let Mutant { name, breaks, .. } = mutant;
            missed.push(format!(
                "{name}: {breaks} is not among {failed:?}: {report:#}"
            ));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Broken copies that are looked at at the same time: most of it is waiting.
const AT_ONCE: usize = 12;

async fn check_mutant(mutant: &Mutant, copy: &Path, dir: &Path) -> (Value, bool) {
    let options = ["--wait", "10", "--hold", "0", "--rounds", "8"];
    check_rooms(copy, dir, mutant.takes_two, &options).await
}

/// Runs the kit against one or two processes of a script.
async fn check_rooms(script: &Path, dir: &Path, two: bool, more: &[&str]) -> (Value, bool) {
    let ports = free_ports(2).expect("free ports");
    let first = Room::start(script, "a", ports[0], dir).await;
    let url = format!("ws://{}/tea", first.address());
    let mut arguments = vec![url.as_str()];
    arguments.extend(more);
    if !two {
        return conformance(&arguments).await;
    }
    let second = Room::start(script, "b", ports[1], dir).await;
    let other = format!("ws://{}", second.address());
    arguments.extend(["--second", &other]);
    conformance(&arguments).await
}

#[tokio::test]
async fn an_application_without_the_contract_is_told_so() {
    let port = free_ports(1).expect("a free port")[0];
    let script = root().join("loadtest/tests/opaque/websocket_echo.py");
    let arguments = [
        format!("PORT={port}"),
        python().display().to_string(),
        script.display().to_string(),
    ];
    let arguments = arguments.each_ref().map(String::as_str);
    let _echo = Running::start(Path::new("/usr/bin/env"), &arguments);
    let listens = async || TcpStream::connect(loopback(port)).await.ok();
    eventually("the echo server listens", listens).await;
    let url = format!("ws://127.0.0.1:{port}/");
    let (report, well) = conformance(&[&url, "--wait", "5"]).await;
    assert!(!well, "{report:#}");
    let failed = rules(&report, "failed");
    for rule in ["contract-header", "position", "accepts"] {
        assert!(failed.contains(&rule), "{rule}: {report:#}");
    }
}

#[tokio::test]
async fn the_table_says_what_was_expected_what_came_and_where_to_read() {
    let ports = free_ports(1).expect("a free port");
    let url = format!("ws://127.0.0.1:{}/", ports[0]);
    let mut kit = Running::start(LOADTEST.as_ref(), &["conformance", &url]);
    let text = kit.output().await;
    let (status, errors) = kit.end().await;
    assert_eq!(status.code(), Some(1), "{text}{errors}");
    for part in [
        "FAILED     ws   taken",
        "expected: a taken dial (101, or 200 with an event stream)",
        "came:     no connection: Connection refused",
        "see docs/handoff-contract.md, section 5",
        "0 rules passed, 1 failed",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let arguments = ["conformance", "wss://127.0.0.1/"];
    let (status, errors) = Running::start(LOADTEST.as_ref(), &arguments).end().await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("TLS is not spoken here"), "{errors}");
}
