use holdfast_exchange::Scenario;

use super::*;
use crate::id::Epoch;
use crate::message::{Said, read};
use crate::view::ResetReason;

const BEGAN_MS: u64 = 1_000_000;
const ORDER: &str = r#"{"type":"order.new","n":N,"data":{"symbol":"ACME","side":"buy",
    "type":"limit","quantity":"1","price":"99.00"}}"#;

/// A session with its log and its journal, as an owner and a store have them.
struct Play {
    engine: Engine,
    log: Log,
    journal: Vec<(u64, Vec<u8>)>,
    now_ms: u64,
    n: u64,
}

impl Play {
    fn new() -> Self {
        let founding = Founding {
            scenario: Scenario::default(),
            seed: 7,
            wall_ms: BEGAN_MS,
            catch_up_ms: 120_000,
        };
        Self {
            engine: Engine::found(&founding).expect("a market"),
            log: Log::new(Epoch::new(5), 0),
            journal: Vec::new(),
            now_ms: BEGAN_MS,
            n: 0,
        }
    }

    /// Lets so much time pass, then places an order.
    fn trade(&mut self, span_ms: u64) {
        self.pass(span_ms);
        self.say(ORDER);
    }

    fn pass(&mut self, span_ms: u64) {
        self.now_ms += span_ms;
        while self.engine.advance(&mut self.log, self.now_ms) == Advanced::Again {}
    }

    /// Says a command with the next number, and is answered.
    fn say(&mut self, text: &str) -> Answer {
        self.n += 1;
        self.say_as("tab", self.n, text)
    }

    /// Says a command as one of several clients.
    fn say_as(&mut self, client: &str, n: u64, text: &str) -> Answer {
        let client: ClientId = client.parse().expect("a name");
        let said = read(&text.replace('N', &n.to_string()));
        let Said::Command { asked, .. } = said else {
            panic!("a command")
        };
        let incoming = Incoming {
            connection: None,
            number: Some((client, n)),
            asked,
            ticket: Some(Ticket(n)),
        };
        self.engine.submit(incoming).expect("room");
        let batch = self.engine.begin().expect("an append");
        self.journal.extend((batch.length..).zip(batch.records));
        let mut told = self.engine.finish(&mut self.log);
        told.pop().expect("an answer").1
    }

    fn state(&self) -> Vec<u8> {
        self.engine.state(&self.log).expect("a command boundary")
    }

    fn revive(&self, snapshot: &[u8]) -> Revived {
        let fresh = Epoch::new(6);
        Engine::revive(stored(snapshot, &self.journal), 2, 120_000, fresh).expect("readable")
    }
}

fn stored<'a>(snapshot: &'a [u8], journal: &'a [(u64, Vec<u8>)]) -> Stored<'a> {
    Stored {
        snapshot,
        last_act: false,
        rewound: false,
        journal,
    }
}

fn bodies(log: &Log, after: u64) -> Vec<(u64, String)> {
    let entries = log.after(after).expect("kept");
    entries
        .map(|entry| (entry.seq, entry.body.to_string()))
        .collect()
}

#[test]
fn what_was_emitted_before_a_snapshot_is_made_again_from_an_older_one() {
    let mut play = Play::new();
    play.trade(500);
    let (older, place) = (play.state(), play.log.top() + 20);
    for _ in 0..5 {
        play.trade(700);
    }
    let newer = play.state();
    play.trade(300);
    let mut revived = play.revive(&newer);
    let bottom = revived.log.bottom();
    assert!(place < bottom, "the newer snapshot alone does not reach it");
    let past = stored(&older, &play.journal);
    let log = Engine::regenerate(past, &revived.mark, place).expect("the same way again");
    assert_eq!(log.bottom(), place, "what nobody wants is not written");
    revived.log.prepend(&log);
    assert_eq!(bodies(&revived.log, place), bodies(&play.log, place));
}

#[test]
fn a_later_owner_comes_to_the_same_state_from_whichever_snapshot() {
    let mut play = Play::new();
    let mut snapshots = vec![play.state()];
    for span_ms in [400, 30, 1_700, 90, 650] {
        play.trade(span_ms);
        snapshots.push(play.state());
    }
    let ends_ms = play.now_ms + 2_000;
    while play.engine.advance(&mut play.log, ends_ms) == Advanced::Again {}
    for (place, snapshot) in snapshots.iter().enumerate() {
        let mut later = play.revive(snapshot);
        while later.engine.advance(&mut later.log, ends_ms) == Advanced::Again {}
        assert_eq!(later.log.top(), play.log.top(), "snapshot {place}");
        assert_eq!(
            later.engine.state_hash(),
            play.engine.state_hash(),
            "snapshot {place}"
        );
    }
}

#[test]
fn a_way_that_leads_elsewhere_gives_no_entries() {
    let mut play = Play::new();
    let older = play.state();
    play.trade(500);
    play.trade(500);
    let revived = play.revive(&play.state());
    let mut other = Play::new();
    other.trade(500);
    other.trade(520);
    let past = stored(&older, &other.journal);
    let refused = Engine::regenerate(past, &revived.mark, 1).map(|log| log.top());
    assert_eq!(refused, Err(ReviveError::Other));
}

#[test]
fn a_store_that_may_have_lost_its_last_moments_begins_a_new_epoch() {
    let mut play = Play::new();
    play.trade(500);
    let snapshot = play.state();
    let stored = Stored {
        rewound: true,
        ..stored(&snapshot, &play.journal)
    };
    let revived = Engine::revive(stored, 2, 120_000, Epoch::new(6)).expect("readable");
    assert!(!revived.same_epoch);
    assert_eq!(*revived.log.epoch(), Epoch::new(6));
}

#[test]
fn a_place_seen_under_a_claim_that_was_lost_is_reset() {
    let mut play = Play::new();
    play.trade(500);
    let place = play.log.id(play.log.top()).to_string();
    let mut start = |generation| {
        play.engine
            .start(&mut play.log, Some(&place), Some(generation))
    };
    assert!(matches!(start(1), Start::After(_)));
    assert_eq!(start(2), Start::Reset(ResetReason::Diverged));
}

/// Every fact after `last`, as text.
fn facts_after(engine: &Engine, last: u64) -> Vec<String> {
    let parcel = engine.trail().and_then(Trail::parcel);
    let facts = parcel.map(|parcel| crate::trail::facts(&parcel.body).expect("as written"));
    let later = facts
        .into_iter()
        .flatten()
        .filter(|fact| fact.number > last);
    later
        .map(|fact| serde_json::to_string(&fact).expect("JSON"))
        .collect()
}

#[test]
fn who_goes_on_after_a_crash_comes_to_the_same_facts() {
    let mut play = Play::new();
    play.engine
        .begin_trail(&play.log, Epoch::new(9), crate::trail::Why::Created);
    play.trade(500);
    let (snapshot, count) = (play.state(), play.engine.trail().expect("one").count());
    for _ in 0..5 {
        play.trade(700);
    }
    let facts = facts_after(&play.engine, count);
    let orders = facts.iter().filter(|fact| fact.contains("\"order_id\""));
    assert!(orders.count() >= 5, "{facts:?}");
    let revived = play.revive(&snapshot);
    assert_eq!(facts_after(&revived.engine, 0), facts);
}

#[test]
fn a_new_epoch_begins_a_new_trail() {
    let mut play = Play::new();
    play.engine
        .begin_trail(&play.log, Epoch::new(9), crate::trail::Why::Created);
    play.trade(500);
    let snapshot = play.state();
    play.trade(500);
    let stored = Stored {
        rewound: true,
        ..stored(&snapshot, &play.journal)
    };
    let revived = Engine::revive(stored, 2, 120_000, Epoch::new(6)).expect("readable");
    let parcel = revived.engine.trail().and_then(Trail::parcel);
    let parcel = parcel.expect("what the journal has since the snapshot, too");
    assert_eq!((parcel.trail, parcel.first), (Epoch::new(6), 1));
    let facts = facts_after(&revived.engine, 0);
    assert!(facts[0].contains("\"why\":\"epoch\""), "{facts:?}");
    assert!(facts[1].contains("order.new"), "{facts:?}");
}

#[test]
fn without_a_ledger_nothing_is_noted() {
    let mut play = Play::new();
    play.trade(500);
    assert!(play.engine.trail().is_none());
    assert!(play.revive(&play.state()).engine.trail().is_none());
}

mod commands;
mod size;
