//! How large a snapshot gets, and that what it leaves out stays left out in every owner.

use super::*;

/// What a snapshot of the default scenario stays below.
const BYTES_MAX: usize = 64 << 10;

/// The session's own part before it is deflated, at least, where many answers are kept.
const ANSWERS_LEAST: usize = 32 << 10;

const REFUSED: &str = r#"{"type":"order.new","n":N,"data":{"symbol":"ACME","side":"buy",
    "type":"limit","quantity":"1","price":"2.00"}}"#;

/// 200 working orders, and as many finished ones, fills, trades and candles as are remembered.
fn full_exchange() -> Play {
    let mut play = Play::new();
    for place in 0..300 {
        play.pass(1_000);
        let price = 90 + place % 5;
        let rests = format!(
            r#"{{"type":"order.new","n":N,"data":{{"symbol":"ACME","side":"buy",
                "type":"limit","quantity":"0.1","price":"{price}"}}}}"#
        );
        if place < 200 {
            assert!(play.say(&rests).ok, "it rests");
        }
        let taken = r#"{"type":"order.new","n":N,"data":{"symbol":"ACME","side":"sell",
            "type":"market","quantity":"0.1"}}"#;
        play.say(taken);
    }
    play
}

fn below(play: &Play) {
    let bytes = play.state().len();
    println!("{bytes} bytes");
    assert!(bytes < BYTES_MAX, "{bytes} bytes");
}

#[test]
fn a_snapshot_of_a_busy_default_session_is_below_64_kib() {
    let mut play = Play::new();
    for _ in 0..400 {
        play.trade(50);
    }
    below(&play);
}

#[test]
fn a_snapshot_with_several_busy_clients_is_below_64_kib() {
    let mut play = full_exchange();
    for n in 1..=300 {
        for tab in 0..8 {
            let client = format!("3f9c{tab}a17-55d0-4b1e-9c1a-{tab}07f2d61e8b4");
            let answer = play.say_as(&client, n, if n % 2 == 0 { REFUSED } else { ORDER });
            assert!(n % 2 == 1 || !answer.ok, "{answer:?}");
        }
    }
    let own = serde_json::to_vec(play.engine.clients()).expect("JSON");
    assert!(own.len() > ANSWERS_LEAST, "{} bytes of answers", own.len());
    below(&play);
}

#[test]
fn a_snapshot_with_many_keys_is_below_64_kib() {
    let mut play = full_exchange();
    for key in 0..600_u64 {
        let client = format!("key.{:016x}", key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        play.say_as(&client, 1, ORDER);
    }
    below(&play);
}

#[test]
fn the_same_answers_are_forgotten_from_whichever_snapshot() {
    let mut play = Play::new();
    let mut snapshots = Vec::new();
    for n in 1..=200 {
        if n % 40 == 1 {
            snapshots.push(play.state());
        }
        for tab in ["one", "two", "three", "four"] {
            play.say_as(tab, n, REFUSED);
        }
        play.pass(10);
    }
    let forgotten = play.say_as("one", 1, REFUSED);
    let code = forgotten.error.map(|problem| problem.code);
    assert_eq!(code.as_deref(), Some("answer_forgotten"));
    for (place, snapshot) in snapshots.iter().enumerate() {
        let later = play.revive(snapshot);
        assert!(
            later.engine.clients() == play.engine.clients(),
            "snapshot {place}"
        );
    }
}

#[test]
fn a_deflated_part_that_is_damaged_is_told_so() {
    let mut play = Play::new();
    for n in 1..=120 {
        play.say_as("tab", n, REFUSED);
    }
    let state = play.state();
    assert_eq!(state[0], 3, "it is deflated");
    assert_eq!(play.revive(&state).engine.clients(), play.engine.clients());
    let mut damaged = state;
    damaged[5..25].fill(0xff);
    let told = Engine::revive(stored(&damaged, &[]), 2, 120_000, Epoch::new(6));
    let told = told.map(drop).expect_err("damage");
    assert!(matches!(told, ReviveError::Damaged(_)), "{told:?}");
}
