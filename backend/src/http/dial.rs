//! What a dial of a live connection says: the contract's request headers and the query.

use holdfast_session::id::ConnectionId;
use holdfast_session::subscription::{Channels, Coalesce};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::text;
use super::sessions::client_id;
use crate::exchanges::Attachment;
use crate::failure::Failure;
use crate::random;
use crate::sessions::{Dial, Transport};

/// The query of a WebSocket or an event stream.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DialQuery {
    /// Names the client over its reconnects: 1 to 96 letters, digits, `.`, `_` and `-`, drawn at
    /// random by each tab. Default: the connection alone.
    #[param(pattern = "^[A-Za-z0-9._-]{1,96}$", example = "tab-1")]
    pub(super) client: Option<String>,
    /// Of `book`, `trade`, `candle`, `order`, `fill`, `position`, `simulator`, with commas between;
    /// or `none`. Default: all.
    #[param(pattern = "^[a-z]+(,[a-z]+)*$", example = "book,trade")]
    channels: Option<String>,
    /// `none` (default), `100ms` or `1s`: how long market data is gathered before it is sent.
    #[param(pattern = "^(none|100ms|1s)$", example = "100ms")]
    coalesce: Option<String>,
    /// The last id that was received. A `Last-Event-ID` header goes before it.
    last_event_id: Option<String>,
}

/// Whether the other side keeps the handoff contract, version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    /// A proxy that moves connections: it is told where the leg starts and what was accepted.
    Kept,
    /// A client without such a proxy.
    None,
}

/// Reads a dial. The headers were screened: `Holdfast-*` is there only if it is true.
pub(super) fn read(
    headers: &HeaderMap,
    query: DialQuery,
    transport: Transport,
) -> Result<(Dial, Contract), Failure> {
    let (connection, contract) = match text(headers, "holdfast-connection")? {
        Some(text) => (parsed("Holdfast-Connection", text)?, Contract::Kept),
        None => (ConnectionId::new(random::bits128()), Contract::None),
    };
    let attempt = text(headers, "holdfast-attempt")?;
    let generation = text(headers, "holdfast-generation")?;
    let from_header = text(headers, "last-event-id")?.map(str::to_owned);
    let channels = query.channels.as_deref();
    let dial = Dial {
        connection,
        attempt: attempt.map_or(Ok(1), |text| parsed("Holdfast-Attempt", text))?,
        last_event_id: from_header
            .or(query.last_event_id)
            .filter(|id| !id.is_empty()),
        generation: generation
            .map(|text| parsed("Holdfast-Generation", text))
            .transpose()?,
        client: query.client.as_deref().map(client_id).transpose()?,
        channels: channels.map_or(Ok(Channels::ALL), |text| parsed("channels", text))?,
        coalesce: query
            .coalesce
            .map_or(Ok(Coalesce::None), |text| parsed("coalesce", &text))?,
        transport,
    };
    Ok((dial, contract))
}

/// What the proxy is told about a leg that was taken.
pub(super) fn answer(contract: Contract, leg: &Attachment, headers: &mut HeaderMap) {
    if contract == Contract::None {
        return;
    }
    headers.insert(CONTRACT, HeaderValue::from_static("1"));
    if let Ok(position) = HeaderValue::from_str(&leg.position) {
        headers.insert(POSITION, position);
    }
    if let Ok(claim) = HeaderValue::from_str(&leg.claim.to_string()) {
        headers.insert(GENERATION, claim);
    }
    headers.insert(ACCEPTED, HeaderValue::from(leg.accepted));
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<T, Failure> {
    let wrong = |error| Failure::bad_request(format!("{name} {text:?}: {error}"));
    text.parse().map_err(wrong)
}

const CONTRACT: HeaderName = HeaderName::from_static("holdfast-contract");
const POSITION: HeaderName = HeaderName::from_static("holdfast-position");
const GENERATION: HeaderName = HeaderName::from_static("holdfast-generation");
const ACCEPTED: HeaderName = HeaderName::from_static("holdfast-accepted");

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> DialQuery {
        DialQuery {
            client: None,
            channels: None,
            coalesce: None,
            last_event_id: Some("e.1".into()),
        }
    }

    #[test]
    fn the_header_goes_before_the_query() {
        let mut headers = HeaderMap::new();
        let read = |headers: &HeaderMap| {
            let (dial, contract) = read(headers, query(), Transport::WebSocket).expect("readable");
            (dial.last_event_id, dial.attempt, contract)
        };
        let from_query = Some("e.1".to_owned());
        assert_eq!(read(&headers), (from_query, 1, Contract::None));

        headers.insert("last-event-id", HeaderValue::from_static("e.9"));
        headers.insert("holdfast-attempt", HeaderValue::from_static("3"));
        let connection = HeaderValue::from_static("0123456789abcdef0123456789abcdef");
        headers.insert("holdfast-connection", connection);
        let from_header = Some("e.9".to_owned());
        assert_eq!(read(&headers), (from_header, 3, Contract::Kept));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, value) in [
            ("holdfast-connection", "nobody"),
            ("holdfast-attempt", "-1"),
            ("holdfast-generation", "x"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            let failure = read(&headers, query(), Transport::WebSocket).expect_err(name);
            assert!(
                failure.detail.to_lowercase().contains(name),
                "{}",
                failure.detail
            );
        }
        for (text, named) in [
            ("book,weather", "weather"),
            ("", "left out"),
            ("book,", "\"\""),
        ] {
            let failure = channels(text).expect_err(text);
            assert!(failure.detail.contains(named), "{}", failure.detail);
        }
    }

    fn channels(text: &str) -> Result<Channels, Failure> {
        let query = DialQuery {
            channels: Some(text.into()),
            ..query()
        };
        let (dial, _) = read(&HeaderMap::new(), query, Transport::WebSocket)?;
        Ok(dial.channels)
    }

    #[test]
    fn channels_are_those_that_are_named() {
        let some = channels("book,trade").expect("two");
        assert_eq!(some, Channels::named(["book", "trade"]).expect("two"));
        assert_eq!(channels("none").ok(), Some(Channels::NONE));
        let (dial, _) = read(&HeaderMap::new(), query(), Transport::WebSocket).expect("a dial");
        assert_eq!(dial.channels, Channels::ALL);
    }
}
