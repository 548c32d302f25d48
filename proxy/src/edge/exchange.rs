//! What is known of one request while it is carried.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use holdfast_core::cluster::Open;
use holdfast_core::decide::Search;
use holdfast_core::{Endpoint, EndpointId, Forward, Relay};
use http::HeaderValue;

use super::answer::Answer;
use crate::access_log::Ending;
use crate::clock::{self, Moment};
use crate::identity::Subject;
use crate::listener::gate::Gate;

/// One request and what became of it so far.
pub struct Exchange {
    /// When its head was whole.
    pub began: Moment,
    /// Its connection; `None` on HTTP/2, which has many exchanges on one.
    pub gate: Option<Arc<Gate>>,
    /// The client.
    pub client: IpAddr,
    /// Did it come over TLS?
    pub secure: bool,
    /// Its id.
    pub request_id: HeaderValue,
    /// The verified user.
    pub subject: Option<Subject>,
    /// Where it goes; set once it is routed.
    pub forward: Option<Forward>,
    /// The search for an endpoint that takes it; begun when the first one does not.
    pub search: Option<Search>,
    /// The endpoint it is sent to.
    pub endpoint: Option<Arc<Endpoint>>,
    /// For `Holdfast-Moved-From`.
    pub moved_from: Vec<EndpointId>,
    /// Counts it at its endpoint.
    pub open: Option<Open>,
    /// The snapshot that decided.
    pub snapshot: u64,
    /// Endpoints tried.
    pub attempts: usize,
    /// Longest body of its route.
    pub body_max: u64,
    /// Body bytes so far.
    pub body: u64,
    /// Is the body still on its way from the client?
    pub awaits_body: bool,
    /// May it be said again although its method is not idempotent? It has an `Idempotency-Key`.
    pub repeatable: bool,
    /// The edge's own answer, once there is one.
    pub answer: Option<Answer>,
    /// The code of an answer that a relay gave by itself.
    pub refused: Option<&'static str>,
    /// The status of an answer that a relay gave.
    pub answered: Option<u16>,
    /// Why it ended, where it is not the usual.
    pub ending: Option<Ending>,
    /// Taken over by a relay, which logs it.
    pub taken: bool,
}

impl Exchange {
    pub(super) fn new() -> Self {
        Self {
            began: clock::moment(),
            gate: None,
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            secure: false,
            request_id: HeaderValue::from_static(""),
            subject: None,
            forward: None,
            search: None,
            endpoint: None,
            moved_from: Vec::new(),
            open: None,
            snapshot: 0,
            attempts: 0,
            body_max: u64::MAX,
            body: 0,
            awaits_body: false,
            repeatable: false,
            answer: None,
            refused: None,
            answered: None,
            ending: None,
            taken: false,
        }
    }

    /// The route's name; empty before it is routed.
    pub(super) fn route(&self) -> &str {
        self.forward
            .as_ref()
            .map_or("", |forward| forward.route.name.as_str())
    }

    /// How it is carried.
    pub(super) fn relay(&self) -> Relay {
        self.forward
            .as_ref()
            .map_or(Relay::Http, |forward| forward.relay)
    }

    /// It goes to this endpoint from now on.
    pub(super) fn send_to(&mut self, endpoint: Arc<Endpoint>, moved_from: Vec<EndpointId>) {
        self.open = Some(endpoint.load.open(self.relay()));
        self.moved_from = moved_from;
        self.endpoint = Some(endpoint);
    }
}
