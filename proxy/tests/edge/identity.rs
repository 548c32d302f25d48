//! Who the user is decides the edge; the endpoint is told, and nobody else may tell it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

use crate::support::endpoint::{Endpoint, switching};
use crate::support::proxy::{Proxy, Setup};

const SECRET: &str = "thirty-two bytes of pure secrecy";

fn token(issuer: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let claims = json!({
        "iss": issuer, "aud": "holdfast", "sub": "ann", "exp": now.as_secs() + 60,
    });
    let header = Header {
        kid: Some("k".to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    encode(
        &header,
        &claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    )
    .expect("a token")
}

async fn start(endpoint: &Endpoint) -> Proxy {
    // once: a test must not read what another one is writing
    static KEY: LazyLock<PathBuf> = LazyLock::new(|| {
        let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join("identity-secret");
        std::fs::write(&key, SECRET).expect("written");
        key
    });
    let key = &*KEY;
    let top = format!(
        "identity:\n  issuer: issuer\n  audience: holdfast\n  keys:\n    - id: k\n      \
         algorithm: HS256\n      file: {}\n",
        key.display()
    );
    let route = ", identity: required";
    Setup {
        top,
        route,
        ..Setup::default()
    }
    .start(&[endpoint])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subject_reaches_the_endpoint_and_a_forged_one_does_not() {
    let a = Endpoint::start("a").await;
    let proxy = start(&a).await;
    let fields = format!(
        "Authorization: Bearer {}\r\nHoldfast-Subject: eve\r\n",
        token("issuer")
    );
    assert_eq!(proxy.client().await.get("/", &fields).await.status, 200);
    let head = a.head().await.to_ascii_lowercase();
    assert!(
        head.contains("holdfast-subject: ann\r\n") && !head.contains("eve"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_that_is_believed_nothing_is_forwarded() {
    let a = Endpoint::start("a").await;
    let proxy = start(&a).await;
    let other = format!("Authorization: Bearer {}\r\n", token("somebody else"));
    for fields in ["", "Authorization: Bearer x.y.z\r\n", &other] {
        let answer = proxy.client().await.get("/", fields).await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "unauthenticated".to_owned())
        );
    }
    let two = format!(
        "Authorization: Bearer {0}\r\nAuthorization: Bearer {0}\r\n",
        token("issuer")
    );
    assert_eq!(proxy.client().await.get("/", &two).await.status, 400);
    assert_eq!(a.served(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_acts_for_the_user_from_the_own_page_alone() {
    let a = Endpoint::start("a").await;
    let proxy = start(&a).await;
    let cookie = format!("Cookie: holdfast_token={}\r\n", token("issuer"));
    assert_eq!(
        proxy.client().await.get("/", &cookie).await.status,
        200,
        "reading is safe"
    );
    let seen = a.head().await.to_ascii_lowercase();
    assert!(
        !seen.contains("holdfast_token"),
        "not the endpoint's: {seen}"
    );
    for (origin, status) in [
        ("", 403),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: http://edge\r\n", 200),
    ] {
        let mut client = proxy.client().await;
        let rest = format!("Host: edge\r\n{cookie}{origin}Content-Length: 0\r\n\r\n");
        client.send(format!("POST / HTTP/1.1\r\n{rest}")).await;
        assert_eq!(
            client.answer().await.expect("an answer").status,
            status,
            "{origin:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_given_for_a_token_and_for_nothing_less() {
    let a = Endpoint::start("a").await;
    let proxy = start(&a).await;
    let bearer = format!("Authorization: Bearer {}\r\n", token("issuer"));
    for (fields, status) in [("", 401), (bearer.as_str(), 200)] {
        let mut client = proxy.client().await;
        let rest = format!("Host: edge\r\n{fields}Content-Length: 0\r\n\r\n");
        client
            .send(format!("POST /holdfast/ticket HTTP/1.1\r\n{rest}"))
            .await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 200 {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(body["expires_in"], 30);
            assert!(
                body["ticket"]
                    .as_str()
                    .is_some_and(|ticket| ticket.len() > 40)
            );
            assert_eq!(answer.field("cache-control"), Some("no-store"));
        }
    }
    assert_eq!(a.served(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_websocket_and_travels_no_further() {
    let a = Endpoint::scripted("a", Arc::new(|_| switching(""))).await;
    let proxy = start(&a).await;
    let bearer = format!("Authorization: Bearer {}\r\n", token("issuer"));
    let mut client = proxy.client().await;
    client
        .send(format!(
            "POST /holdfast/ticket HTTP/1.1\r\nHost: e\r\n{bearer}Content-Length: 0\r\n\r\n"
        ))
        .await;
    let body = client.answer().await.expect("an answer").body;
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let path = format!(
        "/ws?x=1&ticket={}&y=2",
        body["ticket"].as_str().expect("a ticket")
    );
    let plain = proxy.client().await.get(&path, "").await;
    assert_eq!(plain.status, 401, "good for upgrades alone");
    let answer = proxy.client().await.upgrade(&path, "", b"").await;
    assert_eq!(answer.status, 101, "{}", answer.text());
    let head = a.head().await.to_ascii_lowercase();
    assert!(head.starts_with("get /ws?x=1&y=2 http/1.1\r\n"), "{head}");
    assert!(head.contains("holdfast-subject: ann\r\n"), "{head}");
    let again = proxy.client().await.upgrade(&path, "", b"").await;
    assert_eq!((again.status, a.served()), (401, 1), "good once");
}
