//! Processes, a store between them, and a wire for releases.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_session::id::{ConnectionId, Incarnation, SessionId};
use holdfast_session::ownership::Owner;
use holdfast_session::subscription::{Channels, Coalesce};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

use super::flaky::Flaky;
use crate::handoff::{Handoff, ReleaseAsk, Released, Unreachable};
use crate::sessions::{Ask, Dial, Me, Sessions, Settings, Transport};
use crate::store::redis::tests::server::Server;
use crate::store::{SqliteStore, Store};

/// One store and who can be reached.
pub(super) struct Stage {
    folder: PathBuf,
    /// In the place of a file.
    pub(super) redis: Option<Server>,
    wire: Arc<Wire>,
}

/// A backend process.
pub(super) struct Process {
    pub(super) sessions: Sessions,
    pub(super) store: Arc<Flaky>,
    runtime: Runtime,
    address: String,
    wire: Arc<Wire>,
}

#[derive(Default)]
struct Wire {
    reachable: Mutex<HashMap<String, (Sessions, Handle)>>,
}

impl Stage {
    pub(super) fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("holdfast-stage-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a directory");
        Self {
            folder,
            redis: None,
            wire: Arc::default(),
        }
    }

    /// On a Redis server of its own.
    pub(super) fn on_redis(name: &str) -> Self {
        let mut stage = Self::new(name);
        stage.redis = Some(Server::start(name));
        stage
    }

    fn store(&self) -> Arc<dyn Store> {
        match &self.redis {
            Some(server) => server.store(),
            None => {
                let file = self.folder.join("sessions.db");
                Arc::new(SqliteStore::open(&file).expect("a store"))
            }
        }
    }

    pub(super) fn process(&self, name: &str, incarnation: u128) -> Process {
        self.process_with(name, incarnation, Settings::default())
    }

    pub(super) fn process_with(
        &self,
        name: &str,
        incarnation: u128,
        settings: Settings,
    ) -> Process {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let me = Me {
            endpoint: name.parse().expect("a name"),
            incarnation: Incarnation::new(incarnation),
            address: name.into(),
        };
        // a Redis store wants a runtime to dial from
        let store = runtime.block_on(async { Arc::new(Flaky::new(self.store())) });
        let (shared, wire) = (Arc::clone(&store) as _, Arc::clone(&self.wire) as _);
        let sessions = Sessions::with_settings(me, shared, wire, settings);
        let reached = (sessions.clone(), runtime.handle().clone());
        self.wire.reachable.lock().insert(name.into(), reached);
        let (address, wire) = (name.into(), Arc::clone(&self.wire));
        Process {
            sessions,
            store,
            runtime,
            address,
            wire,
        }
    }

    /// The store forgets everything, as a server that is emptied.
    pub(super) fn empty_the_store(&self) {
        let file = self.folder.join("sessions.db");
        let mut db = rusqlite::Connection::open(file).expect("a file");
        let patience = std::time::Duration::from_secs(5);
        db.busy_timeout(patience).expect("a setting");
        let db = db.transaction().expect("alone");
        for table in ["session", "snapshot", "journal"] {
            let forget = format!("DELETE FROM {table}");
            db.execute_batch(&forget).expect("emptied");
        }
        db.commit().expect("all at once");
    }

    /// Nobody reaches this process any more; it goes on by itself.
    pub(super) fn cut_off(&self, name: &str) {
        self.wire.reachable.lock().remove(name);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Process {
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
        let patient = async { tokio::time::timeout(PATIENCE, future).await };
        self.runtime.block_on(patient).expect("it happens in time")
    }

    pub(super) fn sessions_set_draining(&self, draining: bool) {
        let _inside = self.runtime.enter();
        self.sessions.set_draining(draining);
    }

    pub(super) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(future)
    }

    /// Returns when the store has heard of the session.
    pub(super) async fn store_knows(&self, id: SessionId) {
        while self.store.find(id).await.is_ok_and(|found| found.is_none()) {
            tokio::task::yield_now().await;
        }
    }

    /// Everything it was doing stops where it is.
    pub(super) fn kill(self) {
        self.wire.reachable.lock().remove(&self.address);
        self.runtime.shutdown_background();
    }
}

#[async_trait]
impl Handoff for Wire {
    async fn release(&self, owner: &Owner, ask: &ReleaseAsk) -> Result<Released, Unreachable> {
        let address = owner.address.as_str();
        let reached = self.reachable.lock().get(address).cloned();
        let unreachable = || Unreachable {
            address: address.into(),
            reason: "connection refused".into(),
        };
        let (sessions, runtime) = reached.ok_or_else(unreachable)?;
        let ask = ask.clone();
        let answer = runtime.spawn(async move { sessions.release(&ask).await });
        answer.await.map_err(|_| unreachable())
    }
}

pub(super) fn connection(number: u128) -> ConnectionId {
    ConnectionId::new(number)
}

pub(super) fn dial(number: u128, attempt: u32, last_event_id: Option<&str>) -> Dial {
    Dial {
        connection: connection(number),
        attempt,
        last_event_id: last_event_id.map(str::to_owned),
        generation: None,
        client: None,
        channels: Channels::ALL,
        coalesce: Coalesce::None,
        transport: Transport::WebSocket,
    }
}

pub(super) fn moved_from(name: &str) -> Ask {
    Ask {
        subject: None,
        moved_from: vec![name.parse().expect("a name")],
    }
}
