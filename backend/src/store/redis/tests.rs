//! Against a real server: what every store promises, and what is a Redis server's own.

pub(crate) mod server;

use std::time::Duration;

use self::server::Server;
use super::*;
use crate::store::conformance::{conforms, created, keep, new, newest, record, records, snapshot};

#[tokio::test]
async fn redis_keeps_what_a_store_promises() {
    let server = Server::start("conformance");
    conforms(&[server.store(), server.store(), server.store()]).await;
}

#[tokio::test]
async fn nothing_that_was_answered_is_lost_when_the_server_is_killed() {
    let mut server = Server::start("killed");
    let store = server.store();
    let fence = created(&*store, 1).await;
    for length in 0..50 {
        let at = Fence { length, ..fence };
        store.append(at, records(&["r"])).await.expect("an append");
    }
    let state = store.claim(fence.session, fence.claim, record(2, 2)).await;
    let state = state.expect("a claim");
    server.kill();
    let refused = store.append(fence, records(&["x"])).await;
    let refusal = matches!(refused, Err(StoreError::Failed(_) | StoreError::Away));
    assert!(refusal, "{refused:?}");
    server.start_again();
    answers(&store).await;
    let next = Fence {
        claim: record(2, 2).claim,
        ..fence
    };
    let after = newest(&*store, next).await.expect("the new owner");
    assert_eq!((after.journal, after.length), (state.journal, 50));
    let refused = store.append(fence, records(&["x"])).await;
    assert_eq!(refused, Err(StoreError::Fenced { generation: 2 }));
}

#[tokio::test]
async fn a_server_that_was_started_again_says_that_it_may_have_lost_something() {
    let mut server = Server::start("rewound");
    let store = server.store();
    let fence = created(&*store, 1).await;
    server.remember();
    let claimed = store.claim(fence.session, fence.claim, record(2, 2)).await;
    assert!(!claimed.expect("a claim").rewound);
    let second = Fence {
        claim: record(2, 2).claim,
        ..fence
    };
    store
        .append(second, records(&["lost"]))
        .await
        .expect("an append");
    server.lose_since();
    answers(&store).await;
    let refused = store
        .append(
            Fence {
                length: 1,
                ..second
            },
            vec![],
        )
        .await;
    assert_eq!(refused, Err(StoreError::Fenced { generation: 1 }));
    let claimed = store.claim(fence.session, fence.claim, record(2, 3)).await;
    assert!(claimed.expect("of what is left").rewound);
    let third = Fence {
        claim: record(2, 3).claim,
        ..fence
    };
    let refused = store.append(second, records(&["late"])).await;
    assert_eq!(
        refused,
        Err(StoreError::Fenced { generation: 2 }),
        "the same number, another claim"
    );
    keep(&*store, third, snapshot(0, 0))
        .await
        .expect("a snapshot");
    let state = newest(&*store, third).await.expect("a state");
    assert!(!state.rewound, "written since: it is known what there is");
}

#[tokio::test]
async fn an_emptied_server_says_so_and_only_an_owner_writes_anew() {
    let server = Server::start("emptied");
    let (store, other) = (server.store(), server.store());
    let fence = created(&*store, 1).await;
    for process in [&store, &other] {
        process.probe().await.expect("it answers");
    }
    server.say(&["FLUSHALL"]);
    let missing = Err(StoreError::Missing);
    assert_eq!(store.append(fence, records(&["x"])).await, missing);
    assert_eq!(keep(&*store, fence, snapshot(0, 1)).await, missing);
    let claimed = store.claim(fence.session, fence.claim, record(2, 2)).await;
    assert_eq!(claimed, Err(StoreError::Missing));
    for process in [&store, &other] {
        let found = process.find(fence.session).await;
        assert_eq!(found, Err(StoreError::Lost), "each process notices");
    }
    let anew = New {
        snapshot: snapshot(7, 70),
        ..new(1, Some("ann"), 3)
    };
    store.create(anew).await.expect("written from memory");
    let at = Fence { length: 7, ..fence };
    store.append(at, records(&["x"])).await.expect("it goes on");
    let state = newest(&*other, at).await.expect("a state");
    assert_eq!((state.length, state.journal), (8, vec![(7, b"x".to_vec())]));
    let listed = other.list(Some("ann"), 10).await.expect("a list");
    assert_eq!(listed.len(), 1);
}

#[tokio::test]
async fn a_full_server_refuses_appends_whole_and_still_lets_go() {
    let server = Server::start("full");
    let store = server.store();
    let fence = created(&*store, 1).await;
    store
        .append(fence, records(&["one"]))
        .await
        .expect("an append");
    let at = Fence { length: 1, ..fence };
    server.say(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.say(&["CONFIG", "SET", "maxmemory", "1"]);
    let full = Err(StoreError::Full);
    assert_eq!(store.append(at, records(&["two", "three"])).await, full);
    assert_eq!(keep(&*store, at, snapshot(1, 1)).await, full);
    assert_eq!(store.create(new(2, None, 0)).await, full);
    store.mark(at, true, true).await.expect("it may leave");
    let claimed = store.claim(at.session, at.claim, record(2, 2)).await;
    let state = claimed.expect("another may take it");
    assert_eq!(
        (state.length, state.journal.len()),
        (1, 1),
        "nothing half written"
    );
    let next = Fence {
        claim: record(2, 2).claim,
        ..at
    };
    server.say(&["CONFIG", "SET", "maxmemory", "0"]);
    store
        .append(next, records(&["two"]))
        .await
        .expect("room again");
    server.say(&["CONFIG", "SET", "maxmemory", "1"]);
    store
        .end(next, None)
        .await
        .expect("what gives room is done");
}

#[tokio::test]
async fn an_append_without_an_answer_is_found_by_reading_back() {
    let server = Server::start("silent");
    let store = server.store();
    let fence = created(&*store, 1).await;
    let hasty = RedisStore::new(&server.options(Duration::from_millis(100))).expect("a store");
    hasty.probe().await.expect("it answers");
    server.say(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let unknown = hasty.append(fence, records(&["one"])).await;
    assert!(matches!(unknown, Err(StoreError::Failed(_))), "{unknown:?}");
    server.say(&["CLIENT", "UNPAUSE"]);
    let state = newest(&*store, fence).await.expect("a state");
    let again = store.append(fence, records(&["one"])).await;
    match state.length {
        0 => assert_eq!(again, Ok(())),
        length => assert_eq!(again, Err(StoreError::Length { actual: length })),
    }
    let state = newest(&*store, fence).await.expect("a state");
    assert_eq!(state.journal, [(0, b"one".to_vec())], "once");
}

#[tokio::test]
async fn the_list_of_a_subject_is_bounded_and_forgets_what_ended() {
    let server = Server::start("bounded");
    let store = server.store();
    for (id, created_ms) in (1_000_u128..).zip(0..=LISTED_MAX as u64) {
        let session = new(id, Some("ann"), created_ms);
        store.create(session).await.expect("a new session");
    }
    let listed = store.list(Some("ann"), 5_000).await.expect("a list");
    assert_eq!(listed.len(), LISTED_MAX);
    let newest = listed.first().expect("one");
    assert_eq!(newest.created_ms, LISTED_MAX as u64);
    let fence = Fence {
        session: newest.id,
        claim: newest.record.claim,
        length: 0,
    };
    store.end(fence, None).await.expect("its owner ends it");
    let listed = store.list(Some("ann"), 5_000).await.expect("a list");
    assert_eq!(listed.len(), LISTED_MAX - 1);
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_is_away() {
    let server = Server::start("away");
    let store = server.store();
    let fence = created(&*store, 1).await;
    let hasty = RedisStore::new(&server.options(Duration::from_millis(100))).expect("a store");
    hasty.probe().await.expect("it answers");
    // it ends by itself: a server that is silent to all takes no word to go on either
    server.say(&["CLIENT", "PAUSE", "2000", "ALL"]);
    let unknown = hasty.append(fence, records(&["one"])).await;
    assert!(matches!(unknown, Err(StoreError::Failed(_))), "{unknown:?}");
    let refused = hasty.append(fence, records(&["two"])).await;
    assert_eq!(refused, Err(StoreError::Away), "and certainly not done");
    answers(&hasty).await;
    let state = newest(&hasty, fence).await.expect("a state");
    let journal: Vec<_> = state
        .journal
        .iter()
        .map(|(_, record)| record.as_slice())
        .collect();
    assert!(matches!(journal[..], [] | [b"one"]), "{journal:?}");
}

/// Waits for the connection to be there again.
async fn answers(store: &RedisStore) {
    let patient = async {
        while store.probe().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, patient)
        .await
        .expect("it answers again");
}
