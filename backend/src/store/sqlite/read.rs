//! The reading thread and what it reads.

use std::str::FromStr;

use holdfast_session::id::{ClaimId, IdError, Incarnation, SessionId};
use holdfast_session::ownership::{Claim, Owner, Record};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::{mpsc, oneshot};

use super::failed;
use super::write::{key, signed};
use crate::store::{Fence, Found, Snapshot, State, StoreError};

/// One read.
pub(super) type Act<T> = Box<dyn FnOnce(&Connection) -> Result<T, StoreError> + Send>;

/// A read and whom to tell.
pub(super) struct Job {
    run: Box<dyn FnOnce(&Connection) + Send>,
}

impl Job {
    pub(super) fn new<T: Send + 'static>(
        act: Act<T>,
        reply: oneshot::Sender<Result<T, StoreError>>,
    ) -> Self {
        let run = move |db: &Connection| drop(reply.send(act(db)));
        Self { run: Box::new(run) }
    }
}

/// Reads what is asked, until the store is dropped.
pub(super) fn run(db: &Connection, mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.blocking_recv() {
        (job.run)(db);
    }
}

const FOUND: &str = "id, generation, claim, endpoint, incarnation, address, leaving, laid_down,
    subject, created_ms, ended, about, length, ancestors";

pub(super) fn find(db: &Connection, id: SessionId) -> Result<Option<Found>, StoreError> {
    db.prepare_cached(&format!("SELECT {FOUND} FROM session WHERE id = ?1"))
        .and_then(|mut query| query.query_row([key(id)], found).optional())
        .map_err(failed)
}

pub(super) fn list(
    db: &Connection,
    subject: Option<&str>,
    limit: usize,
) -> Result<Vec<Found>, StoreError> {
    db.prepare_cached(&format!(
        "SELECT {FOUND} FROM session WHERE subject IS ?1 AND ended = 0
         ORDER BY created_ms DESC LIMIT ?2"
    ))
    .and_then(|mut query| {
        query
            .query_map(params![subject, signed(limit as u64)], found)?
            .collect()
    })
    .map_err(failed)
}

pub(super) fn check(db: &Connection, fence: Fence) -> Result<(), StoreError> {
    let known = find(db, fence.session)?.filter(|known| !known.ended);
    let claim = known.ok_or(StoreError::Missing)?.record.claim;
    if claim == fence.claim {
        Ok(())
    } else {
        Err(StoreError::Fenced {
            generation: claim.generation,
        })
    }
}

/// All in one transaction: a snapshot and a journal of the same moment. The
/// youngest snapshot at or before entry `seq`, if there is one.
pub(super) fn state(
    db: &Connection,
    id: SessionId,
    seq: u64,
    boot: &str,
) -> Result<Option<State>, StoreError> {
    let read = || {
        let tx = db.unchecked_transaction()?;
        let (length, about, booted): (i64, String, String) = tx
            .prepare_cached("SELECT length, about, boot FROM session WHERE id = ?1")?
            .query_row([key(id)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let snapshot = tx
            .prepare_cached(
                "SELECT length, seq, last_act, state, at_ms FROM snapshot
                 WHERE session = ?1 AND seq <= ?2 ORDER BY rowid DESC LIMIT 1",
            )?
            .query_row(params![key(id), signed(seq)], |row| snapshot(row, about))
            .optional()?;
        let Some(snapshot) = snapshot else {
            return Ok(None);
        };
        let journal = tx
            .prepare_cached(
                "SELECT number, record FROM journal WHERE session = ?1 AND number >= ?2
                 ORDER BY number",
            )?
            .query_map(params![key(id), signed(snapshot.length)], |row| {
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Some(State {
            snapshot,
            journal,
            length: length.cast_unsigned(),
            rewound: booted != boot,
        }))
    };
    read().map_err(failed)
}

fn snapshot(row: &Row<'_>, about: String) -> rusqlite::Result<Snapshot> {
    Ok(Snapshot {
        length: row.get::<_, i64>(0)?.cast_unsigned(),
        seq: row.get::<_, i64>(1)?.cast_unsigned(),
        at_ms: row.get::<_, i64>(4)?.cast_unsigned(),
        last_act: row.get(2)?,
        state: row.get(3)?,
        about,
        post: None,
    })
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let bits = |column| row.get::<_, [u8; 16]>(column).map(u128::from_be_bytes);
    let owner = Owner {
        endpoint: parsed(row, 3)?,
        incarnation: Incarnation::new(bits(4)?),
        address: row.get(5)?,
    };
    let generation = row.get::<_, i64>(1)?.cast_unsigned();
    Ok(Found {
        id: SessionId::new(bits(0)?),
        record: Record {
            claim: Claim {
                generation,
                id: ClaimId::new(bits(2)?),
            },
            owner,
            leaving: row.get(6)?,
            laid_down: row.get(7)?,
            ancestors: parsed(row, 13)?,
        },
        subject: row.get(8)?,
        created_ms: row.get::<_, i64>(9)?.cast_unsigned(),
        ended: row.get(10)?,
        about: row.get(11)?,
        length: row.get::<_, i64>(12)?.cast_unsigned(),
    })
}

fn parsed<T: FromStr<Err = IdError>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: IdError| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
    })
}
