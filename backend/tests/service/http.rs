//! What holds for every request.

use http::Method;
use serde_json::Value;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sessions::{cheap, created, symbol};
use crate::support::client::Request;
use crate::support::{Running, soon};

#[tokio::test]
async fn what_is_not_there_is_told_as_a_problem() {
    let backend = Running::start("").await;
    let nowhere = backend.get("/nowhere").await;
    assert_eq!(nowhere.problem(), (404, "not_found".to_owned()));
    let wrong_method = backend.ask(Request::new(Method::PUT, "/health")).await;
    assert_eq!(
        wrong_method.problem(),
        (405, "method_not_allowed".to_owned())
    );
}

#[tokio::test]
async fn bodies_that_cannot_be_read_say_what_and_where() {
    let backend = Running::start("limits: { body: 1KiB }").await;
    let path = "/api/v1/sessions";
    let broken = Request::post(path).text("application/json", "{\n  \"seed\": }");
    let broken = backend.ask(broken).await;
    assert_eq!(broken.problem(), (400, "bad_request".to_owned()));
    let detail = broken.json()["detail"]
        .as_str()
        .expect("a sentence")
        .to_owned();
    assert!(detail.contains("line 2 column 11"), "{detail}");

    let unknown = Request::post(path).text("application/json", r#"{"sede": 1}"#);
    let unknown = backend.ask(unknown).await;
    assert_eq!(unknown.problem(), (422, "invalid_argument".to_owned()));
    let detail = unknown.json()["detail"]
        .as_str()
        .expect("a sentence")
        .to_owned();
    assert!(
        detail.contains("sede") && detail.contains("seed"),
        "{detail}"
    );

    let large = Request::post(path).text("application/json", vec![b' '; 2048]);
    assert_eq!(
        backend.ask(large).await.problem(),
        (413, "too_large".to_owned())
    );
}

#[tokio::test]
async fn a_request_keeps_its_id_if_it_is_fit_for_logs() {
    let backend = Running::start("").await;
    let id_of = async |given: &str| {
        let request = Request::get("/nowhere").header("x-request-id", given);
        let answer = backend.ask(request).await;
        let id = answer.header("x-request-id").expect("an id").to_owned();
        assert_eq!(answer.json()["request_id"], id, "the problem names it, too");
        id
    };
    assert_eq!(id_of("from-the.edge_1").await, "from-the.edge_1");
    for unfit in ["", "a b", &"x".repeat(129)] {
        let id = id_of(unfit).await;
        assert!(id.len() == 32 && id != unfit, "{id}");
    }
}

#[tokio::test]
async fn the_description_lists_what_tools_rely_on() {
    let backend = Running::start("").await;
    let description = backend.get("/openapi.json").await.json();
    let session = "/api/v1/sessions/{id}";
    for (path, methods) in [
        ("/api/v1/sessions", vec!["get", "post"]),
        (session, vec!["get", "patch", "delete"]),
        (&format!("{session}/restart"), vec!["post"]),
        (&format!("{session}/fork"), vec!["post"]),
        (&format!("{session}/simulator/start"), vec!["post"]),
        (&format!("{session}/simulator/pause"), vec!["post"]),
        (&format!("{session}/simulator/resume"), vec!["post"]),
        (&format!("{session}/simulator/stop"), vec!["post"]),
        (&format!("{session}/simulator/speed"), vec!["post"]),
        (&format!("{session}/simulator/step"), vec!["post"]),
        (&format!("{session}/simulator/jump"), vec!["post"]),
        (&format!("{session}/simulator/shock"), vec!["post"]),
        (&format!("{session}/orders"), vec!["get", "post", "delete"]),
        (&format!("{session}/orders/batch"), vec!["post"]),
        (&format!("{session}/candles/{{symbol}}"), vec!["get"]),
        (&format!("{session}/statistics/{{symbol}}"), vec!["get"]),
        (&format!("{session}/balances"), vec!["get"]),
        (&format!("{session}/fills"), vec!["get"]),
        ("/api/v1/scenarios", vec!["get"]),
        (&format!("{session}/orders/{{order}}"), vec!["delete"]),
        (&format!("{session}/book/{{symbol}}"), vec!["get"]),
        (&format!("{session}/trades/{{symbol}}"), vec!["get"]),
        (&format!("{session}/positions"), vec!["get"]),
        (&format!("{session}/ws"), vec!["get"]),
        (&format!("{session}/events"), vec!["get"]),
        (&format!("{session}/log"), vec!["get"]),
        (&format!("{session}/commands"), vec!["get"]),
        ("/health/ready", vec!["get"]),
    ] {
        for method in methods {
            let operation = &description["paths"][path][method];
            assert!(operation["responses"].is_object(), "{method} {path}");
            assert!(operation["responses"]["500"].is_object(), "{method} {path}");
        }
    }
    let references = description.to_string();
    for reference in references.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().expect("an end");
        assert!(
            description.pointer(pointer).is_some(),
            "{pointer} leads nowhere"
        );
    }
}

#[tokio::test]
async fn times_are_described_as_what_they_are() {
    let backend = Running::start("").await;
    let description = backend.get("/openapi.json").await.json();
    let schemas = &description["components"]["schemas"];
    let mut described = 0;
    for (name, schema) in schemas.as_object().expect("schemas") {
        for key in ["time", "entered"] {
            let field = &schema["properties"][key];
            if !field.is_null() {
                let text = field["description"].as_str().expect("it is described");
                assert!(text.contains("market time"), "{name}.{key}: {text}");
                described += 1;
            }
        }
    }
    assert!(
        described > 5,
        "orders, trades, fills and the like: {described}"
    );

    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let placed = backend
        .post(&format!("{path}/orders"), cheap(&symbol))
        .await;
    let order = format!("{path}/orders/{}", placed.json()["order_id"]);
    let order = backend.get(&order).await.json();
    let session = backend.get(&path).await.json();
    let hour = 3_600_000;
    for key in ["time", "entered"] {
        assert!(order[key].as_u64().expect("a number") < hour, "{order}");
    }
    assert!(
        session["created_ms"].as_u64().expect("a number") > hour,
        "{session}"
    );
}

#[tokio::test]
async fn every_message_has_a_schema() {
    let backend = Running::start("").await;
    let schemas = backend.get("/schemas.json").await.json();
    let kinds = |direction: &str| -> Vec<String> {
        let list = schemas["websocket"][direction]["oneOf"]
            .as_array()
            .expect("a list");
        let kind = |schema: &Value| {
            let own = &schema["properties"]["type"]["const"];
            let wrapped = &schema["allOf"][1]["properties"]["type"]["const"];
            own.as_str()
                .or(wrapped.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        list.iter().map(kind).collect()
    };
    let from_server = kinds("from_server");
    for kind in [
        "snapshot",
        "reset",
        "book",
        "trade",
        "candle",
        "order",
        "fill",
        "position",
        "simulator",
        "answer",
        "ping",
        "quality",
        "notice",
    ] {
        assert!(
            from_server.iter().any(|known| known == kind),
            "{kind} in {from_server:?}"
        );
    }
    let commands = schemas["$defs"]["Command"].to_string();
    for kind in ["order.new", "order.cancel", "simulator.speed", "subscribe"] {
        assert!(commands.contains(kind), "{kind} in {commands}");
    }
}

#[tokio::test]
async fn pages_are_served_with_their_type_and_known_again_by_their_tag() {
    let backend = Running::start("").await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/affinity", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/holdfast.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let page = backend.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), Some(content_type), "{path}");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        let tag = page.header("etag").expect("a tag");
        let again = backend
            .ask(Request::get(path).header("if-none-match", tag))
            .await;
        assert_eq!(
            (again.status.as_u16(), again.body.len()),
            (304, 0),
            "{path}"
        );
    }
    let written = backend.ask(Request::post("/")).await;
    assert_eq!(written.problem(), (405, "method_not_allowed".to_owned()));
    assert_eq!(written.header("allow"), Some("GET, HEAD"));
    assert_eq!(backend.get("/../Cargo.toml").await.status, 404);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up_while_others_are_served() {
    let backend = Running::start("timeouts: { request: 200ms }").await;
    let mut slow = soon(TcpStream::connect(backend.address))
        .await
        .expect("it listens");
    let head = "POST /api/v1/sessions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 10\r\nconnection: close\r\n\r\n{";
    soon(slow.write_all(head.as_bytes()))
        .await
        .expect("it is sent");
    assert_eq!(backend.get("/health/live").await.status, 200);
    let mut answer = String::new();
    soon(slow.read_to_string(&mut answer))
        .await
        .expect("it is answered and closed");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
}
