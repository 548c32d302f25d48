//! Tokens for demonstrations: anybody may be anybody. Off unless the configuration says otherwise.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use holdfast_proto::error::Code;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::OptionalBody;
use super::problem::OfTokens;
use crate::app::Backend;
use crate::failure::Failure;
use crate::{clock, random, token};

/// Who somebody would like to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    /// 1 to 64 letters, digits, `.`, `_`, `-` and `@`. Default: `demo-` and random digits.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9._@-]{1,64}$", example = "ann")]
    subject: Option<String>,
}

/// A token, which is set as the cookie `holdfast_token`, too.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenAnswer {
    /// A signed JWT.
    token: String,
    /// How long it is good, in seconds.
    expires_in: u64,
    /// Whose it is.
    subject: String,
}

/// Gives a token to anybody, for demonstrations.
#[utoipa::path(
    post, path = "/api/v1/demo/token", tag = "demo", operation_id = "demo_token",
    request_body = Option<TokenRequest>,
    responses(
        (status = 200, description = "A token", body = TokenAnswer),
        OfTokens,
    )
)]
pub(super) async fn token(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<TokenRequest>,
) -> Result<Response, Failure> {
    let Some(issuer) = &backend.config.demo_issuer else {
        return Err(Failure::new(Code::NotFound, "the demo issuer is off"));
    };
    let cross_site = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site");
    if cross_site {
        let detail = "another site may not sign anybody in here";
        return Err(Failure::new(Code::Forbidden, detail));
    }
    let subject = match request.subject {
        Some(subject) => checked(subject)?,
        None => format!("demo-{:08x}", random::bits128() as u32),
    };
    let token = token::issue(issuer, &subject, random::bits128(), clock::wall());
    let token = token.map_err(Failure::internal)?;
    let expires_in = issuer.ttl.as_secs();
    let secure = match headers.get("x-forwarded-proto") {
        Some(scheme) if scheme == "https" => "; Secure",
        _ => "",
    };
    let cookie = format!(
        "holdfast_token={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={expires_in}{secure}"
    );
    let cookie = HeaderValue::try_from(cookie).map_err(Failure::internal)?;
    let headers = [
        (SET_COOKIE, cookie),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let answer = TokenAnswer {
        token,
        expires_in,
        subject,
    };
    Ok((headers, Json(answer)).into_response())
}

fn checked(subject: String) -> Result<String, Failure> {
    let letter = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if (1..=64).contains(&subject.len()) && subject.chars().all(letter) {
        return Ok(subject);
    }
    let detail = "a subject has 1 to 64 letters, digits, '.', '_', '-' and '@'";
    Err(Failure::new(Code::InvalidArgument, detail))
}
