//! Dials when the state machine says so, and reads what comes back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use holdfast_core::ClusterName;
use holdfast_core::cluster::Contract;
use holdfast_core::connection::{Answer, Head, Placed};
use holdfast_core::health::Kind;
use holdfast_wire::contract::EventId;
use http::HeaderValue;
use http::header::{self, HeaderName};
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::time::timeout;

use super::answer::is_event_stream;
use super::handshake::Asked;
use super::{Admitted, Shared};
use crate::upstream::dial::{DialError, Dialled};

/// What has to be said again to each next endpoint: all that is kept of the request.
pub(crate) struct Dials {
    /// The connection's id, for its whole life.
    pub(crate) id: ConnectionId,
    /// Request line and fields, as they go on the wire, without the empty line.
    request: Box<[u8]>,
    pub(crate) cluster: ClusterName,
    contract: Contract,
    /// Later dials to one endpoint at once (`handoff.dials`).
    dials: u32,
    /// The client's own `Last-Event-ID`, if it is none that the contract takes; for the first
    /// leg alone.
    foreign_id: Option<Box<[u8]>>,
    asked: Option<Asked>,
}

/// 128 random bits that name a connection to every endpoint it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u128);

impl ConnectionId {
    /// A new one.
    pub(crate) fn random() -> Self {
        let mut bits = [0; 16];
        // Without the system's chance nothing here is safe: better a name that others may have
        // too, which endpoints refuse (409), than no service.
        let _ = getrandom::fill(&mut bits);
        Self(u128::from_ne_bytes(bits))
    }
}

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A dial under way: whom, and what came of it.
pub(crate) type Dial = Pin<Box<dyn Future<Output = (Placed, Result<Dialled, DialError>)> + Send>>;

impl Dials {
    /// Keeps what later dials need of the request. Also finds the client's own last event id.
    pub(crate) fn new(
        admitted: &mut Admitted,
        mut asked: Option<Asked>,
    ) -> (Self, Option<EventId>) {
        let cluster = admitted.forward.cluster.name().clone();
        let handoff = &admitted.forward.cluster.settings.handoff;
        let (contract, dials) = (handoff.contract, handoff.dials);
        let head = &mut admitted.head;
        let said = head
            .headers
            .get(LAST_EVENT_ID)
            .map(|value| value.as_bytes().to_vec());
        let from_path = || query_value(head.uri.query().unwrap_or_default(), "last_event_id");
        let last_event_id = said
            .as_deref()
            .and_then(EventId::new)
            .or_else(|| from_path().and_then(EventId::new));
        let foreign_id = said
            .filter(|said| EventId::new(said).is_none())
            .map(Into::into);
        head.remove_header(&LAST_EVENT_ID);
        if contract != Contract::Off {
            // Compression would refer to what only the last endpoint saw.
            head.remove_header(&header::SEC_WEBSOCKET_EXTENSIONS);
            if let Some(asked) = &mut asked {
                asked.without_extensions();
            }
        }
        if asked.is_none() {
            // nobody can tell where an event ends in a compressed stream
            head.remove_header(&header::ACCEPT_ENCODING);
        }
        let request = on_the_wire(head, asked.is_some()).into();
        let id = ConnectionId::random();
        (
            Self {
                id,
                request,
                cluster,
                contract,
                dials,
                foreign_id,
                asked,
            },
            last_event_id,
        )
    }

    /// Begins a dial. A later one waits for its place among those to that endpoint.
    pub(crate) fn begin(&self, shared: &Arc<Shared>, placed: Placed, later: bool) -> Dial {
        let request = self.request_for(&placed, later);
        let shared = shared.clone();
        let dials = later.then_some(self.dials);
        Box::pin(async move {
            let patience = placed.patience;
            // Waiting for the others is not the endpoint's fault: its time starts behind them.
            let _place = match dials {
                Some(max) => Some(shared.places.take(&placed.endpoint.id, max).await),
                None => None,
            };
            let dialling = shared.dialler.dial(placed.endpoint.address, &request);
            let dialled = timeout(patience, dialling).await;
            (placed, dialled.unwrap_or(Err(DialError::Silent(patience))))
        })
    }

    /// What an answer means to the connection.
    pub(crate) fn read(&self, head: &ResponseHeader, later: bool) -> Answer {
        let status = head.status.as_u16();
        let fits = match &self.asked {
            Some(asked) => asked.fits(status, &head.headers, later),
            None => status == 200 && is_event_stream(&head.headers),
        };
        let field = |name: &str| head.headers.get(name).map(HeaderValue::as_bytes);
        Answer::of(&Head {
            status,
            fits,
            contract: field("holdfast-contract"),
            owner: field("holdfast-owner"),
            attempt: field("holdfast-attempt"),
            position: field("holdfast-position"),
            generation: field("holdfast-generation"),
            accepted: field("holdfast-accepted"),
        })
    }

    /// Tells the control plane how a dial went.
    pub(crate) fn tell(
        &self,
        shared: &Shared,
        placed: &Placed,
        dialled: &Result<Dialled, DialError>,
    ) {
        let kind = match dialled {
            Ok(dialled) => Kind::answered(dialled.head.status.as_u16(), says_contract(dialled)),
            Err(error) => {
                tracing::debug!(endpoint = %placed.endpoint.id, %error, "dial failed");
                if error.unreached() {
                    Kind::DialFailed
                } else {
                    Kind::Broken
                }
            }
        };
        shared
            .observer
            .outcome(&self.cluster, &placed.endpoint, kind);
        if let Ok(dialled) = dialled
            && self.contract == Contract::Auto
        {
            let kept = says_contract(dialled);
            shared
                .observer
                .outcome(&self.cluster, &placed.endpoint, Kind::Contract { kept });
        }
    }

    /// The host and the path that the client asked for, as endpoints see them.
    pub(crate) fn asked_for(&self) -> (Box<str>, Box<str>) {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into();
        let mut lines = self.request.split(|&byte| byte == b'\n');
        let target = lines
            .next()
            .and_then(|line| line.split(|&byte| byte == b' ').nth(1));
        let path = target.and_then(|target| target.split(|&byte| byte == b'?').next());
        let host = lines.find_map(|line| {
            let (name, value) = line.split_at_checked(b"host:".len())?;
            name.eq_ignore_ascii_case(b"host:")
                .then(|| value.trim_ascii())
        });
        (text(host), text(path))
    }

    /// The client has its answer: what only mattered until then is let go.
    pub(crate) fn settle(&mut self, head: &ResponseHeader) {
        self.foreign_id = None;
        if let Some(asked) = &mut self.asked {
            asked.give(&head.headers);
        }
    }

    fn request_for(&self, placed: &Placed, later: bool) -> Vec<u8> {
        let mut request = Vec::with_capacity(self.request.len() + CONTRACT_BYTES);
        request.extend_from_slice(&self.request);
        let mut add = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                request.extend_from_slice(part);
            }
        };
        if self.contract != Contract::Off {
            add("Holdfast-Connection", self.id.to_string().as_bytes());
            add("Holdfast-Attempt", placed.attempt.to_string().as_bytes());
            if let Some(generation) = &placed.generation {
                add("Holdfast-Generation", generation.as_bytes());
            }
            if !placed.moved_from.is_empty() {
                let named: Vec<&str> = placed.moved_from.iter().map(|id| id.as_str()).collect();
                add("Holdfast-Moved-From", named.join(", ").as_bytes());
            }
        }
        match (&placed.last_event_id, &self.foreign_id) {
            (Some(id), _) => add("Last-Event-ID", id.as_bytes()),
            (None, Some(foreign)) if !later => add("Last-Event-ID", foreign),
            _ => {}
        }
        request.extend_from_slice(b"\r\n");
        request
    }
}

/// Chance for jitter.
pub(crate) fn draw() -> u64 {
    let mut bytes = [0; 8];
    let _ = getrandom::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

fn on_the_wire(head: &RequestHeader, upgrade: bool) -> Vec<u8> {
    let mut wire = Vec::with_capacity(512);
    wire.extend_from_slice(b"GET ");
    wire.extend_from_slice(head.raw_path());
    wire.extend_from_slice(b" HTTP/1.1\r\n");
    let mut fields = bytes::BytesMut::with_capacity(512);
    head.header_to_h1_wire(&mut fields);
    wire.extend_from_slice(&fields);
    let connection = if upgrade {
        &b"Connection: Upgrade\r\nUpgrade: websocket\r\n"[..]
    } else {
        b"Connection: close\r\n"
    };
    wire.extend_from_slice(connection);
    wire
}

fn says_contract(dialled: &Dialled) -> bool {
    let field = dialled.head.headers.get("holdfast-contract");
    field.is_some_and(|value| value == "1")
}

/// The value of `name` in a query, if it needs no decoding, as ids never do.
fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What the contract's fields usually take.
const CONTRACT_BYTES: usize = 256;

#[cfg(test)]
mod tests;
