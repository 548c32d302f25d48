//! A failure as `application/problem+json` (RFC 9457) with the headers that programs go by.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use holdfast_proto::error::Code;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, RefOr, ResponseBuilder, response};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::failure::{Failure, Hint};

/// Names the owner of a session beside a 421.
pub(super) const OWNER: HeaderName = HeaderName::from_static("holdfast-owner");
/// Names the highest attempt seen beside a 409.
pub(super) const ATTEMPT: HeaderName = HeaderName::from_static("holdfast-attempt");

/// Why a request was not done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `urn:holdfast:error:<code>`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The same for every problem with this code.
    pub(super) title: &'static str,
    /// The HTTP status again.
    pub(super) status: u16,
    /// What a program may branch on.
    pub(super) code: String,
    /// A sentence for people that says what would be right.
    pub(super) detail: String,
    /// Whether the same request may succeed later.
    pub(super) retryable: bool,
    /// Names the request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
}

/// The answer, which says in its extensions what failed: `context` adds the request's id.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = render(&self, None);
        response.extensions_mut().insert(self);
        response
    }
}

/// The whole answer.
pub(super) fn render(failure: &Failure, request_id: Option<&str>) -> Response {
    let status = StatusCode::from_u16(failure.class.http_status())
        .expect("every code has a status of the registry");
    let problem = Problem {
        kind: format!("urn:holdfast:error:{}", failure.code),
        title: failure.class.title(),
        status: status.as_u16(),
        code: failure.code.to_string(),
        detail: failure.detail.clone(),
        retryable: failure.retryable,
        request_id: request_id.map(str::to_owned),
    };
    let body = serde_json::to_vec(&problem).expect("plain values become JSON");
    let content = [(CONTENT_TYPE, "application/problem+json")];
    let mut response = (status, content, body).into_response();
    if let Some((name, value)) = hint(failure) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// 503 and 429 always say when to come again: a client without a hint comes back at once.
fn hint(failure: &Failure) -> Option<(HeaderName, HeaderValue)> {
    let text = |text: &str| HeaderValue::from_str(text).ok();
    match &failure.hint {
        Hint::Owner(endpoint) => Some((OWNER, text(endpoint)?)),
        Hint::Attempt(highest) => Some((ATTEMPT, HeaderValue::from(*highest))),
        Hint::Allow(methods) => Some((ALLOW, HeaderValue::from_static(methods))),
        Hint::RetryAfter(span) => {
            let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
            Some((RETRY_AFTER, HeaderValue::from(seconds.max(1))))
        }
        Hint::None if matches!(failure.class.http_status(), 429 | 503) => {
            Some((RETRY_AFTER, HeaderValue::from(1)))
        }
        Hint::None => None,
    }
}

/// The failures that every request may meet, for the description.
pub(super) struct Any;

impl IntoResponses for Any {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        described(&[
            Code::BadRequest,
            Code::TooLarge,
            Code::Internal,
            Code::Unavailable,
            Code::Timeout,
        ])
    }
}

/// The failures of requests about one session, for the description.
pub(super) struct OfSession;

impl IntoResponses for OfSession {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let mut responses = described(&[
            Code::Forbidden,
            Code::SessionNotFound,
            Code::SessionEnded,
            Code::WrongEndpoint,
            Code::QuotaExceeded,
        ]);
        responses.extend(Any::responses());
        responses
    }
}

/// The failures of questions to the ledger, for the description.
pub(super) struct OfLedger;

impl IntoResponses for OfLedger {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let mut responses = described(&[Code::NotFound]);
        responses.extend(Any::responses());
        responses
    }
}

/// The failures of commands besides, for the description.
pub(super) struct OfCommand;

impl IntoResponses for OfCommand {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let mut responses = described(&[
            Code::StaleAttempt,
            Code::UnsupportedMediaType,
            Code::Rejected,
        ]);
        responses.extend(OfSession::responses());
        responses
    }
}

fn described(codes: &[Code]) -> BTreeMap<String, RefOr<response::Response>> {
    let one = |code: &Code| {
        let content = ContentBuilder::new()
            .schema(Some(Problem::schema()))
            .build();
        let response = ResponseBuilder::new()
            .description(code.title())
            .content("application/problem+json", content)
            .build();
        (code.http_status().to_string(), RefOr::T(response))
    };
    codes.iter().map(one).collect()
}
