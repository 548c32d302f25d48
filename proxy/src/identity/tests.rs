//! The verifier against what RFC 8725 warns of.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::config::IdentityKey;

const SECRET: &[u8] = b"thirty-two bytes of pure secrecy";
const NOW: Duration = Duration::from_secs(1_000_000);

fn verifier() -> Verifier {
    let key = |id: &str, material: &[u8]| IdentityKey {
        id: id.to_owned(),
        algorithm: Algorithm::HS256,
        material: material.to_vec(),
    };
    Verifier::new(&config::Identity {
        issuer: "issuer".to_owned(),
        audience: "holdfast".to_owned(),
        keys: vec![
            key("k1", SECRET),
            key("k2", b"another secret of thirty-two bytes"),
        ],
        cookie: "token".to_owned(),
        leeway: Duration::from_secs(30),
        origins: Vec::new(),
    })
}

fn claims() -> Value {
    json!({ "iss": "issuer", "aud": "holdfast", "sub": "ann", "exp": 1_000_060 })
}

fn token(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET)).expect("token")
}

fn header(kid: Option<&str>) -> Header {
    Header {
        kid: kid.map(str::to_owned),
        ..Header::new(jsonwebtoken::Algorithm::HS256)
    }
}

fn verify(claims: &Value) -> Result<Subject, Denied> {
    verifier().verify_at(&token(&header(Some("k1")), claims), NOW)
}

#[test]
fn a_good_token_names_its_subject() {
    assert_eq!(
        verify(&claims()).map(|s| s.as_str().to_owned()),
        Ok("ann".to_owned())
    );
}

#[test]
fn a_claim_that_is_wrong_or_missing_is_denied() {
    let cases = [
        ("iss", json!("other"), Denied::Claims),
        ("aud", json!("other"), Denied::Claims),
        ("sub", json!(""), Denied::Claims),
        ("sub", json!("a\r\nb: c"), Denied::Claims),
        ("exp", json!(999_970), Denied::Expired),
        ("nbf", json!(1_000_031), Denied::Expired),
        ("iat", json!(1_000_031), Denied::Expired),
    ];
    for (claim, value, denied) in cases {
        let mut claims = claims();
        claims[claim] = value.clone();
        assert_eq!(verify(&claims), Err(denied), "{claim}: {value}");
    }
    for claim in ["iss", "aud", "sub", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().expect("object").remove(claim);
        assert!(
            verify(&claims).is_err(),
            "a token without {claim} was believed"
        );
    }
}

#[test]
fn the_leeway_covers_clocks_that_differ() {
    let mut claims = claims();
    claims["exp"] = json!(999_971);
    claims["nbf"] = json!(1_000_030);
    assert!(verify(&claims).is_ok());
}

#[test]
fn a_token_is_judged_by_the_key_it_names_and_no_other() {
    let verify = |kid| verifier().verify_at(&token(&header(kid), &claims()), NOW);
    assert_eq!(verify(Some("k2")), Err(Denied::Signature));
    assert_eq!(verify(Some("k3")), Err(Denied::Key));
    assert_eq!(
        verify(None),
        Err(Denied::Key),
        "two keys, and the token names none"
    );
}

#[test]
fn the_algorithm_is_the_key_s_and_never_the_token_s() {
    let good = token(&header(Some("k1")), &claims());
    let (_, rest) = good.split_once('.').expect("three parts");
    for text in [
        r#"{"alg":"none","kid":"k1"}"#,
        r#"{"alg":"None","kid":"k1"}"#,
        r#"{"alg":"HS512","kid":"k1"}"#,
        r#"{"alg":"RS256","kid":"k1"}"#,
        r#"{"alg":"HS256","kid":"k1","crit":["x"],"x":1}"#,
    ] {
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(text));
        assert!(
            verifier().verify_at(&forged, NOW).is_err(),
            "{text} was believed"
        );
    }
}

#[test]
fn one_that_was_believed_is_judged_by_the_clock_each_time() {
    let mut claims = claims();
    claims["nbf"] = json!(1_000_000);
    let (verifier, token) = (verifier(), token(&header(Some("k1")), &claims));
    assert!(verifier.verify_at(&token, NOW).is_ok());
    assert!(verifier.verify_at(&token, NOW).is_ok(), "known by now");
    let later = NOW + Duration::from_secs(1_000_000);
    assert_eq!(verifier.verify_at(&token, later), Err(Denied::Expired));
    let earlier = Duration::from_secs(1);
    assert_eq!(verifier.verify_at(&token, earlier), Err(Denied::Expired));
}

#[test]
fn garbage_is_malformed_and_length_is_bounded() {
    for text in ["", ".", "a.b.c", "....", "\u{0}"] {
        assert_eq!(
            verifier().verify_at(text, NOW),
            Err(Denied::Malformed),
            "{text:?}"
        );
    }
    assert_eq!(
        verifier().verify_at(&"a".repeat(TOKEN_MAX + 1), NOW),
        Err(Denied::TooLong)
    );
}
