//! The store fails, or several want the same.

use super::flaky::Fails;
use super::*;

#[test]
fn an_append_that_comes_to_pass_after_it_was_given_up_is_refused() {
    let stage = Stage::new("late");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    a.block_on(async {
        let leg = a.sessions.open(id, &Ask::default(), dial(1, 1, None)).await;
        let Attachment {
            mut output, input, ..
        } = leg.expect("taken");
        a.store.set(Fails::Late);
        for n in 1..=3 {
            input.send(order(n)).await.expect("a running leg");
            until(&mut output, is_answer).await;
        }
    });
    a.kill();
    b.block_on(async {
        let ask = stage::moved_from("a");
        let leg = b.sessions.open(id, &ask, dial(1, 2, None)).await;
        assert_eq!(leg.expect("taken over").accepted, 3, "as it was answered");
        let orders = b.sessions.orders(id, &ask, OrdersQuery::default()).await;
        assert_eq!(orders.expect("orders").orders.len(), 3);
    });
}

#[test]
fn an_append_whose_outcome_is_unknown_is_read_back_and_done_once() {
    for fails in [Fails::After, Fails::Before] {
        let stage = Stage::new("unknown");
        let a = stage.process("a", 1);
        let id = create(&a);
        a.block_on(async {
            let ask = Ask::default();
            let leg = a
                .sessions
                .open(id, &ask, dial(1, 1, None))
                .await
                .expect("taken");
            let Attachment {
                mut output, input, ..
            } = leg;
            a.store.set(fails);
            input.send(order(1)).await.expect("a running leg");
            let sent = deliveries(until(&mut output, is_answer).await);
            assert!(is_chain(&sent), "{fails:?}");
            input.send(order(2)).await.expect("a running leg");
            until(&mut output, is_answer).await;
            let orders = a
                .sessions
                .orders(id, &ask, OrdersQuery::default())
                .await
                .expect("orders");
            assert_eq!(orders.orders.len(), 2, "{fails:?}");
        });
    }
}

#[test]
fn while_the_store_is_gone_commands_are_refused_and_nothing_is_lost() {
    let stage = Stage::new("gone");
    let a = stage.process("a", 1);
    let id = create(&a);
    a.block_on(async {
        let ask = Ask::default();
        let leg = a
            .sessions
            .open(id, &ask, dial(1, 1, None))
            .await
            .expect("taken");
        let Attachment {
            mut output, input, ..
        } = leg;
        a.store.set(Fails::Always);
        input.send(order(1)).await.expect("a running leg");
        let request = |text: &str| CommandRequest {
            idempotency_key: None,
            command: command(text),
        };
        let refused = a.sessions.command(id, &ask, request(&order(9))).await;
        let refused = refused.expect_err("nothing is done without a store");
        assert!(
            matches!(refused, Refusal::Unavailable { .. }),
            "{refused:?}"
        );
        assert!(
            a.sessions.book(id, &ask, "ACME", 50).await.is_ok(),
            "reading goes on"
        );
        a.store.set(Fails::Not);
        let sent = until(&mut output, is_answer).await;
        assert!(sent.contains(&Outgoing::Accepted(1)));
        let orders = a
            .sessions
            .orders(id, &ask, OrdersQuery::default())
            .await
            .expect("orders");
        assert_eq!(orders.orders.len(), 1, "what was refused was not done");
    });
}

#[test]
fn two_endpoints_that_want_a_dead_owners_session_agree() {
    let stage = Stage::new("race");
    let (a, b, c) = (
        stage.process("a", 1),
        stage.process("b", 1),
        stage.process("c", 1),
    );
    let id = create(&a);
    a.kill();
    let ask = stage::moved_from("a");
    let (at_b, at_c) = b.block_on(async {
        let (sessions, asked) = (c.sessions.clone(), ask.clone());
        let there = c.spawn(async move { sessions.read(id, &asked).await });
        (
            b.sessions.read(id, &ask).await,
            there.await.expect("it ends"),
        )
    });
    let owners = [at_b, at_c].map(|read| match read {
        Ok(session) => session.endpoint,
        Err(Refusal::Owner { endpoint, .. }) => endpoint.to_string(),
        Err(other) => panic!("unexpected: {other}"),
    });
    assert_eq!(owners[0], owners[1]);
}

#[test]
fn a_session_the_store_has_lost_is_written_anew_by_its_owner_and_by_nobody_else() {
    let stage = Stage::new("emptied");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    let ask = Ask::default();
    let sent = a.block_on(async {
        let leg = a
            .sessions
            .open(id, &ask, dial(1, 1, None))
            .await
            .expect("taken");
        let Attachment {
            mut output, input, ..
        } = leg;
        input.send(order(1)).await.expect("a running leg");
        let mut sent = until(&mut output, is_answer).await;
        stage.empty_the_store();
        let there = b.sessions.read(id, &stage::moved_from("a")).await;
        assert_eq!(
            there.expect_err("a request creates nothing"),
            Refusal::Missing("session")
        );
        input.send(order(2)).await.expect("a running leg");
        sent.extend(until(&mut output, is_answer).await);
        deliveries(sent)
    });
    assert!(is_chain(&sent), "nobody saw a thing");
    a.kill();
    b.block_on(async {
        let ask = stage::moved_from("a");
        let orders = b.sessions.orders(id, &ask, OrdersQuery::default()).await;
        assert_eq!(
            orders.expect("revived").orders.len(),
            2,
            "both orders are there"
        );
    });
}

#[test]
fn an_owner_with_nothing_to_write_notices_and_lets_go_as_ever() {
    let stage = Stage::new("emptied-idle");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    stage.empty_the_store();
    a.sessions_set_draining(true);
    let revived = b.block_on(async {
        a.store_knows(id).await;
        b.sessions.read(id, &Ask::default()).await
    });
    assert_eq!(revived.expect("taken over").endpoint, "b");
}

#[test]
fn an_owner_that_was_overtaken_takes_no_connection_that_comes_from_a_later_one() {
    let stage = Stage::new("overtaken");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    stage.cut_off("a");
    let (last, accepted) = b.block_on(async {
        let ask = stage::moved_from("a");
        let leg = b.sessions.open(id, &ask, dial(1, 1, None)).await;
        let (_, last, accepted) = trade(leg.expect("taken over"), 3).await;
        (last, accepted)
    });
    assert_eq!(accepted, 3);
    let back = |attempt| Dial {
        generation: Some(2.into()),
        ..dial(1, attempt, last.as_deref())
    };
    a.block_on(async {
        let ask = Ask::default();
        // it still runs the session, and has not heard of the later owner
        a.store.set(Fails::Always);
        let unsure = a.sessions.open(id, &ask, back(2)).await.err();
        assert!(
            matches!(unsure, Some(Refusal::Unavailable { .. })),
            "nobody can say who owns it: {unsure:?}"
        );
        a.store.set(Fails::Not);
        let refused = loop {
            // the task that was overtaken ends; then the record is read
            match a.sessions.open(id, &ask, back(3)).await.err() {
                Some(Refusal::Unavailable { .. }) => tokio::task::yield_now().await,
                other => break other,
            }
        };
        assert!(
            matches!(refused, Some(Refusal::Owner { .. })),
            "it is where the record says: {refused:?}"
        );
    });
}

/// A process that waits for its store for a second only.
fn impatient(stage: &Stage, name: &str) -> Process {
    let settings = Settings {
        store_grace: Duration::from_secs(1),
        check_interval: Duration::from_millis(100),
        snapshot_interval: Duration::from_millis(200),
        ..Settings::default()
    };
    stage.process_with(name, 1, settings)
}

fn is_notice(outgoing: &Outgoing) -> bool {
    matches!(outgoing, Outgoing::Notice(text) if text.contains("store_unavailable"))
}

#[test]
fn without_a_store_the_market_goes_on_for_its_grace_and_then_the_session_waits_elsewhere() {
    let stage = Stage::new("grace");
    let a = impatient(&stage, "a");
    let id = create(&a);
    let (sent, before) = a.block_on(async {
        let ask = Ask::default();
        let leg = a.sessions.open(id, &ask, dial(1, 1, None)).await;
        let Attachment {
            mut output, input, ..
        } = leg.expect("taken");
        until(&mut output, |_| true).await;
        a.store.set(Fails::Away);
        input.send(order(1)).await.expect("a running leg");
        let mut sent = until(&mut output, is_notice).await;
        let before = sent.len();
        sent.extend(until(&mut output, is_ended).await);
        (sent, before)
    });
    assert!(!sent.iter().any(is_answer) && !sent.contains(&Outgoing::Accepted(1)));
    assert_eq!(sent.last(), Some(&Outgoing::Ended(Ending::Moved)));
    let went_on = deliveries(sent[before..].to_vec());
    assert!(!went_on.is_empty(), "market data goes on meanwhile");
    let last = went_on.last().expect("one").id.to_string();
    a.block_on(async {
        a.sessions.emptied().await;
        let ask = Ask::default();
        let refused = a.sessions.open(id, &ask, dial(1, 2, Some(&last))).await;
        let refused = refused.err().expect("nobody can be sure of it");
        assert!(
            matches!(refused, Refusal::Unavailable { .. }),
            "{refused:?}"
        );
        a.store.set(Fails::Not);
        let leg = a.sessions.open(id, &ask, dial(1, 3, Some(&last))).await;
        let leg = leg.expect("taken");
        assert_eq!(
            (leg.accepted, &leg.position),
            (0, &last),
            "as if never away"
        );
        let Attachment {
            mut output, input, ..
        } = leg;
        input.send(order(1)).await.expect("a running leg");
        let sent = deliveries(until(&mut output, is_answer).await);
        assert!(is_chain(&sent), "what was not accepted is done now");
    });
}

#[test]
fn an_owner_that_nobody_asks_for_anything_notices_too_that_its_store_is_gone() {
    let stage = Stage::new("grace-idle");
    let a = impatient(&stage, "a");
    let id = create(&a);
    a.block_on(async {
        let leg = a
            .sessions
            .open(id, &Ask::default(), dial(1, 1, None))
            .await
            .expect("taken");
        let mut output = leg.output;
        a.store.set(Fails::Always);
        let sent = until(&mut output, is_ended).await;
        assert_eq!(sent.last(), Some(&Outgoing::Ended(Ending::Moved)));
        a.sessions.emptied().await;
    });
}
