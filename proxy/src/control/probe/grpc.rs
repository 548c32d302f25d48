//! Does `grpc.health.v1.Health/Check` say `SERVING`?
//!
//! The question is one field and the answer is one number, so the messages are written here by
//! hand rather than generated.

use std::net::SocketAddr;

use holdfast_core::health::Readiness;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::Failure;

pub(super) async fn ask(address: SocketAddr, service: &str) -> Result<Readiness, Failure> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(Failure::Connect)?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let _stop = AbortOnDrop(driver.abort_handle());
    let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, "holdfast-probe")
        .body(Full::<Bytes>::from(question(service)))?;
    let answer = sender.send_request(request).await?;
    if answer.status().as_u16() != 200 {
        let found = answer.status().as_u16();
        return Err(Failure::Status {
            found,
            wanted: "200".to_owned(),
        });
    }
    // A refusal without a message has its status in the head.
    check(answer.headers())?;
    let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
    let body = body.map_err(|_| Failure::Large { max: BODY_MAX })?;
    if let Some(trailers) = body.trailers() {
        check(trailers)?;
    }
    match status(&body.to_bytes()) {
        Some(SERVING) => Ok(Readiness::default()),
        Some(other) => Err(Failure::NotServing(other)),
        None => Err(Failure::Protocol("the answer is no HealthCheckResponse")),
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn check(fields: &HeaderMap) -> Result<(), Failure> {
    match fields.get("grpc-status").map(|value| value.as_bytes()) {
        None | Some(b"0") => Ok(()),
        Some(other) => Err(Failure::Grpc(String::from_utf8_lossy(other).into_owned())),
    }
}

/// A `HealthCheckRequest` as a gRPC message: flag, length, then field 1 (string).
fn question(service: &str) -> Vec<u8> {
    let service = &service.as_bytes()[..service.len().min(SERVICE_MAX)];
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(FIELD_1_BYTES);
        message.push(service.len() as u8);
        message.extend_from_slice(service);
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

/// The status in a `HealthCheckResponse`; one without the field says 0 (`UNKNOWN`).
fn status(framed: &[u8]) -> Option<u64> {
    let (head, rest) = framed.split_first_chunk::<5>()?;
    let [0, length @ ..] = *head else { return None };
    let message = rest.get(..u32::from_be_bytes(length) as usize)?;
    match message {
        [] => Some(0),
        [FIELD_1_VARINT, value, ..] if *value < 0x80 => Some(u64::from(*value)),
        _ => None,
    }
}

const SERVING: u64 = 1;
const FIELD_1_BYTES: u8 = 0x0a;
const FIELD_1_VARINT: u8 = 0x08;
/// One byte of length; no service has a longer name.
const SERVICE_MAX: usize = 127;
const BODY_MAX: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_written_as_protobuf_would() {
        assert_eq!(question(""), [0, 0, 0, 0, 0]);
        assert_eq!(question("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
    }

    #[test]
    fn the_answer_is_read_as_protobuf_would() {
        assert_eq!(status(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(status(&[0, 0, 0, 0, 2, 8, 2]), Some(2));
        assert_eq!(status(&[0, 0, 0, 0, 0]), Some(0));
        for broken in [
            &[][..],
            &[0, 0, 0, 0],
            &[1, 0, 0, 0, 2, 8, 1],
            &[0, 0, 0, 0, 9, 8, 1],
        ] {
            assert_eq!(status(broken), None, "{broken:?}");
        }
    }
}
