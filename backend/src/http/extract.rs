//! From a request's parts to values, with failures that say what would be right.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use holdfast_proto::error::Code;
use holdfast_session::id::{ClientId, EndpointId, SessionId};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::app::Backend;
use crate::failure::Failure;
use crate::sessions::Ask;

/// The session that the path names, and who asks for it.
pub(super) struct Named {
    pub(super) id: SessionId,
    pub(super) ask: Ask,
    segments: Vec<(String, String)>,
}

impl Named {
    /// What else the path names, such as `symbol`; nothing where it names no such thing.
    pub(super) fn part(&self, name: &str) -> &str {
        let found = self.segments.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, text)| text)
    }
}

impl FromRequestParts<Arc<Backend>> for Named {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut Parts,
        backend: &Arc<Backend>,
    ) -> Result<Self, Failure> {
        let segments = Path::<Vec<(String, String)>>::from_request_parts(parts, backend).await;
        let Path(segments) =
            segments.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
        let id = segments.iter().find(|(name, _)| name == "id");
        let id = id.and_then(|(_, text)| text.parse().ok());
        Ok(Self {
            // what is no id of a session is the id of no session
            id: id.ok_or_else(Failure::no_session)?,
            ask: ask(&parts.headers)?,
            segments,
        })
    }
}

/// Who asks. The headers have been screened: what is still there is true.
pub(crate) fn ask(headers: &HeaderMap) -> Result<Ask, Failure> {
    let moved_from = headers.get_all("holdfast-moved-from");
    let names = moved_from.iter().filter_map(|value| value.to_str().ok());
    let names = names.flat_map(|value| value.split(',')).map(str::trim);
    let mut moved_from = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        let endpoint: EndpointId = name.parse().map_err(|error| {
            Failure::bad_request(format!("Holdfast-Moved-From names {name:?}: {error}"))
        })?;
        moved_from.push(endpoint);
    }
    Ok(Ask {
        subject: text(headers, "holdfast-subject")?.map(str::to_owned),
        moved_from,
    })
}

/// A header that may be there once.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Failure::bad_request(format!("{name} is given twice")));
    }
    let wrong = |_| Failure::bad_request(format!("{name} is not plain text"));
    value.to_str().map(Some).map_err(wrong)
}

/// The key that makes a command safe to repeat.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<ClientId>, Failure> {
    let Some(key) = text(headers, "idempotency-key")? else {
        return Ok(None);
    };
    checked_key(key).map(Some)
}

/// A key given by whatever transport.
pub(crate) fn checked_key(key: &str) -> Result<ClientId, Failure> {
    let short = Some(key).filter(|key| key.len() <= 64);
    short.and_then(|key| key.parse().ok()).ok_or_else(|| {
        let detail = "an idempotency key has 1 to 64 letters, digits, '.', '_' and '-'";
        Failure::bad_request(detail)
    })
}

/// The body as JSON; nothing counts as the default where there is one.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Backend>> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, backend: &Arc<Backend>) -> Result<Self, Failure> {
        let body = Json::<T>::from_request(request, backend).await;
        body.map(|Json(value)| Self(value)).map_err(unreadable)
    }
}

/// The body as JSON; no body is the default.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<Backend>> for OptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, backend: &Arc<Backend>) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let limit = backend.config.limits.body;
        let bytes = axum::body::to_bytes(body, limit)
            .await
            .map_err(|_| too_large(limit))?;
        if bytes.is_empty() || (bytes.trim_ascii() == b"null" && is_json(&parts.headers)) {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, bytes.into());
        let Body(value) = Body::from_request(request, backend).await?;
        Ok(Self(value))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE);
    content.is_some_and(|content| content.as_bytes().starts_with(b"application/json"))
}

fn too_large(limit: usize) -> Failure {
    let detail = format!("the body is larger than {limit} bytes, or broke off");
    Failure::new(Code::TooLarge, detail)
}

fn unreadable(rejection: JsonRejection) -> Failure {
    match rejection {
        JsonRejection::JsonDataError(error) => Failure::new(Code::InvalidArgument, cause(&error)),
        JsonRejection::JsonSyntaxError(error) => {
            Failure::bad_request(format!("the body is not JSON: {}", cause(&error)))
        }
        JsonRejection::MissingJsonContentType(_) => {
            let detail = "the body must be JSON, with Content-Type: application/json";
            Failure::new(Code::UnsupportedMediaType, detail)
        }
        other if other.status() == http::StatusCode::PAYLOAD_TOO_LARGE => {
            Failure::new(Code::TooLarge, "the body is larger than allowed")
        }
        other => Failure::bad_request(other.body_text()),
    }
}

/// The innermost cause, which names line and column.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The parameters of the query.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Backend>> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut Parts,
        backend: &Arc<Backend>,
    ) -> Result<Self, Failure> {
        let query = Query::<T>::from_request_parts(parts, backend).await;
        let wrong = |rejection: QueryRejection| {
            Failure::bad_request(format!("the query cannot be read: {}", cause(&rejection)))
        };
        query.map(|Query(value)| Self(value)).map_err(wrong)
    }
}
