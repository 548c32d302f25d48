//! A request's way through the edge, phase by phase as Pingora calls them.
//!
//! | phase | what happens here | file |
//! |---|---|---|
//! | `request_filter` | refuse, route, identify, decide; hand streams to their relay | `admit` |
//! | `upstream_peer` | the endpoint decided on, or the next one after a failure | `attempt` |
//! | `upstream_request_filter` | the request as the endpoint sees it | `onward` |
//! | `upstream_response_filter` | follow 421 and 503; tell the control plane | `attempt` |
//! | `response_filter` | the answer as the client sees it | `returning` |
//! | `fail_to_proxy` | an answer of our own, if there is still somebody to answer | `answer` |
//! | `logging` | one line | here |

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use async_trait::async_trait;
use bytes::Bytes;
use holdfast_core::Relay;
use http::HeaderValue;
use pingora_core::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

use crate::access_log::{AccessLog, Ending, Line};
use crate::clock::{self, Clock};
use crate::config::{Config, Limits, Network, Retry, Timeouts};
use crate::control::{Outcomes, Snapshots};
use crate::listener::gate::{Gate, Refusal};
use crate::relay::Relays;
use crate::telemetry::{Counted, Telemetry};

mod admit;
mod affinity;
pub mod answer;
mod attempt;
mod credentials;
mod exchange;
mod intake;
mod onward;
mod returning;
mod routes;
mod takeover;

use admit::Admitted;
use affinity::Cookies;
use answer::{Answer, Code};
use credentials::Credentials;
pub use exchange::Exchange;
use onward::Onward;
use routes::Routes;

/// The edge inside Pingora's proxy; cheap to clone.
#[derive(Clone)]
pub struct Edge {
    shared: Arc<Shared>,
}

struct Shared {
    snapshots: Snapshots,
    outcomes: Outcomes,
    telemetry: Telemetry,
    relays: Relays,
    log: AccessLog,
    clock: Clock,
    settings: ArcSwap<Settings>,
}

/// What the configuration says and a reload replaces, as a whole.
struct Settings {
    cookies: Cookies,
    identity: Option<Credentials>,
    routes: Routes,
    limits: Limits,
    retry: Retry,
    timeouts: Timeouts,
    forwarded: Vec<Network>,
    cluster_key: Option<HeaderValue>,
}

impl Settings {
    fn new(config: &Config, before: Option<&Self>) -> Self {
        let cluster_key = config.cluster_key.as_ref();
        Self {
            cookies: Cookies::new(config),
            identity: Credentials::new(config, before.and_then(|b| b.identity.as_ref())),
            routes: Routes::new(config),
            limits: config.limits,
            retry: config.retry,
            timeouts: config.timeouts,
            forwarded: config.forwarded.clone(),
            cluster_key: cluster_key.and_then(|key| HeaderValue::try_from(key.hex()).ok()),
        }
    }
}

/// What the edge works with.
pub struct Parts {
    /// What is known of the clusters.
    pub snapshots: Snapshots,
    /// Where it tells how endpoints serve.
    pub outcomes: Outcomes,
    /// What it counts.
    pub telemetry: Telemetry,
    /// Who carries streams.
    pub relays: Relays,
    /// Where exchanges are logged.
    pub log: AccessLog,
    /// The process's clock.
    pub clock: Clock,
}

impl Edge {
    /// An edge as configured.
    pub fn new(config: &Config, parts: Parts) -> Self {
        let Parts {
            snapshots,
            outcomes,
            telemetry,
            relays,
            log,
            clock,
        } = parts;
        Self {
            shared: Arc::new(Shared {
                snapshots,
                outcomes,
                telemetry,
                relays,
                log,
                clock,
                settings: ArcSwap::from_pointee(Settings::new(config, None)),
            }),
        }
    }

    /// Go on with another configuration; what was begun under the old one ends under it as far
    /// as it has been asked.
    pub fn reconfigure(&self, config: &Config) {
        let settings = Settings::new(config, Some(&self.settings()));
        self.shared.settings.store(Arc::new(settings));
    }

    fn settings(&self) -> Guard<Arc<Settings>> {
        self.shared.settings.load()
    }

    /// A client has connected; it counts until this is dropped.
    pub(crate) fn arrived(&self) -> Counted {
        self.shared.telemetry.downstream_connection()
    }

    /// A connection that ended before it became a request; without a status it was not heard.
    pub(crate) fn turned_away(&self, client: SocketAddr, status: Option<u16>, ending: Ending) {
        match status {
            Some(_) => self.shared.telemetry.refused(ending.as_str()),
            None => self.shared.telemetry.refused_connection(ending.as_str()),
        }
        self.shared.log.write(&Line {
            client: Some(client.ip()),
            status,
            relay: "http",
            ending: ending.as_str(),
            ..Line::default()
        });
    }

    fn onward<'a>(&'a self, exchange: &'a Exchange) -> Option<Onward<'a>> {
        let forward = exchange.forward.as_ref()?;
        let settings = self.settings();
        Some(Onward {
            cluster: &forward.cluster,
            client: exchange.client,
            secure: exchange.secure,
            trusted: settings
                .forwarded
                .iter()
                .any(|net| net.contains(exchange.client)),
            request_id: &exchange.request_id,
            subject: exchange.subject.as_ref(),
            cluster_key: settings.cluster_key.clone(),
        })
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new()
    }

    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        exchange: &mut Exchange,
        connection: Box<dyn Any + Send + Sync>,
    ) {
        if let Ok(gate) = connection.downcast::<Arc<Gate>>() {
            exchange.client = gate.client.ip();
            exchange.secure = gate.secure;
            exchange.gate = Some(*gate);
        }
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        exchange.awaits_body = !session.is_body_empty();
        match &exchange.gate {
            Some(gate) if !exchange.awaits_body => gate.open(),
            Some(gate) => gate.body(),
            None => {
                let address = session.client_addr().and_then(PeerAddress::as_inet);
                exchange.client = address.map_or(exchange.client, |address| address.ip());
            }
        }
        session.set_write_timeout(Some(self.settings().timeouts.write));
        match self.admit(session, exchange) {
            Ok(Admitted::Forward) => {}
            Ok(Admitted::Ticket(ticket)) => {
                answer::write_ticket(session, &exchange.request_id, &ticket).await?;
                return Ok(true);
            }
            Err(answer) => {
                self.answer(session, exchange, answer).await?;
                return Ok(true);
            }
        }
        match exchange.relay() {
            Relay::Http | Relay::Grpc => {
                if let Some(forward) = &exchange.forward {
                    exchange.open = Some(forward.enter());
                    exchange.endpoint = Some(forward.endpoint.clone());
                    exchange.moved_from = forward.moved_from.clone();
                }
                Ok(false)
            }
            Relay::WebSocket | Relay::Sse => self.take_over(session, exchange).await,
        }
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        exchange.body += body.as_ref().map_or(0, Bytes::len) as u64;
        if exchange.body > exchange.body_max {
            exchange.answer = Some(admit::too_large(exchange.body_max));
            return Error::e_explain(ErrorType::HTTPStatus(413), "body above the route's limit");
        }
        if end_of_stream {
            exchange.awaits_body = false;
            if let Some(gate) = &exchange.gate {
                gate.open();
            }
        } else if self.is_slow(exchange) {
            exchange.answer = Some(attempt::slow_body());
            exchange.ending = Some(Ending::BodyTimeout);
            return Error::e_explain(ErrorType::HTTPStatus(408), "body above its time");
        }
        Ok(())
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<Box<HttpPeer>> {
        self.peer(exchange)
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let Some(onward) = self.onward(exchange) else {
            return Ok(());
        };
        onward.dress(head, &self.settings().cookies)?;
        if let Some(names) = onward::moved_from(&exchange.moved_from) {
            head.insert_header(onward::MOVED_FROM, names)?;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        self.judge(session, head, exchange)
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        self.dress_answer(head, exchange)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Exchange,
        error: Box<Error>,
    ) -> Box<Error> {
        self.dial_failed(exchange, error)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        exchange: &mut Exchange,
        reused: bool,
    ) -> Box<Error> {
        self.broke(session, exchange, error, reused)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Exchange,
    ) -> FailToProxy {
        if matches!(error.etype(), ErrorType::Custom(attempt::STREAM)) {
            self.become_stream(session, exchange).await;
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        }
        let answer = exchange.answer.take().or_else(|| explain(error, exchange));
        let unanswered = session.response_written().is_none();
        exchange.ending.get_or_insert_with(|| ending_of(error));
        let mut status = 0;
        if let Some(answer) = answer.filter(|_| unanswered) {
            status = answer.code.status().as_u16();
            session.set_keepalive(None);
            // a client that is gone is logged as such
            let _ = self.answer(session, exchange, answer).await;
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    fn suppress_error_log(&self, _: &Session, _: &Exchange, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Exchange,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    async fn logging(
        &self,
        session: &mut Session,
        _error: Option<&Error>,
        exchange: &mut Exchange,
    ) {
        if !exchange.taken {
            self.log(session, exchange);
        }
    }
}

impl Edge {
    /// Has a body taken too long that no gate watches over? HTTP/2 has many on one connection.
    /// Calls of gRPC may send as long as they like.
    fn is_slow(&self, exchange: &Exchange) -> bool {
        let age = clock::moment().duration_since(exchange.began);
        exchange.gate.is_none()
            && exchange.relay() != Relay::Grpc
            && age > self.settings().limits.body_timeout
    }

    /// Answer by ourselves, and count that we did.
    async fn answer(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        answer: Answer,
    ) -> Result<()> {
        self.shared.telemetry.refused(answer.code.as_str());
        let written = answer.write(session, &exchange.request_id).await;
        exchange.answer = Some(answer);
        written
    }

    fn log(&self, session: &Session, exchange: &Exchange) {
        let head = session.req_header();
        let written = session.response_written().map(|head| head.status.as_u16());
        let status = written.or(exchange.answered);
        if let (Some(status), Some(_)) = (status, &exchange.forward) {
            self.shared.telemetry.response(exchange.route(), status);
        }
        let own = exchange.answer.as_ref().map(|answer| answer.code.as_str());
        let code = own.or(exchange.refused);
        let ending = match (exchange.ending, code) {
            (Some(ending), _) => ending,
            (None, Some(_)) => Ending::Edge,
            (None, None) => Ending::Done,
        };
        let forward = exchange.forward.as_ref();
        self.shared.log.write(&Line {
            request_id: exchange.request_id.to_str().unwrap_or_default(),
            client: Some(exchange.client),
            method: head.method.as_str(),
            host: admit::authority(head),
            path: head.uri.path(),
            status,
            received: session.body_bytes_read() as u64,
            sent: session.body_bytes_sent() as u64,
            duration: clock::moment().duration_since(exchange.began),
            route: exchange.route(),
            cluster: forward.map_or("", |forward| forward.cluster.name().as_str()),
            endpoint: exchange
                .endpoint
                .as_ref()
                .map_or("", |endpoint| endpoint.id.as_str()),
            affinity: forward.map_or("", |forward| forward.why.as_str()),
            relay: exchange.relay().as_str(),
            snapshot: exchange.snapshot,
            retries: u32::try_from(exchange.attempts.saturating_sub(1)).unwrap_or(u32::MAX),
            code: code.unwrap_or_default(),
            ending: ending.as_str(),
            ..Line::default()
        });
    }
}

/// What to tell the client about an error that nobody has explained yet.
fn explain(error: &Error, exchange: &Exchange) -> Option<Answer> {
    let body_time = exchange.gate.as_ref().and_then(|gate| gate.refusal());
    if body_time == Some(Refusal::BodyTime) {
        return Some(attempt::slow_body());
    }
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ErrorType::InvalidHTTPHeader) => {
            Some(Answer::new(Code::BadRequest, "the request is malformed"))
        }
        (ErrorSource::Downstream, ErrorType::Custom("InvalidChunk" | "InvalidTrailerEnd")) => {
            let says = "the body's chunks are malformed";
            Some(Answer::new(Code::AmbiguousFraming, says))
        }
        (ErrorSource::Downstream, _) => None,
        (ErrorSource::Upstream, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => Some(
            Answer::new(Code::EndpointTimeout, "the endpoint did not answer in time"),
        ),
        (ErrorSource::Upstream, _) => Some(Answer::new(
            Code::EndpointBroken,
            "the endpoint broke off before it had answered",
        )),
        _ => Some(Answer::new(
            Code::Internal,
            "the edge could not carry the request",
        )),
    }
}

fn ending_of(error: &Error) -> Ending {
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, _) => Ending::ClientGone,
        (ErrorSource::Upstream, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
            Ending::EndpointSilent
        }
        (ErrorSource::Upstream, _) => Ending::EndpointBroken,
        _ => Ending::Edge,
    }
}

/// HTTP/2 to an endpoint: streams side by side on one connection.
const STREAMS: usize = 128;

/// The kernel notices an endpoint's machine that vanished on an unused connection.
const UPSTREAM_KEEPALIVE: Duration = Duration::from_secs(15);
