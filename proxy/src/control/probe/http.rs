//! Does it answer a GET, and what does it say of itself?

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use holdfast_core::health::{Readiness, ReadinessState};
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use serde::Deserialize;

use super::{Failure, http1};

pub(super) async fn ask(
    address: SocketAddr,
    path: &str,
    host: Option<&str>,
    wanted: RangeInclusive<u16>,
) -> Result<Readiness, Failure> {
    let host = host.map_or_else(|| address.to_string(), str::to_owned);
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "holdfast-probe")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let mut connection = http1::Connection::open(address).await?;
    let answer = connection.send(request).await?;
    let found = answer.status().as_u16();
    if !wanted.contains(&found) {
        let wanted = format!("{} to {}", wanted.start(), wanted.end());
        return Err(Failure::Status { found, wanted });
    }
    let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
    let body = body
        .map_err(|_| Failure::Large { max: BODY_MAX })?
        .to_bytes();
    Ok(readiness(&body))
}

/// What an endpoint that keeps the contract says of itself. Others say whatever they like with
/// a good status: they are ready.
fn readiness(body: &[u8]) -> Readiness {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Readiness::default();
    };
    let state = match answer.state.as_deref() {
        Some("draining") => ReadinessState::Draining,
        Some("degraded") => ReadinessState::Degraded,
        _ => ReadinessState::Ready,
    };
    let sessions = answer
        .sessions
        .map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Readiness { state, sessions }
}

/// A readiness answer: `{"state":"ready|draining|degraded","sessions":<n>}`.
#[derive(Deserialize)]
struct Answer {
    state: Option<String>,
    sessions: Option<u64>,
}

/// Bytes of a readiness answer; health pages with details fit.
const BODY_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_taken_at_its_word_and_strangers_at_their_status() {
        use ReadinessState::{Degraded, Draining, Ready};
        let cases: [(&str, _, _); 8] = [
            (r#"{"state":"ready","sessions":41}"#, Ready, Some(41)),
            (
                r#"{"state":"draining","sessions":0,"more":[1]}"#,
                Draining,
                Some(0),
            ),
            (r#"{"state":"degraded"}"#, Degraded, None),
            (r#"{"state":"sleepy"}"#, Ready, None),
            (r#"{"status":"UP"}"#, Ready, None),
            (r#"{"sessions":-1}"#, Ready, None),
            ("OK", Ready, None),
            ("", Ready, None),
        ];
        for (body, state, sessions) in cases {
            assert_eq!(
                readiness(body.as_bytes()),
                Readiness { state, sessions },
                "{body}"
            );
        }
    }
}
