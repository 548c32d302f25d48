//! A failure as `application/problem+json` (RFC 9457) with the headers that programs go by.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use holdfast_proto::error::Code;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response};
use utoipa::{IntoResponses, ToSchema};

use crate::failure::{Failure, Hint};

/// Names the owner of a session beside a 421.
pub(super) const OWNER: HeaderName = HeaderName::from_static("holdfast-owner");
/// Names the highest attempt seen beside a 409.
pub(super) const ATTEMPT: HeaderName = HeaderName::from_static("holdfast-attempt");

/// Why a request was not done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProblemDetails)]
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

/// Lists of failures that operations may meet, for the description.
macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident: $($code:ident)*;)*) => {
        $(
            $(#[$doc])*
            pub(super) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<response::Response>> {
                    described(&[$(Code::$code),*])
                }
            }
        )*
    };
}

failures! {
    /// Of every request.
    Any: BadRequest TooLarge Internal Unavailable Timeout BodyTimeout;
    /// Of what is found by name.
    Found: BadRequest NotFound TooLarge Internal Unavailable Timeout BodyTimeout;
    /// Of questions to the ledger.
    OfLedger: BadRequest NotFound TooLarge Internal Unavailable Timeout BodyTimeout;
    /// Of lists of sessions.
    Listed: BadRequest TooLarge Internal Unavailable StoreUnavailable Timeout BodyTimeout;
    /// Of what makes a session.
    Made: BadRequest Forbidden SessionNotFound SessionEnded BodyTimeout TooLarge
        UnsupportedMediaType WrongEndpoint InvalidArgument KeyReused QuotaExceeded Internal
        Unavailable StoreUnavailable UnreadableState Timeout;
    /// Of what makes a session from another.
    Forked: BadRequest Forbidden FeatureOff SessionNotFound Trimmed SessionEnded BodyTimeout
        TooLarge UnsupportedMediaType WrongEndpoint InvalidArgument KeyReused QuotaExceeded
        Internal Unavailable StoreUnavailable UnreadableState Timeout;
    /// Of requests about one session.
    OfSession: BadRequest Forbidden SessionNotFound NotFound Trimmed SessionEnded BodyTimeout
        TooLarge WrongEndpoint Internal Unavailable StoreUnavailable UnreadableState Timeout;
    /// Of live connections.
    Live: BadRequest Forbidden SessionNotFound SessionEnded StaleAttempt BodyTimeout TooLarge
        WrongEndpoint QuotaExceeded Internal Unavailable StoreUnavailable UnreadableState Timeout;
    /// Of commands.
    OfCommand: BadRequest Forbidden FeatureOff SessionNotFound NotFound SessionEnded
        AnswerForgotten BodyTimeout TooLarge UnsupportedMediaType WrongEndpoint InvalidArgument
        Rejected KeyReused QuotaExceeded Internal Unavailable StoreUnavailable UnreadableState
        Timeout;
    /// Of tokens for demonstrations.
    OfTokens: BadRequest Forbidden NotFound BodyTimeout TooLarge UnsupportedMediaType
        InvalidArgument Internal Unavailable Timeout;
}

/// One answer for each status, with an example for each code that has it.
fn described(codes: &[Code]) -> BTreeMap<String, RefOr<response::Response>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.http_status()).or_default().push(*code);
    }
    let one = |(status, codes): (u16, Vec<Code>)| {
        let names: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Problem::name())))
            .examples_from_iter(codes.iter().map(|code| (code.as_str(), example(*code))))
            .build();
        let mut response = ResponseBuilder::new()
            .description(names.join(", "))
            .content("application/problem+json", content);
        if matches!(status, 429 | 503) {
            let seconds = HeaderBuilder::new()
                .description(Some("When to come again, in seconds"))
                .build();
            response = response.header("Retry-After", seconds);
        }
        if status == 421 {
            let owner = HeaderBuilder::new()
                .description(Some("The endpoint to ask"))
                .build();
            response = response.header("Holdfast-Owner", owner);
        }
        (status.to_string(), RefOr::T(response.build()))
    };
    by_status.into_iter().map(one).collect()
}

fn example(code: Code) -> Example {
    let told = match code {
        Code::Rejected => "insufficient_balance",
        code => code.as_str(),
    };
    let problem = Problem {
        kind: format!("urn:holdfast:error:{told}"),
        title: code.title(),
        status: code.http_status(),
        code: told.to_owned(),
        detail: code.title().to_owned(),
        retryable: code.retryable(),
        request_id: Some("0123456789abcdef0123456789abcdef".to_owned()),
    };
    ExampleBuilder::new()
        .summary(code.title())
        .value(serde_json::to_value(problem).ok())
        .build()
}
