//! Random streams of events against what must always hold.
//!
//! The world tells the controller anything in any order; after each step the snapshot is
//! questioned as requests would question it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::affinity::seal::Keyring;
use holdfast_core::affinity::{AffinityPolicy, Claim, CookieSettings, Source};
use holdfast_core::cluster::{ClusterSettings, Contract, Open, Percent};
use holdfast_core::control::{Config, Member, Outcome};
use holdfast_core::decide::{HOPS_MAX, Search};
use holdfast_core::health::{Kind, ProbeKind, ProbeSettings, Readiness, ReadinessState};
use holdfast_core::route::{Fields, Identity, Match, Route, RouteName};
use holdfast_core::*;
use proptest::prelude::*;

const ENDPOINTS: usize = 5;
const WALL: WallTime = WallTime::from_unix(1_000_000);

/// One thing the world does.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Discover(u8),
    Answer(usize, bool, bool),
    Outcome(usize, u8),
    Admin(usize, u8),
    Connect(usize),
    Disconnect(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let endpoint = || 0..ENDPOINTS;
    let passed = prop::bool::weighted(0.7);
    prop_oneof![
        4 => (0u64..4000).prop_map(Step::Pass),
        1 => any::<u8>().prop_map(Step::Discover),
        6 => (0usize..8, passed, any::<bool>()).prop_map(|(n, p, d)| Step::Answer(n, p, d)),
        6 => (endpoint(), 0u8..4).prop_map(|(e, kind)| Step::Outcome(e, kind)),
        1 => (endpoint(), 0u8..3).prop_map(|(e, admin)| Step::Admin(e, admin)),
        3 => endpoint().prop_map(Step::Connect),
        2 => endpoint().prop_map(Step::Disconnect),
    ]
}

fn name() -> ClusterName {
    ClusterName::parse("c").expect("a good name")
}

fn id(n: usize) -> EndpointId {
    EndpointId::parse(&format!("e{n}")).expect("a good id")
}

struct Visitor(Option<String>);

impl Fields for Visitor {
    fn field(&self, _: &str) -> Option<&str> {
        None
    }

    fn cookies(&self, _: &str, accept: &mut dyn FnMut(&str) -> bool) {
        if let Some(cookie) = &self.0 {
            accept(cookie);
        }
    }
}

fn policy() -> AffinityPolicy {
    AffinityPolicy {
        source: Source::Cookie,
        idle: None,
        absolute: None,
        keys: Arc::new(Keyring::new(&[[7; 32]]).expect("a good key")),
        cookie: CookieSettings::new("holdfast"),
    }
}

struct World {
    controller: Controller,
    now: Instant,
    snapshot: Arc<Snapshot>,
    probes: Vec<(u64, EndpointId)>,
    open: BTreeMap<EndpointId, Vec<Open>>,
    /// When the data plane first saw each endpoint drain.
    draining: BTreeMap<EndpointId, Instant>,
}

impl World {
    fn new(contract: Contract) -> Self {
        let mut settings = ClusterSettings::new(name());
        settings.handoff.contract = contract;
        settings.affinity = Some(policy());
        settings.probes.push(ProbeSettings::new(ProbeKind::Tcp));
        let route = Route {
            name: RouteName::new("root"),
            matches: Match::default(),
            cluster: name(),
            relay: None,
            affinity: true,
            identity: Identity::Off,
        };
        let mut world = Self {
            controller: Controller::new(3),
            now: Instant::START,
            snapshot: Arc::default(),
            probes: Vec::new(),
            open: BTreeMap::new(),
            draining: BTreeMap::new(),
        };
        let router = Router::new(vec![route]).expect("a good table");
        let clusters = vec![settings];
        world.tell(Event::Reload(Config { router, clusters }));
        world.act(&Step::Discover(0xff));
        world
    }

    fn cluster(&self) -> &Arc<Cluster> {
        self.snapshot.cluster(&name()).expect("it is configured")
    }

    fn tell(&mut self, event: Event) {
        self.controller.handle(event, self.now);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(command) = self.controller.poll_command() {
            match command {
                Command::Publish(snapshot) => {
                    assert_eq!(
                        snapshot.number,
                        self.snapshot.number + 1,
                        "numbers only grow"
                    );
                    self.snapshot = snapshot;
                }
                Command::Probe {
                    ticket, endpoint, ..
                } => self.probes.push((ticket, endpoint)),
                _ => {}
            }
        }
        let draining = |e: &&Arc<Endpoint>| e.admin != Admin::Ready;
        let ids: Vec<_> = self
            .cluster()
            .endpoints()
            .iter()
            .filter(draining)
            .map(|e| e.id.clone())
            .collect();
        self.draining.retain(|id, _| ids.contains(id));
        for id in ids {
            self.draining.entry(id).or_insert(self.now);
        }
    }

    fn act(&mut self, step: &Step) {
        let cluster = name();
        match *step {
            Step::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Step::Discover(bits) => {
                let member = |n: usize| Member {
                    id: id(n),
                    address: SocketAddr::from(([127, 0, 0, 1], n as u16 + 1)),
                    weight: 1,
                };
                let members = (0..ENDPOINTS)
                    .filter(|n| bits & (1 << n) != 0)
                    .map(member)
                    .collect();
                self.tell(Event::Discovered { cluster, members });
            }
            Step::Answer(n, passed, degraded) => self.answer(n, passed, degraded),
            Step::Outcome(n, kind) => {
                let kinds = [
                    Kind::Answered { status: 200 },
                    Kind::DialFailed,
                    Kind::Closed { code: Some(1011) },
                    Kind::Answered { status: 500 },
                ];
                let (endpoint, kind) = (id(n), kinds[kind as usize]);
                self.tell(Event::Outcome(Outcome {
                    cluster,
                    endpoint,
                    kind,
                }));
            }
            Step::Admin(n, admin) => {
                let admin = [Admin::Ready, Admin::Drain, Admin::Maint][admin as usize];
                self.tell(Event::Admin {
                    cluster,
                    endpoint: id(n),
                    admin,
                });
            }
            Step::Connect(n) => {
                if let Some(endpoint) = self.cluster().endpoint(&id(n)) {
                    let open = endpoint.load.open(Relay::WebSocket);
                    self.open.entry(id(n)).or_default().push(open);
                }
            }
            Step::Disconnect(n) => {
                self.open.entry(id(n)).or_default().pop();
            }
        }
    }

    /// One of the probes that are out is answered, if any is.
    fn answer(&mut self, n: usize, passed: bool, degraded: bool) {
        if self.probes.is_empty() {
            return;
        }
        let (ticket, endpoint) = self.probes.remove(n % self.probes.len());
        let state = if degraded {
            ReadinessState::Degraded
        } else {
            ReadinessState::Ready
        };
        let readiness = Readiness {
            state,
            sessions: None,
        };
        let result = passed.then_some(readiness).ok_or_else(|| "no".to_owned());
        self.tell(Event::Probed {
            ticket,
            cluster: name(),
            endpoint,
            result,
        });
    }

    /// Serves every timer in its turn.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut turns = 0;
        while let Some(due) = self.controller.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.controller.handle_timeout(self.now);
            self.collect();
            turns += 1;
            assert!(turns < 2_000, "the controller spins");
        }
        self.now = end;
    }

    fn ask(&self, claimed: Option<&EndpointId>, draw: u128) -> Verdict {
        let cookie = claimed.map(|endpoint| {
            let key = AffinityKey::from_bits(draw);
            let claim = Claim {
                key,
                endpoint: endpoint.clone(),
                issued: WALL,
                seen: WALL,
            };
            policy().keys.seal(&name(), &claim, [1; 12])
        });
        let request = Request {
            host: "x",
            path: "/",
            query: "",
            method: "GET",
            asks: Relay::Http,
            fields: &Visitor(cookie),
            subject: None,
            wall: WALL,
        };
        decide(&self.snapshot, &request, Draw::new(draw), self.now)
    }

    fn check(&self, draw: u128) {
        let cluster = self.cluster();
        let somebody = cluster
            .endpoints()
            .iter()
            .any(|e| cluster.admits(e, Client::New));
        match self.ask(None, draw) {
            Verdict::Forward(forward) => {
                assert_eq!(
                    forward.endpoint.admin,
                    Admin::Ready,
                    "no new client while it drains"
                );
                assert!(forward.endpoint.health.fit());
            }
            Verdict::Reject { .. } => assert!(!somebody, "somebody would have taken it"),
        }
        for endpoint in cluster.endpoints() {
            let own = cluster.admits(endpoint, Client::Own);
            match self.ask(Some(&endpoint.id), draw) {
                Verdict::Forward(forward) => {
                    let at_home = forward.endpoint.id == endpoint.id;
                    assert_ne!(forward.endpoint.admin, Admin::Maint, "maint serves nobody");
                    assert!(!own || at_home, "a valid cookie reaches its endpoint");
                    assert_eq!(forward.moved_from.contains(&endpoint.id), !at_home);
                }
                Verdict::Reject { .. } => assert!(!somebody && !own),
            }
        }
        let ejected = cluster
            .endpoints()
            .iter()
            .filter(|e| e.health == Health::Ejected)
            .count();
        assert!(
            ejected <= Percent::HALF.of(cluster.endpoints().len()),
            "beyond the share"
        );
        for (id, began) in &self.draining {
            let over = self.now >= *began + Duration::from_secs(30);
            let endpoint = cluster.endpoint(id).expect("it is draining");
            assert!(!over || endpoint.drained, "a drain ends by its deadline");
        }
    }
}

/// Failures are not kept in a file: what they show becomes a test of its own.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_promises_hold(
        opaque: bool,
        steps in prop::collection::vec(step(), 1..120),
        draw: u128,
    ) {
        let mut world = World::new(if opaque { Contract::Off } else { Contract::Required });
        for (step, n) in steps.iter().zip(0u128..) {
            world.act(step);
            world.check(draw.wrapping_add(n));
        }
    }

    #[test]
    fn a_search_ends_and_never_names_its_target(
        steps in prop::collection::vec(step(), 1..60),
        answers in prop::collection::vec(0u8..3, 40),
        from in 0..ENDPOINTS,
        leaving: bool,
        draw: u128,
    ) {
        let mut world = World::new(Contract::Required);
        steps.iter().for_each(|step| world.act(step));
        let mut search = if leaving { Search::leaving(id(from)) } else { Search::lost(id(from)) };
        let mut answers = answers.into_iter();
        let mut dials = 0;
        let key = AffinityKey::from_bits(draw);
        while let Some(next) = next(&world.snapshot, &name(), key, &mut search) {
            let target = next.endpoint.id.clone();
            prop_assert!(!next.moved_from.contains(&target));
            prop_assert!(next.endpoint.admin != Admin::Maint);
            dials += 1;
            match answers.next().expect("a search ends before that") {
                0 => search.dial_failed(&target),
                1 => search.refused(&target),
                _ if !search.redirected(&target, id(dials % ENDPOINTS), &next.moved_from) => break,
                _ => {}
            }
        }
        prop_assert!(dials <= ENDPOINTS + usize::from(HOPS_MAX) + 1, "{dials} dials");
    }
}
