//! Plays about endpoints that leave: who tells whom, who moves when, how it ends.

use super::*;

#[test]
fn a_contract_endpoint_is_told_to_drain_and_emptied_by_moves() {
    let mut play = Play::new("ab", contract);
    let mut open = play.connect("a", 200);
    play.admin("a", Admin::Drain);
    play.pass(Duration::ZERO);
    assert_eq!(play.tells, [true]);
    for _ in 0..40 {
        play.pass(Duration::from_millis(100));
        for (count, cause) in std::mem::take(&mut play.moves) {
            assert_eq!(cause, Cause::Drain);
            let Count::AtMost(n) = count else {
                panic!("a planned move is paced")
            };
            open.truncate(open.len().saturating_sub(n as usize));
        }
    }
    assert!(
        open.len() <= 12,
        "{} left after four seconds at fifty a second",
        open.len()
    );
    play.pass(SECOND);
    drop(open);
    play.pass(SECOND);
    assert!(play.at("a").drained);
    assert!(play.closes.is_empty());
    let drained = |what: &What| matches!(what, What::Drained { left: 0, .. });
    assert_eq!(play.reports.iter().filter(|what| drained(what)).count(), 1);
    play.admin("a", Admin::Ready);
    assert_eq!(
        (play.at("a").admin, play.at("a").drained),
        (Admin::Ready, false)
    );
}

#[test]
fn nobody_moves_while_there_is_nowhere_to_go_and_all_do_when_there_is() {
    let mut play = Play::new("ab", |s| {
        contract(s);
        probed(s);
    });
    let only_a = |e: &str| {
        if e == "a" {
            ready()
        } else {
            Err("refused".to_owned())
        }
    };
    play.pass_probing(6 * SECOND, only_a);
    let _open = play.connect("a", 5);
    play.admin("a", Admin::Drain);
    play.pass_probing(3 * SECOND, only_a);
    assert!(play.moves.is_empty());
    assert!(!play.at("a").drained);
    play.pass_probing(4 * SECOND, |_| ready());
    assert!(!play.moves.is_empty());
}

#[test]
fn a_drain_ends_by_its_deadline_whatever_happens() {
    for keeps in [Contract::Required, Contract::Off] {
        let mut play = Play::new("a", |s| s.handoff.contract = keeps);
        let _stubborn = play.connect("a", 5);
        play.admin("a", Admin::Drain);
        play.pass(29 * SECOND);
        assert!(!play.at("a").drained);
        play.pass(SECOND);
        assert!(play.at("a").drained, "{keeps:?}");
        assert_eq!(play.closes.last(), Some(&(Count::All, Cause::Deadline)));
        assert_eq!(
            play.controller.poll_timeout(),
            None,
            "nothing is left to be done"
        );
    }
}

#[test]
fn an_opaque_endpoint_keeps_unseen_clients_until_the_deadline() {
    let mut play = Play::new("ab", |s| {
        s.affinity = Some(crate::decide::tests::cookie_policy());
        s.handoff.contract = Contract::Off;
    });
    play.admin("a", Admin::Drain);
    play.pass(10 * SECOND);
    assert!(
        !play.at("a").drained,
        "its clients may be between two requests"
    );
    assert!(play.tells.is_empty(), "it would not understand");
    play.pass(20 * SECOND);
    assert!(play.at("a").drained);
}

#[test]
fn an_endpoint_drains_by_its_own_word() {
    let mut play = Play::new("ab", |s| {
        contract(s);
        probed(s);
    });
    play.pass_probing(SECOND, |_| ready());
    let _open = play.connect("a", 2);
    let leaving = |e: &str| {
        let state = if e == "a" {
            ReadinessState::Draining
        } else {
            ReadinessState::Ready
        };
        Ok(Readiness {
            state,
            sessions: Some(8),
        })
    };
    play.pass_probing(3 * SECOND, leaving);
    assert_eq!(
        (play.at("a").admin, play.health("a")),
        (Admin::Drain, Health::Up)
    );
    assert_eq!(play.at("b").load.sessions(), 8);
    assert!(!play.moves.is_empty());
    assert!(play.tells.is_empty(), "it knows");
    play.pass_probing(3 * SECOND, |_| ready());
    assert_eq!(play.at("a").admin, Admin::Ready);
}

#[test]
fn ready_at_another_proxy_ends_a_drain_that_the_endpoint_knows_of() {
    let mut play = Play::new("ab", |s| {
        contract(s);
        probed(s);
    });
    play.pass_probing(SECOND, |_| ready());
    play.admin("a", Admin::Drain);
    play.tick();
    let told = Event::Told {
        cluster: name("c"),
        endpoint: id("a"),
        drain: true,
        heard: Heard::Yes,
    };
    play.tell(told);
    let says = |state| {
        move |_: &str| {
            Ok(Readiness {
                state,
                sessions: None,
            })
        }
    };
    play.pass_probing(SECOND, |_| ready());
    assert_eq!(
        play.at("a").admin,
        Admin::Drain,
        "its answer was under way before it heard"
    );
    play.pass_probing(5 * SECOND, says(ReadinessState::Draining));
    assert_eq!(play.at("a").admin, Admin::Drain);
    play.pass_probing(5 * SECOND, |_| ready());
    assert_eq!(play.at("a").admin, Admin::Ready);
}

#[test]
fn telling_is_tried_again_and_given_up() {
    let mut play = Play::new("ab", contract);
    play.admin("a", Admin::Drain);
    for _ in 0..10 {
        play.pass(3 * SECOND);
        let heard = Heard::NotNow;
        play.tell(Event::Told {
            cluster: name("c"),
            endpoint: id("a"),
            drain: true,
            heard,
        });
    }
    assert_eq!(play.tells, [true; 5]);
    assert_eq!(
        play.reports
            .iter()
            .filter(|what| **what == What::Untold)
            .count(),
        1
    );
    assert_eq!(
        play.at("a").admin,
        Admin::Drain,
        "this proxy drains it alone"
    );
}

#[test]
fn an_endpoint_that_has_not_spoken_to_this_proxy_is_told_all_the_same() {
    let mut play = Play::new("ab", |s| s.handoff.contract = Contract::Auto);
    assert!(!play.at("a").contract);
    play.admin("a", Admin::Drain);
    play.pass(SECOND);
    assert_eq!(
        play.tells,
        [true],
        "else other proxies would not hear of it"
    );
}

#[test]
fn who_is_gone_is_not_told_until_it_is_back() {
    let mut play = Play::new("ab", contract);
    play.admin("a", Admin::Drain);
    play.discover(vec![member("b", 2)]);
    play.pass(40 * SECOND);
    assert!(play.tells.is_empty());
    play.discover(members("ab"));
    play.pass(SECOND);
    assert_eq!(play.tells, [true]);
}

#[test]
fn connections_of_an_endpoint_that_is_gone_move_like_in_a_drain() {
    let mut play = Play::new("ab", contract);
    let open = play.connect("a", 3);
    play.discover(vec![member("b", 2)]);
    play.pass(SECOND);
    assert!(play.moves.iter().all(|(_, cause)| *cause == Cause::Gone) && !play.moves.is_empty());
    drop(open);
    play.discover(members("ab"));
    assert_eq!(
        (play.at("a").admin, play.at("a").drained),
        (Admin::Ready, false)
    );
}

#[test]
fn an_endpoint_that_sends_away_its_own_makes_us_ask_those_who_are_believed_to_drain() {
    for doubt in [Kind::NotTaken, Kind::Missed, Kind::Answered { status: 421 }] {
        let mut play = Play::new("abc", |s| {
            contract(s);
            probed(s);
        });
        let draining = |_: &str| {
            Ok(Readiness {
                state: ReadinessState::Draining,
                sessions: None,
            })
        };
        play.pass_probing(SECOND, draining);
        assert_eq!(play.at("b").admin, Admin::Drain);
        let asked = play.probes.len();
        play.outcome("a", doubt);
        // Half a second is a quarter of the interval: no flood of refusals makes it less.
        play.pass(Duration::from_millis(1));
        let mut again: Vec<_> = play.probes[asked..]
            .iter()
            .map(|(_, endpoint)| endpoint.clone())
            .collect();
        again.sort();
        assert_eq!(again, [id("a"), id("b"), id("c")], "{doubt:?}");
        play.pass_probing(Duration::ZERO, |_| ready());
        assert_eq!(play.at("b").admin, Admin::Ready, "{doubt:?}");
    }
}
