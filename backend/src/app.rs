//! Wiring: the only file that knows every part.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use holdfast_session::id::Incarnation;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic_health::server::HealthReporter;

use crate::clock::{self, Instant};
use crate::config::{self, Config, LedgerKind};
use crate::exchanges::Exchanges;
use crate::front::Front;
use crate::http::Unlucky;
use crate::identity::Trust;
use crate::ledger::carrier::Health as LedgerHealth;
use crate::ledger::{Carrier, Ledger, PostgresLedger, SqliteLedger};
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::quota::{Rates, Streams};
use crate::sessions::{Feed, Me, Sessions};
use crate::store::{RedisStore, SqliteStore, Store};
use crate::{drain, http, random, service};

/// What every request can reach.
pub struct Backend {
    /// What this process may do.
    pub config: Config,
    /// The sessions it serves.
    pub sessions: Exchanges,
    /// Whose word counts.
    pub trust: Trust,
    /// Open streams, counted.
    pub streams: Streams,
    /// How fast each user may trade.
    pub rates: Rates,
    /// Clients whose WebSockets never live long.
    pub unlucky: Unlucky,
    /// How the ledger is; none without one.
    pub ledger: Option<Arc<LedgerHealth>>,
    /// Every metric.
    pub metrics: Metrics,
    /// What `grpc.health.v1` answers.
    pub reporter: HealthReporter,
    /// Holds every connection and stream, so that leaving can wait for them.
    pub tracker: TaskTracker,
    /// Cancelled when the process is about to end: fronts go to others from then on.
    pub leaving: CancellationToken,
    /// The machine's name.
    pub hostname: String,
    /// When it began to serve.
    pub started: Instant,
}

/// Why the process cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("listen {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The store cannot be opened.
    #[error("store {0}")]
    Store(String),
    /// The endpoint's name is none.
    #[error("endpoint: {0}")]
    Endpoint(String),
}

/// A backend that listens, and does not answer yet.
pub struct App {
    backend: Arc<Backend>,
    listener: Listener,
    carrier: Option<Carrier>,
    stop: CancellationToken,
    address: SocketAddr,
}

impl App {
    /// Opens the store and the listener.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let wrong = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let tcp = TcpListener::bind(config.listen).await.map_err(wrong)?;
        let address = tcp.local_addr().map_err(wrong)?;
        let me = Me {
            endpoint: config
                .endpoint
                .parse()
                .map_err(|error| StartError::Endpoint(format!("{}: {error}", config.endpoint)))?,
            incarnation: Incarnation::new(random::bits128()),
            address: config
                .advertise
                .clone()
                .unwrap_or_else(|| address.to_string()),
        };
        let key = config.cluster_key.as_ref();
        if key.is_none() {
            tracing::warn!("no cluster_key is configured: every peer on this machine is believed");
        }
        let (reporter, health) = tonic_health::server::health_reporter();
        let (sessions, carrier) = exchanges(&config, me)?;
        let ledger = carrier.as_ref().map(Carrier::health);
        let backend = Arc::new(Backend {
            trust: Trust::new(key),
            streams: Streams::new(&config.limits),
            rates: Rates::new(config.limits.orders_per_second),
            unlucky: Unlucky::default(),
            metrics: Metrics::new(
                sessions.tally(),
                ledger.as_ref().map(|ledger| &ledger.tally),
            ),
            ledger,
            sessions,
            reporter,
            tracker: TaskTracker::new(),
            leaving: CancellationToken::new(),
            hostname: config::host_name(),
            started: clock::now(),
            config,
        });
        backend.set_draining(false).await;
        let stop = CancellationToken::new();
        let listener = Listener {
            tcp,
            router: http::router(Arc::clone(&backend), service::router(&backend, health)),
            limits: backend.config.limits,
            timeouts: backend.config.timeouts,
            stop: stop.clone(),
            tracker: backend.tracker.clone(),
        };
        Ok(Self {
            backend,
            listener,
            carrier,
            stop,
            address,
        })
    }

    /// The address that was bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What requests reach.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// Serves until `leave` resolves, then lets every session go and returns.
    pub async fn serve(self, leave: impl Future<Output = ()>) {
        let Self {
            backend,
            listener,
            carrier,
            stop,
            ..
        } = self;
        let accepting = tokio::spawn(listener.run());
        let (watched, over) = (Arc::clone(&backend), stop.clone());
        let watching = tokio::spawn(async move { watched.sessions.watch(over.cancelled()).await });
        let over = stop.clone();
        let carrying = tokio::spawn(async move {
            if let Some(carrier) = carrier {
                carrier.run(over.cancelled()).await;
            }
        });
        leave.await;
        drain::leave(&backend, &stop).await;
        // all were told to stop; what they were at is over by the deadlines of `leave`
        let _ = tokio::join!(accepting, watching, carrying);
    }
}

/// The ledger of a configuration; it is not asked anything yet.
pub fn ledger(kind: &LedgerKind) -> Option<Arc<dyn Ledger>> {
    match kind {
        LedgerKind::Sqlite(file) => Some(Arc::new(SqliteLedger::new(file))),
        LedgerKind::Postgres(options) => Some(Arc::new(PostgresLedger::new(options.clone()))),
        LedgerKind::Off => None,
        LedgerKind::Unsaid => {
            tracing::warn!("no ledger is configured: orders and fills end with their sessions");
            None
        }
    }
}

/// The exchanges of a configuration, and what carries their facts to a ledger.
fn exchanges(config: &Config, me: Me) -> Result<(Exchanges, Option<Carrier>), StartError> {
    let key = config.cluster_key.as_ref();
    let store = match &config.exchanges {
        config::Exchanges::Here(store) => open(store)?,
        config::Exchanges::Elsewhere(address) => {
            let front = Front::new(me, address.clone(), key);
            return Ok((Exchanges::Elsewhere(front), None));
        }
    };
    let carrier = ledger(&config.ledger.kind).map(|to| Carrier::new(Arc::clone(&store), to));
    let feed = carrier.as_ref().map(|carrier| Feed {
        backlog: Arc::clone(&carrier.health().backlog),
        room: config.ledger.outbox,
    });
    let handoff = Arc::new(service::Handoffs::new(key));
    let settings = config.sessions.clone();
    let sessions = Sessions::with_ledger(me, store, handoff, settings, feed);
    Ok((Exchanges::Here(sessions), carrier))
}

fn open(store: &config::Store) -> Result<Arc<dyn Store>, StartError> {
    Ok(match store {
        config::Store::Sqlite(file) => {
            let failed = |error| StartError::Store(format!("{}: {error}", file.display()));
            Arc::new(SqliteStore::open(file).map_err(failed)?)
        }
        config::Store::Redis(server) => {
            let failed = |error| StartError::Store(format!("{}: {error}", server.address));
            Arc::new(RedisStore::new(server).map_err(failed)?)
        }
    })
}
