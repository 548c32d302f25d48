//! Everybody in one place.

mod deeds;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use holdfast_core::affinity::seal::Keyring;
use holdfast_core::affinity::{AffinityPolicy, CookieSettings, Source};
use holdfast_core::cluster::{ClusterSettings, Contract};
use holdfast_core::connection::{Answer, Placed, Terms};
use holdfast_core::control::{Heard, Member};
use holdfast_core::health::{ProbeKind, ProbeSettings, Readiness, ReadinessState};
use holdfast_core::{Admin, ClusterName, EndpointId, Reject};
use holdfast_session::id::ConnectionId;

use crate::act::Step;
use crate::audit::Broken;
use crate::client::Client;
use crate::endpoint::{Dial, Endpoint, Life, Released};
use crate::frames::Frames;
use crate::hub::{Hub, Reply};
use crate::proxy::{Connection, FIRST_PORT, Proxy};
use crate::store::{Mood, Store, StoreError};
use crate::wire::Wire;
use crate::{Mutation, Sight};

/// Everybody.
pub struct World {
    pub(crate) hub: Rc<Hub>,
    pub(crate) store: Store,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) proxies: Vec<Proxy>,
    wires: Vec<Rc<Wire>>,
    /// Proxies and endpoints between which nothing passes.
    parted: BTreeSet<(usize, usize)>,
    /// Endpoints that the discovery of a proxy does not name.
    hidden: BTreeSet<(usize, usize)>,
    pub(crate) cluster: ClusterSettings,
    /// Endpoints that keep no contract.
    pub(crate) opaque: bool,
    /// Endpoints whose probes fail although they serve.
    pub(crate) ailing: BTreeSet<usize>,
    pub(crate) sights: Vec<(u64, Sight)>,
    /// Since when nothing was done to endpoints or store.
    pub(crate) calm_since: u64,
}

/// What a world begins with.
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) proxies: usize,
    pub(crate) endpoints: usize,
    pub(crate) cluster: ClusterSettings,
    /// The store writes to its disk every second, and can lose what came since.
    pub(crate) everysec: bool,
}

/// The cluster of every world, with the defaults.
pub(crate) fn cluster() -> ClusterSettings {
    let name = ClusterName::parse("game").expect("a name");
    let mut settings = ClusterSettings::new(name);
    settings.handoff.contract = Contract::Required;
    settings.probes = vec![ProbeSettings::new(ProbeKind::Tcp)];
    settings.affinity = Some(AffinityPolicy {
        source: Source::Cookie,
        idle: Some(std::time::Duration::from_secs(3_600)),
        absolute: None,
        keys: Arc::new(Keyring::new(&[[7; 32]]).expect("a key")),
        cookie: CookieSettings::new("holdfast"),
    });
    settings
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let hub = Hub::new(setup.seed, setup.mutation);
        let names = &NAMES[..setup.endpoints];
        let endpoints: Vec<_> = (0..)
            .zip(names)
            .map(|(index, name)| Endpoint::new(&hub, index, name))
            .collect();
        let members: Vec<_> = names.iter().enumerate().map(member).collect();
        let opaque = setup.cluster.handoff.contract == Contract::Off;
        let proxy = |index| Proxy::new(&hub, index, setup.cluster.clone(), members.clone());
        let proxies = (0..setup.proxies).map(proxy).collect();
        let store = Store {
            unfenced: hub.mutates(Mutation::SkipGeneration),
            disk: setup.everysec.then(|| (0, Vec::new())),
            ..Store::default()
        };
        Self {
            hub,
            store,
            endpoints,
            proxies,
            wires: Vec::new(),
            parted: BTreeSet::new(),
            hidden: BTreeSet::new(),
            cluster: setup.cluster,
            opaque,
            ailing: BTreeSet::new(),
            sights: Vec::new(),
            calm_since: 0,
        }
    }

    /// A new session, run by this endpoint.
    pub(crate) fn found(&mut self, endpoint: usize) -> usize {
        self.calm_since = self.hub.now();
        let node = self.endpoints[endpoint].node.clone();
        self.store.now = self.hub.now();
        let session = node.found(&mut self.store);
        self.endpoints[endpoint].dirty = true;
        session
    }

    /// A client asks a proxy for its connection. Says its place there.
    pub(crate) fn open(&mut self, proxy: usize, client: Client) -> Result<usize, Reject> {
        self.proxies[proxy].open(client)
    }

    /// Lets time pass until `end`, everything in its turn; `check` is asked after each step.
    pub(crate) fn run_until(
        &mut self,
        end: u64,
        mut check: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let mut steps = 0;
        loop {
            self.settle();
            let sights = self.hub.take_seen();
            let now = self.hub.now();
            self.sights
                .extend(sights.into_iter().map(|sight| (now, sight)));
            check(self)?;
            let proxies = self.proxies.iter().filter_map(Proxy::timeout).min();
            let (posted, timer) = (self.hub.next_post(), self.hub.next_timer());
            let next = posted.into_iter().chain(timer).chain(proxies).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            steps = if next > now { 0 } else { steps + 1 };
            if steps > STEPS_MAX {
                return Err(Broken(format!("time stands still at {now} ms")));
            }
            self.hub.set_now(next.max(now));
            while let Some(act) = self.hub.take_due() {
                act(self);
            }
            while let Some(endpoint) = self.hub.take_timer() {
                self.endpoints[endpoint].dirty = true;
            }
            self.proxies.iter_mut().for_each(Proxy::tick);
        }
        self.hub.set_now(end);
        Ok(())
    }

    /// Whether anybody sleeps, or cannot reach whom it should.
    pub(crate) fn is_severed(&self) -> bool {
        let paused = |endpoint: &Endpoint| endpoint.life == Life::Paused;
        self.store.mood != Mood::Well
            || !(self.store.moods.is_empty() && self.parted.is_empty())
            || !(self.hidden.is_empty() && self.ailing.is_empty())
            || self.endpoints.iter().any(paused)
    }

    /// Whether anybody is to leave, or takes nothing.
    pub(crate) fn is_unsettled(&self) -> bool {
        let drains = |endpoint: &Endpoint| endpoint.node.draining.get();
        let stalled = |proxy: &Proxy| proxy.connections.iter().any(|c| c.client.stalled);
        self.endpoints.iter().any(drains) || self.proxies.iter().any(stalled)
    }

    /// Whether every connection has an endpoint, or is over, and every command its answer.
    pub(crate) fn is_settled(&self) -> bool {
        let settled = |connection: &Connection| {
            let client = &connection.client;
            let answered = client.sse || client.answers == client.commands;
            connection.is_over() || (connection.is_attached() && answered)
        };
        let connections = self.proxies.iter().flat_map(|proxy| &proxy.connections);
        connections.into_iter().all(settled)
    }

    /// Everybody does what they can at this moment.
    fn settle(&mut self) {
        let runs = |endpoint: &Endpoint| endpoint.dirty && endpoint.life == Life::Running;
        for _ in 0..ROUNDS_MAX {
            for endpoint in self.endpoints.iter_mut().filter(|endpoint| runs(endpoint)) {
                endpoint.run();
            }
            self.proxies.iter_mut().for_each(Proxy::run);
            if !self.endpoints.iter().any(runs) {
                break;
            }
        }
        self.wires.retain(|wire| !wire.is_over());
    }

    /// Something comes for an endpoint: at once, when it wakes, or never.
    pub(crate) fn at_endpoint(&mut self, index: usize, act: impl FnOnce(&mut Self) + 'static) {
        let endpoint = &mut self.endpoints[index];
        match endpoint.life {
            Life::Running => {
                endpoint.dirty = true;
                act(self);
            }
            Life::Paused => endpoint.inbox.push(Box::new(act)),
            Life::Dead => {}
        }
    }

    pub(crate) fn wish(&mut self, proxy: usize, endpoint: usize, admin: Admin) {
        let endpoint = id(self.endpoints[endpoint].name);
        self.proxies[proxy].wish(&endpoint, admin);
    }

    pub(crate) fn ask_store<T: 'static>(
        &mut self,
        who: usize,
        ask: impl FnOnce(&mut Store) -> Result<T, StoreError> + 'static,
        place: Reply<Result<T, StoreError>>,
    ) {
        let hub = self.hub.clone();
        let answer = move |late: u64, result: Result<T, StoreError>| {
            hub.post(late, move |world| {
                place.give(result);
                world.endpoints[who].dirty = true;
            });
        };
        self.store.now = self.hub.now();
        let own = self.store.moods.get(&who).copied();
        match own.unwrap_or(self.store.mood) {
            Mood::Well => answer(
                self.hub.chance(|chance| chance.between(0, 2)),
                ask(&mut self.store),
            ),
            Mood::Slow(most) => {
                let late = self.hub.chance(|chance| chance.below(most));
                self.hub.post(late, move |world| {
                    world.store.now = world.hub.now();
                    answer(1, ask(&mut world.store));
                });
            }
            Mood::Gone => answer(STORE_LIMIT_MS, Err(StoreError::Failed)),
            Mood::Mute => {
                let _ = ask(&mut self.store);
                answer(STORE_LIMIT_MS, Err(StoreError::Failed));
            }
            Mood::Late(most) => {
                let late = STORE_LIMIT_MS + self.hub.chance(|chance| chance.below(most));
                self.hub.post(late, move |world| {
                    world.store.now = world.hub.now();
                    let _ = ask(&mut world.store);
                });
                answer(STORE_LIMIT_MS, Err(StoreError::Failed));
            }
        }
    }

    /// One endpoint asks another to let a session go.
    pub(crate) fn ask_release(
        &mut self,
        from: usize,
        owner: &str,
        session: usize,
        place: Reply<Option<Released>>,
    ) {
        let owner = self.endpoints.iter().position(|e| e.name == owner);
        let owner = owner.expect("the record names an endpoint");
        let answer = move |world: &mut Self, released| {
            place.give(released);
            world.endpoints[from].dirty = true;
        };
        if self.endpoints[owner].life == Life::Dead {
            return answer(self, None);
        }
        self.at_endpoint(owner, move |world| {
            let node = world.endpoints[owner].node.clone();
            world.hub.step(owner, Step::Asked);
            let handle = node.sessions.borrow().get(&session).cloned();
            let Some(handle) = handle else {
                return world
                    .hub
                    .post(1, move |world| answer(world, Some(Released::NotOwner)));
            };
            let reply = Reply::new(&world.hub);
            handle.release(reply.clone());
            let hub = world.hub.clone();
            node.spawn(async move {
                let released = reply.wait().await;
                hub.post(1, move |world| answer(world, Some(released)));
            });
        });
    }

    pub(crate) fn probe(&mut self, proxy: usize, ticket: u64, endpoint: EndpointId) {
        let index = self.index(&endpoint);
        let life = self.endpoints[index].life;
        let parted = self.parted.contains(&(proxy, index));
        if life == Life::Dead || parted || self.ailing.contains(&index) {
            let result = Err("refused".to_owned());
            return self.proxies[proxy].probed(ticket, endpoint, result);
        }
        if life == Life::Paused {
            return;
        }
        let draining = self.endpoints[index].node.draining.get();
        let state = if draining {
            ReadinessState::Draining
        } else {
            ReadinessState::Ready
        };
        let sessions = self.endpoints[index].node.sessions.borrow().len();
        let readiness = Readiness {
            state,
            sessions: (!self.opaque).then_some(sessions as u32),
        };
        self.proxies[proxy].probed(ticket, endpoint, Ok(readiness));
    }

    /// An endpoint is told by a proxy to drain, or to be ready.
    pub(crate) fn tell_drain(&mut self, proxy: usize, endpoint: &EndpointId, drain: bool) {
        let index = self.index(endpoint);
        let parted = self.parted.contains(&(proxy, index));
        let heard = match self.endpoints[index].life {
            Life::Running if self.opaque => Heard::Never,
            Life::Running if !parted => {
                self.calm_since = self.hub.now();
                self.endpoints[index].set_draining(drain);
                self.endpoints[index].dirty = true;
                Heard::Yes
            }
            _ => Heard::NotNow,
        };
        self.proxies[proxy].told(endpoint.clone(), drain, heard);
    }

    /// A dial of a proxy comes to an endpoint.
    pub(crate) fn dial(&mut self, wire: Rc<Wire>, placed: Placed) {
        let parted = self.parted.contains(&(wire.proxy, wire.endpoint));
        if self.endpoints[wire.endpoint].life == Life::Dead || parted {
            self.answered(&wire, Answer::Failed);
            return;
        }
        self.wires.push(wire.clone());
        if self.opaque {
            *wire.echo.borrow_mut() = Some(Frames::default());
            return wire.answer(Answer::Taken(Terms::default()));
        }
        let connection = &self.proxies[wire.proxy].connections[wire.connection];
        let own = |id: &EndpointId| id.as_str().parse().expect("an endpoint's name");
        let dial = Dial {
            session: connection.client.session,
            connection: ConnectionId::new(connection.id),
            attempt: placed.attempt,
            last_event_id: placed.last_event_id.map(|id| id.to_string()),
            generation: placed.generation.and_then(|text| text.parse().ok()),
            moved_from: placed.moved_from.iter().map(own).collect(),
            client: connection.client.id.clone(),
            sse: connection.client.sse,
            wire: wire.clone(),
        };
        let index = wire.endpoint;
        self.at_endpoint(index, move |world| {
            world.hub.step(index, Step::Dialled);
            world.endpoints[index].node.dialled(Rc::new(dial));
        });
    }

    pub(crate) fn answered(&mut self, wire: &Rc<Wire>, answer: Answer) {
        let proxy = &mut self.proxies[wire.proxy];
        if proxy.connections[wire.connection].dials_on(wire) {
            proxy.dialled(wire.connection, answer);
        }
    }

    pub(crate) fn hear_upstream(&mut self, wire: &Rc<Wire>, bytes: &[u8]) {
        let connection = &mut self.proxies[wire.proxy].connections[wire.connection];
        if connection.is_on(wire) {
            connection.heard(bytes);
        }
    }

    pub(crate) fn upstream_ended(&mut self, wire: &Rc<Wire>) {
        self.answered(wire, Answer::Failed);
        self.hear_upstream(wire, &[]);
    }

    pub(crate) fn index(&self, endpoint: &EndpointId) -> usize {
        let names = self.endpoints.iter().map(|endpoint| endpoint.name);
        let mut found = names
            .zip(0..)
            .filter(|(name, _)| *name == endpoint.as_str());
        found.next().expect("a known endpoint").1
    }
}

fn member((index, name): (usize, &&str)) -> Member {
    Member {
        id: id(name),
        address: ([127, 0, 0, 1], (FIRST_PORT + index) as u16).into(),
        weight: 1,
    }
}

pub(crate) fn id(name: &str) -> EndpointId {
    EndpointId::parse(name).expect("an endpoint's name")
}

/// What endpoints are called.
pub(crate) const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// How long a caller waits for the store.
const STORE_LIMIT_MS: u64 = 300;
/// Steps without the clock moving on; more, and somebody spins.
const STEPS_MAX: u32 = 10_000;
/// Turns of everybody in one moment; more only wait for the next.
const ROUNDS_MAX: usize = 16;
