//! A proxy: the control plane and the connections it relays. All that decides is
//! `holdfast_core`'s; what is here moves bytes and does what it is told.

mod machine;
mod relay;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::affinity::AffinityPolicy;
use holdfast_core::cluster::ClusterSettings;
use holdfast_core::connection::{Cause, Opening, Order, PulseSettings, Settings};
use holdfast_core::control::{self, Config, Count, Heard, Member, Outcome};
use holdfast_core::health::{Kind, Readiness};
use holdfast_core::route::{Fields, Identity, Match, Route, RouteName};
use holdfast_core::{
    Admin, AffinityKey, ClusterName, Command, Controller, Draw, EndpointId, Event, Forward,
    Instant, Reject, Relay, Request, Router, Snapshot, Verdict, WallTime, decide,
};

use crate::client::Client;
use crate::hub::Hub;
use crate::{Sight, Told};
use machine::Machine;
pub(crate) use relay::{Connection, FIRST_PORT, READ};

/// One proxy.
pub(crate) struct Proxy {
    pub(crate) hub: Rc<Hub>,
    pub(crate) index: usize,
    pub(crate) controller: Controller,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) policy: AffinityPolicy,
    pub(crate) cluster: ClusterName,
    settings: Arc<Settings>,
}

/// The request of a client with a cookie, or without.
struct Visitor<'a>(Option<&'a str>);

impl Fields for Visitor<'_> {
    fn field(&self, _: &str) -> Option<&str> {
        None
    }

    fn cookies(&self, _: &str, accept: &mut dyn FnMut(&str) -> bool) {
        if let Some(cookie) = self.0 {
            accept(cookie);
        }
    }
}

impl Proxy {
    pub(crate) fn new(
        hub: &Rc<Hub>,
        index: usize,
        settings: ClusterSettings,
        members: Vec<Member>,
    ) -> Self {
        let cluster = settings.name.clone();
        let route = Route {
            name: RouteName::new("root"),
            matches: Match::default(),
            cluster: cluster.clone(),
            relay: None,
            affinity: true,
            identity: Identity::Off,
        };
        let mut proxy = Self {
            hub: hub.clone(),
            index,
            controller: Controller::new(hub.chance(|chance| chance.draw())),
            snapshot: Arc::default(),
            connections: Vec::new(),
            policy: settings.affinity.clone().expect("affinity is on"),
            cluster,
            settings: Arc::new(Settings {
                handoff: settings.handoff.clone(),
                pulse: PulseSettings::default(),
                retry: Duration::from_secs(1),
                ..Settings::default()
            }),
        };
        let router = Router::new(vec![route]).expect("one route");
        let clusters = vec![settings];
        proxy.tell(Event::Reload(Config { router, clusters }));
        proxy.discover(members);
        proxy.controller.handle_timeout(proxy.now());
        proxy.obey();
        proxy
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::after_start(Duration::from_millis(self.hub.now()))
    }

    fn wall(&self) -> WallTime {
        WallTime::from_unix(self.hub.wall_ms() / 1_000)
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.controller.handle(event, self.now());
        self.obey();
    }

    pub(crate) fn outcome(&mut self, endpoint: &EndpointId, kind: Kind) {
        let known = self.snapshot.endpoint(&self.cluster, endpoint);
        if known.is_some_and(|endpoint| endpoint.load.is_news(kind.service())) {
            self.tell(Event::Outcome(Outcome {
                cluster: self.cluster.clone(),
                endpoint: endpoint.clone(),
                kind,
            }));
        }
    }

    /// These are its endpoints now.
    pub(crate) fn discover(&mut self, members: Vec<Member>) {
        let cluster = self.cluster.clone();
        self.tell(Event::Discovered { cluster, members });
    }

    pub(crate) fn wish(&mut self, endpoint: &EndpointId, admin: Admin) {
        self.tell(Event::Admin {
            cluster: self.cluster.clone(),
            endpoint: endpoint.clone(),
            admin,
        });
    }

    pub(crate) fn probed(
        &mut self,
        ticket: u64,
        endpoint: EndpointId,
        result: Result<Readiness, String>,
    ) {
        let cluster = self.cluster.clone();
        self.tell(Event::Probed {
            ticket,
            cluster,
            endpoint,
            result,
        });
    }

    pub(crate) fn told(&mut self, endpoint: EndpointId, drain: bool, heard: Heard) {
        let cluster = self.cluster.clone();
        self.tell(Event::Told {
            cluster,
            endpoint,
            drain,
            heard,
        });
    }

    /// When something is due that nobody else tells.
    pub(crate) fn timeout(&self) -> Option<u64> {
        let connections = self.connections.iter().filter_map(Connection::timeout);
        let control = self.controller.poll_timeout().map(milliseconds);
        connections.chain(control).min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) {
        let now = self.now();
        if self.controller.poll_timeout().is_some_and(|due| due <= now) {
            self.controller.handle_timeout(now);
            self.obey();
        }
        for at in 0..self.connections.len() {
            self.tick_connection(at);
        }
    }

    /// Does what the controller wants done.
    fn obey(&mut self) {
        while let Some(command) = self.controller.poll_command() {
            match command {
                Command::Publish(snapshot) => {
                    assert!(snapshot.number > self.snapshot.number, "numbers only grow");
                    self.snapshot = snapshot;
                }
                Command::Probe {
                    ticket,
                    endpoint,
                    settings,
                    ..
                } => self.probe(ticket, endpoint, settings.timeout),
                Command::Tell {
                    endpoint, drain, ..
                } => {
                    let proxy = self.index;
                    self.hub
                        .post(1, move |world| world.tell_drain(proxy, &endpoint, drain));
                }
                Command::Move {
                    endpoint,
                    count,
                    cause,
                    ..
                } => {
                    self.order(&endpoint, away(cause), count);
                }
                Command::Close {
                    endpoint,
                    count,
                    cause,
                    ..
                } => {
                    let order = match cause {
                        control::Cause::Deadline => Order::Close,
                        _ => away(cause),
                    };
                    self.order(&endpoint, order, count);
                }
                Command::Report(report) => self.hub.see(Sight::Report {
                    proxy: self.index,
                    report,
                }),
            }
        }
    }

    fn probe(&self, ticket: u64, endpoint: EndpointId, timeout: Duration) {
        let (proxy, late) = (self.index, endpoint.clone());
        let timeout = u64::try_from(timeout.as_millis()).expect("a short time");
        // Whichever comes first counts: the controller knows the ticket once.
        self.hub
            .post(1, move |world| world.probe(proxy, ticket, endpoint));
        self.hub.post(timeout, move |world| {
            let result = Err("no answer in time".to_owned());
            world.proxies[proxy].probed(ticket, late, result);
        });
    }

    /// Gives an order to connections of an endpoint, the most idle first and all of one key
    /// together.
    fn order(&mut self, endpoint: &EndpointId, order: Order, count: Count) {
        let now = self.hub.now();
        let max = match count {
            Count::AtMost(max) => max as usize,
            Count::All => usize::MAX,
        };
        let mut keys: BTreeMap<AffinityKey, (u64, Vec<usize>)> = BTreeMap::new();
        for (at, connection) in self.connections.iter().enumerate() {
            if connection.is_at(endpoint) && connection.may_be_ordered(order, now) {
                let (active, places) = keys.entry(connection.key).or_default();
                *active = (*active).max(connection.active_at);
                places.push(at);
            }
        }
        let mut groups: Vec<_> = keys.into_values().collect();
        groups.sort();
        let mut given = 0;
        for (_, places) in groups {
            if given >= max {
                break;
            }
            for at in places {
                given += 1;
                self.connections[at].order(order, now);
            }
        }
    }

    /// Where a request of this client goes.
    pub(crate) fn ask(&self, cookie: Option<&str>, sse: bool) -> Verdict {
        let request = Request {
            host: "sim",
            path: "/",
            query: "",
            method: "GET",
            asks: if sse { Relay::Sse } else { Relay::WebSocket },
            fields: &Visitor(cookie),
            subject: None,
            wall: self.wall(),
        };
        let draw = Draw::new(self.hub.chance(|chance| chance.bits128()));
        decide(&self.snapshot, &request, draw, self.now())
    }

    /// A client asks for its connection. Says what the verdict was, and where it sends it.
    pub(crate) fn open(&mut self, mut client: Client) -> Result<usize, Reject> {
        let forward = match self.ask(client.cookie.as_deref(), client.sse) {
            Verdict::Forward(forward) => forward,
            Verdict::Reject { reject, .. } => {
                self.hub
                    .see(Sight::Told(Told::Rejected(client.name, reject)));
                return Err(reject);
            }
        };
        self.pin(&forward, &mut client);
        self.hub.see(Sight::Told(Told::Sent {
            client: client.name.clone(),
            endpoint: forward.endpoint.id.clone(),
            why: forward.why,
        }));
        let opening = Opening {
            settings: self.settings.clone(),
            cluster: self.cluster.clone(),
            key: forward.key,
            endpoint: forward.endpoint.clone(),
            claimed: forward.claimed.clone(),
            moved_from: forward.moved_from.clone(),
            last_event_id: None,
            draw: self.hub.chance(|chance| chance.draw()),
        };
        let id = self.hub.chance(|chance| chance.bits128());
        let machine = Machine::open(client.sse, opening, self.now());
        let place = self.connections.len();
        self.connections
            .push(Connection::new(place, id, forward, machine, client));
        Ok(place)
    }

    /// The client's cookie, as the answer would set it.
    pub(crate) fn pin(&self, forward: &Forward, client: &mut Client) {
        if let Some(claim) = forward.cookie.to_set() {
            let mut nonce = [0; 12];
            let bits = self.hub.chance(|chance| chance.bits128());
            nonce.copy_from_slice(&bits.to_be_bytes()[..12]);
            client.cookie = Some(self.policy.keys.seal(&self.cluster, claim, nonce));
        }
    }
}

/// The first whole millisecond at or after this instant.
pub(crate) fn milliseconds(instant: Instant) -> u64 {
    let nanos = instant.since_start().as_nanos();
    u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// How a connection is told to go to another endpoint.
const fn away(cause: control::Cause) -> Order {
    match cause {
        control::Cause::Drain | control::Cause::Deadline => Order::Move(Cause::Drain),
        control::Cause::Maint => Order::Move(Cause::Maint),
        control::Cause::Gone => Order::Move(Cause::Gone),
        control::Cause::Dead => Order::Abandon,
    }
}
