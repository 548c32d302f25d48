//! Does it upgrade, and answer a ping?
//!
//! A server whose HTTP side works may still have a dead WebSocket side, so the question is a
//! client's whole way in: a handshake whose answer is checked (RFC 6455 4.1), then a ping.

use std::net::SocketAddr;

use holdfast_core::health::Readiness;
use holdfast_wire::websocket::{CloseCode, ControlFrame, FrameHead, Opcode, accept_key};
use http::{HeaderMap, Request, header};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Failure, http1};
use crate::chance;

pub(super) async fn ask(
    address: SocketAddr,
    path: &str,
    host: Option<&str>,
) -> Result<Readiness, Failure> {
    let key = nonce();
    let host = host.map_or_else(|| address.to_string(), str::to_owned);
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "holdfast-probe")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key)
        .body(Empty::<Bytes>::new())?;
    let mut connection = http1::Connection::open(address).await?;
    let answer = connection.send(request).await?;
    if answer.status().as_u16() != 101 {
        let found = answer.status().as_u16();
        return Err(Failure::Status {
            found,
            wanted: "101".to_owned(),
        });
    }
    check(answer.headers(), &key)?;
    let stream = hyper::upgrade::on(answer).await?;
    ping(TokioIo::new(stream)).await?;
    Ok(Readiness::default())
}

fn check(fields: &HeaderMap, key: &str) -> Result<(), Failure> {
    let is = |name, wanted: &str| {
        fields
            .get(name)
            .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    if !is(header::UPGRADE, "websocket") {
        return Err(Failure::Protocol("101 without Upgrade: websocket"));
    }
    let accept = fields
        .get(header::SEC_WEBSOCKET_ACCEPT)
        .map(|value| value.as_bytes());
    if accept != Some(accept_key(key.as_bytes()).as_slice()) {
        return Err(Failure::Protocol(
            "Sec-WebSocket-Accept does not answer the key",
        ));
    }
    Ok(())
}

/// Sends a ping and waits for its pong; whatever the application says meanwhile is passed over,
/// up to a bound. Then says goodbye.
async fn ping(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Failure> {
    let ping = ControlFrame::ping(PAYLOAD, Some(chance::bytes())).map_err(|_| PING_TOO_LONG)?;
    stream
        .write_all(ping.as_ref())
        .await
        .map_err(Failure::Read)?;
    let mut bytes = Vec::new();
    let mut passed_over = 0u64;
    loop {
        let head = FrameHead::parse(&bytes).map_err(|_| Failure::Protocol("a broken frame"))?;
        let Some((head, head_len)) = head else {
            read_more(&mut stream, &mut bytes).await?;
            continue;
        };
        let frame_len = head.payload_len.saturating_add(head_len as u64);
        passed_over = passed_over.saturating_add(frame_len);
        if passed_over > READ_MAX {
            return Err(Failure::Large {
                max: READ_MAX as usize,
            });
        }
        while (bytes.len() as u64) < frame_len {
            read_more(&mut stream, &mut bytes).await?;
        }
        let frame: Vec<u8> = bytes.drain(..frame_len as usize).collect();
        match head.opcode {
            Opcode::Pong if frame[head_len..] == *PAYLOAD => break,
            Opcode::Close => return Err(Failure::Protocol("closed instead of answering a ping")),
            _ => {}
        }
    }
    let goodbye = ControlFrame::close(CloseCode::NORMAL, "", Some(chance::bytes()));
    // The question is answered; whether it hears the goodbye is its affair.
    let _ = stream.write_all(goodbye.as_ref()).await;
    Ok(())
}

async fn read_more(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
) -> Result<(), Failure> {
    match stream.read_buf(bytes).await.map_err(Failure::Read)? {
        0 => Err(Failure::Protocol("ended instead of answering a ping")),
        _ => Ok(()),
    }
}

/// A handshake key: 16 random bytes in base64. Bits after the sixteenth byte are zero, so the
/// last of its 22 digits is one of four.
fn nonce() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = chance::bits();
    let digit = |index: u128| char::from(DIGITS[(index & 63) as usize]);
    let mut text: String = (0..21).map(|n| digit(bits >> (122 - 6 * n))).collect();
    text.push(digit(bits << 4));
    text + "=="
}

const PAYLOAD: &[u8] = b"holdfast-probe";
const PING_TOO_LONG: Failure = Failure::Protocol("a ping of more than 125 bytes");
/// Bytes an application may say before it answers a ping.
const READ_MAX: u64 = 256 << 10;
