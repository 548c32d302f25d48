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
