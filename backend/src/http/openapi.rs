//! The description of the REST interface (OpenAPI), made from the types.

use std::sync::Arc;

use axum::routing::{MethodRouter, get};
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use utoipa::openapi::{Info, OpenApi};
use utoipa::{PartialSchema, ToSchema};

use super::problem::Problem;
use crate::app::Backend;

/// What the types do not say.
pub(super) fn complete(description: &mut OpenApi) {
    description.info = Info::new("Holdfast", env!("CARGO_PKG_VERSION"));
    description.info.description = Some(DESCRIPTION.to_owned());
    if let Some(components) = &mut description.components {
        let name = Problem::name().into_owned();
        components.schemas.insert(name, Problem::schema());
    }
}

/// Serves the description, written once.
pub(super) fn route(description: &OpenApi) -> MethodRouter<Arc<Backend>> {
    let text: Arc<str> = with_examples(description).to_string().into();
    get(move || async move { ([(CONTENT_TYPE, "application/json")], text.to_string()) })
}

/// The description with an example of each request and of each good answer.
fn with_examples(description: &OpenApi) -> Value {
    let mut whole = serde_json::to_value(description).expect("a description becomes JSON");
    let examples: Value = serde_json::from_str(EXAMPLES).expect("a test reads them");
    let paths = whole["paths"].as_object_mut().into_iter().flatten();
    let operations = paths.flat_map(|(_, path)| path.as_object_mut().into_iter().flatten());
    for (_, operation) in operations {
        let own = operation["operationId"].as_str().map(str::to_owned);
        let Some(own) = own.and_then(|id| examples["operations"].get(id)) else {
            continue;
        };
        let value = |part: &str| match own.get(part) {
            Some(Value::String(name)) => examples["values"].get(name),
            value => value,
        };
        let body = operation.pointer_mut("/requestBody/content/application~1json");
        if let (Some(body), Some(request)) = (body, value("request")) {
            body["examples"] = json!({ "example": { "value": request } });
        }
        for status in ["200", "201"] {
            let path = format!("/responses/{status}/content/application~1json");
            if let (Some(body), Some(answer)) = (operation.pointer_mut(&path), value("answer")) {
                body["examples"] = json!({ "example": { "value": answer } });
            }
        }
    }
    whole
}

/// `values` by name; for each operation `request` and `answer`, a value or the name of one.
const EXAMPLES: &str = include_str!("examples.json");

const DESCRIPTION: &str = "Sessions, each with a simulated exchange of its own. Failures are \
application/problem+json with a `code` for programs and `retryable`. The messages of WebSockets \
and event streams are described in /schemas.json. What the market does carries market time: \
milliseconds since the session began, standing still while it is paused; `created_ms` counts from \
1970.";
