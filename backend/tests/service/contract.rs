//! The REST interface against its own description: a stranger (schemathesis) reads the description,
//! makes requests that it allows and requests that it does not, and holds the answers against it.
//! No answer may be a fault of ours, be undocumented, or have another shape than described.

use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast_proto::error::Code;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::support::Running;
use crate::support::client::Request;
use crate::support::folder::Folder;

const SUBJECT: (&str, &str) = ("holdfast-subject", "contract");

/// Far above what a stranger trades: rates have tests of their own.
const LIMITS: &str = "limits: { orders_per_second: 100000, sessions_per_subject: 100000 }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_the_description_meets_no_surprise() {
    let backend = Running::start(LIMITS).await;
    let session = session(&backend).await;
    let (ends, url) = (session.clone(), format!("http://{}", backend.address));
    let told = spawn_blocking(move || run(&url, &session)).await;
    let (good, told) = told.expect("it runs");
    assert!(good, "{told}");

    // what ends a session has one of its own to end
    let url = format!("http://{}", backend.address);
    let ended = ends.clone();
    let told = spawn_blocking(move || end(&url, &ends)).await;
    let (good, told) = told.expect("it runs");
    assert!(good, "{told}");

    let url = format!("http://{}", backend.address);
    let told = spawn_blocking(move || dial(&url, &ended)).await;
    let (good, told) = told.expect("it runs");
    assert!(good, "{told}");
}

#[tokio::test]
async fn every_operation_has_an_example_of_what_is_asked_and_answered() {
    let backend = Running::start("").await;
    let description = backend.get("/openapi.json").await.json();
    let mut seen = 0;
    for (path, operations) in description["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            assert!(operation["operationId"].is_string(), "{method} {path}");
            let body = &operation["requestBody"]["content"]["application/json"];
            assert!(
                body.is_null() || body["examples"].is_object(),
                "{method} {path}: no example of a request"
            );
            for (status, answer) in operation["responses"].as_object().expect("answers") {
                for (kind, content) in answer["content"].as_object().into_iter().flatten() {
                    let stream = kind == "text/event-stream";
                    let shown = stream || content["examples"].is_object();
                    assert!(shown, "{method} {path}: no example of {status}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn every_code_that_is_told_is_on_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for folder in ["src", "session/src"] {
        for file in sources(&root.join(folder)) {
            let text = std::fs::read_to_string(&file).expect("source is readable");
            let whole = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (at, _) in whole.match_indices("Problem::") {
                let rest = &whole[at + "Problem::".len()..];
                let call = rest
                    .strip_prefix("new(")
                    .or_else(|| rest.strip_prefix("retryable("));
                let code = call.and_then(|call| call.trim_start().strip_prefix('"'));
                let Some(code) = code.and_then(|code| code.split('"').next()) else {
                    continue;
                };
                assert!(code.parse::<Code>().is_ok(), "{}: {code}", file.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let tests = path.file_stem().is_some_and(|name| name == "tests");
        match path.is_dir() {
            true if !tests => found.extend(sources(&path)),
            false if !tests && path.extension().is_some_and(|kind| kind == "rs") => {
                found.push(path);
            }
            _ => {}
        }
    }
    found
}

async fn session(backend: &Running) -> String {
    let request = Request::post("/api/v1/sessions").header(SUBJECT.0, SUBJECT.1);
    let made = backend.ask(request.json(json!({ "seed": 7 }))).await;
    let id = made.json()["id"].as_str().map(str::to_owned);
    id.expect("an id")
}

/// What is answered in the place of a stream: its session has ended, so none is opened, which would
/// not end either.
fn dial(url: &str, session: &str) -> (bool, String) {
    let folder = Folder::new();
    let mut stranger = stranger(&folder, url, session);
    stranger
        .args(["--include-path-regex", "/(ws|events)$"])
        .args(["--phases", "coverage,fuzzing", "--max-examples", "10"]);
    outcome(stranger)
}

/// Everything but streams, and but the end of the session that all the rest is about.
fn run(url: &str, session: &str) -> (bool, String) {
    let folder = Folder::new();
    let mut stranger = stranger(&folder, url, session);
    stranger
        .args(["--exclude-path-regex", "/(ws|events)$"])
        .args(["--exclude-operation-id", "end_session"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "10"]);
    outcome(stranger)
}

fn end(url: &str, session: &str) -> (bool, String) {
    let folder = Folder::new();
    let mut stranger = stranger(&folder, url, session);
    stranger
        .args(["--include-operation-id", "end_session"])
        .args(["--phases", "coverage,fuzzing", "--max-examples", "5"]);
    outcome(stranger)
}

fn stranger(folder: &Folder, url: &str, session: &str) -> Command {
    let settings = format!(
        "[parameters]\n\"path.id\" = \"{session}\"\n\"path.symbol\" = \"ACME\"\n\
         \"path.order\" = [40, 41]\n\"path.name\" = \"calm\"\n"
    );
    let file = folder.path().join("schemathesis.toml");
    std::fs::write(&file, settings).expect("it is written");
    let mut command = Command::new(python().join("bin/schemathesis"));
    command
        .arg("--config-file")
        .arg(&file)
        .args(["run", &format!("{url}/openapi.json"), "--url", url])
        .args(["--header", &format!("{}: {}", SUBJECT.0, SUBJECT.1)])
        .args(["--checks", CHECKS, "--seed", "1", "--no-color"])
        .arg("--continue-on-failure")
        .current_dir(folder.path())
        // what it remembers of earlier runs must not decide about this one
        .args(["--generation-database", "none"]);
    command
}

fn outcome(mut stranger: Command) -> (bool, String) {
    let done = stranger.output().expect("schemathesis starts");
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    (done.status.success(), told)
}

/// The virtual environment that `make test` uses too; installed if it is not there yet.
pub(crate) fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let place = root.join("target/python");
    let installed = Command::new(root.join(".ci/python")).arg(&place).status();
    let installed = installed.expect("bash runs");
    assert!(installed.success(), ".ci/python {}", place.display());
    place
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
response_schema_conformance,negative_data_rejection";
