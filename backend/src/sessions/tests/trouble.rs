//! The store fails, or several want the same.

use super::flaky::Fails;
use super::*;

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
            a.sessions.book(id, &ask, "ACME").await.is_ok(),
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
        generation: Some(2),
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
