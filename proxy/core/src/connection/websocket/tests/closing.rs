//! Who may end a connection, and what the others hear of it.

use holdfast_wire::websocket::{CloseCode, ControlFrame};

use super::super::super::stage::{id, masked, note, plain, terms};
use super::super::super::{Answer, Cause, Command, Ending, Order};
use super::{MASK, Play, SECOND, close, told};

#[test]
fn final_answers_reach_the_client_as_close_codes() {
    for (status, code) in [(401, 4001), (403, 4003), (404, 4004), (410, 4010)] {
        let mut play = Play::attached();
        play.crash();
        play.dialled("a");
        play.answer(Answer::Refused(status));
        assert_eq!(told(&play.client), [format!("close {code}")]);
        play.says(&close(code, MASK));
        assert_eq!(play.ended, Some(Ending::Refused(status)));
    }
}

#[test]
fn the_endpoints_wish_moves_and_any_other_close_is_the_applications_word() {
    for code in [1012, 1001] {
        let mut play = Play::attached();
        play.hears(&close(code, None));
        let placed = play.dial().expect("somebody");
        assert_ne!(placed.endpoint.id, id("a"));
        assert_eq!(placed.moved_from, [], "it is still admitted");
        assert_eq!(told(&play.client), [""; 0]);
    }
    let mut play = Play::attached();
    play.hears(&close(4321, None));
    assert_eq!(told(&play.client), ["close 4321"]);
    play.says(&close(4321, MASK));
    assert_eq!(told(&play.endpoint), ["close 4321"]);
    assert_eq!(play.ended, Some(Ending::EndpointClosed(CloseCode(4321))));
}

#[test]
fn a_clients_close_wins_over_a_planned_move() {
    let mut play = Play::attached();
    play.says(&masked("one"));
    play.order(Order::Move(Cause::Admin));
    play.says(&[masked("two"), close(1000, MASK)].concat());
    assert_eq!(told(&play.endpoint), ["one", "two", "close 1000"]);
    play.hears(&[plain("due"), close(1000, None)].concat());
    assert_eq!(told(&play.client), ["due", "close 1000"]);
    assert_eq!(play.ended, Some(Ending::ClientClosed(CloseCode(1000))));
}

#[test]
fn a_clients_close_without_an_endpoint_is_answered_at_once_if_nothing_is_owed() {
    let mut play = Play::attached();
    play.crash();
    play.socket
        .handle_downstream(&close(1000, MASK), play.world.now);
    while play.socket.poll_command().is_some() {}
    assert_eq!(told(play.socket.to_downstream()), ["close 1000"]);
}

#[test]
fn a_clients_last_words_are_delivered_before_its_close() {
    let mut play = Play::attached();
    play.says(&masked("last"));
    play.world.down("a");
    play.crash();
    play.socket
        .handle_downstream(&close(1000, MASK), play.world.now);
    play.dial().expect("somebody");
    play.answer(Answer::Taken(terms(0)));
    assert_eq!(told(&play.endpoint), ["last", "close 1000"]);
    play.hears(&[note("hf1:accepted=1"), close(1000, None)].concat());
    assert_eq!(play.ended, Some(Ending::ClientClosed(CloseCode(1000))));
}

#[test]
fn a_silent_client_is_pinged_for_as_long_as_it_answers() {
    let mut play = Play::attached();
    for _ in 0..12 {
        play.client.clear();
        play.pass(25 * SECOND);
        assert_eq!(told(&play.client), ["ping"]);
        play.says(ControlFrame::pong(b"hf1:", MASK).expect("short").as_ref());
    }
    assert_eq!(
        told(&play.endpoint),
        [""; 0],
        "its Pongs are the edge's business"
    );
    play.pass(25 * SECOND);
    play.pass(25 * SECOND);
    assert_eq!(play.ended, Some(Ending::ClientSilent));
}

#[test]
fn a_proxy_that_leaves_waits_for_acceptance_before_it_says_so() {
    let mut play = Play::attached();
    play.says(&masked("one"));
    play.order(Order::Close);
    play.says(&masked("two"));
    assert_eq!(told(&play.client), [""; 0]);
    play.hears(&[plain("uno"), note("hf1:accepted=1")].concat());
    assert_eq!(told(&play.client), ["uno", "close 1012"]);
    play.says(&close(1012, MASK));
    assert_eq!(play.ended, Some(Ending::Drained));
}

#[test]
fn the_last_words_of_a_client_that_goes_away_during_a_move_are_delivered() {
    // While the old endpoint is still asked to accept, it stays there.
    let mut play = Play::attached();
    play.says(&masked("one"));
    play.order(Order::Move(Cause::Admin));
    play.says(&masked("last"));
    play.socket.handle_downstream_end(false, play.world.now);
    play.settle();
    assert_eq!(told(&play.endpoint), ["one", "last"]);
    assert!(play.socket.upstream_finished(), "and its FIN behind them");
    // While there is no endpoint, the next one gets them.
    let mut play = Play::attached();
    play.says(&masked("last"));
    play.crash();
    play.socket.handle_downstream_end(false, play.world.now);
    play.dialled("a");
    play.answer(Answer::Taken(terms(0)));
    assert_eq!(told(&play.endpoint), ["last"]);
    assert!(play.socket.upstream_finished());
    play.crash();
    play.settle();
    assert_eq!(play.ended, Some(Ending::ClientGone));
    // Without any there is nothing to wait for.
    let mut play = Play::attached();
    play.crash();
    play.socket.handle_downstream_end(false, play.world.now);
    assert!(
        play.socket
            .commands
            .contains(&Command::End(Ending::ClientGone))
    );
}
