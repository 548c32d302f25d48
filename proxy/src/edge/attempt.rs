//! One request, several endpoints: who is tried next, and when is that allowed?
//!
//! A dial that failed has said nothing to anybody, so any request may go elsewhere at once. An
//! answer 421, or 503 of a contract endpoint, says "not processed", and then any method may be
//! repeated as long as its body is still there. A connection that broke before the answer says
//! nothing at all: only what is idempotent is repeated (RFC 9110 section 9.2.2), or what carries
//! an `Idempotency-Key`, once.

use holdfast_core::cluster::Contract;
use holdfast_core::decide::{Next, Search};
use holdfast_core::health::Kind;
use holdfast_core::{Endpoint, EndpointId, Forward, Relay, next};
use http::header;
use http::{HeaderName, Method, StatusCode};
use pingora_core::protocols::{ALPN, TcpKeepalive};
use pingora_core::upstreams::peer::{H1UpgradePolicy, HttpPeer, HttpUpstreamRequestPolicy};
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::answer::{Answer, Code};
use super::exchange::Exchange;
use super::{Edge, STREAMS, UPSTREAM_KEEPALIVE};
use crate::access_log::Ending;
use crate::config::Protocol;

impl Edge {
    /// The endpoint to dial: the one decided on, or the next.
    pub(super) fn peer(&self, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        let endpoint = match &exchange.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => match self.next(exchange) {
                Some(next) => {
                    exchange.send_to(next.endpoint.clone(), next.moved_from);
                    next.endpoint
                }
                None => return Err(nobody(exchange)),
            },
        };
        exchange.attempts += 1;
        // what is said again is counted again
        exchange.body = 0;
        Ok(Box::new(self.peer_of(&endpoint, exchange)))
    }

    fn peer_of(&self, endpoint: &Endpoint, exchange: &Exchange) -> HttpPeer {
        let settings = self.settings();
        let mut peer = HttpPeer::new(endpoint.address, false, String::new());
        let options = &mut peer.options;
        options.connection_timeout = Some(settings.timeouts.connect);
        options.total_connection_timeout = Some(settings.timeouts.connect);
        let route = exchange.forward.as_ref().map(|forward| &forward.route.name);
        options.read_timeout = route.and_then(|route| match exchange.relay() {
            // a call may be a stream that has nothing to say for hours; callers have deadlines
            Relay::Grpc => settings.routes.own_timeout(route),
            _ => Some(settings.routes.timeout(route)),
        });
        options.write_timeout = Some(settings.timeouts.write);
        options.idle_timeout = Some(settings.timeouts.upstream_idle);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy {
            h1_upgrade: H1UpgradePolicy::Deny,
            ..HttpUpstreamRequestPolicy::default()
        };
        options.tcp_keepalive = Some(TcpKeepalive {
            idle: UPSTREAM_KEEPALIVE,
            interval: UPSTREAM_KEEPALIVE / 3,
            count: 3,
            user_timeout: std::time::Duration::ZERO,
        });
        let cluster = exchange
            .forward
            .as_ref()
            .map(|forward| forward.cluster.name());
        let h2c = cluster.is_some_and(|name| settings.routes.protocol(name) == Protocol::H2c);
        if exchange.relay() == Relay::Grpc || h2c {
            options.alpn = ALPN::H2;
            options.max_h2_streams = STREAMS;
            options.h2_ping_interval = Some(settings.timeouts.heartbeat);
        }
        peer
    }

    /// Looks at an answer before anything of it is passed on.
    pub(super) fn judge(
        &self,
        session: &Session,
        head: &ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let Some(endpoint) = exchange.endpoint.clone() else {
            return Ok(());
        };
        let Some(forward) = &exchange.forward else {
            return Ok(());
        };
        let status = head.status.as_u16();
        let cluster = forward.cluster.name().clone();
        let kept = head.headers.get(CONTRACT).is_some_and(|value| value == "1");
        self.shared
            .outcomes
            .send(&cluster, &endpoint, Kind::answered(status, kept));
        if kept {
            self.shared
                .outcomes
                .send(&cluster, &endpoint, Kind::Contract { kept });
        }
        // a 421 that names an owner is the contract's own word, whoever has not said so before
        let contract = forward.cluster.settings.handoff.contract;
        let names_owner = status == 421 && contract != Contract::Off && owner(head).is_some();
        if is_unannounced_stream(session, head, forward) {
            return Err(Error::explain(ErrorType::Custom(STREAM), "an event stream"));
        }
        let opaque = !kept && !endpoint.contract && !names_owner;
        if opaque || !matches!(status, 421 | 503) {
            return Ok(());
        }
        if !self.is_whole(session, exchange) {
            return not_followed(status, exchange);
        }
        let search = exchange.search.get_or_insert_with(|| Search::of(forward));
        let follow = match (status, owner(head)) {
            (421, Some(owner)) => search.redirected(&endpoint.id, owner, &exchange.moved_from),
            (421, None) => false,
            _ => {
                search.refused(&endpoint.id);
                true
            }
        };
        let retry = self.settings().retry;
        let follow = follow && usize::from(search.hops()) <= retry.hops;
        if !follow || exchange.attempts > retry.attempts + retry.hops {
            return not_followed(status, exchange);
        }
        let Some(next) = self.next(exchange) else {
            return not_followed(status, exchange);
        };
        self.shared.telemetry.redirected(&cluster, status);
        exchange.send_to(next.endpoint, next.moved_from);
        let mut error = Error::explain(ErrorType::Custom(ELSEWHERE), "answered elsewhere");
        error.set_retry(true);
        Err(error)
    }

    /// A dial failed: nothing was said, so anybody else may be asked.
    pub(super) fn dial_failed(&self, exchange: &mut Exchange, mut error: Box<Error>) -> Box<Error> {
        self.abandon(exchange, Kind::DialFailed);
        let again = exchange.attempts < self.settings().retry.attempts && self.find(exchange);
        error.set_retry(again);
        if !again {
            exchange.answer = Some(unreachable());
        }
        error
    }

    /// The connection broke after the request was begun.
    pub(super) fn broke(
        &self,
        session: &Session,
        exchange: &mut Exchange,
        mut error: Box<Error>,
        reused: bool,
    ) -> Box<Error> {
        if matches!(error.etype(), ErrorType::Custom(ELSEWHERE | STREAM)) {
            return error;
        }
        let unanswered = session.response_written().is_none();
        let whole = self.is_whole(session, exchange);
        let repeatable = session.req_header().method.is_idempotent() || exchange.repeatable;
        error.set_retry(false);
        if *error.esource() != ErrorSource::Upstream {
            return error;
        }
        if exchange.awaits_body && *error.etype() == ErrorType::ReadTimedout {
            // the endpoint waits for the client as we do
            exchange.answer = Some(slow_body());
            exchange.ending = Some(Ending::BodyTimeout);
            return error;
        }
        let timed_out = matches!(
            error.etype(),
            ErrorType::ReadTimedout | ErrorType::WriteTimedout
        );
        let stale = reused && !timed_out && unanswered && exchange.attempts < ATTEMPTS_REUSED;
        if stale {
            // the endpoint may just have closed a connection it no longer wanted
            exchange.repeatable = false;
            error.set_retry(repeatable && whole);
            return error;
        }
        if timed_out && !unanswered {
            // it served, and then had nothing to say for too long: no sign that it is broken
            return error;
        }
        self.abandon(exchange, Kind::Broken);
        let again = unanswered
            && repeatable
            && whole
            && !timed_out
            && exchange.attempts < self.settings().retry.attempts
            && self.find(exchange);
        exchange.repeatable = false;
        error.set_retry(again);
        error
    }

    /// Is everything that was sent still there, so that it can be said again?
    fn is_whole(&self, session: &Session, exchange: &Exchange) -> bool {
        let kept = self.settings().retry.buffer as u64;
        !session.as_ref().retry_buffer_truncated() && exchange.body <= kept
    }

    /// The endpoint did not take it: tell the control plane, and remember it for the search.
    fn abandon(&self, exchange: &mut Exchange, kind: Kind) {
        exchange.open = None;
        let Some(endpoint) = exchange.endpoint.clone() else {
            return;
        };
        let Some(forward) = &exchange.forward else {
            return;
        };
        self.shared
            .outcomes
            .send(forward.cluster.name(), &endpoint, kind);
        let search = exchange.search.get_or_insert_with(|| Search::of(forward));
        search.dial_failed(&endpoint.id);
    }

    /// Is there another endpoint? Then it is the one that is dialled next.
    fn find(&self, exchange: &mut Exchange) -> bool {
        match self.next(exchange) {
            Some(next) => {
                exchange.send_to(next.endpoint, next.moved_from);
                true
            }
            None => false,
        }
    }

    fn next(&self, exchange: &mut Exchange) -> Option<Next> {
        let forward = exchange.forward.as_ref()?;
        let search = exchange.search.get_or_insert_with(|| Search::of(forward));
        let snapshot = self.shared.snapshots.load();
        next(&snapshot, forward.cluster.name(), forward.key, search)
    }
}

/// Is the answer an event stream to a client that did not say that it wants one? Programs that
/// are no browsers seldom do. The relay asks again, as for any other stream: GET is safe.
fn is_unannounced_stream(session: &Session, head: &ResponseHeader, forward: &Forward) -> bool {
    let kind = head.headers.get(header::CONTENT_TYPE);
    let kind = kind.map_or(&b""[..], |kind| kind.as_bytes());
    let media = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    forward.relay == Relay::Http
        && forward.route.relay.is_none()
        && session.req_header().method == Method::GET
        && head.status == StatusCode::OK
        && media
            .trim_ascii()
            .eq_ignore_ascii_case(b"text/event-stream")
}

/// What to tell a client whose body did not come in time.
pub(super) fn slow_body() -> Answer {
    Answer::new(Code::BodyTimeout, "the request's body did not come in time")
}

/// An answer "not processed" that leads nowhere else. A 503 says so itself; a 421 would tell the
/// client that it is on the wrong connection, which it is not.
fn not_followed(status: u16, exchange: &mut Exchange) -> Result<()> {
    if status != 421 {
        return Ok(());
    }
    let says = "the endpoint that has the session cannot be given this request now";
    exchange.answer = Some(Answer::new(Code::NoEndpoint, says));
    Err(Error::explain(ErrorType::HTTPStatus(503), says))
}

fn owner(head: &ResponseHeader) -> Option<EndpointId> {
    EndpointId::parse(head.headers.get(OWNER)?.to_str().ok()?).ok()
}

fn unreachable() -> Answer {
    Answer::new(Code::NoEndpoint, "no endpoint could be reached")
}

fn nobody(exchange: &mut Exchange) -> Box<Error> {
    exchange.answer = Some(unreachable());
    Error::explain(ErrorType::HTTPStatus(503), "no endpoint is left to try")
}

/// Does an endpoint's answer ask to be stored by anybody? Then it must not carry a cookie that
/// is one client's.
pub(super) fn is_public(head: &ResponseHeader) -> bool {
    let values = head
        .headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .map(|v| v.as_bytes());
    let public = |token: &[u8]| {
        token.eq_ignore_ascii_case(b"public") || token.to_ascii_lowercase().starts_with(b"s-maxage")
    };
    values
        .flat_map(holdfast_wire::token_list::tokens)
        .any(public)
}

const CONTRACT: HeaderName = HeaderName::from_static("holdfast-contract");
const OWNER: HeaderName = HeaderName::from_static("holdfast-owner");

/// Marks the error by which an exchange turns into a stream.
pub(super) const STREAM: &str = "stream";

/// Marks the error by which an answer is exchanged for another endpoint's.
const ELSEWHERE: &str = "elsewhere";

/// A pool full of connections that all turn out closed is left with this attempt.
const ATTEMPTS_REUSED: usize = 3;
