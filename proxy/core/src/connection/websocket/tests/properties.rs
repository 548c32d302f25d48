//! Each message once and in order, both ways, whatever goes wrong on the way.

use holdfast_wire::contract::EventId;
use proptest::prelude::*;

use super::super::super::stage::{masked, note, plain};
use super::super::super::{Answer, Cause, Command, Ending, Order, Terms};
use super::{Play, close, told};
use crate::cluster::Contract;

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Event {
    ClientSays,
    /// So many bytes on their way to the endpoint arrive.
    Arrives(usize),
    /// The endpoint accepts this many of the messages it has, and says so or not.
    Accepts {
        count: usize,
        says: bool,
    },
    /// The endpoint says its next entries, cut after so many bytes.
    EndpointSays(usize),
    Crashes,
    Move,
    Wish,
    Fails,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::ClientSays),
        4 => (0..60usize).prop_map(Event::Arrives),
        3 => (0..4usize, any::<bool>()).prop_map(|(count, says)| Event::Accepts { count, says }),
        4 => (0..80usize).prop_map(Event::EndpointSays),
        1 => Just(Event::Crashes),
        1 => Just(Event::Move),
        1 => Just(Event::Wish),
        1 => Just(Event::Fails),
    ]
}

/// What all endpoints know together: the store.
#[derive(Default)]
struct Store {
    accepted: Vec<String>,
    /// The log's entry that the present leg says next.
    next: usize,
}

#[derive(Default)]
struct Run {
    store: Store,
    said: usize,
    /// What came over the present leg and is not looked at yet.
    inbox: Vec<u8>,
    read: usize,
    /// A cut frame of the endpoint: what of it is still to come.
    cut: Vec<u8>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_message_arrives_once_and_in_order(events in prop::collection::vec(event(), 1..120)) {
        let mut play = Play::opening(Contract::Auto, "a");
        let mut run = Run::default();
        run.connect(&mut play, false);
        for event in events {
            run.happens(&mut play, event);
        }
        run.calm(&mut play);
        let expected: Vec<String> = (0..run.said).map(|n| format!("c{n}")).collect();
        prop_assert_eq!(&run.store.accepted, &expected);
        let expected: Vec<String> = (0..run.store.next).map(|n| format!("s{n}")).collect();
        let told: Vec<String> =
            told(&play.client).into_iter().filter(|said| said.starts_with('s')).collect();
        prop_assert_eq!(told, expected);
        prop_assert!(play.ended.is_none());
    }
}

impl Run {
    fn happens(&mut self, play: &mut Play, event: Event) {
        let now = play.world.now;
        match event {
            Event::ClientSays => {
                play.socket
                    .handle_downstream(&masked(&format!("c{}", self.said)), now);
                self.said += 1;
            }
            Event::Arrives(count) => {
                let bytes = play.socket.to_upstream();
                let count = count.min(bytes.len());
                self.inbox.extend_from_slice(&bytes[..count]);
                play.socket.upstream_written(count, now);
            }
            Event::Accepts { count, says } => self.accept(play, count, says),
            Event::EndpointSays(count) => self.speak(play, count),
            Event::Crashes => play.socket.handle_upstream_end(now),
            Event::Move => play.socket.handle_order(Order::Move(Cause::Admin), now),
            Event::Wish => {
                self.speak(play, usize::MAX);
                play.socket.handle_upstream(&close(1012, None), now);
            }
            Event::Fails => {
                play.socket.handle_upstream_end(now);
                self.connect(play, true);
            }
        }
        self.connect(play, false);
    }

    /// Obeys until it is connected again.
    fn connect(&mut self, play: &mut Play, fails: bool) {
        let mut failures = usize::from(fails);
        loop {
            while let Some(command) = play.socket.poll_command() {
                match command {
                    Command::Dial => {
                        let placed = play.socket.place(&play.world.snapshot, play.world.now);
                        let Some(placed) = placed else { continue };
                        if failures > 0 {
                            failures -= 1;
                            play.socket.handle_answer(Answer::Failed, play.world.now);
                            continue;
                        }
                        let at = placed.last_event_id.map(|id| id.to_string());
                        let at = at.and_then(|id| id.strip_prefix("e.")?.parse::<usize>().ok());
                        self.store.next = at.unwrap_or(0);
                        (self.inbox, self.read, self.cut) = Default::default();
                        let terms = Terms {
                            contract: true,
                            position: EventId::new(format!("e.{}", self.store.next)),
                            generation: Some("1".into()),
                            accepted: Some(self.store.accepted.len() as u64),
                        };
                        play.socket
                            .handle_answer(Answer::Taken(terms), play.world.now);
                    }
                    Command::End(ending) => play.ended = Some(ending),
                    _ => {}
                }
            }
            let down = play.socket.to_downstream().to_vec();
            play.client.extend_from_slice(&down);
            play.socket.downstream_written(down.len(), play.world.now);
            if play.socket.attached || play.ended.is_some() {
                return;
            }
            let due = play.socket.poll_timeout().expect("every wait ends");
            play.world.now = play.world.now.max(due);
            play.socket.handle_timeout(play.world.now);
        }
    }

    fn accept(&mut self, play: &mut Play, count: usize, says: bool) {
        let whole = whole_messages(&self.inbox);
        for message in whole.iter().skip(self.read).take(count) {
            self.read += 1;
            self.store.accepted.push(message.clone());
        }
        if says && self.cut.is_empty() {
            let text = format!("hf1:accepted={}", self.store.accepted.len());
            play.socket.handle_upstream(&note(&text), play.world.now);
        }
    }

    fn speak(&mut self, play: &mut Play, count: usize) {
        if self.cut.is_empty() {
            self.cut = [
                note(&format!("hf1:id=e.{}", self.store.next + 1)),
                plain(&format!("s{}", self.store.next)),
            ]
            .concat();
        }
        let count = count.min(self.cut.len());
        let bytes: Vec<u8> = self.cut.drain(..count).collect();
        if self.cut.is_empty() {
            self.store.next += 1;
        }
        play.socket.handle_upstream(&bytes, play.world.now);
    }

    /// Nothing goes wrong any more: all that is owed is delivered.
    fn calm(&mut self, play: &mut Play) {
        for _ in 0..8 {
            if !self.cut.is_empty() {
                self.speak(play, usize::MAX);
            }
            self.happens(play, Event::Arrives(usize::MAX));
            self.happens(
                play,
                Event::Accepts {
                    count: usize::MAX,
                    says: true,
                },
            );
            let asked = told_whole(&self.inbox)
                .iter()
                .any(|said| said.starts_with("close"));
            if asked {
                play.socket
                    .handle_upstream(&close(1000, None), play.world.now);
                self.connect(play, false);
            }
        }
        assert_ne!(play.ended, Some(Ending::ClientGone));
    }
}

/// The whole frames at the start of `bytes`, in words.
fn told_whole(bytes: &[u8]) -> Vec<String> {
    let mut scanner = holdfast_wire::websocket::Scanner::new();
    let (mut at, mut whole) = (0, 0);
    while let Ok(Some(piece)) = scanner.scan(&bytes[at..]) {
        at += piece.len;
        if piece.last {
            whole = at;
        }
    }
    told(&bytes[..whole])
}

fn whole_messages(bytes: &[u8]) -> Vec<String> {
    told_whole(bytes)
        .into_iter()
        .filter(|said| said.starts_with('c') && said != "close 1012")
        .collect()
}
