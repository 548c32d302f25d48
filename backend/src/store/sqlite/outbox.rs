//! What waits for the ledger, in a table of its own.

use holdfast_session::id::SessionId;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::failed;
use super::write::{key, signed};
use crate::store::{Kept, Place, Post, StoreError, Waiting};

pub(super) fn post(
    tx: &Transaction<'_>,
    id: SessionId,
    post: Option<&Post>,
) -> rusqlite::Result<Kept> {
    let Some(Post {
        parcel,
        at_ms,
        room,
    }) = post
    else {
        return Ok(Kept::Whole);
    };
    let held: i64 = tx
        .prepare_cached("SELECT coalesce(sum(length(body)), 0) FROM parcel WHERE session = ?1")?
        .query_row([key(id)], |row| row.get(0))?;
    let fits = held.cast_unsigned() + parcel.body.len() as u64 <= *room as u64;
    let trail = parcel.trail.as_str();
    if !fits && lengthen(tx, id, trail, parcel.last)? {
        return Ok(Kept::Numbers);
    }
    tx.prepare_cached(
        "INSERT INTO parcel (session, at_ms, trail, first, last, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        key(id),
        signed(*at_ms),
        trail,
        signed(parcel.first),
        signed(parcel.last),
        fits.then_some(&parcel.body),
    ])?;
    Ok(if fits { Kept::Whole } else { Kept::Numbers })
}

/// Adds to the last one, if it is of numbers alone and of the same trail.
fn lengthen(tx: &Transaction<'_>, id: SessionId, trail: &str, last: u64) -> rusqlite::Result<bool> {
    let newest: Option<(i64, bool)> = tx
        .prepare_cached(
            "SELECT place, body IS NULL AND trail = ?2 FROM parcel WHERE session = ?1
             ORDER BY place DESC LIMIT 1",
        )?
        .query_row(params![key(id), trail], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((place, true)) = newest else {
        return Ok(false);
    };
    tx.prepare_cached("UPDATE parcel SET last = max(last, ?2) WHERE place = ?1")?
        .execute([place, signed(last)])?;
    Ok(true)
}

pub(super) fn outboxes(
    db: &Connection,
    before_ms: u64,
    limit: usize,
) -> Result<Vec<SessionId>, StoreError> {
    let read = || {
        db.prepare_cached(
            "SELECT session FROM parcel GROUP BY session HAVING max(at_ms) < ?1
             ORDER BY min(at_ms) LIMIT ?2",
        )?
        .query_map([signed(before_ms), signed(limit as u64)], |row| {
            row.get(0)
                .map(|bits| SessionId::new(u128::from_be_bytes(bits)))
        })?
        .collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed)
}

pub(super) fn outbox(
    db: &Connection,
    id: SessionId,
    limit: usize,
) -> Result<Vec<Waiting>, StoreError> {
    let read = || {
        db.prepare_cached(
            "SELECT place, at_ms, trail, first, last, body FROM parcel WHERE session = ?1
             ORDER BY place LIMIT ?2",
        )?
        .query_map(params![key(id), signed(limit as u64)], waiting)?
        .collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed)
}

pub(super) fn clear(tx: &Transaction<'_>, id: SessionId, place: &Place) -> Result<(), StoreError> {
    let Ok(place) = place.0.parse::<i64>() else {
        return Err(StoreError::Failed("no place of this store".into()));
    };
    tx.prepare_cached("DELETE FROM parcel WHERE session = ?1 AND place <= ?2")
        .and_then(|mut delete| delete.execute(params![key(id), place]))
        .map(drop)
        .map_err(failed)
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    let trail: String = row.get(2)?;
    Ok(Waiting {
        place: Place(row.get::<_, i64>(0)?.to_string()),
        at_ms: row.get::<_, i64>(1)?.cast_unsigned(),
        trail: trail.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                2,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })?,
        first: row.get::<_, i64>(3)?.cast_unsigned(),
        last: row.get::<_, i64>(4)?.cast_unsigned(),
        body: row.get(5)?,
    })
}
