//! Who goes where: claims, drains, the sick and the gone.

mod search;

use std::time::Duration;

use super::*;
use crate::affinity::seal::Keyring;
use crate::affinity::{CookieSettings, Source};
use crate::cluster::{Admin, ClusterName, ClusterSettings, Contract, Health};
use crate::route::{Identity, Match, RouteName, Router};

pub(crate) fn cookie_policy() -> AffinityPolicy {
    AffinityPolicy {
        source: Source::Cookie,
        idle: Some(Duration::from_secs(3600)),
        absolute: None,
        keys: Arc::new(Keyring::new(&[[1; 32]]).expect("a good key")),
        cookie: CookieSettings::new("holdfast"),
    }
}

/// A snapshot of one cluster `c` with endpoints `a`, `b`, `c` that tests change.
struct Stage {
    settings: ClusterSettings,
    endpoints: Vec<Endpoint>,
    affinity: bool,
}

fn id(text: &str) -> EndpointId {
    EndpointId::parse(text).expect("a good id")
}

fn name() -> ClusterName {
    ClusterName::parse("c").expect("a good name")
}

impl Stage {
    fn new(contract: Contract) -> Self {
        let mut settings = ClusterSettings::new(name());
        settings.handoff.contract = contract;
        settings.affinity = Some(cookie_policy());
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let endpoint = |text| Endpoint::new(id(text), address, 1, &settings);
        let endpoints = ["a", "b", "c"].map(endpoint).to_vec();
        Self {
            settings,
            endpoints,
            affinity: true,
        }
    }

    fn with(mut self, endpoint: &str, change: impl FnOnce(&mut Endpoint)) -> Self {
        let found = self
            .endpoints
            .iter_mut()
            .find(|e| e.id.as_str() == endpoint);
        change(found.expect("it is on stage"));
        self
    }

    fn snapshot(&self) -> Snapshot {
        let endpoints = self.endpoints.iter().cloned().map(Arc::new).collect();
        let settings = Arc::new(self.settings.clone());
        let cluster = Cluster::new(settings, endpoints, Arc::default());
        let route = Route {
            name: RouteName::new("root"),
            matches: Match::default(),
            cluster: name(),
            relay: None,
            affinity: self.affinity,
            identity: Identity::Off,
        };
        Snapshot {
            number: 1,
            router: Arc::new(Router::new(vec![route]).expect("a good table")),
            clusters: [(name(), Arc::new(cluster))].into(),
        }
    }

    fn ask(&self, client: &Visitor, draw: u128) -> Verdict {
        let request = Request {
            host: "x",
            path: "/",
            query: "",
            method: "GET",
            asks: Relay::Http,
            fields: client,
            subject: None,
            wall: NOW,
        };
        decide(&self.snapshot(), &request, Draw::new(draw), Instant::START)
    }

    fn forward(&self, client: &Visitor) -> Forward {
        match self.ask(client, 77) {
            Verdict::Forward(forward) => forward,
            Verdict::Reject { reject, .. } => panic!("rejected: {reject:?}"),
        }
    }

    fn reject(&self, client: &Visitor) -> Reject {
        match self.ask(client, 77) {
            Verdict::Forward(forward) => panic!("went to {}", forward.endpoint.id),
            Verdict::Reject { reject, .. } => reject,
        }
    }
}

/// Somebody with these header fields and cookies.
#[derive(Default)]
struct Visitor {
    field: Option<String>,
    cookie: Option<String>,
}

impl Fields for Visitor {
    fn field(&self, name: &str) -> Option<&str> {
        self.field.as_deref().filter(|_| name == "x-user")
    }

    fn cookies(&self, name: &str, accept: &mut dyn FnMut(&str) -> bool) {
        if let Some(cookie) = self.cookie.as_deref().filter(|_| name == "holdfast") {
            accept(cookie);
        }
    }
}

const NOW: WallTime = WallTime::from_unix(1_000_000);

fn claim(endpoint: &str, age: u64) -> Claim {
    let at = WallTime::from_unix(NOW.unix() - age);
    Claim {
        key: AffinityKey::from_bits(5),
        endpoint: id(endpoint),
        issued: at,
        seen: at,
    }
}

fn nobody() -> Visitor {
    Visitor::default()
}

fn of(endpoint: &str) -> Visitor {
    aged(endpoint, 0)
}

fn aged(endpoint: &str, age: u64) -> Visitor {
    let cookie = cookie_policy()
        .keys
        .seal(&name(), &claim(endpoint, age), [0; 12]);
    Visitor {
        cookie: Some(cookie),
        field: None,
    }
}

fn drain(endpoint: &mut Endpoint) {
    endpoint.admin = Admin::Drain;
}

fn down(endpoint: &mut Endpoint) {
    endpoint.health = Health::Down;
}

#[test]
fn a_valid_cookie_is_followed_and_left_alone() {
    let stage = Stage::new(Contract::Off);
    for endpoint in ["a", "b", "c"] {
        let forward = stage.forward(&of(endpoint));
        assert_eq!(
            (forward.endpoint.id.as_str(), forward.why),
            (endpoint, Why::Valid)
        );
        assert_eq!(forward.cookie, CookieAction::Keep(claim(endpoint, 0)));
        assert!(forward.moved_from.is_empty());
    }
}

#[test]
fn a_cookie_is_renewed_after_a_tenth_of_its_idle_age() {
    let forward = Stage::new(Contract::Off).forward(&aged("b", 361));
    let renewed = forward.cookie.to_set().expect("renewed");
    assert_eq!(
        (renewed.seen, renewed.issued),
        (NOW, claim("b", 361).issued)
    );
    assert_eq!(forward.why, Why::Valid);
    let load = &forward.endpoint.load;
    let _open = forward.enter();
    load.report(0);
    assert_eq!(load.sessions(), 0, "an old client is no new session");
}

#[test]
fn strangers_get_a_fresh_working_affinity_whatever_they_show() {
    let stage = Stage::new(Contract::Off);
    let forged = Visitor {
        cookie: Some("forged".to_owned()),
        field: None,
    };
    for (client, verdict) in [
        (nobody(), AffinityVerdict::None),
        (forged, AffinityVerdict::Invalid),
        (aged("b", 3601), AffinityVerdict::Expired),
    ] {
        let forward = stage.forward(&client);
        assert_eq!(forward.why, Why::Affinity(verdict));
        let claim = forward.cookie.to_set().expect("a new cookie");
        assert_eq!((&claim.endpoint, claim.issued), (&forward.endpoint.id, NOW));
        assert_eq!(claim.key, AffinityKey::from_bits(77), "the draw is the key");
    }
}

#[test]
fn a_new_client_counts_as_a_session_from_its_first_request() {
    let forward = Stage::new(Contract::Off).forward(&nobody());
    forward.endpoint.load.report(10);
    let open = forward.enter();
    assert_eq!(forward.endpoint.load.sessions(), 11);
    drop(open);
    assert_eq!(forward.endpoint.load.sessions(), 11);
}

#[test]
fn a_client_of_a_lost_endpoint_goes_elsewhere_and_names_it() {
    let gone = of("z");
    let stages = [
        (Stage::new(Contract::Off).with("a", down), of("a"), "a"),
        (
            Stage::new(Contract::Off).with("a", |e| e.health = Health::Ejected),
            of("a"),
            "a",
        ),
        (
            Stage::new(Contract::Off).with("a", |e| e.admin = Admin::Maint),
            of("a"),
            "a",
        ),
        (
            Stage::new(Contract::Required).with("a", drain),
            of("a"),
            "a",
        ),
        (Stage::new(Contract::Off), gone, "z"),
    ];
    for (stage, client, lost) in stages {
        let forward = stage.forward(&client);
        assert_eq!(forward.why, Why::Down);
        assert_eq!(forward.moved_from, [id(lost)]);
        assert_ne!(forward.endpoint.id, id(lost));
        let claim = forward.cookie.to_set().expect("pinned anew");
        assert_eq!(
            (claim.key, &claim.endpoint),
            (AffinityKey::from_bits(5), &forward.endpoint.id)
        );
        assert_eq!(forward.claimed, Some(id(lost)));
        let again = stage.ask(&client, 999);
        let Verdict::Forward(again) = again else {
            panic!("rejected")
        };
        assert_eq!(
            again.endpoint.id, forward.endpoint.id,
            "the key decides, not the draw"
        );
    }
}

#[test]
fn opaque_draining_endpoint_keeps_its_own_clients_and_takes_no_new_ones() {
    let stage = Stage::new(Contract::Off).with("a", drain);
    assert_eq!(stage.forward(&of("a")).endpoint.id, id("a"));
    for draw in 0..200u128 {
        let Verdict::Forward(forward) = stage.ask(&nobody(), (draw << 64) | (draw * 7919)) else {
            panic!("rejected")
        };
        assert_ne!(forward.endpoint.id, id("a"));
    }
    let told = stage.forward(&of("a"));
    told.endpoint.load.tell(told.key);
    let after = stage.forward(&of("a"));
    assert_eq!(
        after.why,
        Why::Down,
        "who was told to leave does not belong here any more"
    );
    let drained = Stage::new(Contract::Off).with("a", |e| {
        drain(e);
        e.drained = true;
    });
    assert_eq!(drained.forward(&of("a")).why, Why::Down);
}

#[test]
fn a_draining_contract_endpoint_keeps_its_own_only_while_nobody_else_can_take_them() {
    let alone = Stage::new(Contract::Required)
        .with("a", drain)
        .with("b", down)
        .with("c", down);
    let forward = alone.forward(&of("a"));
    assert_eq!(
        (forward.endpoint.id.as_str(), forward.why),
        ("a", Why::Valid)
    );
    assert!(
        forward.moved_from.is_empty(),
        "nothing is named when going back to it"
    );
    assert_eq!(alone.reject(&nobody()), Reject::Draining);
    let asks = alone.forward(&of("b"));
    assert_eq!((asks.endpoint.id.as_str(), asks.why), ("a", Why::Down));
    assert_eq!(asks.moved_from, [id("b")], "a may have taken it over");
    let helped = alone.with("b", |e| e.health = Health::Up);
    assert_eq!(helped.forward(&of("a")).endpoint.id, id("b"));
}

#[test]
fn where_all_leave_a_client_still_reaches_who_has_its_session() {
    let empty = |e: &mut Endpoint| {
        drain(e);
        e.drained = true;
    };
    let mut all = Stage::new(Contract::Required);
    for id in ["a", "b", "c"] {
        all = all.with(id, empty);
    }
    let forward = all.forward(&of("a"));
    assert_eq!(
        (forward.endpoint.id.as_str(), forward.why),
        ("a", Why::Valid)
    );
    assert_eq!(all.reject(&nobody()), Reject::Draining);
    let mut opaque = Stage::new(Contract::Off);
    for id in ["a", "b", "c"] {
        opaque = opaque.with(id, empty);
    }
    assert_eq!(opaque.reject(&of("a")), Reject::Draining);
}

#[test]
fn rejections_say_why() {
    let all = |change: fn(&mut Endpoint)| {
        Stage::new(Contract::Off)
            .with("a", change)
            .with("b", change)
            .with("c", change)
    };
    assert_eq!(all(down).reject(&nobody()), Reject::NoEndpoint);
    assert_eq!(all(drain).reject(&nobody()), Reject::Draining);
    let full = all(|e| {
        e.sessions_max = Some(3);
        e.load.report(3);
    });
    assert_eq!(full.reject(&nobody()), Reject::Full);
    assert_eq!(
        full.forward(&of("b")).endpoint.id,
        id("b"),
        "its own are not turned away"
    );
    assert_eq!(
        full.forward(&of("z")).why,
        Why::Down,
        "better crowded than lost"
    );
}

#[test]
fn the_untried_and_the_degraded_wait_until_nobody_is_up() {
    let weak = |e: &mut Endpoint| e.health = Health::Degraded;
    let stage = Stage::new(Contract::Off)
        .with("a", weak)
        .with("b", |e| e.health = Health::Untried);
    for draw in 0..50u128 {
        let Verdict::Forward(forward) = stage.ask(&nobody(), draw * 7919) else {
            panic!("rejected")
        };
        assert_eq!(forward.endpoint.id, id("c"));
    }
    assert_eq!(stage.forward(&of("a")).why, Why::Valid, "its own stay");
    assert_ne!(
        stage.with("c", down).forward(&nobody()).endpoint.id,
        id("c")
    );
}

#[test]
fn a_cluster_that_fails_open_believes_nobodys_health() {
    let mut stage = Stage::new(Contract::Off).with("a", down).with("b", down);
    assert_eq!(stage.forward(&of("a")).why, Why::Down);
    stage.settings.fail_open = crate::cluster::Percent::HALF;
    let forward = stage.forward(&of("a"));
    assert_eq!(
        (forward.endpoint.id.as_str(), forward.why),
        ("a", Why::Valid)
    );
}

#[test]
fn without_affinity_cookies_are_neither_read_nor_set() {
    let mut stage = Stage::new(Contract::Off);
    stage.affinity = false;
    let forward = stage.forward(&of("a"));
    assert_eq!(
        (forward.why, forward.cookie),
        (Why::Off, CookieAction::None)
    );
}

#[test]
fn a_value_has_one_home_on_every_proxy_and_a_second_one_when_that_is_lost() {
    let mut stage = Stage::new(Contract::Off);
    let policy = AffinityPolicy {
        source: Source::Field("x-user".into()),
        ..cookie_policy()
    };
    stage.settings.affinity = Some(policy);
    let user = |n: u32| Visitor {
        field: Some(format!("u{n}")),
        cookie: None,
    };
    let homes: Vec<_> = (0..60)
        .map(|n| stage.forward(&user(n)).endpoint.id.clone())
        .collect();
    assert!(
        ["a", "b", "c"]
            .iter()
            .all(|e| homes.iter().filter(|h| h.as_str() == *e).count() > 8)
    );
    assert_eq!(stage.forward(&user(1)).cookie, CookieAction::None);
    assert_eq!(stage.forward(&nobody()).cookie, CookieAction::None);
    let stage = stage.with("a", down);
    for (n, home) in (0..60).zip(&homes) {
        let forward = stage.forward(&user(n));
        if home.as_str() == "a" {
            assert_eq!(
                (forward.why, forward.moved_from),
                (Why::Down, vec![id("a")])
            );
        } else {
            assert_eq!(
                (&forward.endpoint.id, forward.why),
                (home, Why::Valid),
                "others stay"
            );
        }
    }
}

#[test]
fn the_cookie_is_pinned_to_whoever_answered() {
    let mut forward = Stage::new(Contract::Off).forward(&of("a"));
    forward.repin(&id("a"), NOW);
    assert_eq!(forward.cookie.to_set(), None);
    forward.repin(&id("b"), NOW);
    assert_eq!(
        forward.cookie.to_set().map(|claim| claim.endpoint.as_str()),
        Some("b")
    );
}
