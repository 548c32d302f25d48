//! Plays with one event stream.

use std::time::Duration;

use super::super::stage::{World, id, terms};
use super::super::{Answer, Cause, Command, Ending, EventStream, Lost, Order, Placed};
use crate::cluster::Contract;

struct Play {
    world: World,
    stream: EventStream,
    client: String,
    moves: Vec<Cause>,
    ended: Option<Ending>,
}

impl Play {
    fn attached(contract: Contract) -> Self {
        let world = World::new(contract);
        let stream = EventStream::open(world.opening("a"), world.now);
        let mut play = Self {
            world,
            stream,
            client: String::new(),
            moves: Vec::new(),
            ended: None,
        };
        play.dial().expect("the first endpoint");
        play.answer(Answer::Taken(terms(0)));
        play
    }

    fn settle(&mut self) -> bool {
        loop {
            match self.stream.poll_command() {
                Some(Command::Dial) => return true,
                Some(Command::End(ending)) => self.ended = Some(ending),
                Some(Command::Report(moved)) => self.moves.push(moved.cause),
                Some(_) => {}
                None => {
                    let bytes = self.stream.to_downstream().to_vec();
                    if bytes.is_empty() {
                        return false;
                    }
                    self.client
                        .push_str(&String::from_utf8(bytes.clone()).expect("text"));
                    self.stream.downstream_written(bytes.len(), self.world.now);
                }
            }
        }
    }

    fn dial(&mut self) -> Option<Placed> {
        assert!(self.settle(), "a dial is wanted");
        self.stream.place(&self.world.snapshot, self.world.now)
    }

    fn answer(&mut self, answer: Answer) {
        self.stream.handle_answer(answer, self.world.now);
        if !self.stream.commands.contains(&Command::Dial) {
            self.settle();
        }
    }

    fn hears(&mut self, text: &str) {
        self.stream.handle_upstream(text.as_bytes(), self.world.now);
        if !self.stream.commands.contains(&Command::Dial) {
            self.settle();
        }
    }
}

#[test]
fn half_an_event_is_dropped_and_the_next_leg_goes_on_behind_the_last_whole_one() {
    let mut play = Play::attached(Contract::Auto);
    play.hears("id: e.1\ndata: uno\n\n: beat\nid: e.2\ndata: du");
    play.world.down("a");
    play.stream.handle_upstream_end(false, play.world.now);
    let placed = play.dial().expect("somebody");
    assert_eq!(
        placed.last_event_id.map(|id| id.to_string()).as_deref(),
        Some("e.1")
    );
    assert_eq!(placed.moved_from, [id("a")]);
    play.answer(Answer::Taken(terms(0)));
    play.hears("id: e.2\ndata: due\n\n");
    assert_eq!(
        play.client,
        "id: e.1\ndata: uno\n\n: beat\nid: e.2\ndata: due\n\n"
    );
}

#[test]
fn before_the_first_event_the_next_leg_starts_where_the_last_one_did() {
    let mut play = Play::attached(Contract::Auto);
    play.stream.handle_upstream_end(true, play.world.now);
    let placed = play.dial().expect("somebody");
    assert_eq!(
        placed.endpoint.id,
        id("a"),
        "an end and a cut are the same: once more"
    );
    assert_eq!(
        placed.last_event_id.map(|id| id.to_string()).as_deref(),
        Some("e.0")
    );
    play.answer(Answer::Finished);
    assert_eq!(play.ended, Some(Ending::Finished));
    assert_eq!(
        play.client, "",
        "a stream that is over is not to be asked for again"
    );
}

#[test]
fn a_stream_that_is_ended_moves_by_the_endpoint_s_wish_and_one_that_is_cut_by_a_crash() {
    let mut play = Play::attached(Contract::Auto);
    for (complete, cause) in [(true, Cause::Wish), (false, Cause::Crash)] {
        play.stream.handle_upstream_end(complete, play.world.now);
        play.dial().expect("somebody");
        play.answer(Answer::Taken(terms(0)));
        assert_eq!(play.moves.pop(), Some(cause), "complete: {complete}");
        play.hears("id: e.1\ndata: uno\n\n");
    }
}

#[test]
fn an_order_to_leave_an_owner_soon_after_a_421_is_not_kept() {
    let mut play = Play::attached(Contract::Auto);
    play.world.drain("c");
    play.world.down("a");
    play.stream.handle_upstream_end(false, play.world.now);
    play.dial().expect("somebody");
    play.answer(Answer::Elsewhere {
        owner: Some(id("c")),
        contract: true,
    });
    assert_eq!(play.dial().expect("the owner").endpoint.id, id("c"));
    play.answer(Answer::Taken(terms(0)));
    let order = Order::Move(Cause::Drain);
    play.stream.handle_order(order, play.world.now);
    let now = play.world.pass(Duration::from_secs(11));
    play.stream.handle_timeout(now);
    assert!(!play.settle(), "the drain may be over by now");
    play.stream.handle_order(order, play.world.now);
    play.dial().expect("who still wants it says so again");
}

#[test]
fn a_planned_move_takes_place_between_two_events() {
    let mut play = Play::attached(Contract::Auto);
    play.hears("id: e.1\ndata: uno\n\nid: e.2\nda");
    play.world.drain("a");
    play.stream
        .handle_order(Order::Move(Cause::Drain), play.world.now);
    assert_ne!(play.dial().expect("somebody").endpoint.id, id("a"));
    assert_eq!(play.client, "id: e.1\ndata: uno\n\n");
}

#[test]
fn an_event_too_large_to_hold_is_not_cut_by_a_planned_move_but_torn_by_a_crash() {
    let large = "x".repeat(100_000);
    let mut play = Play::attached(Contract::Auto);
    play.hears(&format!("data: {large}"));
    play.stream
        .handle_order(Order::Move(Cause::Admin), play.world.now);
    assert!(!play.settle(), "it waits for the end of the event");
    play.hears("\n\n");
    play.dial().expect("somebody");
    play.answer(Answer::Taken(terms(0)));
    assert!(play.client.ends_with("x\n\n"));
    play.hears(&format!("data: {large}"));
    play.stream.handle_upstream_end(false, play.world.now);
    play.settle();
    assert_eq!(play.ended, Some(Ending::Lost(Lost::Torn)));
    assert!(
        !play.client.contains("retry"),
        "nothing fits inside an event"
    );
}

#[test]
fn a_stream_that_nobody_takes_ends_with_the_time_to_come_back() {
    let mut play = Play::attached(Contract::Auto);
    for name in ["a", "b", "c"] {
        play.world.down(name);
    }
    play.stream.handle_upstream_end(false, play.world.now);
    assert!(play.dial().is_none());
    while play.ended.is_none() {
        let due = play.stream.poll_timeout().expect("every wait ends");
        play.world.now = play.world.now.max(due);
        play.stream.handle_timeout(play.world.now);
        while play.settle() {
            assert!(
                play.stream
                    .place(&play.world.snapshot, play.world.now)
                    .is_none()
            );
        }
    }
    assert_eq!(play.world.now.since_start(), Duration::from_secs(10));
    assert_eq!(play.ended, Some(Ending::Lost(Lost::Deadline)));
    assert_eq!(play.client, "retry: 1000\n\n");
}

#[test]
fn a_silent_stream_is_kept_open_with_comments() {
    let mut play = Play::attached(Contract::Auto);
    for _ in 0..3 {
        let now = play.world.pass(Duration::from_secs(25));
        play.stream.handle_timeout(now);
        play.settle();
    }
    assert_eq!(play.client, ":\n\n:\n\n:\n\n");
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let mut play = Play::attached(Contract::Auto);
    play.stream
        .handle_upstream(b"data: one\n\n", play.world.now);
    let now = play.world.pass(Duration::from_secs(30));
    play.stream.handle_timeout(now);
    while let Some(command) = play.stream.poll_command() {
        if let Command::End(ending) = command {
            play.ended = Some(ending);
        }
    }
    assert_eq!(play.ended, Some(Ending::ClientSlow));
}

#[test]
fn what_streams_hold_is_bounded_for_all_of_them_together() {
    let mut play = Play::attached(Contract::Auto);
    let holdings = play.world.holdings.clone();
    play.stream
        .handle_upstream(&[b'x'; 20_000][..], play.world.now);
    assert!(holdings.bytes() >= 16 << 10, "an event that is not whole");
    play.hears("\n\n");
    assert_eq!(holdings.bytes(), 0);
    play.stream.handle_upstream_end(false, play.world.now);
    assert_eq!(holdings.parked(), 1);
    play.dial().expect("somebody");
    play.answer(Answer::Taken(terms(0)));
    assert_eq!(holdings.parked(), 0);
}
