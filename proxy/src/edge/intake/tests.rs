//! What passes and what does not, on heads alone.

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    bytes: 32 << 10,
    fields: 100,
};

fn head(method: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
    let mut head = RequestHeader::build(method, b"/", None).expect("a head");
    head.insert_header("host", "edge").expect("a field");
    for (name, value) in fields {
        head.append_header(*name, *value).expect("a field");
    }
    head
}

fn code(fields: &[(&'static str, &str)], raw: &[u8]) -> Option<Code> {
    check(&head("POST", fields), raw, LIMITS)
        .err()
        .map(|answer| answer.code)
}

#[test]
fn a_length_that_the_parser_removed_is_still_found() {
    let fields = [("transfer-encoding", "chunked")];
    let raw = b"POST / HTTP/1.1\r\ncontent-LENGTH : 4\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(code(&fields, raw), Some(Code::AmbiguousFraming));
    let raw = b"POST / HTTP/1.1\r\nx: content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(code(&fields, raw), None, "a value is no field");
}

#[test]
fn a_request_line_has_one_reading() {
    for line in [
        "GET / HTTP/1.1",
        "GET * HTTP/1.1",
        "GET HTTP://e/ HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
    ] {
        let raw = format!("{line}\r\nhost: edge\r\n\r\n");
        assert_eq!(code(&[], raw.as_bytes()), None, "{line}");
    }
    for line in [
        "GET  HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /\t HTTP/1.1",
        "GET e HTTP/1.1",
        "/",
    ] {
        let raw = format!("{line}\r\nhost: edge\r\n\r\n");
        assert_eq!(code(&[], raw.as_bytes()), Some(Code::BadRequest), "{line}");
    }
}

#[test]
fn an_underscore_is_fine_where_it_is_nobody_s_twin() {
    assert_eq!(code(&[("session_id", "1")], b""), None);
    for twin in [
        "content_length",
        "x_forwarded_for",
        "holdfast_subject",
        "x_real_ip",
    ] {
        assert_eq!(
            code(&[(twin, "1")], b""),
            Some(Code::AmbiguousField),
            "{twin}"
        );
    }
}

#[test]
fn a_request_asks_by_its_fields() {
    let ask = |method, fields: &[(&'static str, &str)]| asks(&head(method, fields));
    let upgrade = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
    ];
    assert_eq!(ask("GET", &upgrade), Relay::WebSocket);
    assert_eq!(
        ask("GET", &upgrade[1..]),
        Relay::Http,
        "without Connection it has no force"
    );
    let events = [("accept", "text/html, text/event-stream;q=0.9")];
    assert_eq!(ask("GET", &events), Relay::Sse);
    assert_eq!(ask("POST", &events), Relay::Http);
    assert_eq!(
        ask("POST", &[("content-type", "application/grpc+proto")]),
        Relay::Grpc
    );
    assert_eq!(
        ask("POST", &[("content-type", "application/grpc-web")]),
        Relay::Http
    );
}
