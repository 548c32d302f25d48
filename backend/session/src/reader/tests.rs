use super::*;
use crate::id::Epoch;
use crate::log::Kind;

fn log() -> Log {
    Log::new(Epoch::new(1), 0)
}

fn reader(coalesce: Coalesce) -> Reader {
    Reader::new(log().id(0), Channels::ALL, coalesce, Some(client("me")))
}

fn client(name: &str) -> ClientId {
    name.parse().expect("a name")
}

fn book(log: &mut Log, price: &str, quantity: &str) {
    let n = log.top() + 1;
    let body = format!(
        concat!(
            r#"{{"symbol":"ACME","first":{n},"last":{n},"#,
            r#""bids":[["{price}","{quantity}"]],"asks":[],"time":{n}}}"#
        ),
        n = n,
        price = price,
        quantity = quantity,
    );
    log.push(Kind::Book, Some(0), None, &body, 0);
}

fn turn(reader: &mut Reader, log: &Log, now_ms: u64) -> (Next, Vec<(u64, u64, &'static str)>) {
    let mut out = Vec::new();
    let next = reader.turn(log, now_ms, &mut out);
    (
        next,
        out.iter().map(|d| (d.prev.seq, d.id.seq, d.kind)).collect(),
    )
}

#[test]
fn each_message_names_the_one_before_it() {
    let (mut log, mut reader) = (log(), reader(Coalesce::None));
    book(&mut log, "1.00", "1");
    log.push(Kind::Trade, Some(0), None, "{}", 0);
    assert_eq!(
        turn(&mut reader, &log, 0),
        (Next::Wait, vec![(0, 1, "book"), (1, 2, "trade")])
    );
    assert_eq!(turn(&mut reader, &log, 0), (Next::Wait, vec![]));
}

#[test]
fn what_was_not_asked_for_leaves_no_hole_in_the_chain() {
    let mut log = log();
    let mut reader = Reader::new(
        log.id(0),
        Channels::named(["trade"]).expect("a channel"),
        Coalesce::None,
        None,
    );
    book(&mut log, "1.00", "1");
    log.push(Kind::Trade, Some(0), None, "{}", 0);
    book(&mut log, "1.00", "2");
    log.push(Kind::Answer, None, Some(client("me")), r#"{"n":1}"#, 0);
    log.push(Kind::Trade, Some(0), None, "{}", 0);
    let sent = vec![(0, 2, "trade"), (2, 5, "trade")];
    assert_eq!(turn(&mut reader, &log, 0).1, sent);
}

#[test]
fn answers_go_to_their_client_alone() {
    let (mut log, mut reader) = (log(), reader(Coalesce::None));
    reader.subscribe(Channels::NONE);
    log.push(Kind::Answer, None, Some(client("you")), r#"{"n":1}"#, 0);
    log.push(Kind::Answer, None, Some(client("me")), r#"{"n":1}"#, 0);
    assert_eq!(turn(&mut reader, &log, 0).1, [(0, 2, "answer")]);
}

#[test]
fn folded_data_waits_until_it_is_due_and_says_so() {
    let (mut log, mut reader) = (log(), reader(Coalesce::Tenth));
    book(&mut log, "1.00", "1");
    assert_eq!(
        turn(&mut reader, &log, 1_000),
        (Next::Wait, vec![(0, 1, "book")])
    );
    book(&mut log, "1.00", "2");
    book(&mut log, "1.01", "5");
    book(&mut log, "1.00", "0");
    assert_eq!(
        turn(&mut reader, &log, 1_050),
        (Next::WaitUntil(1_100), vec![])
    );
    let mut out = Vec::new();
    assert_eq!(reader.turn(&log, 1_100, &mut out), Next::Wait);
    let expected = concat!(
        r#"{"coalesced":true,"symbol":"ACME","first":2,"last":4,"#,
        r#""bids":[["1.01","5"],["1.00","0"]],"asks":[],"time":4}"#
    );
    assert_eq!(out.len(), 1);
    assert_eq!(
        (&*out[0].body, out[0].prev.seq, out[0].id.seq),
        (expected, 1, 4)
    );
}

#[test]
fn nothing_overtakes_folded_data() {
    let (mut log, mut reader) = (log(), reader(Coalesce::Second));
    book(&mut log, "1.00", "1");
    assert_eq!(turn(&mut reader, &log, 5_000).1.len(), 1);
    book(&mut log, "1.00", "2");
    book(&mut log, "1.00", "3");
    log.push(Kind::Order, None, None, "{}", 0);
    book(&mut log, "1.00", "4");
    let (next, sent) = turn(&mut reader, &log, 5_010);
    assert_eq!(sent, [(1, 3, "book"), (3, 4, "order")]);
    assert_eq!(next, Next::WaitUntil(6_000));
    assert_eq!(turn(&mut reader, &log, 6_000).1, [(4, 5, "book")]);
}

#[test]
fn a_slow_reader_is_folded_and_one_that_lost_its_place_gets_a_snapshot() {
    let (mut log, mut reader) = (log(), reader(Coalesce::None));
    for n in 0..400 {
        book(&mut log, "1.00", &n.to_string());
    }
    let (next, sent) = turn(&mut reader, &log, 0);
    assert_eq!((next, sent), (Next::Wait, vec![(0, 400, "book")]));
    for n in 0..crate::log::ENTRIES_MAX + 1 {
        book(&mut log, "1.00", &n.to_string());
    }
    assert_eq!(turn(&mut reader, &log, 0), (Next::Snapshot, vec![]));
    let snapshot = reader.stand_in("snapshot", log.id(log.top()), "{}".into());
    assert_eq!((snapshot.prev.seq, snapshot.id.seq), (400, log.top()));
    assert_eq!(turn(&mut reader, &log, 0), (Next::Wait, vec![]));
}

#[test]
fn both_transports_carry_the_same_data() {
    let id = |seq| log().id(seq);
    let body = r#"{"symbol":"ACME"}"#.into();
    let delivery = Delivery {
        id: id(2),
        prev: id(1),
        kind: "trade",
        body,
    };
    assert_eq!(
        delivery.websocket(),
        concat!(
            r#"{"id":"0000000000000001.2","prev":"0000000000000001.1","#,
            r#""type":"trade","data":{"symbol":"ACME"}}"#
        )
    );
    assert_eq!(
        delivery.event_data(),
        r#"{"prev":"0000000000000001.1","symbol":"ACME"}"#
    );
    let answer = Delivery {
        kind: "answer",
        body: r#"{"n":1,"ok":true}"#.into(),
        ..delivery
    };
    assert_eq!(
        answer.websocket(),
        concat!(
            r#"{"id":"0000000000000001.2","prev":"0000000000000001.1","#,
            r#""type":"answer","n":1,"ok":true}"#
        )
    );
}

#[test]
fn a_reset_in_the_log_is_followed_by_a_snapshot_whatever_comes_behind_it() {
    for coalesce in [Coalesce::None, Coalesce::Second] {
        let (mut log, mut reader) = (log(), reader(coalesce));
        book(&mut log, "1.00", "1");
        log.push(Kind::Reset, None, None, r#"{"reason":"restarted"}"#, 0);
        book(&mut log, "2.00", "1");
        let (next, sent) = turn(&mut reader, &log, 0);
        assert_eq!(sent, vec![(0, 1, "book"), (1, 2, "reset")], "{coalesce:?}");
        assert_eq!(next, Next::Snapshot);
        assert_eq!(turn(&mut reader, &log, 0), (Next::Snapshot, vec![]));
        let snapshot = reader.stand_in("snapshot", log.id(3), "{}".into());
        assert_eq!((snapshot.prev.seq, snapshot.id.seq), (2, 3));
        assert_eq!(turn(&mut reader, &log, 0), (Next::Wait, vec![]));
    }
}
