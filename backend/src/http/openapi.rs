//! The description of the REST interface (OpenAPI), made from the types.

use std::sync::Arc;

use axum::routing::{MethodRouter, get};
use http::header::CONTENT_TYPE;
use utoipa::openapi::{Info, OpenApi};

use crate::app::Backend;

/// What the types do not say.
pub(super) fn complete(description: &mut OpenApi) {
    description.info = Info::new("Holdfast", env!("CARGO_PKG_VERSION"));
    description.info.description = Some(DESCRIPTION.to_owned());
}

/// Serves the description, written once.
pub(super) fn route(description: &OpenApi) -> MethodRouter<Arc<Backend>> {
    let text: Arc<str> = description
        .to_json()
        .expect("a description becomes JSON")
        .into();
    get(move || async move { ([(CONTENT_TYPE, "application/json")], text.to_string()) })
}

const DESCRIPTION: &str = "Sessions, each with a simulated exchange of its own. Failures are \
application/problem+json with a `code` for programs and `retryable`. The messages of WebSockets \
and event streams are described in /schemas.json. What the market does carries market time: \
milliseconds since the session began, standing still while it is paused; `created_ms` counts from \
1970.";
