//! Plays: what the world tells, at which second, and what follows.

mod drains;

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::cluster::{Admin, ClusterSettings, Contract, Endpoint, Health, Open, Percent};
use crate::health::{Kind, ProbeKind, ProbeSettings, Readiness, ReadinessState};
use crate::route::Relay;

/// A controller with one cluster `c`, and everything it commanded so far.
struct Play {
    controller: Controller,
    now: Instant,
    snapshot: Arc<Snapshot>,
    probes: Vec<(u64, EndpointId)>,
    moves: Vec<(Count, Cause)>,
    closes: Vec<(Count, Cause)>,
    tells: Vec<bool>,
    reports: Vec<What>,
}

fn name(text: &str) -> ClusterName {
    ClusterName::parse(text).expect("a good name")
}

fn id(text: &str) -> EndpointId {
    EndpointId::parse(text).expect("a good id")
}

fn member(text: &str, port: u16) -> Member {
    Member {
        id: id(text),
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        weight: 1,
    }
}

fn members(ids: &str) -> Vec<Member> {
    ids.chars()
        .zip(1..)
        .map(|(c, port)| member(&c.to_string(), port))
        .collect()
}

impl Play {
    fn new(ids: &str, change: impl FnOnce(&mut ClusterSettings)) -> Self {
        let mut settings = ClusterSettings::new(name("c"));
        change(&mut settings);
        let mut play = Self {
            controller: Controller::new(42),
            now: Instant::START,
            snapshot: Arc::default(),
            probes: Vec::new(),
            moves: Vec::new(),
            closes: Vec::new(),
            tells: Vec::new(),
            reports: Vec::new(),
        };
        play.tell(Event::Reload(Config {
            clusters: vec![settings],
            ..Config::default()
        }));
        play.discover(members(ids));
        play.tick();
        play
    }

    fn tell(&mut self, event: Event) {
        self.controller.handle(event, self.now);
        self.collect();
    }

    fn tick(&mut self) {
        self.controller.handle_timeout(self.now);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(command) = self.controller.poll_command() {
            match command {
                Command::Publish(snapshot) => {
                    assert!(snapshot.number > self.snapshot.number, "numbers only grow");
                    self.snapshot = snapshot;
                }
                Command::Probe {
                    ticket, endpoint, ..
                } => self.probes.push((ticket, endpoint)),
                Command::Move { count, cause, .. } => self.moves.push((count, cause)),
                Command::Close { count, cause, .. } => self.closes.push((count, cause)),
                Command::Tell { drain, .. } => self.tells.push(drain),
                Command::Report(report) => self.reports.push(report.what),
            }
        }
    }

    /// Lets time pass; every timer is served in its turn.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.controller.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.tick();
        }
        self.now = end;
    }

    /// The same, while endpoints answer their probes so.
    fn pass_probing(&mut self, span: Duration, answer: impl Fn(&str) -> Result<Readiness, String>) {
        let end = self.now + span;
        loop {
            for (ticket, endpoint) in std::mem::take(&mut self.probes) {
                self.tell(Event::Probed {
                    ticket,
                    cluster: name("c"),
                    result: answer(endpoint.as_str()),
                    endpoint,
                });
            }
            let Some(due) = self.controller.poll_timeout().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            self.tick();
        }
        self.now = end;
    }

    fn discover(&mut self, members: Vec<Member>) {
        self.tell(Event::Discovered {
            cluster: name("c"),
            members,
        });
    }

    fn outcome(&mut self, endpoint: &str, kind: Kind) {
        let (cluster, endpoint) = (name("c"), id(endpoint));
        self.tell(Event::Outcome(Outcome {
            cluster,
            endpoint,
            kind,
        }));
    }

    fn admin(&mut self, endpoint: &str, admin: Admin) {
        self.tell(Event::Admin {
            cluster: name("c"),
            endpoint: id(endpoint),
            admin,
        });
    }

    fn at(&self, endpoint: &str) -> &Arc<Endpoint> {
        self.snapshot
            .endpoint(&name("c"), &id(endpoint))
            .expect("it is in the snapshot")
    }

    fn health(&self, endpoint: &str) -> Health {
        self.at(endpoint).health
    }

    fn connect(&self, endpoint: &str, count: usize) -> Vec<Open> {
        (0..count)
            .map(|_| self.at(endpoint).load.open(Relay::WebSocket))
            .collect()
    }
}

fn probed(settings: &mut ClusterSettings) {
    settings.probes.push(ProbeSettings::new(ProbeKind::Tcp));
}

fn contract(settings: &mut ClusterSettings) {
    settings.handoff.contract = Contract::Required;
}

fn ready() -> Result<Readiness, String> {
    Ok(Readiness::default())
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_answer_of_a_probe_is_believed_and_three_failures_end_it() {
    let mut play = Play::new("ab", probed);
    assert_eq!(
        (play.health("a"), play.health("b")),
        (Health::Untried, Health::Untried)
    );
    let only_a = |e: &str| {
        if e == "a" {
            ready()
        } else {
            Err("refused".to_owned())
        }
    };
    play.pass_probing(Duration::ZERO, only_a);
    assert_eq!(
        (play.health("a"), play.health("b")),
        (Health::Up, Health::Down)
    );
    play.pass_probing(3 * SECOND, |_| ready());
    assert_eq!(
        play.health("b"),
        Health::Up,
        "two passes, the second asked for early"
    );
    play.pass_probing(4 * SECOND, |_| Err("refused".to_owned()));
    assert_eq!(
        (play.health("a"), play.health("b")),
        (Health::Down, Health::Down)
    );
    let why = |what: &What| matches!(what, What::Health { why, .. } if why == "refused");
    assert!(play.reports.iter().any(why), "{:?}", play.reports);
}

#[test]
fn a_probe_nobody_answers_counts_as_failed() {
    let mut play = Play::new("a", probed);
    play.pass(3 * SECOND);
    assert_eq!(play.health("a"), Health::Down);
}

#[test]
fn a_stale_answer_is_not_listened_to() {
    let mut play = Play::new("a", probed);
    let (ticket, endpoint) = play.probes[0].clone();
    play.pass_probing(Duration::ZERO, |_| ready());
    let result = Err("too late".to_owned());
    for _ in 0..5 {
        let (endpoint, result) = (endpoint.clone(), result.clone());
        play.tell(Event::Probed {
            ticket,
            cluster: name("c"),
            endpoint,
            result,
        });
    }
    assert_eq!(play.health("a"), Health::Up);
}

#[test]
fn connections_of_a_dead_contract_endpoint_move_at_once() {
    for (keeps, expected) in [(true, vec![(Count::All, Cause::Dead)]), (false, vec![])] {
        let mut play = Play::new("ab", |s| {
            probed(s);
            s.handoff.contract = if keeps {
                Contract::Required
            } else {
                Contract::Off
            };
        });
        play.pass_probing(SECOND, |_| ready());
        let _open = play.connect("a", 3);
        play.pass_probing(
            5 * SECOND,
            |e| if e == "b" { ready() } else { Err("x".into()) },
        );
        assert_eq!(play.health("a"), Health::Down);
        let first = play.moves.first().copied();
        assert_eq!(Vec::from_iter(first), expected);
        play.moves.clear();
        play.pass_probing(
            2 * SECOND,
            |e| {
                if e == "b" { ready() } else { Err("x".into()) }
            },
        );
        let again = play.moves.first().copied();
        let why = "one may have come by a dial that was answered just before";
        assert_eq!(Vec::from_iter(again), expected, "{why}");
        assert!(play.closes.is_empty());
    }
}

#[test]
fn bad_service_takes_out_no_more_than_the_share() {
    let mut play = Play::new("abc", |_| {});
    for endpoint in ["a", "b", "c"] {
        for _ in 0..5 {
            play.outcome(endpoint, Kind::Answered { status: 502 });
        }
    }
    let all = [play.health("a"), play.health("b"), play.health("c")];
    assert_eq!(
        all,
        [Health::Ejected, Health::Up, Health::Up],
        "half of three is one"
    );
    assert_eq!(
        play.reports
            .iter()
            .filter(|what| **what == What::Spared)
            .count(),
        2
    );
    play.discover(members("a"));
    assert_eq!(play.health("a"), Health::Up, "half of one is nobody");
}

#[test]
fn who_was_taken_out_comes_back() {
    let mut play = Play::new("ab", |_| {});
    for _ in 0..5 {
        play.outcome("a", Kind::DialFailed);
    }
    assert_eq!(play.health("a"), Health::Ejected);
    play.pass(9 * SECOND);
    assert_eq!(play.health("a"), Health::Ejected);
    play.pass(SECOND);
    assert_eq!(play.health("a"), Health::Up);
}

#[test]
fn probes_that_pass_again_bring_back_at_once_who_was_taken_out() {
    let mut play = Play::new("ab", probed);
    play.pass_probing(SECOND, |_| ready());
    for _ in 0..5 {
        play.outcome("a", Kind::DialFailed);
    }
    play.pass_probing(SECOND, |_| ready());
    let passes_as_before = play.health("a");
    assert_eq!(
        passes_as_before,
        Health::Ejected,
        "probes saw nothing of it"
    );
    let refuses = |endpoint: &str| match endpoint {
        "a" => Err("refused".to_owned()),
        _ => ready(),
    };
    play.pass_probing(4 * SECOND, refuses);
    assert_eq!(play.health("a"), Health::Down);
    play.pass_probing(3 * SECOND, |_| ready());
    assert_eq!(play.health("a"), Health::Up, "it was away: this is another");
}

#[test]
fn a_failed_dial_brings_the_next_probe_forward() {
    let mut play = Play::new("a", probed);
    play.pass_probing(600 * SECOND / 1000, |_| ready());
    assert!(
        play.probes.is_empty(),
        "the next is due in about two seconds"
    );
    play.outcome("a", Kind::DialFailed);
    play.tick();
    assert_eq!(play.probes.len(), 1);
}

#[test]
fn an_endpoint_keeps_state_and_health_over_address_weight_and_absence() {
    let mut play = Play::new("ab", probed);
    play.pass_probing(SECOND, |_| ready());
    play.admin("a", Admin::Maint);
    let load = play.at("a").load.clone();
    play.discover(vec![
        Member {
            weight: 7,
            ..member("a", 99)
        },
        member("b", 2),
    ]);
    let known = |e: &Endpoint| (e.admin, e.health, e.weight, e.address.port());
    assert_eq!(known(play.at("a")), (Admin::Maint, Health::Up, 7, 99));
    assert!(Arc::ptr_eq(&play.at("a").load, &load));
    play.discover(vec![member("b", 2)]);
    assert!(play.snapshot.endpoint(&name("c"), &id("a")).is_none());
    play.pass_probing(60 * SECOND, |_| ready());
    play.discover(members("ab"));
    assert_eq!(known(play.at("a")), (Admin::Maint, Health::Up, 1, 1));
    play.discover(vec![member("b", 2)]);
    play.pass_probing(700 * SECOND, |_| ready());
    play.discover(members("ab"));
    assert_eq!(
        play.at("a").admin,
        Admin::Ready,
        "after ten minutes it is a stranger"
    );
}

#[test]
fn a_late_joiner_starts_slowly_and_a_founder_does_not() {
    let mut play = Play::new("ab", probed);
    play.pass_probing(5 * SECOND, |_| ready());
    play.discover(members("abc"));
    assert_eq!(play.health("c"), Health::Untried);
    play.pass_probing(SECOND, |_| ready());
    assert_eq!(play.at("a").fit_since, None);
    assert!(play.at("c").fit_since.is_some());
    play.pass_probing(5 * SECOND, |_| Err("down".to_owned()));
    play.pass_probing(5 * SECOND, |_| ready());
    assert!(
        play.at("a").fit_since.is_some(),
        "who comes back starts slowly too"
    );
}

#[test]
fn a_cluster_fails_open_below_its_share() {
    let mut play = Play::new("abc", |s| {
        probed(s);
        s.fail_open = Percent::HALF;
    });
    let open = |play: &Play| {
        play.snapshot
            .cluster(&name("c"))
            .expect("there")
            .failing_open
    };
    let fit = |fit: &'static str| {
        move |e: &str| {
            if fit.contains(e) {
                ready()
            } else {
                Err("down".to_owned())
            }
        }
    };
    play.pass_probing(5 * SECOND, fit("ab"));
    assert!(!open(&play));
    play.pass_probing(5 * SECOND, fit("a"));
    assert!(open(&play));
    play.pass_probing(5 * SECOND, fit("abc"));
    assert!(!open(&play));
    let changes = [What::FailingOpen(true), What::FailingOpen(false)];
    assert!(changes.iter().all(|change| play.reports.contains(change)));
}

#[test]
fn the_contract_is_learnt_from_the_first_answer_that_keeps_it() {
    let mut play = Play::new("a", |_| {});
    assert!(!play.at("a").contract);
    play.outcome("a", Kind::Contract { kept: false });
    assert!(!play.at("a").contract);
    play.outcome("a", Kind::Contract { kept: true });
    assert!(play.at("a").contract);
    let mut off = Play::new("a", |s| s.handoff.contract = Contract::Off);
    off.outcome("a", Kind::Contract { kept: true });
    assert!(!off.at("a").contract);
}

#[test]
fn a_reload_keeps_endpoints_and_what_is_known_of_them() {
    let mut play = Play::new("ab", probed);
    play.pass_probing(SECOND, |_| ready());
    play.admin("b", Admin::Drain);
    let number = play.snapshot.number;
    let mut settings = ClusterSettings::new(name("c"));
    probed(&mut settings);
    settings.sessions_max = Some(3);
    let other = ClusterSettings::new(name("d"));
    play.tell(Event::Reload(Config {
        clusters: vec![settings, other],
        ..Config::default()
    }));
    assert_eq!(play.snapshot.number, number + 1);
    assert_eq!(
        (play.health("a"), play.at("a").sessions_max),
        (Health::Up, Some(3))
    );
    assert_eq!(play.at("b").admin, Admin::Drain);
    assert!(
        play.snapshot
            .cluster(&name("d"))
            .expect("new")
            .endpoints()
            .is_empty()
    );
}

#[test]
fn what_changes_nothing_publishes_nothing() {
    let mut play = Play::new("ab", probed);
    play.pass_probing(SECOND, |_| ready());
    let snapshot = play.snapshot.clone();
    play.discover(members("ab"));
    play.outcome("a", Kind::Answered { status: 200 });
    play.pass_probing(30 * SECOND, |_| ready());
    play.tell(Event::Admin {
        cluster: name("x"),
        endpoint: id("a"),
        admin: Admin::Drain,
    });
    play.admin("nobody", Admin::Drain);
    assert!(Arc::ptr_eq(&play.snapshot, &snapshot));
}

#[test]
fn people_see_every_answer_of_a_check_without_a_new_snapshot() {
    let mut play = Play::new("a", probed);
    play.pass_probing(Duration::ZERO, |_| ready());
    let number = play.snapshot.number;
    play.pass_probing(7 * SECOND, |_| ready());
    assert_eq!(play.snapshot.number, number);
    let streak = play.at("a").checks[0].streak().expect("it was asked");
    assert!(streak.passing && streak.last.is_ok());
    assert!((4..=5).contains(&streak.length), "{streak:?}");
    assert_eq!(streak.since, Instant::START);
    play.pass_probing(2 * SECOND, |_| Err("refused".to_owned()));
    let streak = play.at("a").checks[0].streak().expect("it was asked");
    assert_eq!(streak.last, Err("refused".to_owned()));
    assert!(streak.since > Instant::START);
}
