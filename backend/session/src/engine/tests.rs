use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::id::Epoch;
use crate::message::{Said, read};
use crate::subscription::{Channels, Coalesce};
use crate::view::ResetReason;

const TAB: ConnectionId = ConnectionId::new(1);
const CATCH_UP_MS: u64 = 5_000;

/// A session and its store, in memory.
struct Play {
    engine: Engine,
    log: Log,
    snapshots: Vec<(u64, Vec<u8>)>,
    journal: Vec<(u64, Vec<u8>)>,
    now_ms: u64,
    attempt: u32,
    emitted: BTreeMap<u64, (&'static str, String)>,
}

impl Play {
    fn new() -> Self {
        let founding = Founding {
            scenario: Scenario::default(),
            seed: 11,
            wall_ms: 1_000_000,
            catch_up_ms: CATCH_UP_MS,
        };
        let engine = Engine::found(&founding).expect("a scenario");
        let mut play = Self {
            engine,
            log: Log::new(Epoch::new(5), 0),
            snapshots: Vec::new(),
            journal: Vec::new(),
            now_ms: 1_000_000,
            attempt: 0,
            emitted: BTreeMap::new(),
        };
        play.snapshot();
        play.dial();
        play
    }

    fn dial(&mut self) -> u64 {
        self.attempt += 1;
        let asked = Connection {
            attempt: self.attempt,
            accepted: 0,
            client: ClientId::of_connection(TAB),
            channels: Channels::ALL,
            coalesce: Coalesce::None,
            tick: 0,
        };
        self.engine
            .dial(TAB, self.attempt, &asked)
            .expect("a later attempt")
            .accepted
    }

    fn walk(&mut self, ms: u64) {
        self.now_ms += ms;
        while self.engine.advance(&mut self.log, self.now_ms) == Advanced::Again {}
        self.note();
    }

    /// What was emitted is never emitted otherwise.
    fn note(&mut self) {
        for entry in self.log.after(self.log.bottom()).expect("its own bottom") {
            let said = (entry.kind.name(), entry.body.to_string());
            let before = self
                .emitted
                .entry(entry.seq)
                .or_insert_with(|| said.clone());
            assert_eq!(*before, said, "entry {}", entry.seq);
        }
    }

    fn say(&mut self, text: &str) {
        let (number, asked) = match read(text) {
            Said::Command { n, asked } => (Some((ClientId::of_connection(TAB), n)), asked),
            Said::Nothing | Said::Nonsense(_) => (None, Asked::Nothing),
        };
        let incoming = Incoming {
            connection: Some(TAB),
            number,
            asked,
            ticket: None,
        };
        self.engine.submit(incoming).expect("room");
    }

    fn buy(&mut self, n: u64) {
        self.say(&format!(
            r#"{{"type":"order.new","n":{n},"data":{{"symbol":"ACME","side":"buy",
                "type":"market","quantity":"1"}}}}"#
        ));
    }

    fn append(&mut self) {
        let batch = self.engine.begin().expect("something to append");
        assert_eq!(batch.length, self.journal.len() as u64);
        self.journal.extend((batch.length..).zip(batch.records));
    }

    fn finish(&mut self) {
        self.engine.finish(&mut self.log);
        self.note();
    }

    fn snapshot(&mut self) {
        let state = self.engine.state(&self.log).expect("a command boundary");
        self.snapshots.push((self.log.top(), state));
    }

    /// The owner dies; the next one has what the store has.
    fn crash(&mut self, from: usize) {
        let generation = self.engine.generation() + 1;
        let (_, snapshot) = &self.snapshots[from];
        let stored = Stored {
            snapshot,
            last_act: false,
            journal: &self.journal,
        };
        let revived = Engine::revive(stored, generation, CATCH_UP_MS, Epoch::new(6));
        let revived = revived.expect("it can be read");
        assert!(revived.same_epoch);
        (self.engine, self.log) = (revived.engine, revived.log);
        self.note();
    }

    fn answers(&self) -> Vec<u64> {
        let answer = |(kind, body): &(&str, String)| {
            let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            (*kind == "answer").then(|| body["n"].as_u64().expect("a number"))
        };
        self.emitted.values().filter_map(answer).collect()
    }
}

#[test]
fn nothing_is_emitted_while_an_append_is_open() {
    let mut play = Play::new();
    play.walk(500);
    let before = play.log.top();
    assert!(before > 0, "the market moves by itself");
    play.buy(1);
    play.append();
    play.walk(1_000);
    assert_eq!(play.log.top(), before);
    play.finish();
    assert_eq!(play.answers(), [1]);
    let answered = play.log.top();
    play.walk(1_000);
    assert!(play.log.top() > answered);
}

#[test]
fn an_append_that_was_in_the_journal_when_the_owner_died_is_done_once() {
    let mut play = Play::new();
    play.walk(300);
    play.buy(1);
    play.append();
    play.crash(0);
    assert_eq!(play.dial(), 1, "accepted, though its owner never knew");
    play.walk(300);
    play.buy(1);
    play.append();
    play.finish();
    assert_eq!(play.answers(), [1, 1], "said again");
    assert_eq!(play.engine.orders(false).len(), 1, "and not done again");
}

#[test]
fn what_was_not_in_the_journal_is_said_again_by_the_proxy() {
    let mut play = Play::new();
    play.buy(1);
    play.engine
        .begin()
        .expect("an append that is lost with its owner");
    play.crash(0);
    assert_eq!(play.dial(), 0);
    assert!(play.engine.orders(false).is_empty());
}

#[test]
fn messages_of_an_older_leg_that_wait_are_thrown_away_by_a_later_one() {
    let mut play = Play::new();
    play.buy(1);
    play.append();
    play.buy(2);
    assert!(!play.engine.settles(TAB));
    play.finish();
    assert!(play.engine.settles(TAB));
    assert_eq!(play.dial(), 1);
    assert!(
        play.engine.begin().is_none(),
        "the second was never accepted"
    );
}

#[test]
fn a_pong_is_accepted_and_answered_by_nothing() {
    let mut play = Play::new();
    play.say(r#"{"type":"pong","data":{"t":1}}"#);
    play.append();
    play.finish();
    let known = play.engine.connection(TAB).expect("dialled");
    assert_eq!((known.accepted, play.answers().len()), (1, 0));
}

#[test]
fn a_resume_replays_or_says_why_not() {
    let mut play = Play::new();
    play.walk(2_000);
    let top = play.log.top();
    let mut start = |text: Option<String>, generation| {
        play.engine
            .start(&mut play.log, text.as_deref(), generation)
    };
    let id = |seq: u64| Some(format!("0000000000000005.{seq}"));
    assert_eq!(start(None, None), Start::Fresh);
    assert_eq!(start(id(0), None), Start::Fresh);
    assert_eq!(start(id(top), None), Start::After(top));
    assert_eq!(start(id(1), Some(1)), Start::After(1));
    for text in ["0000000000000006.1", "nonsense", ""] {
        assert_eq!(
            start(Some(text.into()), None),
            Start::Reset(ResetReason::Epoch)
        );
    }
    assert_eq!(start(id(1 << 50), None), Start::Reset(ResetReason::Ahead));
}

#[test]
fn a_place_the_owner_before_had_reached_first_is_reached_too() {
    let mut play = Play::new();
    play.walk(2_000);
    let top = play.log.top();
    play.now_ms -= 200;
    play.crash(0);
    while play.engine.advance(&mut play.log, play.now_ms) == Advanced::Again {}
    assert!(play.log.top() < top, "this owner's clock is behind");
    let place = format!("0000000000000005.{top}");
    let start = play.engine.start(&mut play.log, Some(&place), Some(1));
    assert_eq!(start, Start::After(top));
    play.note();
}

#[test]
fn who_saw_what_a_later_generation_changed_is_reset() {
    let mut play = Play::new();
    play.walk(500);
    let before = play.log.top();
    play.crash(0);
    play.walk(0);
    play.buy(1);
    play.append();
    play.finish();
    let mut start = |seq: u64, generation| {
        let place = format!("0000000000000005.{seq}");
        play.engine.start(&mut play.log, Some(&place), generation)
    };
    assert_eq!(start(before, Some(1)), Start::After(before));
    let diverged = Start::Reset(ResetReason::Diverged);
    assert_eq!(
        start(before + 1, Some(1)),
        diverged,
        "the old owner had shown something else"
    );
    assert_eq!(start(before + 1, Some(2)), Start::After(before + 1));
}

#[test]
fn a_market_that_fell_far_behind_rests_by_record_and_goes_on() {
    let mut play = Play::new();
    play.walk(500);
    let before = play.log.top();
    play.walk(10 * CATCH_UP_MS);
    assert_eq!(play.log.top(), before, "first the rest is written down");
    play.append();
    play.finish();
    play.walk(0);
    assert!(play.log.top() > before);
    assert!(play.engine.next_tick_ms() > play.now_ms);
    play.crash(0);
    play.walk(0);
}

#[test]
fn a_clock_that_steps_back_repeats_nothing() {
    let mut play = Play::new();
    play.walk(1_000);
    let top = play.log.top();
    let now_ms = play.now_ms;
    play.now_ms -= 800;
    play.walk(0);
    assert_eq!(play.log.top(), top);
    play.now_ms = now_ms;
    play.walk(500);
    assert!(play.log.top() > top);
}

#[test]
fn what_was_emitted_before_the_newer_snapshot_is_emitted_again_from_the_older() {
    let mut play = Play::new();
    play.walk(700);
    play.buy(1);
    play.append();
    play.finish();
    play.walk(700);
    play.snapshot();
    let until = play.log.top();
    play.walk(300);
    play.crash(1);
    assert_eq!(play.log.bottom(), until);
    let (_, oldest) = &play.snapshots[0];
    let stored = Stored {
        snapshot: oldest,
        last_act: false,
        journal: &play.journal,
    };
    let older = Engine::revive(stored, 1, CATCH_UP_MS, Epoch::new(9)).expect("readable");
    let Revived {
        mut engine,
        mut log,
        ..
    } = older;
    engine.walk_to_entry(&mut log, until);
    play.log.prepend(&log);
    assert_eq!(play.log.bottom(), 0);
    play.note();
}

#[derive(Debug, Clone)]
enum Act {
    Walk(u64),
    Buy,
    Nonsense,
    Append,
    Finish,
    Snapshot,
    Crash(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..400_u64).prop_map(Act::Walk),
        3 => Just(Act::Buy),
        1 => Just(Act::Nonsense),
        4 => Just(Act::Append),
        4 => Just(Act::Finish),
        1 => Just(Act::Snapshot),
        1 => any::<bool>().prop_map(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever dies when: an entry that was emitted is emitted the same again,
    /// unless nobody could have seen it; and each command is done once.
    #[test]
    fn any_owner_emits_the_same_log(acts in prop::collection::vec(act(), 1..60)) {
        let mut play = Play::new();
        let mut said = 0;
        for act in acts {
            match act {
                Act::Walk(ms) => play.walk(ms),
                Act::Buy => {
                    said += 1;
                    play.buy(said);
                }
                Act::Nonsense => play.say("hello"),
                Act::Append => {
                    if play.engine.begin().is_some() {
                        play.engine.retry();
                        play.append();
                    }
                }
                Act::Finish => play.finish(),
                Act::Snapshot => {
                    if !play.engine.is_open() {
                        play.snapshot();
                    }
                }
                Act::Crash(newest) => {
                    let last = play.snapshots.len() - 1;
                    play.crash(if newest { last } else { last.saturating_sub(1) });
                    // the proxy says again what was not accepted
                    play.dial();
                    said = play.engine.clients().last(&ClientId::of_connection(TAB));
                    play.walk(0);
                }
            }
        }
        play.finish();
        let answers = play.answers();
        let expected: Vec<u64> = (1..=answers.len() as u64).collect();
        prop_assert_eq!(answers, expected);
    }
}
