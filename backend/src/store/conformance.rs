//! What every store promises, as one list of tests over the trait. A new store
//! is done when all of them hold for it.

mod outbox;

use std::sync::Arc;

use holdfast_session::id::{ClaimId, Incarnation, SessionId};
use holdfast_session::ownership::{Ancestors, Claim, Owner, Record};

use super::{Fence, Horizon, New, Snapshot, State, Store, StoreError};

/// Runs every test. `stores` are several handles on one empty store, as
/// several processes would hold them. It panics with the promise that is broken.
pub async fn conforms(stores: &[Arc<dyn Store>]) {
    let [a, b, ..] = stores else {
        panic!("conformance needs two handles on one store")
    };
    what_one_handle_writes_another_reads(&**a, &**b).await;
    a_session_is_created_once(&**a, &**b).await;
    one_of_many_claims_wins(stores).await;
    writes_under_an_older_claim_are_refused(&**a, &**b).await;
    the_same_generation_with_another_claim_id_is_refused(&**a).await;
    an_append_at_the_wrong_place_is_refused_whole(&**a).await;
    the_newest_snapshot_and_the_journal_from_there_are_given(&**a, &**b).await;
    nothing_before_the_horizon_is_kept_but_what_leads_to_it(&**a, &**b).await;
    a_snapshot_stands_for_a_lost_tail(&**a).await;
    what_is_marked_is_found(&**a, &**b).await;
    the_claims_before_are_remembered_with_each(&**a, &**b).await;
    an_ended_session_is_remembered_but_empty(&**a, &**b).await;
    a_subject_sees_its_own_sessions_newest_first(&**a).await;
    outbox::conforms(&**a, &**b).await;
}

async fn what_one_handle_writes_another_reads(a: &dyn Store, b: &dyn Store) {
    let fence = created(a, 1).await;
    a.append(fence, records(&["one", "two"]))
        .await
        .expect("an append by the owner");
    let state = newest(b, Fence { length: 2, ..fence }).await;
    let state = state.expect("the same session");
    assert_eq!(state.length, 2);
    assert_eq!(state.journal, [(0, b"one".to_vec()), (1, b"two".to_vec())]);
    assert_eq!(state.snapshot, snapshot(0, 0));
    assert!(!state.rewound, "nothing was started anew");
    assert_eq!(
        b.find(SessionId::new(404)).await,
        Ok(None),
        "never heard of"
    );
    b.probe().await.expect("it answers");
}

async fn a_session_is_created_once(a: &dyn Store, b: &dyn Store) {
    created(a, 2).await;
    assert_eq!(b.create(new(2, None, 0)).await, Err(StoreError::Exists));
}

async fn one_of_many_claims_wins(stores: &[Arc<dyn Store>]) {
    let fence = created(&*stores[0], 3).await;
    let mut won = Vec::new();
    let mut asked = Vec::new();
    for (n, store) in (10..).zip(stores.iter().cycle().take(8)) {
        let (store, next) = (Arc::clone(store), record(2, n));
        asked.push(tokio::spawn(async move {
            (n, store.claim(fence.session, fence.claim, next).await)
        }));
    }
    for task in asked {
        match task.await.expect("a claim that ends") {
            (n, Ok(_)) => won.push(n),
            (_, refused) => assert_eq!(refused, Err(StoreError::Fenced { generation: 2 })),
        }
    }
    let found = stores[1]
        .find(fence.session)
        .await
        .expect("answers")
        .expect("exists");
    assert_eq!(
        won,
        [found.record.claim.id.bits()],
        "one wins and the record names it"
    );
}

async fn writes_under_an_older_claim_are_refused(a: &dyn Store, b: &dyn Store) {
    let old = created(a, 4).await;
    b.claim(old.session, old.claim, record(2, 7))
        .await
        .expect("a claim of what was seen");
    let fenced = StoreError::Fenced { generation: 2 };
    assert_eq!(a.append(old, records(&["late"])).await, Err(fenced.clone()));
    assert_eq!(keep(a, old, snapshot(0, 5)).await, Err(fenced.clone()));
    assert_eq!(a.mark(old, true, true).await, Err(fenced.clone()));
    assert_eq!(a.end(old, None).await, Err(fenced.clone()));
    assert_eq!(newest(a, old).await, Err(fenced.clone()));
    assert_eq!(
        a.claim(old.session, old.claim, record(2, 8)).await,
        Err(fenced)
    );
    let new = Fence {
        claim: record(2, 7).claim,
        ..old
    };
    let state = newest(b, new).await.expect("the new owner");
    assert_eq!(
        (state.length, state.journal, state.snapshot.seq),
        (0, vec![], 0)
    );
}

async fn the_same_generation_with_another_claim_id_is_refused(a: &dyn Store) {
    let fence = created(a, 5).await;
    let forged = Fence {
        claim: Claim {
            id: ClaimId::new(99),
            ..fence.claim
        },
        ..fence
    };
    let refused = a.append(forged, records(&["x"])).await;
    assert_eq!(refused, Err(StoreError::Fenced { generation: 1 }));
}

async fn an_append_at_the_wrong_place_is_refused_whole(a: &dyn Store) {
    let fence = created(a, 6).await;
    a.append(fence, records(&["one"])).await.expect("the first");
    for length in [0, 2] {
        let refused = a
            .append(Fence { length, ..fence }, records(&["x", "y"]))
            .await;
        assert_eq!(refused, Err(StoreError::Length { actual: 1 }));
    }
    let state = newest(a, fence).await.expect("the owner");
    assert_eq!((state.length, state.journal.len()), (1, 1));
}

async fn the_newest_snapshot_and_the_journal_from_there_are_given(a: &dyn Store, b: &dyn Store) {
    let fence = created(a, 7).await;
    grow(a, fence, 3, |_| Horizon::default()).await;
    let at = Fence { length: 3, ..fence };
    a.append(at, records(&["last"])).await.expect("an append");
    let early = Fence { length: 1, ..fence };
    let refused = keep(a, early, snapshot(1, 1)).await;
    assert_eq!(
        refused,
        Err(StoreError::Length { actual: 4 }),
        "of a state long past"
    );
    let found = b.find(fence.session).await.expect("answers");
    assert_eq!(found.expect("exists").length, 4);
    let state = b
        .claim(fence.session, fence.claim, record(2, 1))
        .await
        .expect("a claim");
    assert_eq!(state.snapshot, snapshot(3, 30));
    assert_eq!(state.journal, [(3, b"last".to_vec())]);
    assert_eq!(state.length, 4);
    let refused = a.past(at, 30).await;
    assert_eq!(refused, Err(StoreError::Fenced { generation: 2 }));
}

/// The number of the snapshot that entry `seq` would be made again from.
async fn reaches(store: &dyn Store, fence: Fence, seq: u64) -> Option<u64> {
    let state = store.past(fence, seq).await.expect("the owner")?;
    let from = state.snapshot.length;
    let numbers: Vec<u64> = state.journal.iter().map(|(number, _)| *number).collect();
    let all: Vec<u64> = (from..state.length).collect();
    assert_eq!(numbers, all, "the journal from there, whole");
    Some(from)
}

async fn nothing_before_the_horizon_is_kept_but_what_leads_to_it(a: &dyn Store, b: &dyn Store) {
    // of seq 10, 20, 30, ...; by entries, by time and by records it means the same
    let horizons: [fn(u64) -> Horizon; 3] = [
        |n| Horizon {
            seq: (10 * n).saturating_sub(45),
            ..Horizon::default()
        },
        |n| Horizon {
            at_ms: (100 * n).saturating_sub(450),
            ..Horizon::default()
        },
        |n| Horizon {
            length: n.saturating_sub(4),
            ..Horizon::default()
        },
    ];
    for (id, horizon) in (30..).zip(horizons) {
        let fence = created(a, id).await;
        grow(a, fence, 4, horizon).await;
        let at = Fence { length: 4, ..fence };
        assert_eq!(reaches(b, at, 9).await, Some(0), "from the very first");
        grow(a, at, 36, horizon).await;
        let at = Fence {
            length: 40,
            ..fence
        };
        assert_eq!(reaches(b, at, 400).await, Some(40), "the newest");
        let far = reaches(b, at, 360).await.expect("after the horizon");
        assert!((31..=36).contains(&far), "at most twice as far: {far}");
        let near = reaches(b, at, 399).await.expect("one between");
        assert!((far + 1..40).contains(&near), "{far} {near}");
        assert_eq!(reaches(b, at, 200).await, None, "long past");
    }
}

async fn a_snapshot_stands_for_a_lost_tail(a: &dyn Store) {
    let fence = created(a, 8).await;
    let ahead = Fence { length: 5, ..fence };
    assert_eq!(
        a.append(ahead, records(&["x"])).await,
        Err(StoreError::Length { actual: 0 })
    );
    keep(a, ahead, snapshot(5, 40))
        .await
        .expect("a snapshot of what the owner knows");
    a.append(ahead, records(&["x"]))
        .await
        .expect("the journal goes on from there");
    let state = newest(a, fence).await.expect("the owner");
    assert_eq!(state.length, 6);
    assert_eq!(state.journal, [(5, b"x".to_vec())]);
    assert_eq!(state.snapshot, snapshot(5, 40));
    let at = Fence { length: 6, ..fence };
    assert_eq!(
        a.past(at, 39).await,
        Ok(None),
        "no way leads from what was before"
    );
}

async fn what_is_marked_is_found(a: &dyn Store, b: &dyn Store) {
    let fence = created(a, 9).await;
    a.mark(fence, true, false).await.expect("the owner");
    let found = b
        .find(fence.session)
        .await
        .expect("answers")
        .expect("exists");
    assert!(found.record.leaving && !found.record.laid_down && !found.ended);
    assert_eq!(found.record.owner, record(1, 1).owner);
    assert_eq!(found.about, "about 0");
}

async fn the_claims_before_are_remembered_with_each(a: &dyn Store, b: &dyn Store) {
    let fence = created(a, 13).await;
    let next = Record {
        ancestors: Ancestors::default().with(fence.claim),
        ..record(2, 22)
    };
    let claimed = a.claim(fence.session, fence.claim, next.clone()).await;
    claimed.expect("nobody was faster");
    let found = b.find(fence.session).await.expect("answers");
    assert_eq!(found.expect("exists").record, next);
}

async fn an_ended_session_is_remembered_but_empty(a: &dyn Store, b: &dyn Store) {
    let fence = created(a, 10).await;
    a.end(fence, None).await.expect("the owner");
    let found = b
        .find(fence.session)
        .await
        .expect("answers")
        .expect("remembered");
    assert!(found.ended);
    assert_eq!(
        a.append(fence, records(&["x"])).await,
        Err(StoreError::Missing)
    );
    let refused = b.claim(fence.session, fence.claim, record(2, 2)).await;
    assert_eq!(refused, Err(StoreError::Missing));
}

async fn a_subject_sees_its_own_sessions_newest_first(a: &dyn Store) {
    for (id, subject, created_ms) in [
        (20, Some("ann"), 5),
        (21, Some("bob"), 6),
        (22, Some("ann"), 7),
        (23, None, 8),
    ] {
        a.create(new(id, subject, created_ms))
            .await
            .expect("a new session");
    }
    let ids = async |subject, limit| -> Vec<u128> {
        let found = a.list(subject, limit).await.expect("a list");
        found.iter().map(|found| found.id.bits()).collect()
    };
    assert_eq!(ids(Some("ann"), 10).await, [22, 20]);
    assert_eq!(ids(Some("ann"), 1).await, [22]);
    assert!(
        ids(None, 100).await.contains(&23),
        "anonymous sessions are a subject's too"
    );
}

pub(super) async fn created(store: &dyn Store, id: u128) -> Fence {
    store.create(new(id, None, 0)).await.expect("a new session");
    Fence {
        session: SessionId::new(id),
        claim: record(1, 1).claim,
        length: 0,
    }
}

/// Writes records and snapshots in turn.
async fn grow(store: &dyn Store, from: Fence, count: u64, horizon: fn(u64) -> Horizon) {
    for n in from.length..from.length + count {
        let at = Fence { length: n, ..from };
        store.append(at, records(&["r"])).await.expect("an append");
        let after = Fence {
            length: n + 1,
            ..from
        };
        let written = store.snapshot(after, snapshot(n + 1, 10 * (n + 1)), horizon(n + 1));
        written.await.expect("a snapshot");
    }
}

/// The newest snapshot with the journal from there, for the owner.
pub(super) async fn newest(store: &dyn Store, fence: Fence) -> Result<State, StoreError> {
    let newest = store.past(fence, i64::MAX.cast_unsigned()).await?;
    Ok(newest.expect("a session has a snapshot"))
}

/// A snapshot that nothing falls behind for.
pub(super) async fn keep(
    store: &dyn Store,
    fence: Fence,
    snapshot: Snapshot,
) -> Result<(), StoreError> {
    let kept = store.snapshot(fence, snapshot, Horizon::default()).await;
    kept.map(drop)
}

pub(super) fn new(id: u128, subject: Option<&str>, created_ms: u64) -> New {
    New {
        id: SessionId::new(id),
        record: record(1, 1),
        subject: subject.map(str::to_owned),
        created_ms,
        snapshot: snapshot(0, 0),
    }
}

pub(super) fn record(generation: u64, claim: u128) -> Record {
    Record {
        claim: Claim {
            generation,
            id: ClaimId::new(claim),
        },
        owner: Owner {
            endpoint: "a".parse().expect("a name"),
            incarnation: Incarnation::new(7),
            address: "127.0.0.1:1".into(),
        },
        leaving: false,
        laid_down: false,
        ancestors: Ancestors::default(),
    }
}

pub(super) fn snapshot(length: u64, seq: u64) -> Snapshot {
    Snapshot {
        length,
        seq,
        at_ms: 10 * seq,
        state: format!("state {seq}").into_bytes(),
        about: "about 0".into(),
        last_act: false,
        post: None,
    }
}

pub(super) fn records(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
