//! Plays with real stores and real tasks: processes are runtimes, and a
//! process that is killed is a runtime that is dropped.

mod flaky;
mod losses;
mod stage;
mod trouble;
mod window;

use std::collections::BTreeMap;

use holdfast_session::id::{EntryId, SessionId};
use holdfast_session::message::{Command, Said, read};
use holdfast_session::view::SessionRequest;
use stage::{Process, Stage, dial};

use super::*;

const LIMIT: &str = r#"{"type":"order.new","n":N,"data":{"symbol":"ACME","side":"buy",
    "type":"limit","quantity":"1","price":"99.00"}}"#;

fn order(n: u64) -> String {
    LIMIT.replace('N', &n.to_string())
}

fn command(text: &str) -> Command {
    match read(text) {
        Said::Command {
            asked: Asked::Command(command),
            ..
        } => command,
        other => panic!("no command: {other:?}"),
    }
}

/// Reads until `enough` of what was sent.
async fn until(output: &mut Output, enough: impl Fn(&Outgoing) -> bool) -> Vec<Outgoing> {
    let mut sent = Vec::new();
    loop {
        let outgoing = output.next().await;
        let done = enough(&outgoing);
        sent.push(outgoing);
        if done {
            return sent;
        }
    }
}

fn deliveries(sent: Vec<Outgoing>) -> Vec<Delivery> {
    let delivery = |outgoing| match outgoing {
        Outgoing::Delivery(delivery) => Some(delivery),
        _ => None,
    };
    sent.into_iter().filter_map(delivery).collect()
}

fn is_answer(outgoing: &Outgoing) -> bool {
    matches!(outgoing, Outgoing::Delivery(delivery) if delivery.kind == "answer")
}

fn is_ended(outgoing: &Outgoing) -> bool {
    matches!(outgoing, Outgoing::Ended(_))
}

/// Each follows on the one before it.
fn is_chain(deliveries: &[Delivery]) -> bool {
    deliveries.windows(2).all(|pair| pair[1].prev == pair[0].id)
}

fn create(process: &Process) -> SessionId {
    let request = SessionRequest {
        seed: Some(7),
        ..SessionRequest::default()
    };
    let session = process
        .block_on(process.sessions.create(None, request))
        .expect("a session");
    session.id.parse().expect("an id")
}

#[test]
fn a_new_connection_begins_with_a_snapshot_and_its_order_is_answered_once() {
    let stage = Stage::new("begin");
    let a = stage.process("a", 1);
    let id = create(&a);
    a.block_on(async {
        let ask = Ask::default();
        let leg = a
            .sessions
            .open(id, &ask, dial(1, 1, None))
            .await
            .expect("taken");
        assert!(
            leg.position.ends_with(".0"),
            "before everything: {}",
            leg.position
        );
        assert_eq!((leg.accepted, leg.claim.generation), (0, 1));
        let Attachment {
            mut output, input, ..
        } = leg;
        input.send(order(1)).await.expect("a running leg");
        let sent = until(&mut output, is_answer).await;
        assert!(
            sent.contains(&Outgoing::Accepted(1)),
            "accepted before it is answered"
        );
        let sent = deliveries(sent);
        assert_eq!(sent[0].kind, "snapshot");
        assert!(is_chain(&sent));
        let answer = sent.last().expect("an answer");
        assert!(
            answer.body.contains(r#""n":1,"ok":true"#),
            "{}",
            answer.body
        );

        input.send(order(1)).await.expect("a running leg");
        let again = deliveries(until(&mut output, is_answer).await);
        assert_eq!(
            again.last().expect("an answer").body,
            answer.body,
            "not done again"
        );
        let orders = a
            .sessions
            .orders(id, &ask, OrdersQuery::default())
            .await
            .expect("orders");
        assert_eq!(orders.orders.len(), 1);
    });
}

/// What a client has seen of a log: number to kind and body.
type Seen = BTreeMap<u64, (&'static str, Arc<str>)>;

/// Places `count` orders, one after the other's answer; says what was seen, the
/// last id, and how many messages were accepted.
async fn trade(leg: Attachment, count: u64) -> (Seen, Option<String>, u64) {
    let Attachment {
        mut output,
        input,
        mut accepted,
        ..
    } = leg;
    let (mut seen, mut last) = (Seen::new(), None);
    for n in 1..=count {
        input.send(order(n)).await.expect("a running leg");
        for outgoing in until(&mut output, is_answer).await {
            match outgoing {
                Outgoing::Delivery(delivery) => {
                    last = Some(delivery.id.to_string());
                    seen.insert(delivery.id.seq, (delivery.kind, delivery.body));
                }
                Outgoing::Accepted(count) => accepted = count,
                other => panic!("unexpected: {other:?}"),
            }
        }
    }
    (seen, last, accepted)
}

/// How many entries of the log were seen before; each is as it was.
fn seen_again(log: &[view::LogEntry], seen: &Seen) -> usize {
    let mut again = 0;
    for entry in log {
        let id: EntryId = entry.id.parse().expect("an id");
        if let Some((kind, body)) = seen.get(&id.seq).filter(|(kind, _)| *kind != "snapshot") {
            let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(
                (entry.kind.as_str(), &entry.data),
                (*kind, &body),
                "entry {id}"
            );
            again += 1;
        }
    }
    again
}

#[test]
fn a_killed_owners_session_goes_on_elsewhere_with_the_same_numbers_byte_for_byte() {
    let stage = Stage::new("kill");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    let (seen, last, accepted) = a.block_on(async {
        let leg = a
            .sessions
            .open(id, &Ask::default(), dial(1, 1, None))
            .await
            .expect("taken");
        trade(leg, 20).await
    });
    a.kill();
    b.block_on(async {
        let ask = Ask::default();
        let refused = b.sessions.open(id, &ask, dial(1, 2, None)).await.err();
        assert!(
            matches!(refused, Some(Refusal::Owner { .. })),
            "not without a word: {refused:?}"
        );
        let ask = stage::moved_from("a");
        let dialled = Dial {
            generation: Some(1.into()),
            ..dial(1, 3, last.as_deref())
        };
        let leg = b
            .sessions
            .open(id, &ask, dialled)
            .await
            .expect("taken over");
        assert_eq!((leg.claim.generation, leg.accepted), (2, accepted));
        assert_eq!(
            Some(&leg.position),
            last.as_ref(),
            "it goes on where it was"
        );
        let log = b
            .sessions
            .log(id, &ask, None)
            .await
            .expect("the log")
            .entries;
        assert!(
            seen_again(&log, &seen) >= 20,
            "the answers at least were emitted again"
        );
        let Attachment {
            mut output, input, ..
        } = leg;
        input.send(order(21)).await.expect("a running leg");
        let sent = deliveries(until(&mut output, is_answer).await);
        assert!(is_chain(&sent) && sent.iter().all(|delivery| delivery.kind != "reset"));
        assert_eq!(Some(sent[0].prev.to_string()), last, "nothing is left out");
        let orders = b
            .sessions
            .orders(id, &ask, OrdersQuery::default())
            .await
            .expect("orders");
        assert_eq!(orders.orders.len(), 21);
    });
}

#[test]
fn a_leaving_owner_hands_over_and_the_connection_loses_nothing() {
    let stage = Stage::new("leave");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    let mut sent = Vec::new();
    let (mut output, input) = a.block_on(async {
        let leg = a
            .sessions
            .open(id, &Ask::default(), dial(1, 1, None))
            .await
            .expect("taken");
        let Attachment {
            mut output, input, ..
        } = leg;
        input.send(order(1)).await.expect("a running leg");
        sent.extend(deliveries(until(&mut output, is_answer).await));
        (output, input)
    });
    a.sessions_set_draining(true);
    let leg = b.block_on(async {
        // the record says that the owner leaves once its task has written it
        let leg = loop {
            let last = sent.last().expect("an answer").id.to_string();
            match b
                .sessions
                .open(id, &Ask::default(), dial(1, 2, Some(&last)))
                .await
            {
                Ok(leg) => break leg,
                Err(Refusal::Owner { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("unexpected: {other}"),
            }
        };
        assert_eq!((leg.claim.generation, leg.accepted), (2, 1));
        leg
    });
    let rest = a.block_on(until(&mut output, is_ended));
    assert_eq!(rest.last(), Some(&Outgoing::Ended(Ending::Moved)));
    assert!(
        a.block_on(input.send(order(2))).is_err(),
        "nothing more is accepted there"
    );
    a.block_on(a.sessions.emptied());
    b.block_on(async {
        let Attachment {
            mut output, input, ..
        } = leg;
        input.send(order(2)).await.expect("a running leg");
        sent.extend(deliveries(until(&mut output, is_answer).await));
    });
    assert!(is_chain(&sent), "one chain over both endpoints");
    assert!(sent.iter().all(|delivery| delivery.kind != "reset"));
}

#[test]
fn a_later_leg_ends_the_older_and_an_earlier_attempt_is_refused() {
    let stage = Stage::new("attempts");
    let a = stage.process("a", 1);
    let id = create(&a);
    a.block_on(async {
        let ask = Ask::default();
        let mut first = a
            .sessions
            .open(id, &ask, dial(1, 1, None))
            .await
            .expect("taken");
        first.input.send(order(1)).await.expect("a running leg");
        let second = a
            .sessions
            .open(id, &ask, dial(1, 3, None))
            .await
            .expect("taken");
        let ended = until(&mut first.output, is_ended).await;
        assert_eq!(ended.last(), Some(&Outgoing::Ended(Ending::Replaced)));
        assert!(first.input.send(order(2)).await.is_err());
        let stale = a.sessions.open(id, &ask, dial(1, 2, None)).await.err();
        assert_eq!(stale, Some(Refusal::Superseded { highest: 3 }));
        // what the first leg had said was accepted, or thrown away for good
        let orders = a
            .sessions
            .orders(id, &ask, OrdersQuery::default())
            .await
            .expect("orders");
        assert_eq!(orders.orders.len() as u64, second.accepted);
    });
}

#[test]
fn nobody_reaches_the_session_of_another() {
    let stage = Stage::new("subject");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let ann = Ask {
        subject: Some("ann".into()),
        ..Ask::default()
    };
    let id: SessionId = a
        .block_on(a.sessions.create(Some("ann"), SessionRequest::default()))
        .expect("a session")
        .id
        .parse()
        .expect("an id");
    for ask in [
        Ask::default(),
        Ask {
            subject: Some("bob".into()),
            ..Ask::default()
        },
    ] {
        for process in [&a, &b] {
            let refused = process.block_on(process.sessions.read(id, &ask)).err();
            assert_eq!(refused, Some(Refusal::Forbidden));
        }
    }
    assert!(a.block_on(a.sessions.read(id, &ann)).is_ok());
    a.block_on(a.sessions.end(id, &ann)).expect("ended");
    a.block_on(a.sessions.emptied());
    assert_eq!(
        b.block_on(b.sessions.read(id, &ann)).err(),
        Some(Refusal::Ended)
    );
    let unknown = a.block_on(a.sessions.read(SessionId::new(1), &ann)).err();
    assert_eq!(unknown, Some(Refusal::Missing("session")));
}

#[test]
fn a_restarted_endpoint_takes_its_own_sessions_back() {
    let stage = Stage::new("restart");
    let a = stage.process("a", 1);
    let id = create(&a);
    a.kill();
    let again = stage.process("a", 2);
    let session = again
        .block_on(again.sessions.read(id, &Ask::default()))
        .expect("it is there");
    assert_eq!((session.generation, session.endpoint.as_str()), (2, "a"));
}

#[test]
fn a_key_is_done_once_and_every_view_fits_its_documented_shape() {
    let stage = Stage::new("rest");
    let a = stage.process("a", 1);
    let id = create(&a);
    a.block_on(async {
        let ask = Ask::default();
        let market = LIMIT.replace('N', "1").replace("limit", "market");
        let market = market.replace(r#","price":"99.00""#, "");
        let request = CommandRequest {
            idempotency_key: Some("key-1".parse().expect("a key")),
            command: command(&market),
        };
        let first = a
            .sessions
            .command(id, &ask, request.clone())
            .await
            .expect("done");
        let second = a.sessions.command(id, &ask, request).await.expect("done");
        assert!(first.ok && first == second, "{first:?} {second:?}");
        let number = first
            .data
            .and_then(|data| data.order_id)
            .expect("an order")
            .to_string();
        assert_eq!(
            a.sessions
                .order(id, &ask, &number)
                .await
                .expect("it")
                .status,
            "filled"
        );
        let page = a
            .sessions
            .orders(id, &ask, OrdersQuery::default())
            .await
            .expect("orders");
        assert_eq!(page.orders.len(), 1);
        assert!(
            !a.sessions
                .positions(id, &ask)
                .await
                .expect("positions")
                .is_empty()
        );
        assert!(
            !a.sessions
                .trades(id, &ask, "ACME")
                .await
                .expect("trades")
                .is_empty()
        );
        let book = a.sessions.book(id, &ask, "ACME", 50).await.expect("a book");
        assert!(!book.bids.is_empty() && !book.asks.is_empty());
        let none = a.sessions.book(id, &ask, "NONE", 50).await.err();
        assert_eq!(none, Some(Refusal::Missing("symbol")));
        a.sessions.simulator(id, &ask).await.expect("a simulator");
        a.sessions.snapshot(id, &ask).await.expect("a snapshot");
        let client = "key.key-1".parse().expect("a client");
        let commands = a
            .sessions
            .commands(id, &ask, &client)
            .await
            .expect("commands");
        assert_eq!(commands.commands.len(), 1);
    });
}

#[test]
fn an_owner_that_lost_the_session_commits_nothing_and_ends_its_legs() {
    let stage = Stage::new("fenced");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    let (mut output, input) = a.block_on(async {
        let leg = a
            .sessions
            .open(id, &Ask::default(), dial(1, 1, None))
            .await
            .expect("taken");
        (leg.output, leg.input)
    });
    stage.cut_off("a");
    let there = b
        .block_on(b.sessions.read(id, &stage::moved_from("a")))
        .expect("taken over");
    assert_eq!(there.generation, 2);
    let sent = a.block_on(async {
        // refused by the store if it is taken at all
        let _: Result<(), LegEnded> = input.send(order(1)).await;
        until(&mut output, is_ended).await
    });
    assert!(!sent.iter().any(is_answer) && !sent.contains(&Outgoing::Accepted(1)));
    assert_eq!(sent.last(), Some(&Outgoing::Ended(Ending::Moved)));
    let orders = b.block_on(
        b.sessions
            .orders(id, &Ask::default(), OrdersQuery::default()),
    );
    assert!(orders.expect("orders").orders.is_empty());
}
