//! JSON Schemas of every message on WebSockets and event streams, made from the types.

use std::sync::Arc;

use axum::routing::{MethodRouter, get};
use holdfast_session::message::{Answer, Command, Problem};
use holdfast_session::view;
use http::header::CONTENT_TYPE;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::app::Backend;

/// Serves the schemas, written once.
pub(super) fn route() -> MethodRouter<Arc<Backend>> {
    let text: Arc<str> = schemas().to_string().into();
    get(move || async move {
        (
            [(CONTENT_TYPE, "application/schema+json")],
            text.to_string(),
        )
    })
}

/// One document: `$defs` holds the data of each type, `websocket` and `sse` how it is wrapped.
fn schemas() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let data = by_type(&mut generator);
    let ping = json!({ "type": "object", "required": ["t"], "properties": { "t": {} } });
    let mut from_server: Vec<Value> = data.iter().map(with_id).collect();
    from_server.push(answer(&generator.subschema_for::<Answer>().to_value()));
    from_server.push(transient("ping", &ping));
    from_server.push(transient("pong", &ping));
    from_server.push(transient("quality", &quality()));
    let notice = generator.subschema_for::<Problem>().to_value();
    from_server.push(transient("notice", &notice));
    let command = generator.subschema_for::<Command>().to_value();
    let numbered = json!({
        "allOf": [command, {
            "required": ["n"],
            "properties": { "n": { "type": "integer", "minimum": 1 } },
        }],
    });
    let from_client = [numbered, transient("ping", &ping), transient("pong", &ping)];
    let mut events: Vec<Value> = data.iter().map(event).collect();
    events.push(unplaced_event("ping", &ping));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages of Holdfast's live connections",
        "websocket": {
            "from_server": { "oneOf": from_server },
            "from_client": { "oneOf": from_client },
        },
        "sse": { "oneOf": events },
        "$defs": generator.take_definitions(true),
    })
}

fn by_type(generator: &mut SchemaGenerator) -> Vec<(&'static str, Value)> {
    let mut named = Vec::new();
    macro_rules! named {
        ($($name:literal: $type:ty),* $(,)?) => {
            $(named.push(($name, generator.subschema_for::<$type>().to_value()));)*
        };
    }
    named! {
        "snapshot": view::Snapshot,
        "reset": view::Reset,
        "book": view::Book,
        "trade": view::Trade,
        "candle": view::Candle,
        "order": view::Order,
        "fill": view::Fill,
        "position": view::Position,
        "simulator": view::Simulator,
    }
    named
}

/// A message of the output log on a WebSocket.
fn with_id((name, data): &(&'static str, Value)) -> Value {
    json!({
        "type": "object",
        "required": ["id", "prev", "type", "data"],
        "properties": {
            "id": id("its place in the output log"),
            "prev": id("the entry before it that this connection was due"),
            "type": { "const": name },
            "data": data,
        },
    })
}

/// An answer says `n` and `ok` beside its type, not below `data`.
fn answer(answer: &Value) -> Value {
    json!({
        "allOf": [answer, {
            "type": "object",
            "required": ["id", "prev", "type"],
            "properties": {
                "id": id("its place in the output log"),
                "prev": id("the entry before it that this connection was due"),
                "type": { "const": "answer" },
            },
        }],
    })
}

/// A message without an id: delivered at most once.
fn transient(name: &str, data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["type"],
        "properties": { "type": { "const": name }, "data": data },
    })
}

/// An event of the stream, its fields as an object; `id` is absent where a connection cannot come
/// back to.
fn event((name, data): &(&'static str, Value)) -> Value {
    json!({
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "id": id("its place in the output log"),
            "event": { "const": name },
            "data": { "allOf": [data, {
                "required": ["prev"],
                "properties": { "prev": id("the entry before it that this connection was due") },
            }] },
        },
        "additionalProperties": false,
    })
}

/// An event without a place: delivered at most once.
fn unplaced_event(name: &str, data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["event", "data"],
        "properties": { "event": { "const": name }, "data": data },
        "additionalProperties": false,
    })
}

fn quality() -> Value {
    json!({
        "type": "object",
        "required": ["quality", "advice"],
        "properties": {
            "quality": { "enum": ["good", "fair", "poor", "lost"] },
            "rtt_ms": { "type": ["integer", "null"], "description": "smoothed round trip" },
            "jitter_ms": { "type": ["integer", "null"], "description": "how much it varies" },
            "advice": { "enum": ["stay", "reconnect", "switch_transport"] },
            "in_ms": { "type": "integer", "description": "how long to wait before" },
        },
    })
}

fn id(description: &str) -> Value {
    json!({
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]+\\.[0-9]+$",
        "maxLength": 64,
        "description": description,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let schemas = schemas();
        let text = schemas.to_string();
        let references: Vec<&str> = text
            .split("\"$ref\":\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(references.len() > 10, "{references:?}");
        for reference in references {
            assert!(schemas.pointer(reference).is_some(), "{reference}");
        }
    }
}
