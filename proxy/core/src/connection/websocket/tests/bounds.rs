//! Messages too large to hold, buffers that are full, time that is up, endpoints without contract.

use holdfast_wire::websocket::{CloseCode, ControlFrame, Opcode, encode_data};

use super::super::super::stage::{masked, note, plain, terms};
use super::super::super::{Answer, Cause, Ending, Lost, Order};
use super::{MASK, Play, SECOND, close, told};

#[test]
fn a_large_message_cut_on_its_way_to_the_client_ends_the_connection() {
    let mut play = Play::attached();
    let large = plain(&"x".repeat(200_000));
    play.hears(&large[..100_000]);
    assert!(play.client.len() > 60_000, "it streams through");
    play.crash();
    play.settle();
    assert_eq!(
        play.ended,
        Some(Ending::Lost(Lost::Torn)),
        "no Close fits inside a frame"
    );
    assert_eq!(play.socket.moving(), Some(Cause::Crash));
}

#[test]
fn a_large_message_cut_between_its_fragments_is_followed_by_a_close() {
    let mut play = Play::attached();
    let mut fragment = Vec::new();
    encode_data(&mut fragment, Opcode::Text, false, &[b'x'; 70_000], None);
    play.hears(&fragment);
    play.crash();
    play.settle();
    assert!(play.client.ends_with(&{
        let text = Ending::Lost(Lost::Torn).as_str();
        ControlFrame::close(CloseCode::RESTART, text, None)
            .as_ref()
            .to_vec()
    }));
}

#[test]
fn a_large_message_of_the_client_is_not_cut_by_a_planned_move() {
    let mut play = Play::attached();
    let large = masked(&"x".repeat(300_000));
    play.says(&large[..100_000]);
    play.order(Order::Move(Cause::Admin));
    play.says(&large[100_000..]);
    assert!(play.endpoint == large, "the whole message and nothing else");
    play.hears(&note("hf1:accepted=1"));
    assert_eq!(told(&play.endpoint)[1..], ["close 1012"]);
}

#[test]
fn a_large_message_of_the_client_that_nobody_accepted_cannot_be_said_again() {
    let mut play = Play::attached();
    play.says(&masked(&"x".repeat(300_000)));
    play.crash();
    play.dialled("a");
    play.answer(Answer::Taken(terms(0)));
    play.says(&close(1012, MASK));
    assert_eq!(play.ended, Some(Ending::Lost(Lost::Torn)));
}

#[test]
fn a_large_message_of_the_client_that_was_accepted_needs_no_repair() {
    let mut play = Play::attached();
    play.says(&[masked(&"x".repeat(300_000)), masked("next")].concat());
    play.crash();
    play.dialled("a");
    play.answer(Answer::Taken(terms(1)));
    assert_eq!(told(&play.endpoint), ["next"]);
}

#[test]
fn at_the_bound_the_client_is_not_read_and_not_timed_out() {
    let mut play = Play::attached();
    let message = masked(&"x".repeat(60_000));
    let mut sent = 0;
    while play.socket.wants_downstream() {
        play.says(&message);
        sent += 1;
    }
    assert_eq!(sent, 5, "a quarter of a megabyte");
    for _ in 0..120 {
        play.pass(SECOND);
    }
    assert_eq!(play.ended, None);
    play.hears(&note("hf1:accepted=1"));
    assert!(play.socket.wants_downstream());
}

#[test]
fn nobody_takes_it_before_the_deadline() {
    let mut play = Play::attached();
    for name in ["a", "b", "c"] {
        play.world.down(name);
    }
    play.crash();
    assert!(play.dial().is_none());
    let start = play.world.now;
    while told(&play.client).is_empty() {
        let due = play.socket.poll_timeout().expect("every wait ends");
        play.world.now = play.world.now.max(due);
        play.socket.handle_timeout(play.world.now);
        while play.settle() {
            assert!(
                play.socket
                    .place(&play.world.snapshot, play.world.now)
                    .is_none()
            );
        }
    }
    assert_eq!(play.world.now.since(start), 10 * SECOND);
    assert_eq!(told(&play.client), ["close 1012"]);
}

#[test]
fn with_nowhere_else_to_go_it_comes_back() {
    let mut play = Play::attached();
    play.world.down("b");
    play.world.down("c");
    play.world.drain("a");
    play.order(Order::Move(Cause::Drain));
    play.hears(&close(1000, None));
    assert_eq!(
        play.dialled("a").moved_from,
        [],
        "not named when going back to it"
    );
    play.answer(Answer::Taken(terms(0)));
    assert_eq!(play.moves[0].from, play.moves[0].to);
}

#[test]
fn an_opaque_connection_is_told_to_leave_at_the_end_of_a_message() {
    let mut play = Play::opaque();
    let message = plain("half and half");
    play.hears(&message[..6]);
    play.order(Order::Move(Cause::Drain));
    assert_eq!(
        play.client.len(),
        6,
        "nothing is held back, nothing is put inside a frame"
    );
    play.hears(&message[6..]);
    assert_eq!(told(&play.client), ["half and half", "close 1012"]);
    play.says(&close(1012, MASK));
    assert_eq!(
        told(&play.endpoint),
        ["close 1012"],
        "its endpoint learns it from the client"
    );
    assert_eq!(play.ended, Some(Ending::Drained));
}

#[test]
fn an_opaque_endpoint_that_dies_takes_the_connection_with_it() {
    let mut play = Play::opaque();
    play.hears(&plain("last"));
    play.crash();
    play.settle();
    assert_eq!(told(&play.client), ["last"]);
    assert_eq!(play.ended, Some(Ending::EndpointGone));
}
