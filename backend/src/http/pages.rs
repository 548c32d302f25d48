//! The pages in `backend/web`, compiled in. `/` is `index.html`, `/name` is `name.html`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use holdfast_proto::error::Code;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::failure::{Failure, Hint};

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// One file.
struct Page {
    /// Its path below `backend/web`.
    name: &'static str,
    /// Names its content.
    tag: &'static str,
    content: &'static [u8],
}

/// What no route matches: a page, or nothing.
pub(super) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let Some(page) = find(uri.path()) else {
        let detail = format!("there is nothing at {}; see /openapi.json", uri.path());
        return Failure::new(Code::NotFound, detail).into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        let failure = Failure::new(Code::MethodNotAllowed, "a page can only be read");
        return failure.with(Hint::Allow("GET, HEAD")).into_response();
    }
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok());
    let fresh = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == page.tag));
    let (status, body) = match fresh {
        true => (StatusCode::NOT_MODIFIED, Body::empty()),
        false => (StatusCode::OK, Body::from(page.content)),
    };
    let headers = [
        (CONTENT_TYPE, content_type(page.name)),
        (ETAG, page.tag),
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("content-security-policy"), POLICY),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    (status, headers, body).into_response()
}

fn find(path: &str) -> Option<&'static Page> {
    let name = path.strip_prefix('/')?;
    let named = |wanted: &str| PAGES.iter().find(|page| page.name == wanted);
    match name {
        "" => named("index.html"),
        name => named(name).or_else(|| named(&format!("{name}.html"))),
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Everything from here, nothing inline, nobody may frame it.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
