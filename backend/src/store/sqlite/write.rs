//! The writing thread and what it does.

use holdfast_session::id::SessionId;
use holdfast_session::ownership::{Claim, Record};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::{failed, outbox};
use crate::store::{Fence, Horizon, Kept, New, Post, Snapshot, StoreError};

/// One write. It checks before it changes anything, so that one that is refused
/// leaves the others of its batch alone.
pub(super) type Act<T> = Box<dyn FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send>;

/// A write and whom to tell.
pub(super) struct Job {
    run: Box<dyn FnOnce(&Transaction<'_>) -> Tell + Send>,
}

/// Tells the outcome: after the commit, or that there was none.
type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl Job {
    pub(super) fn new<T: Send + 'static>(
        act: Act<T>,
        reply: oneshot::Sender<Result<T, StoreError>>,
    ) -> Self {
        let run = move |tx: &Transaction<'_>| -> Tell {
            let outcome = act(tx);
            // nobody waits any more: the outcome is found by reading back
            Box::new(move |committed| drop(reply.send(committed.and(outcome))))
        };
        Self { run: Box::new(run) }
    }
}

/// Writes what is waiting, until the store is dropped.
pub(super) fn run(mut db: Connection, mut jobs: mpsc::Receiver<Job>, batch_max: usize) {
    let mut batch = Vec::with_capacity(batch_max);
    while jobs.blocking_recv_many(&mut batch, batch_max) > 0 {
        let mut tells = Vec::with_capacity(batch.len());
        let committed = commit(&mut db, &mut batch, &mut tells).map_err(failed);
        for tell in tells {
            tell(committed.clone());
        }
        // without a transaction the jobs were not run: dropping them tells so
        batch.clear();
    }
}

fn commit(db: &mut Connection, jobs: &mut Vec<Job>, tells: &mut Vec<Tell>) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tells.extend(jobs.drain(..).map(|job| (job.run)(&tx)));
    tx.commit()
}

pub(super) fn create(tx: &Transaction<'_>, new: &New, boot: &str) -> Result<(), StoreError> {
    let taken = tx
        .prepare_cached("SELECT 1 FROM session WHERE id = ?1")
        .and_then(|mut known| known.exists([key(new.id)]))
        .map_err(failed)?;
    if taken {
        return Err(StoreError::Exists);
    }
    let Record {
        claim,
        owner,
        leaving,
        laid_down,
        ancestors,
    } = &new.record;
    tx.prepare_cached(
        "INSERT INTO session (id, generation, claim, endpoint, incarnation, address, leaving,
             laid_down, subject, created_ms, length, about, boot, ancestors)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )
    .and_then(|mut insert| {
        insert.execute(params![
            key(new.id),
            signed(claim.generation),
            claim.id.bits().to_be_bytes(),
            owner.endpoint.as_str(),
            owner.incarnation.bits().to_be_bytes(),
            owner.address,
            leaving,
            laid_down,
            new.subject,
            signed(new.created_ms),
            signed(new.snapshot.length),
            new.snapshot.about,
            boot,
            ancestors.to_string(),
        ])
    })
    .map_err(failed)?;
    insert_snapshot(tx, new.id, &new.snapshot)
        .and_then(|()| outbox::post(tx, new.id, new.snapshot.post.as_ref()))
        .map(drop)
        .map_err(failed)
}

pub(super) fn claim(
    tx: &Transaction<'_>,
    id: SessionId,
    seen: Claim,
    next: &Record,
) -> Result<(), StoreError> {
    guard(tx, id, seen)?;
    tx.prepare_cached(
        "UPDATE session SET generation = ?2, claim = ?3, endpoint = ?4, incarnation = ?5,
             address = ?6, leaving = ?7, laid_down = ?8, ancestors = ?9 WHERE id = ?1",
    )
    .and_then(|mut update| {
        update.execute(params![
            key(id),
            signed(next.claim.generation),
            next.claim.id.bits().to_be_bytes(),
            next.owner.endpoint.as_str(),
            next.owner.incarnation.bits().to_be_bytes(),
            next.owner.address,
            next.leaving,
            next.laid_down,
            next.ancestors.to_string(),
        ])
    })
    .map(drop)
    .map_err(failed)
}

pub(super) fn append(
    tx: &Transaction<'_>,
    fence: Fence,
    records: &[Vec<u8>],
) -> Result<(), StoreError> {
    let actual = guard(tx, fence.session, fence.claim)?;
    if actual != fence.length {
        return Err(StoreError::Length { actual });
    }
    let insert = || {
        let mut insert =
            tx.prepare_cached("INSERT INTO journal (session, number, record) VALUES (?1, ?2, ?3)")?;
        for (number, record) in (fence.length..).zip(records) {
            insert.execute(params![key(fence.session), signed(number), record])?;
        }
        set_length(tx, fence.session, fence.length + records.len() as u64)
    };
    insert().map_err(failed)
}

pub(super) fn snapshot(
    tx: &Transaction<'_>,
    fence: Fence,
    snapshot: &Snapshot,
    horizon: Horizon,
    boot: &str,
) -> Result<Kept, StoreError> {
    let actual = guard(tx, fence.session, fence.claim)?;
    if actual > fence.length {
        return Err(StoreError::Length { actual });
    }
    let session = key(fence.session);
    let write = || {
        if actual < fence.length {
            clear(tx, fence.session)?;
        }
        insert_snapshot(tx, fence.session, snapshot)?;
        // of what lies before the horizon the youngest is enough
        tx.prepare_cached(
            "DELETE FROM snapshot WHERE session = ?1 AND rowid <
                 (SELECT max(rowid) FROM snapshot WHERE session = ?1
                  AND (seq < ?2 OR at_ms < ?3 OR length < ?4))",
        )?
        .execute(params![
            session,
            signed(horizon.seq),
            signed(horizon.at_ms),
            signed(horizon.length),
        ])?;
        tx.prepare_cached(
            "DELETE FROM snapshot WHERE session = ?1 AND rowid NOT IN
                 (SELECT rowid FROM snapshot WHERE session = ?1 ORDER BY rowid LIMIT 2)
             AND rowid < (SELECT max(rowid) FROM snapshot WHERE session = ?1)",
        )?
        .execute([session])?;
        tx.prepare_cached(
            "DELETE FROM journal WHERE session = ?1
                 AND number < (SELECT min(length) FROM snapshot WHERE session = ?1)",
        )?
        .execute([session])?;
        tx.prepare_cached("UPDATE session SET about = ?2, boot = ?3 WHERE id = ?1")?
            .execute(params![session, snapshot.about, boot])?;
        set_length(tx, fence.session, fence.length)?;
        outbox::post(tx, fence.session, snapshot.post.as_ref())
    };
    write().map_err(failed)
}

pub(super) fn mark(
    tx: &Transaction<'_>,
    fence: Fence,
    leaving: bool,
    laid_down: bool,
) -> Result<(), StoreError> {
    guard(tx, fence.session, fence.claim)?;
    tx.prepare_cached("UPDATE session SET leaving = ?2, laid_down = ?3 WHERE id = ?1")
        .and_then(|mut update| update.execute(params![key(fence.session), leaving, laid_down]))
        .map(drop)
        .map_err(failed)
}

pub(super) fn end(
    tx: &Transaction<'_>,
    fence: Fence,
    post: Option<&Post>,
) -> Result<(), StoreError> {
    guard(tx, fence.session, fence.claim)?;
    let session = key(fence.session);
    let write = || {
        clear(tx, fence.session)?;
        tx.prepare_cached("UPDATE session SET ended = 1 WHERE id = ?1")?
            .execute([session])?;
        outbox::post(tx, fence.session, post)
    };
    write().map(drop).map_err(failed)
}

/// The length of the journal, if the claim stands.
fn guard(tx: &Transaction<'_>, id: SessionId, claim: Claim) -> Result<u64, StoreError> {
    let row: Option<(i64, [u8; 16], i64, bool)> = tx
        .prepare_cached("SELECT generation, claim, length, ended FROM session WHERE id = ?1")
        .and_then(|mut known| {
            known
                .query_row([key(id)], |r| {
                    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
                })
                .optional()
        })
        .map_err(failed)?;
    let Some((generation, claimed, length, false)) = row else {
        return Err(StoreError::Missing);
    };
    let generation = generation.cast_unsigned();
    if generation == claim.generation && u128::from_be_bytes(claimed) == claim.id.bits() {
        Ok(length.cast_unsigned())
    } else {
        Err(StoreError::Fenced { generation })
    }
}

fn insert_snapshot(tx: &Transaction<'_>, id: SessionId, new: &Snapshot) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO snapshot (session, length, seq, last_act, state, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        key(id),
        signed(new.length),
        signed(new.seq),
        new.last_act,
        new.state,
        signed(new.at_ms),
    ])
    .map(drop)
}

/// Takes away all that is known of the state.
fn clear(tx: &Transaction<'_>, id: SessionId) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM snapshot WHERE session = ?1")?
        .execute([key(id)])?;
    tx.prepare_cached("DELETE FROM journal WHERE session = ?1")?
        .execute([key(id)])
        .map(drop)
}

fn set_length(tx: &Transaction<'_>, id: SessionId, length: u64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE session SET length = ?2 WHERE id = ?1")?
        .execute(params![key(id), signed(length)])
        .map(drop)
}

/// As SQLite keeps it.
pub(super) fn key(id: SessionId) -> [u8; 16] {
    id.bits().to_be_bytes()
}

/// SQLite's integers are signed; the bits are what counts.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}
