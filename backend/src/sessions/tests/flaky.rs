//! A store that fails on demand, in front of one that does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use holdfast_session::id::SessionId;
use holdfast_session::ownership::{Claim, Record};
use parking_lot::Mutex;

use crate::store::{
    Fence, Found, Horizon, Kept, New, Outbox, Place, Post, Snapshot, State, Store, StoreError,
    Waiting,
};

/// What becomes of the next append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fails {
    /// It is done.
    Not = 0,
    /// It is done, but nobody is told.
    After = 1,
    /// It is not done, and nobody is told.
    Before = 2,
    /// As before, and reading fails too, until told otherwise.
    Always = 3,
    /// Nothing is done and everybody is told so, until told otherwise.
    Away = 4,
    /// It is done right before the next one, and nobody is told.
    Late = 5,
}

pub(super) struct Flaky {
    inner: Arc<dyn Store>,
    fails: AtomicU8,
    late: Mutex<Option<(Fence, Vec<Vec<u8>>)>>,
}

impl Flaky {
    pub(super) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            fails: AtomicU8::new(0),
            late: Mutex::new(None),
        }
    }

    pub(super) fn set(&self, fails: Fails) {
        self.fails.store(fails as u8, Ordering::SeqCst);
    }

    fn gone(&self) -> Result<(), StoreError> {
        match self.fails.load(Ordering::SeqCst) {
            3 => Err(StoreError::Failed("gone".into())),
            4 => Err(StoreError::Away),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Flaky {
    async fn create(&self, new: New) -> Result<(), StoreError> {
        self.gone()?;
        self.inner.create(new).await
    }

    async fn find(&self, id: SessionId) -> Result<Option<Found>, StoreError> {
        self.gone()?;
        self.inner.find(id).await
    }

    async fn claim(&self, id: SessionId, seen: Claim, next: Record) -> Result<State, StoreError> {
        self.gone()?;
        self.inner.claim(id, seen, next).await
    }

    async fn append(&self, fence: Fence, records: Vec<Vec<u8>>) -> Result<(), StoreError> {
        self.gone()?;
        let failed = Err(StoreError::Failed("on demand".into()));
        let late = self.late.lock().take();
        if let Some((fence, records)) = late {
            // whatever becomes of it
            drop(self.inner.append(fence, records).await);
        }
        match self.fails.swap(0, Ordering::SeqCst) {
            5 => {
                *self.late.lock() = Some((fence, records));
                failed
            }
            1 => self.inner.append(fence, records).await.and(failed),
            2 => failed,
            _ => self.inner.append(fence, records).await,
        }
    }

    async fn snapshot(
        &self,
        fence: Fence,
        snapshot: Snapshot,
        horizon: Horizon,
    ) -> Result<Kept, StoreError> {
        self.gone()?;
        self.inner.snapshot(fence, snapshot, horizon).await
    }

    async fn past(&self, fence: Fence, seq: u64) -> Result<Option<State>, StoreError> {
        self.gone()?;
        self.inner.past(fence, seq).await
    }

    async fn mark(&self, fence: Fence, leaving: bool, laid_down: bool) -> Result<(), StoreError> {
        self.gone()?;
        self.inner.mark(fence, leaving, laid_down).await
    }

    async fn end(&self, fence: Fence, post: Option<Post>) -> Result<(), StoreError> {
        self.inner.end(fence, post).await
    }

    async fn list(&self, subject: Option<&str>, limit: usize) -> Result<Vec<Found>, StoreError> {
        self.inner.list(subject, limit).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.gone()?;
        self.inner.probe().await
    }
}

#[async_trait]
impl Outbox for Flaky {
    async fn outboxes(&self, before_ms: u64, limit: usize) -> Result<Vec<SessionId>, StoreError> {
        self.gone()?;
        self.inner.outboxes(before_ms, limit).await
    }

    async fn outbox(&self, id: SessionId, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        self.gone()?;
        self.inner.outbox(id, limit).await
    }

    async fn clear(&self, id: SessionId, place: &Place) -> Result<(), StoreError> {
        self.gone()?;
        self.inner.clear(id, place).await
    }
}
