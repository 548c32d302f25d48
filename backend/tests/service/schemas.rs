//! Every message of live connections, and every example, against its schema: made in runs that
//! bring each of them, judged by a validator that is not ours (`jsonschema` of Python).

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::contract::python;
use crate::sessions::{cheap, created, symbol};
use crate::support::client::Request;
use crate::support::live::{Events, Socket};
use crate::support::{Running, soon};

/// Reads `{"defs":{..},"cases":[{"name","schema","value"}]}`; writes what is wrong, a line each.
const JUDGE: &str = "
import json, sys
from jsonschema import Draft202012Validator as Validator
asked = json.load(sys.stdin)
for case in asked['cases']:
    whole = {**asked['defs'], 'allOf': [case['schema']]}
    for error in Validator(whole).iter_errors(case['value']):
        print(case['name'], error.json_path, error.message[:300], json.dumps(case['value'])[:300])
";

/// What has to fit what.
struct Cases {
    /// Where references lead to.
    defs: Value,
    cases: Vec<Value>,
}

impl Cases {
    fn add(&mut self, name: &str, schema: &Value, value: &Value) {
        let case = json!({ "name": name, "schema": schema, "value": value });
        self.cases.push(case);
    }

    /// What does not fit.
    fn judged(&self) -> String {
        let mut judge = Command::new(python().join("bin/python"))
            .args(["-c", JUDGE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let asked = json!({ "defs": self.defs, "cases": self.cases }).to_string();
        let mut stdin = judge.stdin.take().expect("it listens");
        stdin.write_all(asked.as_bytes()).expect("it is told");
        drop(stdin);
        let done = judge.wait_with_output().expect("it ends");
        assert!(done.status.success(), "the validator failed");
        String::from_utf8(done.stdout).expect("text")
    }
}

/// The names of the messages that a list of schemas describes.
fn names(schemas: &Value, field: &str) -> Vec<String> {
    let own = format!("/properties/{field}/const");
    let wrapped = format!("/allOf/1{own}");
    let name = |schema: &Value| {
        let name = schema.pointer(&own).or_else(|| schema.pointer(&wrapped));
        name.and_then(Value::as_str).expect("a name").to_owned()
    };
    let list = schemas["oneOf"].as_array().expect("a list");
    list.iter().map(name).collect()
}

/// Says everything that brings messages of each type: trades, refusals, nonsense, another market.
async fn stir(socket: &mut Socket, symbol: &str, n: &mut u64) -> Vec<Value> {
    let market = json!({ "symbol": symbol, "side": "buy", "quantity": "1" });
    let operations = json!([
        { "type": "order.new", "data": cheap(symbol) },
        { "type": "order.cancel", "data": { "order_id": 999_999 } },
    ]);
    let mut said = Vec::new();
    for (kind, data) in [
        ("order.new", market),
        ("order.new", cheap(symbol)),
        ("order.cancel", json!({ "order_id": "999999" })),
        ("order.batch", json!({ "operations": operations })),
        ("order.cancel_all", json!({ "symbol": symbol })),
        ("order.cancel_after", json!({ "after": "30s" })),
        ("simulator.speed", json!({ "speed": 5 })),
        ("simulator.jump", json!({ "by": "3s" })),
        ("session.update", json!({ "labels": { "desk": "fx" } })),
        ("unsubscribe", json!({ "channels": ["book"] })),
        ("subscribe", json!({ "channels": ["book"] })),
        ("session.restart", json!({})),
    ] {
        *n += 1;
        said.push(json!({ "type": kind, "n": *n, "data": data }));
    }
    said.push(json!({ "type": "ping", "data": { "t": 1 } }));
    for message in &said {
        socket.say(message.clone()).await;
    }
    socket.send(Message::text("nonsense")).await;
    said
}

/// All that is missing of `wanted` among what was seen, at least once each.
fn missing<'a>(wanted: &'a [String], seen: &BTreeMap<String, usize>) -> Vec<&'a String> {
    wanted
        .iter()
        .filter(|name| !seen.contains_key(*name))
        .collect()
}

#[tokio::test]
async fn every_message_fits_its_schema() {
    let lines = "heartbeat: { interval: 200ms, timeout: 30s, comment: 1s }";
    let backend = Running::start(lines).await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let schemas = backend.get("/schemas.json").await.json();
    let mut cases = Cases {
        defs: json!({ "$defs": schemas["$defs"] }),
        cases: Vec::new(),
    };
    let request = format!("{path}/events");
    let mut events = Events::open(&backend, Request::get(&request)).await;
    let mut socket = Socket::open(&backend, &format!("{path}/ws?coalesce=100ms")).await;

    let sockets = &schemas["websocket"];
    let wanted = names(&sockets["from_server"], "type");
    let (mut seen, mut n) = (BTreeMap::new(), 0);
    for said in stir(&mut socket, &symbol, &mut n).await {
        cases.add("said", &sockets["from_client"], &said);
    }
    while !missing(&wanted, &seen).is_empty() {
        let message = socket.next().await;
        if message["type"] == "ping" {
            let pong = json!({ "type": "pong", "data": message["data"] });
            cases.add("said", &sockets["from_client"], &pong);
            socket.say(pong).await;
        }
        let kind = message["type"].as_str().expect("a type").to_owned();
        cases.add("websocket", &sockets["from_server"], &message);
        *seen.entry(kind).or_insert(0) += 1;
    }

    let wanted = names(&schemas["sse"], "event");
    let mut seen = BTreeMap::new();
    while !missing(&wanted, &seen).is_empty() {
        let event = events.next().await.expect("it goes on");
        let Some(kind) = event.kind.clone() else {
            continue;
        };
        let mut whole = json!({ "event": kind, "data": event.data });
        if let Some(id) = event.id {
            whole["id"] = json!(id);
        }
        cases.add("sse", &schemas["sse"], &whole);
        *seen.entry(kind).or_insert(0) += 1;
    }
    assert!(cases.cases.len() > 100, "{}", cases.cases.len());
    assert_eq!(judged(cases).await, "");
}

/// Judges elsewhere: it takes seconds.
async fn judged(cases: Cases) -> String {
    let judged = tokio::task::spawn_blocking(move || cases.judged());
    soon(judged).await.expect("it is judged")
}

#[tokio::test]
async fn what_does_not_fit_a_schema_is_found() {
    let backend = Running::start("").await;
    let schemas = backend.get("/schemas.json").await.json();
    let mut cases = Cases {
        defs: json!({ "$defs": schemas["$defs"] }),
        cases: Vec::new(),
    };
    let (id, reset) = ("e.2", json!({ "reason": "trimmed" }));
    let good = json!({ "id": id, "prev": "e.1", "type": "reset", "data": reset });
    let mut bad = good.clone();
    bad["data"]["reason"] = json!("boredom");
    let from_server = &schemas["websocket"]["from_server"];
    cases.add("good", from_server, &good);
    cases.add("bad", from_server, &bad);
    let wrong = judged(cases).await;
    assert!(
        wrong.starts_with("bad $") && !wrong.contains("good"),
        "{wrong}"
    );
}

#[tokio::test]
async fn every_example_fits_its_schema() {
    let backend = Running::start("").await;
    let description = backend.get("/openapi.json").await.json();
    let mut cases = Cases {
        defs: json!({ "components": description["components"] }),
        cases: Vec::new(),
    };
    for (path, operations) in description["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let answers = operation["responses"].as_object().expect("answers");
            let bodies = answers.iter().chain([(path, &operation["requestBody"])]);
            for (what, body) in bodies {
                for content in body["content"]
                    .as_object()
                    .into_iter()
                    .flat_map(|all| all.values())
                {
                    for example in content["examples"].as_object().into_iter().flatten() {
                        let name = format!("{method} {path} {what} {}", example.0);
                        cases.add(&name, &content["schema"], &example.1["value"]);
                    }
                }
            }
        }
    }
    assert!(cases.cases.len() > 300, "{}", cases.cases.len());
    assert_eq!(judged(cases).await, "");
}
