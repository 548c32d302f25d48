//! Is this a request that can be forwarded at all? Everything with two readings is refused.
//!
//! Pingora's parser has refused differing lengths, unknown last codings and malformed lines
//! already. What it lets pass because one reading of it is legal (RFC 9112 section 6.1) is
//! refused here: an edge must not be the one of two readers that guesses.

use holdfast_core::Relay;
use holdfast_wire::token_list::{self, Upgrade};
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Version};
use pingora_http::RequestHeader;

use super::answer::{Answer, Code};

/// How much a head may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    /// Bytes, where they are known.
    pub bytes: usize,
    /// Fields.
    pub fields: usize,
}

/// Looks at a head. `raw` are its bytes as they came; empty on HTTP/2.
pub(super) fn check(head: &RequestHeader, raw: &[u8], limits: HeadLimits) -> Result<(), Answer> {
    size(head, raw, limits)?;
    target(raw)?;
    method(head)?;
    fields(&head.headers)?;
    framing(&head.headers, raw)?;
    hosts(head)?;
    let nominated = head
        .headers
        .get_all(header::CONNECTION)
        .iter()
        .map(|v| v.as_bytes());
    if let Some(name) = token_list::nominated(nominated).find(|n| token_list::is_protected(n)) {
        let name = String::from_utf8_lossy(name);
        let detail = format!("Connection must not nominate {name}");
        return Err(Answer::new(Code::AmbiguousField, detail));
    }
    expectation(&head.headers)
}

/// How does the request ask to be carried?
pub(super) fn asks(head: &RequestHeader) -> Relay {
    let headers = &head.headers;
    if is_grpc(headers) {
        return Relay::Grpc;
    }
    if upgrade(head) == Upgrade::WebSocket {
        return Relay::WebSocket;
    }
    let accepts = headers
        .get_all(header::ACCEPT)
        .iter()
        .map(|value| value.as_bytes());
    let media = |element: &[u8]| {
        let end = element
            .iter()
            .position(|byte| *byte == b';')
            .unwrap_or(element.len());
        element[..end]
            .trim_ascii()
            .eq_ignore_ascii_case(b"text/event-stream")
    };
    if head.method == Method::GET && accepts.flat_map(token_list::tokens).any(media) {
        return Relay::Sse;
    }
    Relay::Http
}

/// What does the request ask to change the connection into?
pub(super) fn upgrade(head: &RequestHeader) -> Upgrade {
    if head.version != Version::HTTP_11 || !head.headers.contains_key(header::UPGRADE) {
        return Upgrade::None;
    }
    let values = |name: HeaderName| head.headers.get_all(name).into_iter().map(|v| v.as_bytes());
    token_list::upgrade(values(header::CONNECTION), values(header::UPGRADE))
}

fn size(head: &RequestHeader, raw: &[u8], limits: HeadLimits) -> Result<(), Answer> {
    let known = || {
        let fields = head
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4);
        fields.sum::<usize>() + head.raw_path().len()
    };
    let bytes = if raw.is_empty() { known() } else { raw.len() };
    if bytes > limits.bytes {
        let detail = format!(
            "the request's head has {bytes} bytes; at most {}",
            limits.bytes
        );
        return Err(Answer::new(Code::HeadTooLarge, detail));
    }
    if head.headers.len() > limits.fields {
        let (found, most) = (head.headers.len(), limits.fields);
        let detail = format!("the request has {found} header fields; at most {most}");
        return Err(Answer::new(Code::HeadTooLarge, detail));
    }
    Ok(())
}

/// Pingora's parser takes blanks inside a target, and targets that begin with nothing known; the
/// next reader may find another request in them (RFC 9112 section 3.2).
fn target(raw: &[u8]) -> Result<(), Answer> {
    let line = raw.split(|byte| b"\r\n".contains(byte)).next();
    let Some(line) = line.filter(|line| !line.is_empty()) else {
        return Ok(()); // HTTP/2 has no line
    };
    let bad = |detail: &str| Err(Answer::new(Code::BadRequest, detail));
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(_), Some(target), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return bad("a request line is a method, a target and a version with one space between");
    };
    if target
        .iter()
        .any(|byte| *byte == b'#' || byte.is_ascii_control())
    {
        return bad("a target has no fragment and no control characters; encode them with %");
    }
    let scheme = target.get(..4).unwrap_or_default();
    if !target.starts_with(b"/") && target != b"*" && !scheme.eq_ignore_ascii_case(b"http") {
        return bad("a target begins with / or http");
    }
    Ok(())
}

fn method(head: &RequestHeader) -> Result<(), Answer> {
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        let detail = format!("{} is not forwarded", head.method);
        return Err(Answer::new(Code::MethodNotAllowed, detail));
    }
    Ok(())
}

/// A field with an underscore is the same as one with a dash to CGI-like servers: such a twin of
/// a field that the edge sets or judges would speak in its name.
fn fields(headers: &HeaderMap) -> Result<(), Answer> {
    for name in headers
        .keys()
        .map(HeaderName::as_str)
        .filter(|name| name.contains('_'))
    {
        let twin = name.replace('_', "-");
        let ours = ["holdfast-", "x-forwarded-", "sec-websocket-"];
        if token_list::is_protected(twin.as_bytes())
            || token_list::is_hop_by_hop(twin.as_bytes())
            || ours.iter().any(|prefix| twin.starts_with(prefix))
        {
            let detail = format!("the field {name} could be taken for {twin}");
            return Err(Answer::new(Code::AmbiguousField, detail));
        }
    }
    Ok(())
}

fn framing(headers: &HeaderMap, raw: &[u8]) -> Result<(), Answer> {
    let ambiguous = |detail: &str| Err(Answer::new(Code::AmbiguousFraming, detail));
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return ambiguous("Transfer-Encoding must be exactly one \"chunked\"");
        }
        // the parser has removed the length by now; only the bytes still tell
        if headers.contains_key(header::CONTENT_LENGTH) || has_line(raw, b"content-length") {
            return ambiguous("Content-Length and Transfer-Encoding exclude each other");
        }
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        let digits = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
        if lengths.next().is_some() || !digits || length.len() > LENGTH_DIGITS {
            return ambiguous("Content-Length must be exactly one number");
        }
    }
    Ok(())
}

/// RFC 9112 section 3.2: exactly one on HTTP/1.1; and none that hides a second authority.
fn hosts(head: &RequestHeader) -> Result<(), Answer> {
    let bad = |detail: &str| Err(Answer::new(Code::BadRequest, detail));
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return bad("there must be one Host");
    }
    match host {
        None if head.version == Version::HTTP_11 => bad("Host is missing"),
        Some(host)
            if host
                .as_bytes()
                .iter()
                .any(|byte| b"@/\\?#, \t".contains(byte)) =>
        {
            bad("Host is malformed")
        }
        _ => Ok(()),
    }
}

fn expectation(headers: &HeaderMap) -> Result<(), Answer> {
    let mut expectations = headers.get_all(header::EXPECT).iter();
    match expectations.next() {
        Some(expect) if !expect.as_bytes().eq_ignore_ascii_case(b"100-continue") => Err(
            Answer::new(Code::ExpectationFailed, "only 100-continue can be expected"),
        ),
        Some(_) if expectations.next().is_some() => Err(Answer::new(
            Code::ExpectationFailed,
            "there must be one Expect",
        )),
        _ => Ok(()),
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value.starts_with(b"application/grpc") && !value.starts_with(b"application/grpc-web")
    })
}

/// Is there a line of this name among the bytes of a head? The name is in lower case.
fn has_line(raw: &[u8], name: &[u8]) -> bool {
    raw.split(|byte| *byte == b'\n').any(|line| {
        let end = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        line[..end].trim_ascii().eq_ignore_ascii_case(name)
    })
}

/// 19 digits fit 64 bits, and no body is longer.
const LENGTH_DIGITS: usize = 19;

#[cfg(test)]
mod tests;
