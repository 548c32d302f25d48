//! What a client is told when nothing is relayed to it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use holdfast_core::Endpoint;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tokio::io::AsyncReadExt;
use tokio::time::{Duration, timeout};

use super::handshake::BadUpgrade;
use super::{AnswerFields, Relayed};
use crate::edge::answer::REQUEST_ID;
use crate::upstream::body::Body;
use crate::upstream::dial::Dialled;

/// The fields of an endpoint's answer that a client may see, with the edge's own: its word on
/// what a field says replaces the endpoint's, but cookies stand beside each other.
pub(super) fn for_client(
    head: &ResponseHeader,
    own: Vec<(HeaderName, HeaderValue)>,
) -> pingora_core::Result<ResponseHeader> {
    let mut answer = ResponseHeader::build(head.status, Some(head.headers.len() + own.len()))?;
    for (name, value) in &head.headers {
        if !is_hop_by_hop(name) && !name.as_str().starts_with("holdfast-") {
            answer.append_header(name.clone(), value.clone())?;
        }
    }
    for (name, value) in own {
        if name == header::SET_COOKIE {
            answer.append_header(name, value)?;
        } else {
            answer.insert_header(name, value)?;
        }
    }
    Ok(answer)
}

/// Refuses a request that is no proper upgrade. The connection ends with it: whatever follows
/// on it might be meant as frames.
pub(super) async fn refuse(
    session: &mut Session,
    refused: BadUpgrade,
    own: Vec<(HeaderName, HeaderValue)>,
) -> pingora_core::Result<Relayed> {
    let mut extra = own;
    if refused.status == StatusCode::UPGRADE_REQUIRED {
        extra.push((
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        ));
        extra.push((header::UPGRADE, HeaderValue::from_static("websocket")));
    }
    problem(session, refused.status, "bad_upgrade", refused.says, extra).await
}

/// Nobody took the request: come back soon.
pub(super) async fn nobody(
    session: &mut Session,
    own: Vec<(HeaderName, HeaderValue)>,
) -> pingora_core::Result<Relayed> {
    let mut extra = own;
    extra.push((header::RETRY_AFTER, HeaderValue::from_static("1")));
    let says = "no endpoint takes this connection now; try again";
    problem(
        session,
        StatusCode::SERVICE_UNAVAILABLE,
        "no_endpoint",
        says,
        extra,
    )
    .await
}

/// Passes on what an endpoint answered instead of what was asked for, body and all.
pub(super) async fn pass_on(
    session: &mut Session,
    endpoint: Arc<Endpoint>,
    dialled: Dialled,
    fields: AnswerFields,
) -> pingora_core::Result<Relayed> {
    let own = fields(Some(&endpoint.id));
    let Dialled {
        mut stream,
        head,
        early,
    } = dialled;
    let status = head.status.as_u16();
    let body = Body::of(status, &head.headers)
        .ok()
        .filter(|_| status >= 200);
    let Some(mut body) = body else {
        // An unasked 101, or a body that nobody can read the end of.
        let says = "the endpoint's answer is not understood";
        return problem(session, StatusCode::BAD_GATEWAY, "bad_answer", says, own).await;
    };
    let mut answer = for_client(&head, own)?;
    let bodiless = body.is_complete();
    end_connection(session, &mut answer, !bodiless)?;
    session
        .write_response_header(Box::new(answer), bodiless)
        .await?;
    let mut read = BytesMut::from(&early[..]);
    loop {
        let mut input = &read[..];
        let mut content = BytesMut::new();
        while let Ok(Some(part)) = body.next(&mut input) {
            content.extend_from_slice(part);
        }
        if !content.is_empty() {
            session
                .write_response_body(Some(content.freeze()), false)
                .await?;
        }
        read.clear();
        if body.is_complete() {
            break;
        }
        match timeout(BODY_PAUSE_MAX, stream.read_buf(&mut read)).await {
            Ok(Ok(count)) if count > 0 => {}
            Ok(Ok(_)) if body.may_end() => break,
            // The client has to see that it was cut.
            _ => {
                session.downstream_session.shutdown().await;
                return Ok(Relayed::Answered { status, endpoint });
            }
        }
    }
    if !bodiless {
        session.write_response_body(None, true).await?;
    }
    Ok(Relayed::Answered { status, endpoint })
}

async fn problem(
    session: &mut Session,
    status: StatusCode,
    code: &'static str,
    says: &str,
    own: Vec<(HeaderName, HeaderValue)>,
) -> pingora_core::Result<Relayed> {
    let retryable = matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY
    );
    let id = own.iter().find(|(name, _)| *name == REQUEST_ID);
    let text = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "code": code,
        "detail": says,
        "retryable": retryable,
        "request_id": id.and_then(|(_, id)| id.to_str().ok()),
    });
    let body = Bytes::from(text.to_string());
    let mut answer = ResponseHeader::build(status, Some(own.len() + 4))?;
    for (name, value) in own {
        answer.append_header(name, value)?;
    }
    answer.insert_header(header::CONTENT_TYPE, "application/problem+json")?;
    answer.insert_header(header::CONTENT_LENGTH, body.len())?;
    end_connection(session, &mut answer, false)?;
    session
        .write_response_header(Box::new(answer), false)
        .await?;
    session.write_response_body(Some(body), true).await?;
    let status = status.as_u16();
    Ok(Relayed::Refused { status, code })
}

/// A refused upgrade, or an answer of unknown length, is the last on its connection.
fn end_connection(
    session: &mut Session,
    answer: &mut ResponseHeader,
    has_body: bool,
) -> pingora_core::Result<()> {
    session.set_keepalive(None);
    if session.is_http2() {
        return Ok(());
    }
    if !answer.headers.contains_key(header::UPGRADE) {
        answer.insert_header(header::CONNECTION, "close")?;
    }
    if has_body && !answer.headers.contains_key(header::CONTENT_LENGTH) {
        frame(session, answer)?;
    }
    Ok(())
}

/// Gives a body without length the framing that this client understands.
pub(super) fn frame(session: &Session, answer: &mut ResponseHeader) -> pingora_core::Result<()> {
    if session.req_header().version == http::Version::HTTP_11 && !session.is_http2() {
        answer.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}

/// Whether the fields say that this is an event stream a relay can read.
pub(super) fn is_event_stream(fields: &HeaderMap) -> bool {
    let kind = fields
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let kind = kind
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let plain = !fields.contains_key(header::CONTENT_ENCODING);
    plain && kind.eq_ignore_ascii_case(b"text/event-stream")
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The longest pause inside a body that is passed on.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);
