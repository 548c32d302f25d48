//! Plays with one WebSocket.

mod bounds;
mod closing;
mod holding;
mod properties;
mod search;

use std::sync::Arc;
use std::time::Duration;

use holdfast_wire::websocket::{CloseCode, Control, ControlFrame, Scanner};

use super::super::stage::{World, id, masked, note, plain, terms};
use super::super::{
    Answer, Cause, Command, Ending, Holdings, Lost, Moved, Order, Placed, Terms, WebSocket,
};
use crate::cluster::Contract;

/// A connection, its world, and what its two ends have seen.
struct Play {
    world: World,
    socket: WebSocket,
    client: Vec<u8>,
    endpoint: Vec<u8>,
    moves: Vec<Moved>,
    ended: Option<Ending>,
    accepted: bool,
    declined: bool,
}

impl Play {
    fn opening(contract: Contract, at: &str) -> Self {
        Self::beside(Arc::default(), contract, at)
    }

    /// The same beside others that hold something.
    fn beside(holdings: Arc<Holdings>, contract: Contract, at: &str) -> Self {
        let mut world = World::new(contract);
        world.holdings = holdings;
        let socket = WebSocket::open(world.opening(at), world.now);
        Self {
            world,
            socket,
            client: Vec::new(),
            endpoint: Vec::new(),
            moves: Vec::new(),
            ended: None,
            accepted: false,
            declined: false,
        }
    }

    /// Connected to `a`, which keeps the contract.
    fn attached() -> Self {
        Self::attached_beside(Arc::default())
    }

    fn attached_beside(holdings: Arc<Holdings>) -> Self {
        let mut play = Self::beside(holdings, Contract::Auto, "a");
        play.dialled("a");
        play.answer(Answer::Taken(terms(0)));
        assert!(play.accepted);
        play
    }

    /// Connected to `a`, which is opaque.
    fn opaque() -> Self {
        let mut play = Self::opening(Contract::Off, "a");
        play.dialled("a");
        play.answer(Answer::Taken(Terms::default()));
        play
    }

    /// Moves bytes and notes commands until nothing happens, short of a dial.
    fn settle(&mut self) -> bool {
        loop {
            let now = self.world.now;
            match self.socket.poll_command() {
                Some(Command::Dial) => return true,
                Some(Command::HangUp) => continue,
                Some(Command::Accept) => self.accepted = true,
                Some(Command::Decline) => self.declined = true,
                Some(Command::Report(moved)) => self.moves.push(moved),
                Some(Command::End(ending)) => self.ended = Some(ending),
                None => {
                    let (down, up) = (
                        self.socket.to_downstream().to_vec(),
                        self.socket.to_upstream().to_vec(),
                    );
                    if down.is_empty() && up.is_empty() {
                        return false;
                    }
                    self.client.extend_from_slice(&down);
                    self.endpoint.extend_from_slice(&up);
                    self.socket.downstream_written(down.len(), now);
                    self.socket.upstream_written(up.len(), now);
                }
            }
        }
    }

    fn wants_dial(&self) -> bool {
        self.socket.commands.contains(&Command::Dial)
    }

    /// The next dial, which has to come by itself.
    fn dial(&mut self) -> Option<Placed> {
        assert!(self.settle(), "a dial is wanted");
        self.endpoint.clear();
        self.socket.place(&self.world.snapshot, self.world.now)
    }

    fn dialled(&mut self, name: &str) -> Placed {
        let placed = self.dial().expect("somebody is dialled");
        assert_eq!(placed.endpoint.id, id(name));
        placed
    }

    fn answer(&mut self, answer: Answer) {
        self.socket.handle_answer(answer, self.world.now);
        if !self.wants_dial() {
            self.settle();
        }
    }

    fn says(&mut self, bytes: &[u8]) {
        self.socket.handle_downstream(bytes, self.world.now);
        self.settle();
    }

    fn hears(&mut self, bytes: &[u8]) {
        self.socket.handle_upstream(bytes, self.world.now);
        if !self.wants_dial() {
            self.settle();
        }
    }

    fn crash(&mut self) {
        self.socket.handle_upstream_end(self.world.now);
    }

    fn order(&mut self, order: Order) {
        self.socket.handle_order(order, self.world.now);
        if !self.wants_dial() {
            self.settle();
        }
    }

    fn pass(&mut self, span: Duration) {
        let now = self.world.pass(span);
        self.socket.handle_timeout(now);
        if !self.wants_dial() {
            self.settle();
        }
    }
}

/// What a stream of frames says, in words.
fn told(bytes: &[u8]) -> Vec<String> {
    let mut scanner = Scanner::new();
    let mut said = Vec::new();
    let mut text = Vec::new();
    let mut rest = bytes.to_vec();
    while let Some(piece) = scanner.scan(&rest).expect("frames") {
        let mut payload = rest[piece.payload()].to_vec();
        if let Some(key) = piece.head.and_then(|head| head.mask) {
            holdfast_wire::websocket::mask(&mut payload, key, piece.offset);
        }
        if !piece.is_control() {
            text.extend_from_slice(&payload);
        }
        if piece.ends_message() {
            said.push(String::from_utf8_lossy(&std::mem::take(&mut text)).into_owned());
        }
        if piece.last {
            match scanner.control() {
                Some(Control::Close(close)) => {
                    let code = close.code().map_or(1005, |code| code.0);
                    said.push(format!("close {code}"));
                }
                Some(Control::Ping(_)) => said.push("ping".into()),
                Some(Control::Pong(payload)) => {
                    said.push(format!("pong {}", String::from_utf8_lossy(payload)));
                }
                None => {}
            }
        }
        rest.drain(..piece.len);
    }
    said
}

fn close(code: u16, key: Option<[u8; 4]>) -> Vec<u8> {
    ControlFrame::close(CloseCode(code), "", key)
        .as_ref()
        .to_vec()
}

const MASK: Option<[u8; 4]> = Some([9, 8, 7, 6]);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn messages_and_control_frames_pass_both_ways_without_the_notes_of_the_contract() {
    let mut play = Play::attached();
    play.says(
        &[
            masked("one"),
            ControlFrame::ping(b"p", MASK)
                .expect("short")
                .as_ref()
                .to_vec(),
        ]
        .concat(),
    );
    play.hears(
        &[
            note("hf1:accepted=1"),
            note("hf1:id=e.1"),
            plain("uno"),
            note("free"),
        ]
        .concat(),
    );
    assert_eq!(told(&play.endpoint), ["one", "ping"]);
    assert_eq!(told(&play.client), ["uno", "pong free"]);
}

#[test]
fn a_client_cannot_speak_of_the_contract() {
    let mut play = Play::attached();
    let forged = ControlFrame::pong(b"hf1:accepted=9", MASK).expect("short");
    play.says(&[forged.as_ref(), &masked("one")].concat());
    assert_eq!(told(&play.endpoint), ["one"]);
}

#[test]
fn from_an_opaque_endpoint_every_pong_passes() {
    let mut play = Play::opaque();
    play.hears(&note("hf1:id=e.1"));
    assert_eq!(told(&play.client), ["pong hf1:id=e.1"]);
}

#[test]
fn a_planned_move_waits_for_acceptance_swallows_the_close_and_replays_nothing() {
    let mut play = Play::attached();
    play.says(&masked("one"));
    play.world.drain("a");
    play.order(Order::Move(Cause::Drain));
    assert_eq!(
        told(&play.endpoint),
        ["one"],
        "not asked to let go before it has accepted"
    );
    play.says(&masked("two"));
    play.hears(&[note("hf1:id=e.1"), plain("uno"), note("hf1:accepted=1")].concat());
    assert_eq!(
        told(&play.endpoint),
        ["one", "close 1012"],
        "what came meanwhile is held"
    );
    play.hears(&[note("hf1:id=e.2"), plain("due"), close(1000, None)].concat());
    let placed = play.dial().expect("somebody");
    assert_ne!(placed.endpoint.id, id("a"));
    assert_eq!(placed.attempt, 2);
    assert_eq!(placed.moved_from, [id("a")]);
    assert_eq!(
        placed.last_event_id.map(|id| id.to_string()).as_deref(),
        Some("e.2")
    );
    assert_eq!(placed.generation.as_deref(), Some("1"));
    play.answer(Answer::Taken(terms(1)));
    assert_eq!(told(&play.endpoint), ["two"]);
    assert_eq!(told(&play.client), ["uno", "due"], "and no Close");
    assert_eq!(play.moves.len(), 1);
    assert_eq!(play.moves[0].cause, Cause::Drain);
}

#[test]
fn an_endpoint_that_never_accepts_is_left_after_the_close_timeout_and_replayed_over() {
    let mut play = Play::attached();
    play.says(&masked("one"));
    play.world.drain("a");
    play.order(Order::Move(Cause::Drain));
    play.pass(2 * SECOND);
    assert_eq!(told(&play.endpoint), ["one", "close 1012"]);
    play.pass(2 * SECOND);
    play.dial().expect("somebody");
    play.answer(Answer::Taken(terms(0)));
    assert_eq!(told(&play.endpoint), ["one"]);
}

#[test]
fn after_a_crash_what_was_not_accepted_is_said_again_and_half_a_message_is_dropped() {
    let mut play = Play::attached();
    play.says(&[masked("one"), masked("two"), masked("three")].concat());
    let half = plain("half");
    play.hears(&[note("hf1:accepted=1"), note("hf1:id=e.1"), plain("uno")].concat());
    play.hears(&half[..3]);
    play.world.down("a");
    play.crash();
    let placed = play.dial().expect("somebody");
    assert_eq!(placed.moved_from, [id("a")]);
    play.answer(Answer::Taken(terms(2)));
    assert_eq!(
        told(&play.endpoint),
        ["three"],
        "the dead one had accepted two"
    );
    play.hears(&plain("whole"));
    assert_eq!(told(&play.client), ["uno", "whole"]);
}

#[test]
fn a_store_that_forgot_accepted_messages_loses_the_connection_and_replays_nothing() {
    let mut play = Play::attached();
    play.says(&[masked("one"), masked("two")].concat());
    play.hears(&note("hf1:accepted=2"));
    play.crash();
    play.dialled("a");
    play.answer(Answer::Taken(terms(1)));
    assert_eq!(told(&play.client), ["close 1012"]);
    assert_eq!(told(&play.endpoint), [""; 0]);
    play.says(&close(1012, MASK));
    assert_eq!(play.ended, Some(Ending::Lost(Lost::Rewound)));
}

#[test]
fn accepting_more_than_was_sent_breaks_the_contract() {
    for on_the_leg in [true, false] {
        let mut play = Play::attached();
        play.says(&masked("one"));
        if on_the_leg {
            play.hears(&note("hf1:accepted=2"));
        } else {
            play.crash();
            play.dialled("a");
            play.answer(Answer::Taken(terms(2)));
        }
        play.says(&close(1012, MASK));
        assert_eq!(play.ended, Some(Ending::Lost(Lost::Contract)));
    }
}
