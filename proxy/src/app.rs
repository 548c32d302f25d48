//! The wiring: the only file that knows every part.
//!
//! Two planes, each with threads of its own: the data plane carries traffic, the control plane
//! probes, decides and serves operators. A flood of requests cannot keep a probe from being
//! sent, and a slow page of the operators holds up no request.

mod operators;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_core::Instant;
use holdfast_core::connection::{Holdings, PulseSettings};
use pingora_core::apps::{HttpServerApp, HttpServerOptions};
use pingora_core::protocols::http::v2::server::default_h2_options;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use self::operators::{Operators, control, first_snapshot};
use crate::access_log::AccessLog;
use crate::admin;
use crate::clock::{self, Clock};
use crate::config::{Config, Timeouts};
use crate::control::outcomes::OutcomesReceiver;
use crate::control::{Outcomes, Snapshots};
use crate::drain::{Drain, Streams};
use crate::edge::{Edge, Parts};
use crate::limits::Admissions;
use crate::listener::{Acceptor, BindError, Bound, Http};
use crate::relay::{self, Relays};
use crate::telemetry::Telemetry;
use crate::upgrade::{Role, Sockets};
use crate::upstream::dial::Dialler;
use crate::witness::Witness;

/// A running edge. Dropping it cuts everything off; `leave` is the polite way.
pub struct App {
    addresses: Vec<SocketAddr>,
    /// Ready to be handed on.
    sockets: Sockets,
    snapshots: Snapshots,
    admin: SocketAddr,
    health: Option<SocketAddr>,
    planes: Option<Planes>,
    drain: Option<Drain>,
    stop: CancellationToken,
    /// Ends the operators' ports alone.
    closed: CancellationToken,
    wake: Arc<Notify>,
    log: AccessLog,
}

/// An edge that cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address is taken, or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no threads or sockets.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// The runtimes that work is spread over.
struct Planes {
    control: Runtime,
    data: Vec<Runtime>,
}

impl App {
    /// Listen and serve.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        Self::inherit(config, Sockets::default())
    }

    /// The same on sockets that another process listened on before, as far as they fit.
    pub fn inherit(config: &Config, inherited: Sockets) -> Result<Self, StartError> {
        Self::begin(config, inherited, AccessLog::open(config.access_log))
    }

    /// The same with another access log.
    pub fn start_with(config: &Config, log: AccessLog) -> Result<Self, StartError> {
        Self::begin(config, Sockets::default(), log)
    }

    fn begin(config: &Config, mut from: Sockets, log: AccessLog) -> Result<Self, StartError> {
        for warning in &config.warnings {
            warn!("{}", warning.in_file(&config.path));
        }
        let (bound, operators) = bind(config, &mut from)?;
        let sockets = hand_on(&bound, &operators)?;
        let (admin, health) = operators.addresses();
        let planes = Planes::new(config)?;
        let stop = CancellationToken::new();
        let closed = stop.child_token();
        let (shared, heard) = Shared::new(config, &log);
        let stops = (&stop, &closed);
        let wake = control(config, (&planes, &shared), heard, operators, stops)?;
        planes
            .control
            .block_on(first_snapshot(config, &shared.snapshots));
        let addresses: Vec<SocketAddr> = bound.iter().map(Bound::address).collect();
        let mut proxies = Vec::new();
        for runtime in &planes.data {
            proxies.push(shared.serve(config, runtime, &bound)?);
        }
        for address in &addresses {
            info!(%address, "listening");
        }
        info!(address = %admin, "operators' port");
        if let Some(address) = health {
            info!(%address, "health port");
        }
        Ok(Self {
            addresses,
            sockets,
            snapshots: shared.snapshots.clone(),
            admin,
            health,
            drain: Some(shared.into_drain(config, proxies)),
            planes: Some(planes),
            stop,
            closed,
            wake,
            log,
        })
    }

    /// Where clients connect, with the ports that were really taken, in the file's order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where operators connect.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where health alone is told; `None` when no such port is configured.
    pub fn health(&self) -> Option<SocketAddr> {
        self.health
    }

    /// The sockets it listens on.
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Waits until every endpoint was asked once, as `/readyz` does. Not for ever: with endpoints
    /// that do not answer it serves as well as anybody can.
    pub async fn ready(&self) {
        let deadline = clock::moment() + FIRST_ANSWERS;
        while !admin::knows_enough(&self.snapshots.load()) && clock::moment() < deadline {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Leave politely: returns when nobody is left, or at the deadline. Says how many were cut.
    pub fn leave(self, at_once: impl Future<Output = ()>) -> usize {
        self.drain(at_once)
    }

    /// The same when another process accepts from our sockets already: nobody has to learn that
    /// we are not ready, and our ports are its now.
    pub fn leave_to_successor(mut self, at_once: impl Future<Output = ()>) -> usize {
        self.closed.cancel();
        if let Some(drain) = &mut self.drain {
            drain.times.propagation = Duration::ZERO;
        }
        self.drain(at_once)
    }

    fn drain(mut self, at_once: impl Future<Output = ()>) -> usize {
        self.sockets = Sockets::default();
        let (Some(planes), Some(drain)) = (&self.planes, self.drain.take()) else {
            return 0;
        };
        planes.control.block_on(async {
            tokio::select! {
                left = drain.run() => left,
                () = at_once => 0,
            }
        })
    }

    /// Wake this to have the configuration read again.
    pub fn reload(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    /// Wait for something on the control plane.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.planes
            .as_ref()
            .map(|planes| planes.control.block_on(future))
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(planes) = self.planes.take() {
            for runtime in planes.data {
                runtime.shutdown_timeout(GRACE);
            }
            planes.control.shutdown_timeout(GRACE);
        }
        self.log.close(GRACE);
    }
}

impl Planes {
    fn new(config: &Config) -> io::Result<Self> {
        let mut control = Builder::new_multi_thread();
        control
            .worker_threads(1)
            .thread_name("control")
            .enable_all();
        let control = control.build()?;
        // without stealing each thread has a runtime, and so connections, of its own
        let (runtimes, threads) = match config.work_stealing {
            true => (1, config.threads),
            false => (config.threads, 1),
        };
        let data = (0..runtimes).map(|_| {
            Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("data")
                .enable_all()
                .build()
        });
        Ok(Self {
            control,
            data: data.collect::<io::Result<_>>()?,
        })
    }
}

/// What both planes and all threads share.
struct Shared {
    edge: Edge,
    snapshots: Snapshots,
    clock: Clock,
    telemetry: Telemetry,
    relays: Relays,
    admissions: Admissions,
    connections: TaskTracker,
    acceptors: TaskTracker,
    closing: CancellationToken,
    leaving: watch::Sender<bool>,
}

impl Shared {
    fn new(config: &Config, log: &AccessLog) -> (Self, OutcomesReceiver) {
        let clock = Clock::start();
        let telemetry = Telemetry::new();
        let snapshots = Snapshots::default();
        let (outcomes, heard) = Outcomes::channel(telemetry.clone());
        let witness = Witness {
            log: log.clone(),
            telemetry: telemetry.clone(),
            outcomes: outcomes.clone(),
        };
        let holdings = Arc::new(Holdings::new(config.limits.held, config.limits.parked));
        telemetry.observe(holdings.clone());
        let relays = Relays::new(relay::Parts {
            snapshots: snapshots.clone(),
            observer: Arc::new(witness),
            dialler: Dialler {
                connect: config.timeouts.connect,
            },
            pulse: pulse(&config.timeouts),
            holdings,
            now: Arc::new(move || Instant::after_start(clock.since_start())),
        });
        let parts = Parts {
            snapshots: snapshots.clone(),
            outcomes,
            telemetry: telemetry.clone(),
            relays: relays.clone(),
            log: log.clone(),
            clock,
        };
        let shared = Self {
            edge: Edge::new(config, parts),
            snapshots,
            clock,
            telemetry,
            relays,
            admissions: Admissions::new(
                config.limits.connections_per_address,
                config.limits.connections,
            ),
            connections: TaskTracker::new(),
            acceptors: TaskTracker::new(),
            closing: CancellationToken::new(),
            leaving: watch::Sender::new(false),
        };
        (shared, heard)
    }

    /// Accept and serve on this runtime, with connections to endpoints of its own.
    fn serve(&self, config: &Config, runtime: &Runtime, bound: &[Bound]) -> io::Result<Proxy> {
        let _inside = runtime.enter();
        let proxy = Arc::new(proxy(config, self.edge.clone()));
        for bound in bound {
            let acceptor = Acceptor {
                bound: bound.share()?,
                http: Http {
                    proxy: proxy.clone(),
                    leaving: self.leaving.subscribe(),
                    keepalive: config.timeouts.keepalive.as_secs().max(1),
                    requests_max: config.limits.requests_per_connection,
                    edge: self.edge.clone(),
                },
                admissions: self.admissions.clone(),
                limits: config.limits,
                tasks: self.connections.clone(),
                closing: self.closing.clone(),
            };
            let accepting = async move {
                if let Err(cause) = acceptor.run().await {
                    error!(%cause, "accepting ended");
                }
            };
            self.acceptors.spawn_on(accepting, runtime.handle());
        }
        Ok(proxy)
    }

    fn into_drain(self, config: &Config, proxies: Vec<Proxy>) -> Drain {
        Drain {
            times: config.shutdown,
            telemetry: self.telemetry,
            closing: self.closing,
            acceptors: self.acceptors,
            leaving: self.leaving,
            connections: self.connections,
            streams: Box::new(Open {
                relays: self.relays,
                proxies,
            }),
        }
    }
}

type Proxy = Arc<HttpProxy<Edge>>;

/// The open streams and idle connections, as the drain sees them.
struct Open {
    relays: Relays,
    proxies: Vec<Proxy>,
}

#[async_trait]
impl Streams for Open {
    fn open(&self) -> usize {
        self.relays.registry().total()
    }

    fn untold(&self) -> usize {
        self.relays.registry().untold()
    }

    fn close_some(&self, count: usize) {
        self.relays.registry().close_some(count);
    }

    async fn close_idle(&self) {
        for proxy in &self.proxies {
            proxy.http_cleanup().await;
        }
    }
}

fn bind(config: &Config, from: &mut Sockets) -> Result<(Vec<Bound>, Operators), BindError> {
    let listeners = config.listeners.iter();
    let bound = listeners
        .map(|listener| Bound::inherit(listener, Role::Listener, from))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((bound, Operators::bind(config, from)?))
}

fn hand_on(bound: &[Bound], operators: &Operators) -> io::Result<Sockets> {
    let mut sockets = Sockets::default();
    for bound in bound {
        bound.hand_on(Role::Listener, &mut sockets)?;
    }
    operators.hand_on(&mut sockets)?;
    Ok(sockets)
}

fn proxy(config: &Config, edge: Edge) -> HttpProxy<Edge> {
    let conf = ServerConf {
        // the edge counts attempts itself; this is only a stop behind it
        max_retries: 2 * (config.retry.attempts + config.retry.hops) + 4,
        upstream_keepalive_pool_size: POOL,
        ..ServerConf::default()
    };
    let mut proxy = http_proxy(&Arc::new(conf), edge);
    let mut options = HttpServerOptions::default();
    // asked only for connections whose preface has been seen on a listener that allows it
    options.h2c = true;
    options.h2_idle_timeout = Some(config.timeouts.keepalive);
    proxy.server_options = Some(options);
    let mut h2 = default_h2_options();
    h2.max_concurrent_streams(config.limits.h2_streams);
    h2.max_header_list_size(u32::try_from(config.limits.head).unwrap_or(u32::MAX));
    proxy.h2_options = Some(h2);
    proxy
}

fn pulse(timeouts: &Timeouts) -> PulseSettings {
    PulseSettings {
        heartbeat: timeouts.heartbeat,
        ping: timeouts.ping,
        edge_idle: timeouts.edge_idle,
        write_stall: timeouts.write,
    }
}

/// Probes have timeouts of their own.
const FIRST_ANSWERS: Duration = Duration::from_secs(10);

/// Unused connections to endpoints that are kept, all endpoints together.
const POOL: usize = 1024;

/// How long threads get to end after everything has been cut off.
const GRACE: Duration = Duration::from_secs(1);
