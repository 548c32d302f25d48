//! The tables. `user_version` is the number of the last step taken; steps are
//! added, never changed.

use rusqlite::{Connection, TransactionBehavior};

const STEPS: [&str; 4] = [
    "
    CREATE TABLE session (
        id          BLOB PRIMARY KEY,
        generation  INTEGER NOT NULL,
        claim       BLOB NOT NULL,
        endpoint    TEXT NOT NULL,
        incarnation BLOB NOT NULL,
        address     TEXT NOT NULL,
        leaving     INTEGER NOT NULL,
        laid_down   INTEGER NOT NULL,
        subject     TEXT,
        created_ms  INTEGER NOT NULL,
        ended       INTEGER NOT NULL DEFAULT 0,
        length      INTEGER NOT NULL,
        about       TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX session_by_subject ON session (subject, created_ms);
    CREATE TABLE snapshot (
        session  BLOB NOT NULL,
        length   INTEGER NOT NULL,
        seq      INTEGER NOT NULL,
        last_act INTEGER NOT NULL,
        state    BLOB NOT NULL
    );
    CREATE INDEX snapshot_of ON snapshot (session, seq);
    CREATE TABLE journal (
        session BLOB NOT NULL,
        number  INTEGER NOT NULL,
        record  BLOB NOT NULL,
        PRIMARY KEY (session, number)
    ) WITHOUT ROWID;
",
    "
    ALTER TABLE session ADD COLUMN boot TEXT NOT NULL DEFAULT '';
    ALTER TABLE snapshot ADD COLUMN at_ms INTEGER NOT NULL DEFAULT 0;
",
    "
    ALTER TABLE session ADD COLUMN ancestors TEXT NOT NULL DEFAULT '';
",
    // an older build writes its own number over a later one, and this is done again
    "
    CREATE TABLE IF NOT EXISTS parcel (
        place   INTEGER PRIMARY KEY AUTOINCREMENT,
        session BLOB NOT NULL,
        at_ms   INTEGER NOT NULL,
        trail   TEXT NOT NULL,
        first   INTEGER NOT NULL,
        last    INTEGER NOT NULL,
        body    BLOB
    );
    CREATE INDEX IF NOT EXISTS parcel_of ON parcel (session, at_ms);
",
];

/// Brings a new or older file up to date.
pub(super) fn prepare(db: &mut Connection) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done: u32 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for step in STEPS.iter().skip(done as usize) {
        tx.execute_batch(step)?;
    }
    if (done as usize) < STEPS.len() {
        tx.pragma_update(None, "user_version", STEPS.len() as u32)?;
    }
    tx.commit()
}
