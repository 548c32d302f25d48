//! The store for backends on many machines: one Redis server (or a primary with replicas).
//!
//! Scripts check the claim and write in one step inside the server, so nothing is ever half written
//! and a paused owner cannot commit. All sessions share one connection; what they write at the same
//! moment is sent together, and a server that syncs its log before it answers does so once for all.
//!
//! What it promises is what the server's `appendfsync` does: with `always`, what was answered
//! survives the server's death; with `everysec`, its last second may be lost. A server that loses
//! a claim with it may let another endpoint claim the same generation; the random id beside it
//! still tells the two apart. Each session remembers under which start of the server its last
//! snapshot was written, so that whoever revives it knows that something may be missing.
//! `maxmemory-policy` must be `noeviction`.

mod address;
mod identity;
mod keys;
mod link;
mod outbox;
mod reply;
mod script;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_session::id::SessionId;
use holdfast_session::ownership::{Claim, Record};
use redis::{ScriptInvocation, Value, pipe};

pub use address::Address;

use self::identity::{Memory, identity};
use self::keys::Keys;
use self::link::Link;
use self::outbox::posted;
use self::reply::{FOUND, Fields};
use self::script::{Scripts, call, fenced};
use super::{Fence, Found, Horizon, Kept, New, Post, Snapshot, State, Store, StoreError};

/// How many sessions of a subject are listed at most: the newest.
const LISTED_MAX: usize = 1_000;

/// How long the name of an ended session is remembered.
const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where it is.
    pub address: Address,
    /// In front of every key, so that several deployments can share a server.
    pub prefix: String,
    /// How long a command, and a dial, may take.
    pub timeout: Duration,
}

/// A store in a Redis server.
pub struct RedisStore {
    link: Arc<Link>,
    keys: Keys,
    scripts: Scripts,
    memory: Memory,
}

impl RedisStore {
    /// A store that dials when it is first asked, inside a tokio runtime: a server that is not
    /// there yet is no reason not to start.
    pub fn new(options: &Options) -> Result<Self, StoreError> {
        let link = Link::new(options).map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self {
            link: Arc::new(link),
            keys: Keys::new(&options.prefix),
            scripts: Scripts::new(),
            memory: Memory::default(),
        })
    }

    async fn call(&self, call: ScriptInvocation<'_>) -> Result<Vec<Value>, StoreError> {
        let run = |mut server| async move { call.invoke_async(&mut server).await };
        self.link.run(run).await
    }

    async fn fields(&self, ids: &[SessionId]) -> Result<Vec<Fields>, StoreError> {
        let mut ask = pipe();
        for id in ids {
            let record = self.keys.session(*id).record;
            ask.cmd("HMGET").arg(record).arg(&FOUND);
        }
        let run = |mut server| async move { ask.query_async(&mut server).await };
        self.link.run(run).await
    }

    /// Whether the server may have lost sessions a moment ago.
    async fn has_lost(&self) -> Result<bool, StoreError> {
        let marker = self.keys.marker();
        let now = self.link.run(|server| identity(server, marker)).await?;
        Ok(self.memory.note(now))
    }

    /// Before the session itself, so that none is ever unlisted; an entry without a session is
    /// passed over.
    async fn index(&self, new: &New) -> Result<(), StoreError> {
        let key = self.keys.of_subject(new.subject.as_deref());
        let oldest = -(LISTED_MAX.cast_signed() + 1);
        let mut add = pipe();
        let (id, at) = (new.id.to_string(), new.created_ms);
        add.cmd("ZADD").arg(&key).arg(at).arg(id).ignore();
        let trim = add.cmd("ZREMRANGEBYRANK").arg(&key);
        trim.arg(0).arg(oldest).ignore();
        let run = |mut server| async move { add.query_async(&mut server).await };
        self.link.run(run).await
    }

    /// An ended session leaves its place in the list to others.
    async fn unlist(&self, id: SessionId) -> Result<(), StoreError> {
        let Some(found) = self.known(id).await? else {
            return Ok(());
        };
        let key = self.keys.of_subject(found.subject.as_deref());
        let run = |mut server| async move {
            let mut remove = redis::cmd("ZREM");
            remove.arg(key).arg(id.to_string());
            remove.query_async(&mut server).await
        };
        self.link.run(run).await
    }

    async fn known(&self, id: SessionId) -> Result<Option<Found>, StoreError> {
        let fields = self.fields(&[id]).await?.pop().unwrap_or_default();
        reply::found(id, fields)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn create(&self, new: New) -> Result<(), StoreError> {
        self.index(&new).await?;
        let post = new.snapshot.post.as_ref();
        self.announce(new.id, post).await?;
        let keys = self.keys.session(new.id);
        let mut create = call(&self.scripts.create, &keys);
        owned(&mut create, &new.record);
        create.arg(new.created_ms).arg(new.snapshot.length);
        create.arg(new.snapshot.about).arg(new.snapshot.seq);
        create.arg(new.snapshot.at_ms);
        create
            .arg(flag(new.snapshot.last_act))
            .arg(new.snapshot.state);
        let anonymous = flag(new.subject.is_none());
        create.arg(anonymous).arg(new.subject.unwrap_or_default());
        posted(&mut create, new.snapshot.post);
        reply::done(self.call(create).await?)
    }

    async fn find(&self, id: SessionId) -> Result<Option<Found>, StoreError> {
        let found = self.known(id).await?;
        if found.is_none() && self.has_lost().await? {
            return Err(StoreError::Lost);
        }
        Ok(found)
    }

    async fn claim(&self, id: SessionId, seen: Claim, next: Record) -> Result<State, StoreError> {
        let fence = Fence {
            session: id,
            claim: seen,
            length: 0,
        };
        let mut claim = fenced(&self.scripts.claim, &self.keys.session(id), fence);
        owned(&mut claim, &next);
        reply::state(self.call(claim).await?)?.ok_or_else(|| reply::unreadable("a snapshot"))
    }

    async fn append(&self, fence: Fence, records: Vec<Vec<u8>>) -> Result<(), StoreError> {
        let keys = self.keys.session(fence.session);
        let mut append = fenced(&self.scripts.append, &keys, fence);
        append
            .arg(fence.length)
            .arg(fence.length + records.len() as u64);
        for record in records {
            append.arg(record);
        }
        reply::done(self.call(append).await?)
    }

    async fn snapshot(
        &self,
        fence: Fence,
        snapshot: Snapshot,
        horizon: Horizon,
    ) -> Result<Kept, StoreError> {
        let post = snapshot.post.as_ref();
        self.announce(fence.session, post).await?;
        let keys = self.keys.session(fence.session);
        let mut write = fenced(&self.scripts.snapshot, &keys, fence);
        write
            .arg(fence.length)
            .arg(snapshot.length)
            .arg(snapshot.seq)
            .arg(snapshot.at_ms);
        write.arg(flag(snapshot.last_act)).arg(snapshot.state);
        write.arg(snapshot.about);
        write
            .arg(horizon.seq)
            .arg(horizon.at_ms)
            .arg(horizon.length);
        posted(&mut write, snapshot.post);
        reply::kept(self.call(write).await?)
    }

    async fn past(&self, fence: Fence, seq: u64) -> Result<Option<State>, StoreError> {
        let keys = self.keys.session(fence.session);
        let mut read = fenced(&self.scripts.past, &keys, fence);
        read.arg(seq);
        reply::state(self.call(read).await?)
    }

    async fn mark(&self, fence: Fence, leaving: bool, laid_down: bool) -> Result<(), StoreError> {
        let keys = self.keys.session(fence.session);
        let mut mark = fenced(&self.scripts.mark, &keys, fence);
        mark.arg(flag(leaving)).arg(flag(laid_down));
        reply::done(self.call(mark).await?)
    }

    async fn end(&self, fence: Fence, post: Option<Post>) -> Result<(), StoreError> {
        self.announce(fence.session, post.as_ref()).await?;
        let keys = self.keys.session(fence.session);
        let mut end = fenced(&self.scripts.end, &keys, fence);
        end.arg(u64::try_from(REMEMBERED.as_millis()).unwrap_or(u64::MAX));
        posted(&mut end, post);
        reply::done(self.call(end).await?)?;
        self.unlist(fence.session).await
    }

    async fn list(&self, subject: Option<&str>, limit: usize) -> Result<Vec<Found>, StoreError> {
        let key = self.keys.of_subject(subject);
        let run = |mut server| async move {
            let mut newest = redis::cmd("ZREVRANGE");
            newest
                .arg(key)
                .arg(0)
                .arg(-1)
                .query_async(&mut server)
                .await
        };
        let names: Vec<String> = self.link.run(run).await?;
        let ids: Vec<SessionId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let mut listed = Vec::new();
        // ended ones fall away, so a page may need to look further
        for page in ids.chunks(limit.clamp(1, LISTED_MAX)) {
            for (id, fields) in page.iter().zip(self.fields(page).await?) {
                listed.extend(reply::found(*id, fields)?.filter(|found| !found.ended));
            }
            if listed.len() >= limit {
                break;
            }
        }
        listed.truncate(limit);
        Ok(listed)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.has_lost().await.map(drop)
    }
}

fn owned(call: &mut ScriptInvocation<'_>, record: &Record) {
    let Record {
        claim,
        owner,
        leaving,
        laid_down,
        ancestors,
    } = record;
    call.arg(claim.generation).arg(claim.id.to_string());
    call.arg(owner.endpoint.as_str());
    call.arg(owner.incarnation.to_string()).arg(&owner.address);
    call.arg(flag(*leaving)).arg(flag(*laid_down));
    call.arg(ancestors.to_string());
}

/// As scripts keep it.
const fn flag(is: bool) -> &'static str {
    if is { "1" } else { "0" }
}

#[cfg(test)]
pub(crate) mod tests;
