//! Tokens for demonstrations, and what the token service thinks of them.

use holdfast_proto::token::v1::ValidateTokenRequest;
use holdfast_proto::token::v1::tokens_client::TokensClient;
use serde_json::json;
use tonic::Code;

use crate::support::client::Request;
use crate::support::{Running, soon};

const PATH: &str = "/api/v1/demo/token";

fn lines() -> String {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/keys");
    format!(
        "demo_issuer:\n  key: {{ file: {keys}/issuer.pem }}\n  \
         issuer: me\n  audience: you\n  ttl: 1h\n\
         tokens:\n  issuer: me\n  audience: you\n  \
         keys: [{{ id: demo, algorithm: EdDSA, file: {keys}/issuer.pub.pem }}]"
    )
}

#[tokio::test]
async fn a_demo_token_is_a_cookie_too_and_is_judged_good() {
    let backend = Running::start(&lines()).await;
    let answer = backend.post(PATH, json!({ "subject": "ann" })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = answer.json();
    assert_eq!(said["expires_in"], 3600);
    let token = said["token"].as_str().expect("a token");
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with(&format!(
        "holdfast_token={token}; Path=/; HttpOnly; SameSite=Strict"
    )));
    assert!(
        !cookie.contains("Secure"),
        "the demonstration has no TLS: {cookie}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let mut tokens = TokensClient::new(backend.grpc().await);
    let mut judge = async |token: &str| {
        let request = ValidateTokenRequest {
            token: token.to_owned(),
        };
        let answer = soon(tokens.validate_token(request)).await;
        answer.expect("it is judged").into_inner()
    };
    let good = judge(token).await;
    assert!(good.valid);
    assert_eq!((good.subject.as_str(), good.reason.as_str()), ("ann", ""));
    let bad = judge("no token").await;
    assert!(!bad.valid);
    assert_eq!(
        (bad.subject.as_str(), bad.reason.as_str()),
        ("", "malformed")
    );
}

#[tokio::test]
async fn who_does_not_say_who_they_are_gets_a_name() {
    let backend = Running::start(&lines()).await;
    let answer = backend.ask(Request::post(PATH)).await.json();
    let subject = answer["subject"].as_str().expect("a subject");
    assert!(
        subject.starts_with("demo-") && subject.len() == 13,
        "{subject}"
    );
}

#[tokio::test]
async fn bad_wishes_for_tokens_are_refused() {
    let backend = Running::start(&lines()).await;
    let other_site = Request::post(PATH).header("sec-fetch-site", "cross-site");
    let refused = |code: &str, status: u16| (status, code.to_owned());
    assert_eq!(
        backend.ask(other_site).await.problem(),
        refused("forbidden", 403)
    );
    let no_name = backend.post(PATH, json!({ "subject": "a b" })).await;
    assert_eq!(no_name.problem(), refused("invalid_argument", 422));
    let form = Request::post(PATH).text("application/x-www-form-urlencoded", "subject=ann");
    let refusal = backend.ask(form).await.problem();
    assert_eq!(refusal, refused("unsupported_media_type", 415));
}

#[tokio::test]
async fn without_an_issuer_nobody_gets_a_token_and_none_is_judged() {
    let backend = Running::start("").await;
    let answer = backend.ask(Request::post(PATH)).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    let mut tokens = TokensClient::new(backend.grpc().await);
    let refused = soon(tokens.validate_token(ValidateTokenRequest::default())).await;
    assert_eq!(refused.expect_err("no keys").code(), Code::NotFound);
}
