//! The embedded store: one SQLite file, shared by the processes of a machine.
//!
//! One thread per process owns the writing connection. It takes everything
//! that is waiting, writes it in one transaction and then answers, so that a
//! thousand sessions share the cost of one commit. A second thread reads.
//!
//! What it promises: what was answered survives the death of every process
//! (write-ahead log, `synchronous=NORMAL`); a power cut may lose the last
//! moments, which is why each session remembers under which start of the
//! machine it was written. A process stopped inside a write blocks the file for all.

mod outbox;
mod read;
mod schema;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_session::id::SessionId;
use holdfast_session::ownership::{Claim, Record};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    Fence, Found, Horizon, Kept, New, Outbox, Place, Post, Snapshot, State, Store, StoreError,
    Waiting,
};

/// How many writes may wait for the writing thread.
const WRITES_WAITING_MAX: usize = 4_096;

/// How many writes share one commit at most.
const BATCH_MAX: usize = 512;

/// How long another process may hold the file before a write fails.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// A store in one file.
pub struct SqliteStore {
    writes: mpsc::Sender<write::Job>,
    reads: mpsc::Sender<read::Job>,
    /// Which start of the machine this is: between two of them the last moments may be lost.
    boot: Arc<str>,
}

impl SqliteStore {
    /// Opens or creates the file and starts its two threads; they end when the
    /// store is dropped.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut writer = connect(path)?;
        schema::prepare(&mut writer).map_err(failed)?;
        let reader = connect(path)?;
        let (writes, jobs) = mpsc::channel(WRITES_WAITING_MAX);
        spawn("store-write", move || write::run(writer, jobs, BATCH_MAX))?;
        let (reads, jobs) = mpsc::channel(WRITES_WAITING_MAX);
        spawn("store-read", move || read::run(&reader, jobs))?;
        let boot = boot().into();
        Ok(Self {
            writes,
            reads,
            boot,
        })
    }

    async fn write<T: Send + 'static>(&self, act: write::Act<T>) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = write::Job::new(act, reply);
        self.writes.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        answer.await.map_err(|_| stopped())?
    }

    async fn read<T: Send + 'static>(&self, act: read::Act<T>) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = read::Job::new(act, reply);
        self.reads.send(job).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// From the newest snapshot on.
    async fn newest(&self, id: SessionId) -> Result<State, StoreError> {
        let boot = Arc::clone(&self.boot);
        let any = i64::MAX.cast_unsigned();
        let state = self.read(Box::new(move |db| read::state(db, id, any, &boot)));
        state.await?.ok_or(StoreError::Missing)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self, new: New) -> Result<(), StoreError> {
        let boot = Arc::clone(&self.boot);
        self.write(Box::new(move |tx| write::create(tx, &new, &boot)))
            .await
    }

    async fn find(&self, id: SessionId) -> Result<Option<Found>, StoreError> {
        self.read(Box::new(move |db| read::find(db, id))).await
    }

    async fn claim(&self, id: SessionId, seen: Claim, next: Record) -> Result<State, StoreError> {
        self.write(Box::new(move |tx| write::claim(tx, id, seen, &next)))
            .await?;
        self.newest(id).await
    }

    async fn append(&self, fence: Fence, records: Vec<Vec<u8>>) -> Result<(), StoreError> {
        self.write(Box::new(move |tx| write::append(tx, fence, &records)))
            .await
    }

    async fn snapshot(
        &self,
        fence: Fence,
        snapshot: Snapshot,
        horizon: Horizon,
    ) -> Result<Kept, StoreError> {
        let boot = Arc::clone(&self.boot);
        self.write(Box::new(move |tx| {
            write::snapshot(tx, fence, &snapshot, horizon, &boot)
        }))
        .await
    }

    async fn past(&self, fence: Fence, seq: u64) -> Result<Option<State>, StoreError> {
        let boot = Arc::clone(&self.boot);
        self.read(Box::new(move |db| {
            read::check(db, fence)?;
            read::state(db, fence.session, seq, &boot)
        }))
        .await
    }

    async fn mark(&self, fence: Fence, leaving: bool, laid_down: bool) -> Result<(), StoreError> {
        self.write(Box::new(move |tx| {
            write::mark(tx, fence, leaving, laid_down)
        }))
        .await
    }

    async fn end(&self, fence: Fence, post: Option<Post>) -> Result<(), StoreError> {
        self.write(Box::new(move |tx| write::end(tx, fence, post.as_ref())))
            .await
    }

    async fn list(&self, subject: Option<&str>, limit: usize) -> Result<Vec<Found>, StoreError> {
        let subject = subject.map(str::to_owned);
        self.read(Box::new(move |db| {
            read::list(db, subject.as_deref(), limit)
        }))
        .await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.read(Box::new(|db| {
            db.query_row("SELECT 1", [], |_| Ok(())).map_err(failed)
        }))
        .await
    }
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn outboxes(&self, before_ms: u64, limit: usize) -> Result<Vec<SessionId>, StoreError> {
        self.read(Box::new(move |db| outbox::outboxes(db, before_ms, limit)))
            .await
    }

    async fn outbox(&self, id: SessionId, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        self.read(Box::new(move |db| outbox::outbox(db, id, limit)))
            .await
    }

    async fn clear(&self, id: SessionId, place: &Place) -> Result<(), StoreError> {
        let place = place.clone();
        self.write(Box::new(move |tx| outbox::clear(tx, id, &place)))
            .await
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let db = Connection::open(path).map_err(failed)?;
    db.busy_handler(Some(wait_for_the_file)).map_err(failed)?;
    write_ahead(&db).map_err(failed)?;
    db.pragma_update(None, "synchronous", "NORMAL")
        .map_err(failed)?;
    db.pragma_update(None, "cache_size", -8_192)
        .map_err(failed)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// A machine without one is taken to be up for ever.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// The change of a new file to a write-ahead log wants the file alone, and while it waits for that
/// SQLite asks no handler: of processes that open a new file at once, all but one are refused.
fn write_ahead(db: &Connection) -> rusqlite::Result<()> {
    let is_busy = |error: &rusqlite::Error| {
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
    };
    let mut tries = 0;
    loop {
        match db.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if is_busy(&error) && wait_for_the_file(tries) => tries += 1,
            done => return done,
        }
    }
}

/// SQLite's own handler waits ever longer, up to 100 ms; writes of other
/// processes take about one, so short even waits find the gap sooner.
fn wait_for_the_file(tries: i32) -> bool {
    const PAUSE: Duration = Duration::from_micros(300);
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread of its own; SQLite has no event to wait for"
    )]
    thread::sleep(PAUSE);
    PAUSE.saturating_mul(tries.unsigned_abs()) < BUSY_LIMIT
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let started = thread::Builder::new().name(name.into()).spawn(run);
    started
        .map(drop)
        .map_err(|error| StoreError::Failed(error.to_string()))
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

fn stopped() -> StoreError {
    StoreError::Failed("its thread has stopped".into())
}

/// Where the file is when nothing else is configured.
pub fn default_path() -> PathBuf {
    PathBuf::from("holdfast.db")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    /// A directory that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("holdfast-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a directory");
            Self(path)
        }

        fn store(&self) -> Arc<dyn Store> {
            Arc::new(SqliteStore::open(&self.0.join("sessions.db")).expect("a store"))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    #[tokio::test]
    async fn sqlite_keeps_what_a_store_promises() {
        let folder = Folder::new("conformance");
        let stores = [folder.store(), folder.store(), folder.store()];
        conformance::conforms(&stores).await;
    }

    #[tokio::test]
    async fn after_the_machine_was_started_again_something_may_be_lost() {
        let folder = Folder::new("boot");
        let open = |boot: &str| {
            let store = SqliteStore::open(&folder.0.join("sessions.db")).expect("a store");
            SqliteStore {
                boot: boot.into(),
                ..store
            }
        };
        let (before, after) = (open("monday"), open("tuesday"));
        let newest = conformance::newest;
        let fence = conformance::created(&before, 1).await;
        assert!(!newest(&before, fence).await.expect("a state").rewound);
        assert!(newest(&after, fence).await.expect("a state").rewound);
        let written = conformance::keep(&after, fence, conformance::snapshot(0, 1)).await;
        written.expect("a snapshot");
        assert!(!newest(&after, fence).await.expect("a state").rewound);
    }

    #[test]
    fn many_may_open_a_new_file_at_once() {
        for round in 0..20 {
            let folder = Folder::new(&format!("at-once-{round}"));
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| folder.store());
                }
            });
        }
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_the_file_is_opened_again() {
        let folder = Folder::new("reopen");
        conformance::conforms(&[folder.store(), folder.store()]).await;
        let found = folder.store().list(Some("ann"), 10).await.expect("a list");
        assert_eq!(found.len(), 2);
    }
}
