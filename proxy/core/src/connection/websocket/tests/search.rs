//! Who is dialled, in which order, and when the search is over.

use super::super::super::stage::{id, terms};
use super::super::super::{Answer, Cause, Ending, Lost, Order, Terms};
use super::{MASK, Play, SECOND, close, told};
use crate::cluster::Contract;

#[test]
fn an_endpoint_that_is_still_admitted_is_dialled_again_first_and_once() {
    let mut play = Play::attached();
    play.crash();
    let again = play.dialled("a");
    assert_eq!(again.moved_from, []);
    play.answer(Answer::Failed);
    let elsewhere = play.dial().expect("somebody");
    assert_ne!(elsewhere.endpoint.id, id("a"));
    assert_eq!(
        elsewhere.moved_from,
        [id("a")],
        "a failed dial makes it not admitted"
    );
    assert_eq!(elsewhere.attempt, 3);
}

#[test]
fn an_owner_is_followed_even_if_it_drains_and_an_order_to_leave_it_soon_is_not_kept() {
    let mut play = Play::attached();
    play.world.drain("c");
    play.world.down("a");
    play.crash();
    play.dialled("b");
    let owner = Some(id("c"));
    play.answer(Answer::Elsewhere {
        owner,
        contract: true,
    });
    play.dialled("c");
    play.answer(Answer::Taken(terms(0)));
    play.order(Order::Move(Cause::Drain));
    assert_eq!(told(&play.endpoint), [""; 0], "held");
    let until = play.socket.held_until().expect("it followed a 421");
    assert_eq!(until.since(play.world.now), 10 * SECOND);
    play.pass(11 * SECOND);
    assert_eq!(
        told(&play.endpoint),
        [""; 0],
        "the drain may be over by now: who still wants it says so again"
    );
    play.order(Order::Move(Cause::Drain));
    assert_eq!(told(&play.endpoint), ["close 1012"]);
}

#[test]
fn an_owner_that_is_unknown_is_named_as_not_admitted() {
    let mut play = Play::attached();
    play.crash();
    play.dialled("a");
    play.answer(Answer::Elsewhere {
        owner: Some(id("gone")),
        contract: true,
    });
    let placed = play.dial().expect("somebody");
    assert!(placed.moved_from.contains(&id("gone")));
}

#[test]
fn three_hops_are_followed_and_a_circle_ends_at_the_deadline() {
    let mut play = Play::attached();
    play.crash();
    let mut hops = 0;
    loop {
        while play.settle() {
            let Some(placed) = play.socket.place(&play.world.snapshot, play.world.now) else {
                continue;
            };
            hops += 1;
            let owner = if placed.endpoint.id == id("a") {
                "b"
            } else {
                "a"
            };
            play.answer(Answer::Elsewhere {
                owner: Some(id(owner)),
                contract: true,
            });
        }
        if play.ended.is_some() || told(&play.client).contains(&"close 1012".to_string()) {
            break;
        }
        let due = play.socket.poll_timeout().expect("every wait ends");
        play.world.now = play.world.now.max(due);
        play.socket.handle_timeout(play.world.now);
    }
    assert!(hops > 3 && hops < 200, "{hops}");
    assert!(play.world.now.since_start() <= 10 * SECOND);
    play.says(&close(1012, MASK));
    assert_eq!(play.ended, Some(Ending::Lost(Lost::Deadline)));
    assert_eq!(play.socket.moving(), Some(Cause::Crash), "counted as such");
}

#[test]
fn a_conflict_is_answered_with_a_higher_attempt_once() {
    let mut play = Play::attached();
    play.crash();
    play.dialled("a");
    play.answer(Answer::Conflict { seen: 7 });
    assert_eq!(play.dialled("a").attempt, 8);
    play.answer(Answer::Conflict { seen: 9 });
    assert_eq!(told(&play.client), ["close 1012"]);
    play.says(&close(1012, MASK));
    assert_eq!(play.ended, Some(Ending::Lost(Lost::Conflict)));
}

#[test]
fn endpoints_without_the_contract_are_left_and_if_nobody_has_it_all_is_lost() {
    let mut play = Play::attached();
    play.crash();
    let mut asked = Vec::new();
    while play.settle() {
        if let Some(placed) = play.socket.place(&play.world.snapshot, play.world.now) {
            asked.push(placed.endpoint.id.clone());
            play.answer(Answer::Taken(Terms::default()));
        }
    }
    asked.sort();
    assert_eq!(asked, [id("a"), id("b"), id("c")]);
    play.says(&close(1012, MASK));
    assert_eq!(play.ended, Some(Ending::Lost(Lost::Contract)));
}

#[test]
fn a_first_dial_that_fails_goes_elsewhere_and_names_the_failed_one() {
    let mut play = Play::opening(Contract::Auto, "a");
    play.dialled("a");
    play.answer(Answer::Failed);
    let second = play.dial().expect("somebody");
    assert_eq!(second.moved_from, [id("a")]);
    play.answer(Answer::Failed);
    play.dial().expect("the last one");
    play.answer(Answer::Failed);
    assert!(play.dial().is_none());
    play.settle();
    assert!(play.declined && !play.accepted);
}

#[test]
fn a_first_answer_that_is_final_is_passed_on() {
    for answer in [
        Answer::Refused(403),
        Answer::Unsuitable,
        Answer::Elsewhere {
            owner: None,
            contract: false,
        },
    ] {
        let mut play = Play::opening(Contract::Auto, "a");
        play.dialled("a");
        play.answer(answer);
        assert!(play.declined);
    }
}
