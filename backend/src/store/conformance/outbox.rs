//! What the outboxes of every store promise.

use holdfast_session::id::{Epoch, SessionId};
use holdfast_session::ownership::Claim;
use holdfast_session::trail::Parcel;

use super::{created, new, snapshot};
use crate::store::{Fence, Horizon, Kept, New, Post, Snapshot, Store, StoreError, Waiting};

pub(super) async fn conforms(a: &dyn Store, b: &dyn Store) {
    what_goes_with_a_write_waits_for_the_ledger(a, b).await;
    what_goes_with_a_write_that_is_refused_does_not(a).await;
    a_full_outbox_keeps_numbers(a).await;
    whose_outbox_has_waited_is_found(a, b).await;
}

/// Facts of a trail, in a parcel of 4,000 bytes.
fn post(first: u64, last: u64, at_ms: u64) -> Option<Post> {
    Some(Post {
        parcel: Parcel {
            trail: Epoch::new(1),
            first,
            last,
            body: vec![b'x'; 4_000],
        },
        at_ms,
        room: 60_000,
    })
}

async fn keep(store: &dyn Store, fence: Fence, post: Option<Post>) -> Result<Kept, StoreError> {
    let snapshot = Snapshot {
        post,
        ..snapshot(fence.length, 1)
    };
    store.snapshot(fence, snapshot, Horizon::default()).await
}

async fn waiting(store: &dyn Store, id: SessionId) -> Vec<Waiting> {
    store.outbox(id, 100).await.expect("it answers")
}

fn spans(waiting: &[Waiting]) -> Vec<(u64, u64, bool)> {
    let span = |waiting: &Waiting| (waiting.first, waiting.last, waiting.body.is_some());
    waiting.iter().map(span).collect()
}

async fn what_goes_with_a_write_waits_for_the_ledger(a: &dyn Store, b: &dyn Store) {
    let first = New {
        snapshot: Snapshot {
            post: post(1, 2, 1_000),
            ..snapshot(0, 0)
        },
        ..new(50, None, 0)
    };
    let fence = Fence {
        session: first.id,
        claim: first.record.claim,
        length: 0,
    };
    a.create(first).await.expect("a new session");
    let kept = keep(a, fence, post(3, 7, 2_000)).await;
    assert_eq!(kept, Ok(Kept::Whole));
    assert_eq!(keep(a, fence, None).await, Ok(Kept::Whole));
    a.end(fence, post(8, 8, 3_000)).await.expect("its owner");
    let found = waiting(b, fence.session).await;
    assert_eq!(spans(&found), [(1, 2, true), (3, 7, true), (8, 8, true)]);
    let second = &found[1];
    assert_eq!((second.at_ms, &second.trail), (2_000, &Epoch::new(1)));
    assert_eq!(second.body.as_deref(), Some(&[b'x'; 4_000][..]));
    b.clear(fence.session, &second.place).await.expect("done");
    let left = waiting(a, fence.session).await;
    assert_eq!(spans(&left), [(8, 8, true)]);
    // by somebody who has read it as long ago
    b.clear(fence.session, &second.place).await.expect("done");
    assert_eq!(waiting(a, fence.session).await, left);
    let last = &left[0].place;
    a.clear(fence.session, last).await.expect("done");
    assert_eq!(waiting(b, fence.session).await, []);
}

async fn what_goes_with_a_write_that_is_refused_does_not(a: &dyn Store) {
    let fence = created(a, 51).await;
    let forged = Fence {
        claim: Claim {
            generation: 7,
            ..fence.claim
        },
        ..fence
    };
    let fenced = StoreError::Fenced { generation: 1 };
    assert_eq!(keep(a, forged, post(1, 1, 1)).await, Err(fenced.clone()));
    assert_eq!(a.end(forged, post(1, 1, 1)).await, Err(fenced));
    let again = New {
        snapshot: Snapshot {
            post: post(1, 1, 1),
            ..snapshot(0, 0)
        },
        ..new(51, None, 0)
    };
    assert_eq!(a.create(again).await, Err(StoreError::Exists));
    assert_eq!(waiting(a, fence.session).await, []);
}

async fn a_full_outbox_keeps_numbers(a: &dyn Store) {
    let fence = created(a, 52).await;
    let mut whole = 0;
    while keep(a, fence, post(whole + 1, whole + 1, 1)).await == Ok(Kept::Whole) {
        whole += 1;
        assert!(whole <= 20, "more than the room");
    }
    assert!(whole >= 1, "nothing fits");
    for fact in whole + 2..whole + 50 {
        let kept = keep(a, fence, post(fact, fact, 1)).await;
        assert_eq!(kept, Ok(Kept::Numbers));
    }
    let found = waiting(a, fence.session).await;
    assert_eq!(found.len() as u64, whole + 1, "neighbours become one");
    let spans = spans(&found);
    assert_eq!(spans.last(), Some(&(whole + 1, whole + 49, false)));
    let last = &found[found.len() - 1].place;
    a.clear(fence.session, last).await.expect("done");
    let kept = keep(a, fence, post(whole + 50, whole + 50, 1)).await;
    assert_eq!(kept, Ok(Kept::Whole), "there is room again");
}

async fn whose_outbox_has_waited_is_found(a: &dyn Store, b: &dyn Store) {
    let (old, young) = (created(a, 53).await, created(a, 54).await);
    keep(a, old, post(1, 1, 10)).await.expect("its owner");
    keep(a, young, post(1, 1, 90)).await.expect("its owner");
    let found = async |before_ms| b.outboxes(before_ms, 100).await.expect("it answers");
    let early = found(50).await;
    assert!(early.contains(&old.session), "{early:?}");
    assert!(!early.contains(&young.session), "{early:?}");
    assert!(found(100).await.contains(&young.session));
    assert_eq!(b.outboxes(100, 1).await.map(|ids| ids.len()), Ok(1));
    let place = waiting(b, old.session).await[0].place.clone();
    b.clear(old.session, &place).await.expect("done");
    // whoever finds it empty forgets it
    assert_eq!(waiting(b, old.session).await, []);
    let late = found(100).await;
    assert!(!late.contains(&old.session), "{late:?}");
}
