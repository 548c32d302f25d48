//! A real Redis server that loses what it had answered.

use super::*;

fn losses(process: &Process, what: &str) -> u64 {
    let counters = &process.sessions.tally().losses;
    counters.with_label_values(&[what]).get()
}

async fn opened(process: &Process, id: SessionId) -> Attachment {
    let leg = process
        .sessions
        .open(id, &Ask::default(), dial(1, 1, None))
        .await;
    leg.expect("taken")
}

/// Waits until the store behind a restarted server answers again.
async fn answers(process: &Process) {
    while process.store.probe().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_claim_that_the_store_has_lost_is_taken_back_and_nobody_sees_a_thing() {
    let mut stage = Stage::on_redis("claim-lost");
    let (a, b, c) = (
        stage.process("a", 1),
        stage.process("b", 1),
        stage.process("c", 1),
    );
    let id = create(&a);
    stage.redis.as_ref().expect("a server").remember();
    a.kill();
    let (mut sent, mut output, input) = b.block_on(async {
        let ask = stage::moved_from("a");
        let leg = b.sessions.open(id, &ask, dial(1, 1, None)).await;
        let leg = leg.expect("taken over");
        assert_eq!(leg.claim.generation, 2);
        let Attachment {
            mut output, input, ..
        } = leg;
        input.send(order(1)).await.expect("a running leg");
        let sent = until(&mut output, is_answer).await;
        (sent, output, input)
    });
    stage.redis.as_mut().expect("a server").lose_since();
    b.block_on(async {
        input.send(order(2)).await.expect("a running leg");
        sent.extend(until(&mut output, is_answer).await);
        let found = b.store.find(id).await.expect("it answers").expect("there");
        assert_eq!(found.record.owner.endpoint.as_str(), "b");
        assert_eq!(found.record.claim.generation, 3, "one above the lost one");
    });
    let sent = deliveries(sent);
    assert!(is_chain(&sent) && sent.iter().all(|delivery| delivery.kind != "reset"));
    assert_eq!(losses(&b, "claim"), 1);
    b.kill();
    let ask = stage::moved_from("b");
    let orders = c.block_on(c.sessions.orders(id, &ask, OrdersQuery::default()));
    assert_eq!(
        orders.expect("revived").orders.len(),
        2,
        "what the store had lost is there again"
    );
}

#[test]
fn what_the_store_has_lost_together_with_its_owner_is_told_by_a_reset() {
    let mut stage = Stage::on_redis("owner-lost");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    let (mut output, input) = a.block_on(async {
        let Attachment {
            mut output, input, ..
        } = opened(&a, id).await;
        input.send(order(1)).await.expect("a running leg");
        until(&mut output, is_answer).await;
        (output, input)
    });
    stage.redis.as_ref().expect("a server").remember();
    let sent = a.block_on(async {
        input.send(order(2)).await.expect("a running leg");
        deliveries(until(&mut output, is_answer).await)
    });
    let last = sent.last().expect("an answer").id.to_string();
    a.kill();
    stage.redis.as_mut().expect("a server").lose_since();
    b.block_on(async {
        answers(&b).await;
        // long after, so that the market has emitted as many entries as were seen
        let ask = stage::moved_from("a");
        let seen: EntryId = last.parse().expect("an id");
        while b.sessions.read(id, &ask).await.expect("taken over").seq <= seen.seq {
            tokio::task::yield_now().await;
        }
        let dialled = Dial {
            generation: Some(1.into()),
            ..dial(1, 2, Some(&last))
        };
        let leg = b.sessions.open(id, &ask, dialled).await.expect("taken");
        assert_eq!(leg.accepted, 1, "the second is not there");
        let Attachment { mut output, .. } = leg;
        let first = deliveries(until(&mut output, |_| true).await);
        assert_eq!(first[0].kind, "reset", "never silent");
        assert_eq!(first[0].prev.to_string(), last);
        assert_ne!(
            first[0].id.epoch, seen.epoch,
            "nothing of it can be resumed"
        );
        let orders = b.sessions.orders(id, &ask, OrdersQuery::default()).await;
        assert_eq!(orders.expect("orders").orders.len(), 1);
    });
    assert_eq!(losses(&b, "moments"), 1);
}

#[test]
fn a_tail_that_the_store_has_lost_is_written_again_by_its_owner() {
    let mut stage = Stage::on_redis("tail-lost");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    stage.redis.as_ref().expect("a server").remember();
    let (mut sent, mut output, input) = a.block_on(async {
        let Attachment {
            mut output, input, ..
        } = opened(&a, id).await;
        input.send(order(1)).await.expect("a running leg");
        let sent = until(&mut output, is_answer).await;
        (sent, output, input)
    });
    stage.redis.as_mut().expect("a server").lose_since();
    a.block_on(async {
        input.send(order(2)).await.expect("a running leg");
        sent.extend(until(&mut output, is_answer).await);
    });
    let sent = deliveries(sent);
    assert!(is_chain(&sent) && sent.iter().all(|delivery| delivery.kind != "reset"));
    a.kill();
    let ask = stage::moved_from("a");
    let orders = b.block_on(b.sessions.orders(id, &ask, OrdersQuery::default()));
    assert_eq!(orders.expect("revived").orders.len(), 2);
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_a_server_that_syncs_always_is_killed() {
    const ORDERS: u64 = 20;
    let mut stage = Stage::on_redis("always");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let id = create(&a);
    let (mut output, input) = a.block_on(async {
        let Attachment { output, input, .. } = opened(&a, id).await;
        (output, input)
    });
    for n in 1..=ORDERS {
        if n == ORDERS / 2 {
            // in the middle of it all
            a.block_on(input.send(order(n))).expect("a running leg");
            let server = stage.redis.as_mut().expect("a server");
            server.kill();
            server.start_again();
        } else {
            a.block_on(input.send(order(n))).expect("a running leg");
        }
        let answered = deliveries(a.block_on(until(&mut output, is_answer)));
        let wanted = format!(r#""n":{n},"ok":true"#);
        assert!(answered.last().expect("one").body.contains(&wanted));
    }
    a.kill();
    let server = stage.redis.as_mut().expect("a server");
    server.kill();
    server.start_again();
    let ask = stage::moved_from("a");
    let orders = b.block_on(async {
        answers(&b).await;
        let all = OrdersQuery {
            limit: Some(500),
            ..OrdersQuery::default()
        };
        b.sessions.orders(id, &ask, all).await
    });
    assert_eq!(orders.expect("revived").orders.len() as u64, ORDERS);
}

#[test]
fn sessions_of_an_emptied_server_go_on_where_they_are_owned_and_are_gone_elsewhere() {
    let stage = Stage::on_redis("emptied-sessions");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let (kept, gone) = (create(&a), create(&b));
    a.block_on(a.store.probe()).expect("it answers");
    b.kill();
    let last = a.block_on(async {
        let leg = opened(&a, kept).await;
        let Attachment {
            mut output, input, ..
        } = leg;
        input.send(order(1)).await.expect("a running leg");
        until(&mut output, is_answer).await;
        stage.redis.as_ref().expect("a server").say(&["FLUSHALL"]);
        let refused = a
            .sessions
            .open(gone, &Ask::default(), dial(2, 2, None))
            .await;
        let refused = refused.err().expect("a request creates nothing");
        assert!(
            matches!(refused, Refusal::Unavailable { .. }),
            "its owner may write it anew: {refused:?}"
        );
        input.send(order(2)).await.expect("a running leg");
        deliveries(until(&mut output, is_answer).await)
    });
    assert!(is_chain(&last), "nobody saw a thing");
    assert_eq!(losses(&a, "session"), 1);
    a.block_on(async {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            let ask = Ask::default();
            match a.sessions.open(gone, &ask, dial(2, 2, None)).await.err() {
                Some(Refusal::Missing("session")) => break,
                Some(Refusal::Unavailable { .. }) => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    });
    assert_eq!(losses(&a, "gone"), 1);
}
