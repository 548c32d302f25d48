//! A connection that was away while its session changed hands.

use super::*;

/// Lets the session go from `from` to `to`, as a drain does.
fn hand_over(id: SessionId, from: &Process, to: &Process) {
    from.sessions_set_draining(true);
    to.block_on(async {
        // the record says that the owner leaves once its task has written it
        while let Err(refused) = to.sessions.read(id, &Ask::default()).await {
            let soon = matches!(refused, Refusal::Owner { .. } | Refusal::Unavailable { .. });
            assert!(soon, "{refused:?}");
            tokio::task::yield_now().await;
        }
    });
    from.sessions_set_draining(false);
}

/// What a connection that comes back to `place` is sent, up to the `n`th answer.
fn missed(at: &Process, id: SessionId, ask: &Ask, place: &str, n: u64) -> Vec<Delivery> {
    at.block_on(async {
        let dialled = Dial {
            client: Some("tab".parse().expect("a name")),
            ..dial(9, 1, Some(place))
        };
        let leg = at.sessions.open(id, ask, dialled).await.expect("taken");
        assert_eq!(leg.position, place, "it goes on where it was");
        let Attachment { mut output, .. } = leg;
        let wanted = format!(r#""n":{n},"#);
        let last = |outgoing: &Outgoing| {
            let delivery = deliveries(vec![outgoing.clone()]).pop();
            delivery.is_some_and(|it| it.kind == "answer" && it.body.contains(&wanted))
        };
        deliveries(until(&mut output, last).await)
    })
}

#[test]
fn a_connection_that_was_away_over_several_handovers_and_a_crash_misses_nothing() {
    const ORDERS: u64 = 12;
    let stage = Stage::new("window");
    let [a, b, c] = ["a", "b", "c"].map(|name| stage.process(name, 1));
    let id = create(&a);
    let seen = a.block_on(async {
        let dialled = Dial {
            client: Some("tab".parse().expect("a name")),
            ..dial(1, 1, None)
        };
        let leg = a.sessions.open(id, &Ask::default(), dialled).await;
        trade(leg.expect("taken"), ORDERS).await.0
    });
    let answers = |(_, (kind, _)): &(&u64, &(&str, Arc<str>))| *kind == "answer";
    let (first, _) = seen.iter().find(answers).expect("the first answer");
    let place = a.block_on(a.sessions.log(id, &Ask::default(), None));
    let epoch: EntryId = place.expect("the log").entries[0]
        .id
        .parse()
        .expect("an id");
    let place = EntryId {
        seq: *first,
        ..epoch
    }
    .to_string();

    for (from, to) in [(&a, &b), (&b, &c), (&c, &a), (&a, &b)] {
        hand_over(id, from, to);
    }
    let after = |sent: &[Delivery]| {
        assert!(is_chain(sent), "no gap");
        assert_eq!(sent[0].prev.to_string(), place, "nor at its beginning");
        for Delivery { id, kind, body, .. } in sent {
            if let Some(before) = seen.get(&id.seq) {
                assert_eq!(before, &(*kind, Arc::clone(body)), "{id} as it was");
            }
        }
        assert!(sent.iter().all(|delivery| delivery.kind != "reset"));
    };
    let from = Some(place.parse().expect("an id"));
    let page = b.block_on(b.sessions.log(id, &Ask::default(), from));
    let page = page.expect("what was emitted before it came here too");
    let same = seen_again(&page.entries, &seen);
    assert_eq!(same, seen.range(first + 1..).count(), "all of it");
    after(&missed(&b, id, &Ask::default(), &place, ORDERS));
    b.kill();
    after(&missed(&c, id, &stage::moved_from("b"), &place, ORDERS));
}

#[test]
fn a_leaving_owner_lays_down_at_once_what_nobody_is_connected_to() {
    let stage = Stage::new("alone");
    let (a, b) = (stage.process("a", 1), stage.process("b", 1));
    let (kept, left) = (create(&a), create(&a));
    let ask = Ask::default();
    let leg = a.block_on(a.sessions.open(kept, &ask, dial(1, 1, None)));
    let leg = leg.expect("taken");
    a.sessions_set_draining(true);
    // nobody has to ask its owner: it is not there any more
    stage.cut_off("a");
    b.block_on(async {
        while let Err(refused) = b.sessions.read(left, &ask).await {
            assert!(matches!(refused, Refusal::Owner { .. }), "{refused:?}");
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(a.sessions.counts().sessions, 1, "that one has a client");
    drop(leg);
    a.block_on(a.sessions.emptied());
    let session = b.block_on(b.sessions.read(kept, &ask)).expect("laid down");
    assert_eq!(session.generation, 2);
}
