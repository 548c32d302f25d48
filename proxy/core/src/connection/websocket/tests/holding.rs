//! What all connections hold together.

use std::sync::Arc;

use super::super::super::holdings::{Buffer, Holdings, QUANTUM};
use super::super::super::stage::{masked, note, plain};
use super::super::super::{Ending, Lost};
use super::{MASK, Play, close, told};

#[test]
fn while_all_hold_too_much_nobody_may_hold_more_than_a_little() {
    let holdings = Arc::new(Holdings::new(48 << 10, 10));
    let mut heavy = Play::attached_beside(holdings.clone());
    let mut other = Play::attached_beside(holdings.clone());
    heavy.says(&masked(&"x".repeat(60_000)));
    assert!(holdings.bytes() > 48 << 10);
    assert!(
        !heavy.socket.wants_downstream(),
        "its own bound is far away"
    );
    assert_eq!(holdings.full(Buffer::Unaccepted), 0);
    assert_eq!(holdings.full(Buffer::Process), 1);
    // Small messages still come and go.
    for n in 1..=100 {
        assert!(other.socket.wants_downstream());
        other.says(&masked("small"));
        other.hears(&note(&format!("hf1:accepted={n}")));
    }
    other.says(&masked(&"y".repeat(QUANTUM)));
    assert!(!other.socket.wants_downstream());
    assert_eq!(other.socket.read_max(), QUANTUM);
    let due = other.socket.poll_timeout().expect("it looks again");
    assert!(due.since(other.world.now).as_millis() <= 50);
    heavy.hears(&note("hf1:accepted=1"));
    assert_eq!(holdings.bytes(), QUANTUM, "what the other still holds");
    other.pass(due.since(other.world.now));
    assert!(other.socket.wants_downstream());
    drop((heavy, other));
    assert_eq!(holdings.bytes(), 0);
}

#[test]
fn a_message_that_there_is_no_room_for_passes_through_in_parts() {
    let holdings = Arc::new(Holdings::new(0, 10));
    let mut play = Play::attached_beside(holdings);
    let message = plain(&"x".repeat(2 * QUANTUM));
    play.hears(&message[..100]);
    assert_eq!(play.client.len(), 100, "it is not held until it is whole");
    play.hears(&message[100..]);
    assert_eq!(told(&play.client), ["x".repeat(2 * QUANTUM)]);
}

#[test]
fn a_reader_that_takes_nothing_is_counted_at_its_bound() {
    let holdings = Arc::new(Holdings::default());
    let mut play = Play::attached_beside(holdings.clone());
    let now = play.world.now;
    while play.socket.wants_upstream() {
        play.socket.handle_upstream(&plain(&"x".repeat(9_000)), now);
    }
    assert_eq!(holdings.full(Buffer::Downstream), 1);
    assert!(holdings.bytes() >= 64 << 10);
    play.settle();
    assert_eq!(holdings.bytes(), 0, "the client took it all");
    assert!(play.socket.wants_upstream());
}

#[test]
fn one_more_without_an_endpoint_than_may_be_is_closed_politely() {
    let holdings = Arc::new(Holdings::new(usize::MAX, 1));
    let mut first = Play::attached_beside(holdings.clone());
    let mut second = Play::attached_beside(holdings.clone());
    first.crash();
    assert_eq!(holdings.parked(), 1);
    second.crash();
    assert_eq!(told(&second.client), [""; 0]);
    second.settle();
    assert_eq!(told(&second.client), ["close 1012"]);
    second.says(&close(1012, MASK));
    assert_eq!(second.ended, Some(Ending::Lost(Lost::Crowded)));
    first.dialled("a");
    first.answer(super::Answer::Taken(super::terms(0)));
    assert_eq!(holdings.parked(), 0);
}
