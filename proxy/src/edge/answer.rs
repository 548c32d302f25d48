//! Answers of the edge's own: `application/problem+json` (RFC 9457), a code, a sentence.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use crate::identity::TICKET_LIFE;

/// Everything the edge answers by itself. Codes are an interface: `docs/errors.md` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// What came is no request that can be forwarded.
    BadRequest,
    /// The framing of the body has two readings.
    AmbiguousFraming,
    /// A field's name could be taken for one that the edge sets.
    AmbiguousField,
    /// No token, or none that is believed.
    Unauthenticated,
    /// The page is not allowed to act for the user.
    OriginForbidden,
    /// No route.
    NoRoute,
    /// The method is not forwarded.
    MethodNotAllowed,
    /// The request's body did not come within `limits.body_timeout`.
    BodyTimeout,
    /// The body is too long.
    BodyTooLarge,
    /// An expectation other than `100-continue`.
    ExpectationFailed,
    /// This route takes WebSocket upgrades alone.
    UpgradeRequired,
    /// The head is too long or has too many fields.
    HeadTooLarge,
    /// No endpoint can serve.
    NoEndpoint,
    /// All endpoints are being drained.
    Draining,
    /// All endpoints are full.
    Full,
    /// This proxy leaves.
    Leaving,
    /// The endpoint broke off before it had answered.
    EndpointBroken,
    /// The endpoint did not answer in time.
    EndpointTimeout,
    /// The edge made a mistake.
    Internal,
}

impl Code {
    /// All there are.
    pub const ALL: [Self; 19] = [
        Self::BadRequest,
        Self::AmbiguousFraming,
        Self::AmbiguousField,
        Self::Unauthenticated,
        Self::OriginForbidden,
        Self::NoRoute,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::BodyTooLarge,
        Self::ExpectationFailed,
        Self::UpgradeRequired,
        Self::HeadTooLarge,
        Self::NoEndpoint,
        Self::Draining,
        Self::Full,
        Self::Leaving,
        Self::EndpointBroken,
        Self::EndpointTimeout,
        Self::Internal,
    ];

    /// The name in answers, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::AmbiguousFraming => "ambiguous_framing",
            Self::AmbiguousField => "ambiguous_field",
            Self::Unauthenticated => "unauthenticated",
            Self::OriginForbidden => "origin_forbidden",
            Self::NoRoute => "no_route",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::ExpectationFailed => "expectation_failed",
            Self::UpgradeRequired => "upgrade_required",
            Self::HeadTooLarge => "head_too_large",
            Self::NoEndpoint => "no_endpoint",
            Self::Draining => "draining",
            Self::Full => "full",
            Self::Leaving => "leaving",
            Self::EndpointBroken => "endpoint_broken",
            Self::EndpointTimeout => "endpoint_timeout",
            Self::Internal => "internal",
        }
    }

    /// The status it is answered with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::AmbiguousFraming | Self::AmbiguousField => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::OriginForbidden => StatusCode::FORBIDDEN,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NoEndpoint | Self::Draining | Self::Full | Self::Leaving => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::EndpointBroken => StatusCode::BAD_GATEWAY,
            Self::EndpointTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// May the same request succeed a moment later?
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::NoEndpoint
                | Self::Draining
                | Self::Full
                | Self::Leaving
                | Self::BodyTimeout
                | Self::EndpointTimeout
        )
    }
}

/// One answer of the edge's own.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What it says.
    pub code: Code,
    /// A sentence for the person who reads it.
    pub detail: String,
}

impl Answer {
    /// An answer with this code and sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// Write it to the client. Body bytes that nobody read end the connection, so that they are
    /// not taken for the next request.
    pub async fn write(&self, session: &mut Session, request_id: &HeaderValue) -> Result<()> {
        let body = self.body(request_id);
        let mut head = ResponseHeader::build(self.code.status(), Some(8))?;
        head.insert_header(header::CONTENT_TYPE, PROBLEM)?;
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
        head.insert_header(header::CACHE_CONTROL, "no-store")?;
        head.insert_header(REQUEST_ID, request_id)?;
        if self.code.status() == StatusCode::SERVICE_UNAVAILABLE {
            head.insert_header(header::RETRY_AFTER, RETRY_AFTER)?;
        }
        if self.code == Code::Unauthenticated {
            head.insert_header(header::WWW_AUTHENTICATE, "Bearer")?;
        }
        if self.code == Code::UpgradeRequired {
            head.insert_header(header::UPGRADE, "websocket")?;
        }
        write(session, head, body).await
    }

    fn body(&self, request_id: &HeaderValue) -> Bytes {
        let status = self.code.status();
        let value = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "code": self.code.as_str(),
            "detail": self.detail,
            "retryable": self.code.retryable(),
            "request_id": request_id.to_str().unwrap_or_default(),
        });
        value.to_string().into()
    }
}

/// Answer with a ticket, which nobody may keep.
pub async fn write_ticket(
    session: &mut Session,
    request_id: &HeaderValue,
    ticket: &str,
) -> Result<()> {
    let body = serde_json::json!({ "ticket": ticket, "expires_in": TICKET_LIFE.as_secs() });
    let body = Bytes::from(body.to_string());
    let mut head = ResponseHeader::build(StatusCode::OK, Some(4))?;
    head.insert_header(header::CONTENT_TYPE, "application/json")?;
    head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    head.insert_header(REQUEST_ID, request_id)?;
    write(session, head, body).await
}

/// Write a whole answer; the connection is kept only when nothing of the request is left unread.
pub async fn write(session: &mut Session, head: ResponseHeader, body: Bytes) -> Result<()> {
    let http2 = session.req_header().version == Version::HTTP_2;
    if !http2 && !session.is_body_empty() && !session.is_body_done() {
        session.set_keepalive(None);
    }
    let head_only = session.req_header().method == http::Method::HEAD;
    session
        .write_response_header(Box::new(head), head_only)
        .await?;
    if !head_only {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// The request id's field.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Seconds; by then another endpoint is chosen, or the one that restarts is back.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented_with_its_status() {
        let page = include_str!("../../../docs/errors.md");
        for code in Code::ALL {
            let (name, status) = (code.as_str(), code.status().as_u16());
            let again = if code.retryable() { "yes" } else { "no" };
            let row = format!("| `{name}` | {status} | {again} |");
            assert!(page.contains(&row), "docs/errors.md lacks: {row}");
        }
    }
}
