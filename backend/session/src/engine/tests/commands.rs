//! Commands about many orders, the market's clock and the session as a whole.

use holdfast_exchange::Span;

use super::*;
use crate::log::Kind;
use crate::message::Problem;

fn refused(answer: &Answer) -> &Problem {
    assert!(!answer.ok, "{answer:?}");
    answer.error.as_ref().expect("a reason")
}

#[test]
fn a_batch_does_what_it_can_and_says_what_each_came_to() {
    let mut play = Play::new();
    let batch = r#"{"type":"order.batch","n":N,"data":{"operations":[
        {"type":"order.new","data":{"symbol":"ACME","side":"buy","quantity":"1","price":"95"}},
        {"type":"order.cancel","data":{"order_id":999999}},
        {"type":"order.new","data":{"symbol":"ACME","side":"buy","quantity":"2","price":"94"}}
    ]}}"#;
    let answer = play.say(batch);
    let results = answer.data.expect("done").results.expect("results");
    let oks: Vec<_> = results.iter().map(|result| result.ok).collect();
    assert_eq!(oks, [true, false, true]);
    let problem = results[1].error.as_ref().expect("a reason");
    assert_eq!(problem.code, "unknown_order");
    assert_eq!(play.engine.orders(true).len(), 2);

    let answer = play.say(r#"{"type":"order.cancel_all","n":N,"data":{"side":"sell"}}"#);
    assert_eq!(answer.data.expect("done").cancelled, Some(0));
    let answer = play.say(r#"{"type":"order.cancel_all","n":N,"data":{"symbol":"ACME"}}"#);
    assert_eq!(answer.data.expect("done").cancelled, Some(2));
    let answer = play.say(r#"{"type":"order.cancel_all","n":N,"data":{"symbol":"NONE"}}"#);
    assert_eq!(refused(&answer).code, "unknown_symbol");
    let answer = play.say(r#"{"type":"order.batch","n":N,"data":{"operations":[]}}"#);
    assert_eq!(refused(&answer).code, "invalid_argument");
}

#[test]
fn a_dead_mans_switch_takes_all_orders_back_unless_it_is_set_anew() {
    let mut play = Play::new();
    play.trade(10);
    play.say(r#"{"type":"order.cancel_after","n":N,"data":{"after":"2s"}}"#);
    play.pass(1_500);
    play.say(r#"{"type":"order.cancel_after","n":N,"data":{"after":"2s"}}"#);
    play.pass(1_500);
    assert_eq!(play.engine.orders(true).len(), 1);
    play.pass(1_000);
    assert_eq!(play.engine.orders(true).len(), 0);
    let answer = play.say(r#"{"type":"order.cancel_after","n":N,"data":{"after":"2h"}}"#);
    assert_eq!(refused(&answer).code, "invalid_argument");
}

#[test]
fn the_market_steps_and_jumps_while_it_is_paused() {
    let mut play = Play::new();
    play.pass(1_000);
    play.say(r#"{"type":"simulator.pause","n":N}"#);
    let time = |play: &Play| play.engine.simulator().time;
    let before = time(&play);
    play.say(r#"{"type":"simulator.step","n":N}"#);
    assert_eq!(time(&play), before + TICK_MS);
    play.say(r#"{"type":"simulator.jump","n":N,"data":{"by":"1m"}}"#);
    assert_eq!(time(&play), before + TICK_MS + 60_000);
    let to = before + 120_000;
    play.say(&format!(
        r#"{{"type":"simulator.jump","n":N,"data":{{"to":{to}}}}}"#
    ));
    assert_eq!(time(&play), to);
    for wrong in [
        r#"{"type":"simulator.jump","n":N,"data":{"to":0}}"#,
        r#"{"type":"simulator.jump","n":N,"data":{}}"#,
        r#"{"type":"simulator.jump","n":N,"data":{"by":"1h"}}"#,
        r#"{"type":"simulator.jump","n":N,"data":{"by":"1s","to":1}}"#,
        r#"{"type":"simulator.step","n":N,"data":{"ticks":0}}"#,
    ] {
        assert_eq!(refused(&play.say(wrong)).code, "invalid_control", "{wrong}");
    }
    assert_eq!(time(&play), to);
}

#[test]
fn a_restart_begins_the_market_anew_and_tells_every_reader() {
    let mut play = Play::new();
    play.trade(5_000);
    let first = play.engine.book("ACME", 5).expect("a book").last;
    let answer = play.say(r#"{"type":"session.restart","n":N,"data":{"seed":8}}"#);
    assert!(answer.ok, "{answer:?}");
    assert!(play.engine.orders(false).is_empty());
    assert_eq!((play.engine.seed(), play.engine.simulator().time), (8, 0));
    assert!(play.engine.book("ACME", 5).expect("a book").last < first);

    let top = play.log.top();
    let entries = play.log.after(top - 2).expect("kept");
    let kinds: Vec<_> = entries.map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Answer, Kind::Reset], "the answer first");
    play.pass(1_000);
    assert!(play.log.top() > top, "the market goes on");

    let snapshot = Play::new().state();
    let revived = play.revive(&snapshot);
    assert_eq!(revived.engine.seed(), 8);
    let told = bodies(&play.log, 0);
    let again = bodies(&revived.log, 0);
    assert_eq!(again, told[..again.len()], "a replay restarts, too");
    assert!(again.len() as u64 >= top);
}

#[test]
fn what_is_laid_down_outlives_the_owner() {
    let mut play = Play::new();
    let update = r#"{"type":"session.update","n":N,"data":{
        "labels":{"desk":"fx"},"expires_in":"1h","cancel_on_disconnect":"10s"}}"#;
    assert!(play.say(update).ok);
    let wrong = r#"{"type":"session.update","n":N,"data":{"idle_expires_in":"1s"}}"#;
    assert_eq!(refused(&play.say(wrong)).code, "invalid_argument");
    let expected = play.engine.terms().clone();
    assert_eq!(expected.expires_ms, Some(BEGAN_MS + 3_600_000));
    assert_eq!(expected.labels["desk"], "fx");
    assert_eq!(play.revive(&play.state()).engine.terms(), &expected);
    assert_eq!(play.revive(&Play::new().state()).engine.terms(), &expected);
}

#[test]
fn a_fork_goes_the_same_way_as_its_origin_until_somebody_does_something_else() {
    let mut play = Play::new();
    let beginning = play.state();
    play.trade(2_000);
    play.trade(3_000);
    let (tick, at) = (play.engine.tick(), play.log.top());
    let place = play.log.id(at);
    let here = play.engine.fork(&place, "origin", BEGAN_MS);
    play.trade(4_000);
    let there = Engine::at(
        stored(&beginning, &play.journal),
        at,
        play.engine.tick(),
        120_000,
    );
    let there = there.expect("it can be reached again");
    assert_eq!(there.tick(), tick);
    let there = there.fork(&place, "origin", BEGAN_MS);
    assert_eq!(there.orders(false), here.orders(false));
    assert_eq!(there.terms().forked_from, Some(format!("origin@{place}")));

    let walked = |mut engine: Engine| {
        let mut log = Log::new(Epoch::new(9), 0);
        let until = BEGAN_MS + 3_990;
        while engine.advance(&mut log, until) == Advanced::Again {}
        bodies(&log, 0)
    };
    let (here, there) = (walked(here), walked(there));
    assert_eq!(here, there);
    let origin = bodies(&play.log, at);
    let texts = |bodies: &[(u64, String)]| -> Vec<String> {
        bodies.iter().map(|(_, body)| body.clone()).collect()
    };
    assert!(here.len() > 50, "{} entries", here.len());
    assert_eq!(texts(&here), texts(&origin[..here.len()]));
}

#[test]
fn a_state_of_an_earlier_layout_is_read_and_one_of_a_later_is_told() {
    let mut play = Play::new();
    let plain = play.state();
    assert_eq!(plain[0], 1, "nothing in it needs the second layout");
    play.say(r#"{"type":"session.update","n":N,"data":{"labels":{"a":"b"}}}"#);
    let labelled = play.state();
    assert_eq!(labelled[0], 2);
    let revive = |bytes: &[u8]| {
        let revived = Engine::revive(stored(bytes, &[]), 2, 120_000, Epoch::new(6));
        revived.map(|revived| revived.same_epoch)
    };
    assert_eq!(revive(&plain), Ok(true));
    assert_eq!(revive(&labelled), Ok(true));

    let mut later = labelled.clone();
    later[0] = 4;
    let told = revive(&later).expect_err("a later layout");
    assert!(matches!(told, ReviveError::Later(_)), "{told:?}");
    assert!(told.to_string().contains("layout 4"), "{told}");

    let exchange = labelled
        .windows(4)
        .position(|bytes| bytes == b"hfex")
        .expect("the exchange is in it");
    let mut other = labelled.clone();
    other[exchange + 4] = 99;
    let told = revive(&other).expect_err("another format");
    assert!(matches!(told, ReviveError::Later(_)), "{told:?}");
    assert!(told.to_string().contains("format 99"), "{told}");
}

#[test]
fn an_engine_of_another_version_goes_on_under_a_new_epoch_after_a_crash_alone() {
    let play = Play::new();
    let state = play.state();
    let text = format!(r#"{{"engine":{VERSION},"#);
    let at = state
        .windows(text.len())
        .position(|bytes| bytes == text.as_bytes())
        .expect("the version is in it");
    let mut other = state.clone();
    other[at + text.len() - 2] ^= 1;
    let revive = |last_act| {
        let stored = Stored {
            last_act,
            ..stored(&other, &[])
        };
        let revived = Engine::revive(stored, 2, 120_000, Epoch::new(6)).expect("readable");
        revived.same_epoch
    };
    assert!(revive(true), "a planned handoff carries the state");
    assert!(!revive(false), "after a crash nobody can resume");
}

#[test]
fn a_shock_is_read_by_name() {
    let mut play = Play::new();
    let halt = r#"{"type":"simulator.shock","n":N,"data":
        {"type":"halt","symbol":"ACME","lasts":"10s"}}"#;
    assert!(play.say(halt).ok);
    let answer = play.say(ORDER);
    assert_eq!(refused(&answer).code, "halted");
    assert_eq!(Span::parse("10s").expect("a span").ticks(), 1_000);
}
