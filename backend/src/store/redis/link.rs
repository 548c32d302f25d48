//! The connection: one, shared by all sessions, so that commands of the same moment travel together
//! and a server that syncs its log before it answers does so once for all of them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionInfo, ErrorKind, RedisError, RedisResult};
use tokio::sync::Semaphore;

use super::Options;
use crate::clock::{self, Instant};
use crate::store::StoreError;

/// How many commands may be on their way; more are refused as busy.
const WAITING_MAX: usize = 4_096;

/// A connection that fails in a way the manager does not repair is made anew this often at most.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);

/// How often a server that is away is asked whether it is back.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// A server behind a connection manager, which dials again with backoff when a connection breaks.
///
/// A server that did not answer in time, or refuses connections, is away: nobody waits for it but
/// one task, until it answers again.
pub(super) struct Link {
    client: Client,
    timeout: Duration,
    current: Mutex<Current>,
    room: Semaphore,
    away: AtomicBool,
}

struct Current {
    manager: ConnectionManager,
    renewed: Instant,
}

impl Link {
    /// Does not dial yet: a server that is not there is told by the first command.
    pub(super) fn new(options: &Options) -> RedisResult<Self> {
        let tcp = TcpSettings::default()
            // a commit is one small packet, and everybody waits for it
            .set_nodelay(true)
            // a host that fell silent is given up for another behind the same name
            .set_user_timeout(options.timeout.saturating_mul(2));
        let info: ConnectionInfo = options.address.info()?.set_tcp_settings(tcp);
        let client = Client::open(info)?;
        let current = Current {
            manager: dial(&client, options.timeout)?,
            renewed: clock::now(),
        };
        Ok(Self {
            client,
            timeout: options.timeout,
            current: Mutex::new(current),
            room: Semaphore::new(WAITING_MAX),
            away: AtomicBool::new(false),
        })
    }

    /// Does `work` within the time there is for a command.
    pub(super) async fn run<T, F>(
        self: &Arc<Self>,
        work: impl FnOnce(ConnectionManager) -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        if self.away.load(Ordering::Acquire) {
            return Err(StoreError::Away);
        }
        let _room = self.room.try_acquire().map_err(|_| StoreError::Busy)?;
        let manager = self.current.lock().manager.clone();
        match tokio::time::timeout(self.timeout, work(manager)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if is_full(&error) => Err(StoreError::Full),
            Ok(Err(error)) => {
                if error.is_connection_refusal() {
                    // there was nobody to say it to
                    self.is_away();
                    return Err(StoreError::Away);
                }
                if error.is_timeout() {
                    self.is_away();
                } else if error.kind() != ErrorKind::Io {
                    // broken connections are the manager's business, with its own backoff
                    self.renew();
                }
                Err(StoreError::Failed(error.to_string()))
            }
            Err(_) => {
                self.renew();
                self.is_away();
                let limit = self.timeout.as_millis();
                Err(StoreError::Failed(format!("no answer within {limit} ms")))
            }
        }
    }

    /// Nobody waits for the server until a task has seen it answer.
    fn is_away(self: &Arc<Self>) {
        if self.away.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::warn!("the store is away");
        let link = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(link) = link.upgrade() {
                if link.answers().await {
                    tracing::info!("the store is back");
                    link.away.store(false, Ordering::Release);
                    return;
                }
                drop(link);
                tokio::time::sleep(ASK_EVERY).await;
            }
        });
    }

    async fn answers(&self) -> bool {
        let mut manager = self.current.lock().manager.clone();
        let ping = redis::cmd("PING");
        let asked = ping.query_async::<redis::Value>(&mut manager);
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) if error.kind() == ErrorKind::Io => false,
            Ok(Err(_)) | Err(_) => {
                self.renew();
                false
            }
        }
    }

    /// The next command dials: another server may answer under the name by now, or the same one
    /// may let us in. What is on its way goes on with the connection it has.
    fn renew(&self) {
        let mut current = self.current.lock();
        let now = clock::now();
        if now.duration_since(current.renewed) < RENEWAL_PAUSE {
            return;
        }
        current.renewed = now;
        match dial(&self.client, self.timeout) {
            Ok(manager) => current.manager = manager,
            Err(error) => tracing::warn!(%error, "no new connection to the store"),
        }
    }
}

fn dial(client: &Client, timeout: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(timeout))
        // `run` bounds the whole, waiting for a connection included
        .set_response_timeout(None)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_secs(1))
        .set_pipeline_buffer_size(WAITING_MAX);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// The server has no memory left and evicts nothing. A script meets this before its first write.
fn is_full(error: &RedisError) -> bool {
    let errors = error.clone().into_server_errors();
    errors.is_some_and(|errors| errors.iter().any(|(_, error)| error.code() == "OOM"))
}
