//! What has two readings is refused, and never reaches an endpoint.

use crate::support::endpoint::Endpoint;
use crate::support::proxy::Proxy;

/// Each must be refused with this status. A bar stands for the end of a line.
const REFUSED: [(&str, &str, u16); 23] = [
    (
        "both lengths",
        "POST / HTTP/1.1|Host: e|Content-Length: 4|Transfer-Encoding: chunked||0||",
        400,
    ),
    (
        "chunked twice",
        "POST / HTTP/1.1|Host: e|Transfer-Encoding: chunked, chunked||0||",
        400,
    ),
    (
        "two codings",
        "POST / HTTP/1.1|Host: e|Transfer-Encoding: gzip, chunked||0||",
        400,
    ),
    (
        "two coding fields",
        "POST / HTTP/1.1|Host: e|Transfer-Encoding: chunked|Transfer-Encoding: x||0||",
        400,
    ),
    (
        "odd coding",
        "POST / HTTP/1.1|Host: e|Transfer-Encoding: xchunked||0||",
        400,
    ),
    (
        "differing lengths",
        "POST / HTTP/1.1|Host: e|Content-Length: 4|Content-Length: 5||body",
        400,
    ),
    (
        "list of lengths",
        "POST / HTTP/1.1|Host: e|Content-Length: 4, 4||body",
        400,
    ),
    (
        "signed length",
        "POST / HTTP/1.1|Host: e|Content-Length: +4||body",
        400,
    ),
    (
        "hex length",
        "POST / HTTP/1.1|Host: e|Content-Length: 0x4||body",
        400,
    ),
    ("no host", "GET / HTTP/1.1||", 400),
    ("two hosts", "GET / HTTP/1.1|Host: a|Host: b||", 400),
    ("host with user", "GET / HTTP/1.1|Host: a@b||", 400),
    (
        "underscore twin",
        "GET / HTTP/1.1|Host: e|X_Forwarded_For: 1.2.3.4||",
        400,
    ),
    (
        "nominated host",
        "GET / HTTP/1.1|Host: e|Connection: close, x-forwarded-for||",
        400,
    ),
    ("space before colon", "GET / HTTP/1.1|Host : e||", 400),
    (
        "odd expectation",
        "POST / HTTP/1.1|Host: e|Expect: 100-continue-later|Content-Length: 0||",
        417,
    ),
    (
        "blank in the target",
        "GET /a HTTP/1.1 b HTTP/1.1|Host: e||",
        400,
    ),
    ("blank in the method", "GE T / HTTP/1.1|Host: e||", 400),
    ("no slash", "GET a HTTP/1.1|Host: e||", 400),
    ("fragment", "GET /a#b HTTP/1.1|Host: e||", 400),
    ("no version", "GET /|Host: e||", 400),
    ("connect", "CONNECT e:80 HTTP/1.1|Host: e:80||", 405),
    ("trace", "TRACE / HTTP/1.1|Host: e||", 405),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_has_two_readings_is_refused() {
    let a = Endpoint::start("a").await;
    let proxy = Proxy::start(&[&a]).await;
    for (name, request, status) in REFUSED {
        let mut client = proxy.client().await;
        client.send(request.replace('|', "\r\n")).await;
        let answer = client
            .answer()
            .await
            .unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert!(!answer.code().is_empty(), "{name}: says why");
    }
    assert_eq!(a.served(), 0, "one of them reached the endpoint");
    assert_eq!(
        proxy.client().await.get("/", "").await.status,
        200,
        "others are served"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_hidden_in_a_refused_one_is_not_answered() {
    let a = Endpoint::start("a").await;
    let proxy = Proxy::start(&[&a]).await;
    let mut client = proxy.client().await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: e\r\n\r\n";
    let outer = format!(
        "POST / HTTP/1.1\r\nHost: e\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\n{hidden}",
        hidden.len() + 5
    );
    client.send(outer).await;
    assert_eq!(
        client.answer().await.expect("an answer").code(),
        "ambiguous_framing"
    );
    assert!(client.closed().await, "the connection was kept");
    assert_eq!(a.served(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_cannot_speak_the_handoff_contract() {
    let a = Endpoint::start("a").await;
    let proxy = Proxy::start(&[&a]).await;
    let fields = "Holdfast-Subject: eve\r\nHoldfast-Moved-From: a\r\nX-Forwarded-For: 1.1.1.1\r\n";
    proxy.client().await.get("/", fields).await;
    let head = a.head().await.to_ascii_lowercase();
    assert!(!head.contains("holdfast-"), "{head}");
    assert!(head.contains("x-forwarded-for: 127.0.0.1\r\n"), "{head}");
    for path in [
        "/holdfast/drain",
        "/holdfast/ready",
        "//holdfast/drain",
        "/HOLDFAST/drain",
        "/%68oldfast/drain",
        "/%2e/holdfast/drain",
        "/holdfast.session.v1.Handoff/Release",
        "/holdfast.exchange.v1.Fronts/Ask",
        "/holdfast.exchange.v1.Fronts/Attach",
    ] {
        assert_eq!(
            proxy.client().await.get(path, "").await.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_to_anything_but_websocket_is_ignored() {
    let a = Endpoint::start("a").await;
    let proxy = Proxy::start(&[&a]).await;
    let fields =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    assert_eq!(proxy.client().await.get("/", fields).await.status, 200);
    let head = a.head().await.to_ascii_lowercase();
    assert!(
        !head.contains("upgrade") && !head.contains("http2-settings"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_id_is_the_client_s_if_it_is_fit_for_a_log() {
    let a = Endpoint::start("a").await;
    let proxy = Proxy::start(&[&a]).await;
    let mut client = proxy.client().await;
    let answer = client.get("/", "X-Request-Id: abc-1.2_3\r\n").await;
    assert_eq!(answer.field("x-request-id"), Some("abc-1.2_3"));
    assert!(
        a.head()
            .await
            .to_ascii_lowercase()
            .contains("x-request-id: abc-1.2_3\r\n")
    );
    let answer = client.get("/", "X-Request-Id: a b\"c\r\n").await;
    let id = answer.field("x-request-id").expect("an id");
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_malformed_chunks_is_answered_400_and_ends_the_connection() {
    // one that answers nothing: it could answer the head before the chunks are seen
    let (a, _taken) = Endpoint::by_hand("a").await;
    let proxy = Proxy::start(&[&a]).await;
    for chunks in [
        "-2|{}|0||",
        "0x2|{}|0||",
        "2|{}XX0||",
        "10000000000000002|{}|0||",
    ] {
        let mut client = proxy.client().await;
        let head = "POST / HTTP/1.1|Host: e|Transfer-Encoding: chunked||";
        client
            .send(format!("{head}{chunks}").replace('|', "\r\n"))
            .await;
        let answer = client
            .answer()
            .await
            .unwrap_or_else(|| panic!("{chunks}: no answer"));
        assert_eq!(
            (answer.status, answer.code()),
            (400, "ambiguous_framing".to_owned()),
            "{chunks}"
        );
        assert!(client.closed().await, "{chunks}");
    }
}
