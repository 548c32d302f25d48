//! What waits for the ledger: per session a stream beside its other keys, and one
//! index of the sessions that have something in theirs.
//!
//! The index lies in another slot of a cluster, so it cannot change in the same step.
//! A session is put there before its stream is added to, and is taken out only when
//! the stream is empty and nothing was announced for longer than any write may take.

use async_trait::async_trait;
use holdfast_session::id::SessionId;
use redis::{ScriptInvocation, Value, pipe};

use super::script::call;
use super::{RedisStore, reply};
use crate::store::{Outbox, Place, Post, StoreError, Waiting};

/// An empty outbox is taken out of the index when nothing was announced for so long:
/// longer than any command may take.
const QUIET_MS: u64 = 60_000;

/// The arguments that scripts expect of a post, in order; none without one.
pub(super) fn posted(call: &mut ScriptInvocation<'_>, post: Option<Post>) {
    let Some(Post {
        parcel,
        at_ms,
        room,
    }) = post
    else {
        return;
    };
    call.arg(parcel.trail.as_str()).arg(parcel.first);
    call.arg(parcel.last).arg(at_ms).arg(room).arg(parcel.body);
}

impl RedisStore {
    /// Before something is added to the session's outbox.
    pub(super) async fn announce(
        &self,
        id: SessionId,
        post: Option<&Post>,
    ) -> Result<(), StoreError> {
        let Some(post) = post else { return Ok(()) };
        let mut add = pipe();
        let announced = add.cmd("ZADD").arg(self.keys.outboxes()).arg(post.at_ms);
        announced.arg(id.to_string()).ignore();
        let run = |mut server| async move { add.query_async(&mut server).await };
        self.link.run(run).await
    }

    async fn forget_if_quiet(&self, id: SessionId) -> Result<(), StoreError> {
        let mut forget = self.scripts.forget.prepare_invoke();
        let before = crate::clock::wall_ms().saturating_sub(QUIET_MS);
        forget.key(self.keys.outboxes());
        forget.arg(id.to_string()).arg(before);
        self.call(forget).await.map(drop)
    }
}

#[async_trait]
impl Outbox for RedisStore {
    async fn outboxes(&self, before_ms: u64, limit: usize) -> Result<Vec<SessionId>, StoreError> {
        let key = self.keys.outboxes();
        let run = |mut server| async move {
            let mut oldest = redis::cmd("ZRANGEBYSCORE");
            oldest.arg(key).arg("-inf").arg(format!("({before_ms}"));
            oldest.arg("LIMIT").arg(0).arg(limit);
            oldest.query_async(&mut server).await
        };
        let names: Vec<String> = self.link.run(run).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    async fn outbox(&self, id: SessionId, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        let keys = self.keys.session(id);
        let mut read = call(&self.scripts.outbox, &keys);
        read.arg(limit);
        let reply: Vec<Value> = self.call(read).await?;
        let waiting = reply::told(reply)?
            .map(reply::waiting)
            .collect::<Result<Vec<_>, _>>()?;
        if waiting.is_empty() {
            self.forget_if_quiet(id).await?;
        }
        Ok(waiting)
    }

    async fn clear(&self, id: SessionId, place: &Place) -> Result<(), StoreError> {
        let keys = self.keys.session(id);
        let mut clear = call(&self.scripts.clear, &keys);
        clear.arg(&place.0);
        reply::done(self.call(clear).await?)
    }
}
