//! From a head to a decision: who asks, for what, and where does it go?

use std::sync::Arc;

use holdfast_core::decide::decide_on;
use holdfast_core::health::Kind;
use holdfast_core::route::path::normal;
use holdfast_core::route::{Fields, Identity, Route};
use holdfast_core::{Draw, Instant, Reject, Relay, Request, Snapshot, Verdict, WallTime, Why};
use holdfast_wire::cookie;
use holdfast_wire::token_list::Upgrade;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Version};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::Edge;
use super::answer::{Answer, Code, REQUEST_ID};
use super::exchange::Exchange;
use super::intake::{self, HeadLimits};
use crate::chance;
use crate::clock;
use crate::identity::Subject;

/// What becomes of a request that is let in.
pub(super) enum Admitted {
    /// It is forwarded as decided.
    Forward,
    /// It asked for a ticket, and this is it.
    Ticket(String),
}

impl Edge {
    /// Everything before the request is sent anywhere.
    pub(super) fn admit(
        &self,
        session: &Session,
        exchange: &mut Exchange,
    ) -> Result<Admitted, Answer> {
        let head = session.req_header();
        exchange.request_id = request_id(&head.headers);
        let limits = self.settings().limits;
        let limits = HeadLimits {
            bytes: limits.head,
            fields: limits.headers,
        };
        let raw = session
            .as_http1()
            .map(|http1| http1.get_headers_raw_bytes());
        let raw = raw.unwrap_or_default();
        intake::check(head, &raw, limits)?;
        if is_ticket_request(head) {
            return Ok(Admitted::Ticket(self.ticket(head, exchange)?));
        }
        if is_reserved(head.uri.path()) {
            return Err(Answer::new(
                Code::NoRoute,
                "this path is for the edge and its endpoints alone",
            ));
        }
        let route = self.decide(head, exchange)?;
        self.check_relay(head, exchange)?;
        self.check_body(head, &route, exchange)?;
        Ok(Admitted::Forward)
    }

    fn decide(&self, head: &RequestHeader, exchange: &mut Exchange) -> Result<Arc<Route>, Answer> {
        let snapshot = self.shared.snapshots.load();
        exchange.snapshot = snapshot.number;
        let fields = HeaderFields(&head.headers);
        let (host, path) = (host_of(authority(head)), head.uri.path());
        let route = snapshot
            .router
            .route(host, path, head.method.as_str(), &fields);
        let route = route.ok_or_else(|| self.rejected(Reject::NoRoute))?;
        let asks = intake::asks(head);
        exchange.subject = self.identify(head, route.identity, asks, exchange)?;
        let request = Request {
            host,
            path,
            query: head.uri.query().unwrap_or_default(),
            method: head.method.as_str(),
            asks,
            fields: &fields,
            subject: exchange.subject.as_ref().map(Subject::as_str),
            wall: WallTime::from_unix(clock::wall().as_secs()),
        };
        let now = Instant::after_start(self.shared.clock.since_start());
        match decide_on(&snapshot, route, &request, Draw::new(chance::bits()), now) {
            Verdict::Forward(forward) => {
                if let Why::Affinity(verdict) = forward.why {
                    self.shared
                        .telemetry
                        .affinity(forward.cluster.name(), verdict);
                }
                self.shared
                    .telemetry
                    .request(route.name.as_str(), forward.relay);
                exchange.forward = Some(forward);
                Ok(route.clone())
            }
            Verdict::Reject { reject, .. } => {
                self.missed(&snapshot, route, reject);
                Err(self.rejected(reject))
            }
        }
    }

    /// A one-use ticket for whoever shows a token. It acts for the user, so a page that shows
    /// the user's cookie has to be one that may.
    fn ticket(&self, head: &RequestHeader, exchange: &Exchange) -> Result<String, Answer> {
        let settings = self.settings();
        let missing = || Answer::new(Code::Unauthenticated, "a token is required here");
        let identity = settings.identity.as_ref().ok_or_else(missing)?;
        let subject = identity.subject(head, false, exchange.secure, &self.shared.telemetry)?;
        let ticket = identity
            .tickets
            .issue(&subject.ok_or_else(missing)?, clock::wall());
        ticket.ok_or_else(|| Answer::new(Code::Internal, "the ticket could not be sealed"))
    }

    /// Those who are believed to drain may be ready again: they are asked at once.
    fn missed(&self, snapshot: &Snapshot, route: &Route, reject: Reject) {
        let cluster = snapshot.cluster(&route.cluster);
        let Some(cluster) = cluster.filter(|_| reject == Reject::Draining) else {
            return;
        };
        for endpoint in cluster.endpoints() {
            let outcomes = &self.shared.outcomes;
            outcomes.send(cluster.name(), endpoint, Kind::Missed);
        }
    }

    /// The core found no place for it.
    fn rejected(&self, reject: Reject) -> Answer {
        self.shared.telemetry.rejected(reject);
        match reject {
            Reject::NoRoute => Answer::new(Code::NoRoute, "no route leads to this path"),
            Reject::NoEndpoint => {
                Answer::new(Code::NoEndpoint, "no endpoint can serve at the moment")
            }
            Reject::Draining => Answer::new(Code::Draining, "all endpoints are being drained"),
            Reject::Full => {
                Answer::new(Code::Full, "all endpoints have the sessions they may have")
            }
        }
    }

    /// A route that says how it is carried takes nothing else.
    fn check_relay(&self, head: &RequestHeader, exchange: &mut Exchange) -> Result<(), Answer> {
        let upgrade = intake::upgrade(head);
        let Some(forward) = &mut exchange.forward else {
            return Ok(());
        };
        match (forward.relay, upgrade) {
            (Relay::WebSocket, Upgrade::WebSocket) => Ok(()),
            (Relay::WebSocket, _) => Err(Answer::new(
                Code::UpgradeRequired,
                "this path takes WebSocket upgrades alone",
            )),
            (_, Upgrade::WebSocket) => Err(Answer::new(
                Code::BadRequest,
                "this path takes no WebSocket upgrade",
            )),
            (Relay::Sse, _) if head.method != Method::GET => {
                forward.relay = Relay::Http;
                Ok(())
            }
            (Relay::Grpc, _) if head.version != Version::HTTP_2 => {
                Err(Answer::new(Code::BadRequest, "gRPC needs HTTP/2"))
            }
            _ => Ok(()),
        }
    }

    fn check_body(
        &self,
        head: &RequestHeader,
        route: &Route,
        exchange: &mut Exchange,
    ) -> Result<(), Answer> {
        exchange.body_max = self.settings().routes.body_max(&route.name);
        exchange.repeatable = head.headers.contains_key("idempotency-key");
        let length = head
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok());
        match length.and_then(|length| length.parse::<u64>().ok()) {
            Some(length) if length > exchange.body_max => Err(too_large(exchange.body_max)),
            _ => Ok(()),
        }
    }

    fn identify(
        &self,
        head: &RequestHeader,
        need: Identity,
        asks: Relay,
        exchange: &Exchange,
    ) -> Result<Option<Subject>, Answer> {
        let settings = self.settings();
        let Some(identity) = settings.identity.as_ref().filter(|_| need != Identity::Off) else {
            return Ok(None);
        };
        let upgrade = asks == Relay::WebSocket;
        let subject = identity.subject(head, upgrade, exchange.secure, &self.shared.telemetry)?;
        if subject.is_none() && need == Identity::Required {
            self.shared.telemetry.identity("missing");
            return Err(Answer::new(
                Code::Unauthenticated,
                "a token is required here",
            ));
        }
        Ok(subject)
    }
}

/// A body above the route's limit.
pub(super) fn too_large(most: u64) -> Answer {
    Answer::new(
        Code::BodyTooLarge,
        format!("the body is too long; at most {most} bytes"),
    )
}

/// Host and port that the request is for: the target's own before the field (RFC 9112 3.2.2).
pub(super) fn authority(head: &RequestHeader) -> &str {
    let field = || {
        head.headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
    };
    let target = head.uri.authority().map(|authority| authority.as_str());
    target.or_else(field).unwrap_or_default()
}

/// Without port; an IPv6 address keeps its brackets.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(at)
            if authority[at + 1..]
                .bytes()
                .all(|byte| byte.is_ascii_digit()) =>
        {
            &authority[..at]
        }
        _ => authority,
    }
}

fn is_ticket_request(head: &RequestHeader) -> bool {
    head.method == Method::POST && head.uri.path() == "/holdfast/ticket"
}

/// Paths that clients have no business with: what proxies and endpoints say to each other with
/// the cluster's key, which the edge adds to everything it forwards. Judged as routes are, in any
/// spelling that a server could take for them; a path that means nothing has no route either.
fn is_reserved(path: &str) -> bool {
    let path = normal(path).unwrap_or_default();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    segments
        .next()
        .is_some_and(|first| RESERVED.iter().any(|own| first.eq_ignore_ascii_case(own)))
}

/// First segments of such paths: the edge's orders, and the gRPC services by which backends take
/// sessions over and reach each other's.
const RESERVED: [&str; 3] = [
    "holdfast",
    "holdfast.session.v1.Handoff",
    "holdfast.exchange.v1.Fronts",
];

/// The client's id of the request, if it is one that fits a log; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let given = headers
        .get(REQUEST_ID)
        .filter(|id| (1..=128).contains(&id.len()));
    let given = given.filter(|id| id.as_bytes().iter().all(plain)).cloned();
    given.unwrap_or_else(|| {
        let bits = chance::bits();
        let mut text = [0; 32];
        for (at, digit) in text.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(bits >> (at * 4)) as usize & 0xf];
        }
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("-"))
    })
}

/// A head as the core asks it.
struct HeaderFields<'a>(&'a HeaderMap);

impl Fields for HeaderFields<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str().ok())
    }

    fn cookies(&self, name: &str, accept: &mut dyn FnMut(&str) -> bool) {
        let fields = self
            .0
            .get_all(header::COOKIE)
            .iter()
            .map(|value| value.as_bytes());
        for value in cookie::values(fields, name) {
            // what is no text is a claim too, and a worthless one
            if accept(std::str::from_utf8(value).unwrap_or_default()) {
                return;
            }
        }
    }
}
