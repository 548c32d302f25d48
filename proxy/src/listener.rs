//! Addresses -> connections -> requests.
//!
//! Holdfast accepts connections itself and hands each one to Pingora's HTTP proxy, instead of
//! running Pingora's `Server`. That server sleeps a fixed time after SIGTERM and then cuts
//! everything, cannot say which port it got, knows no PROXY header and no deadline for a head;
//! an accept loop of our own has all four in fewer lines than working around them would take.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use holdfast_wire::proxy_header::{Parsed, ProxyHeader};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::config::{Limits, Listener, Network};
use crate::limits::{Admission, Admissions};
use crate::upgrade::{Role, Sockets};

mod downstream;
pub mod gate;
mod serve;

pub use downstream::Downstream;
pub use serve::Http;

use gate::Gate;

/// An address that is listened on and accepted from by several threads.
pub struct Bound {
    socket: std::net::TcpListener,
    config: Listener,
    address: SocketAddr,
}

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

impl Bound {
    /// Listen on a configured address. Connections wait in the kernel until somebody accepts.
    pub fn bind(config: &Listener) -> Result<Self, BindError> {
        let failed = |source| BindError {
            address: config.address,
            source,
        };
        let socket = listen(config.address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self {
            socket,
            config: config.clone(),
            address,
        })
    }

    /// Listen on a socket that another process listened on before, if it handed on one for this
    /// address, or else on a new one.
    pub fn inherit(
        config: &Listener,
        role: Role,
        inherited: &mut Sockets,
    ) -> Result<Self, BindError> {
        let Some(socket) = inherited.take(role, config.address) else {
            return Self::bind(config);
        };
        let usable = || {
            socket.set_nonblocking(true)?;
            socket.local_addr()
        };
        let address = usable().map_err(|source| BindError {
            address: config.address,
            source,
        })?;
        Ok(Self {
            socket,
            config: config.clone(),
            address,
        })
    }

    /// Hands the socket on under the address that the configuration says.
    pub fn hand_on(&self, role: Role, to: &mut Sockets) -> io::Result<()> {
        to.put(role, self.config.address, self.socket.try_clone()?);
        Ok(())
    }

    /// The address with the port that was really taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself, for whoever accepts from it in another way.
    pub fn into_socket(self) -> std::net::TcpListener {
        self.socket
    }

    /// The same socket for one more thread.
    pub fn share(&self) -> io::Result<Self> {
        let socket = self.socket.try_clone()?;
        Ok(Self {
            socket,
            config: self.config.clone(),
            address: self.address,
        })
    }
}

/// Accepts connections until told to stop.
pub struct Acceptor {
    /// Where.
    pub bound: Bound,
    /// Who carries them.
    pub http: Http,
    /// How many may come.
    pub admissions: Admissions,
    /// How much they may ask for.
    pub limits: Limits,
    /// The tasks of the connections, for whoever waits until they have ended.
    pub tasks: TaskTracker,
    /// Accepting ends when this is cancelled.
    pub closing: CancellationToken,
}

impl Acceptor {
    /// Accept until told to stop; connections outlive it.
    pub async fn run(self) -> io::Result<()> {
        let Self {
            bound,
            http,
            admissions,
            limits,
            tasks,
            closing,
        } = self;
        let listener = TcpListener::from_std(bound.socket)?;
        let config = Arc::new(bound.config);
        loop {
            // both are cancel-safe: a connection is either returned or still in the kernel
            let accepted = tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(cause) => {
                    warn!(address = %bound.address, %cause, "accept failed");
                    if is_exhausted(&cause) {
                        sleep(EXHAUSTED_PAUSE).await;
                    }
                    continue;
                }
            };
            let admitted = match config.proxy_protocol {
                Some(_) => admissions.admit_unknown(),
                None => admissions.admit(peer.ip()),
            };
            let admission = match admitted {
                Ok(admission) => admission,
                Err(refused) => {
                    http.refused(peer, refused);
                    continue;
                }
            };
            let connection = Connection {
                stream,
                peer,
                admission: admission.counted(http.edge.arrived()),
                config: config.clone(),
            };
            let (http, limits) = (http.clone(), limits);
            tasks.spawn(async move { connection.serve(http, limits).await });
        }
    }
}

/// One accepted connection before its first request.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    admission: Admission,
    config: Arc<Listener>,
}

impl Connection {
    async fn serve(mut self, http: Http, limits: Limits) {
        if let Err(cause) = tune(&self.stream) {
            debug!(client = %self.peer, %cause, "connection ended before its first request");
            return;
        }
        let head_timeout = limits.head_timeout;
        let client = match &self.config.proxy_protocol {
            None => self.peer,
            Some(trusted) => {
                let header = proxy_header(&mut self.stream, self.peer, trusted);
                match timeout(head_timeout, header).await {
                    Ok(Ok(client)) => match self.admission.of(client.ip()) {
                        Ok(admission) => {
                            self.admission = admission;
                            client
                        }
                        Err(refused) => {
                            http.refused(client, refused);
                            return;
                        }
                    },
                    Ok(Err(cause)) => {
                        warn!(peer = %self.peer, %cause, "bad PROXY header");
                        return;
                    }
                    Err(_) => {
                        warn!(peer = %self.peer, "no PROXY header in time");
                        return;
                    }
                }
            }
        };
        let gate = Arc::new(Gate::new(client, false, &limits));
        let prior_knowledge = match self.config.h2c {
            true => timeout(head_timeout, begins_http2(&self.stream))
                .await
                .unwrap_or(Ok(false)),
            false => Ok(false),
        };
        let descriptor = self.stream.as_raw_fd();
        let stream = Downstream::new(self.stream, descriptor, gate.clone(), self.admission);
        match prior_knowledge {
            Ok(true) => {
                gate.open();
                http.http2(Box::new(stream)).await;
            }
            Ok(false) => http.http1(Box::new(stream), gate).await,
            Err(cause) => debug!(client = %client, %cause, "connection ended before a request"),
        }
    }
}

/// Reads the header byte by byte as far as it asks for, so that nothing of what follows is taken.
async fn proxy_header(
    stream: &mut TcpStream,
    peer: SocketAddr,
    trusted: &[Network],
) -> io::Result<SocketAddr> {
    if !trusted.iter().any(|network| network.contains(peer.ip())) {
        let message = "the peer is not one of proxy_protocol.trusted";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let mut bytes = Vec::new();
    loop {
        match ProxyHeader::parse(&bytes) {
            Ok(Parsed::Incomplete { need }) => {
                let have = bytes.len();
                bytes.resize(need.max(have + 1), 0);
                stream.read_exact(&mut bytes[have..]).await?;
            }
            Ok(Parsed::Complete { header, .. }) => {
                return Ok(match header {
                    ProxyHeader::Proxied { source, .. } => source,
                    _ => peer,
                });
            }
            Err(cause) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{cause:?}"),
                ));
            }
        }
    }
}

/// Does the connection begin as HTTP/2 with prior knowledge does (RFC 9113 section 3.4)? Waits
/// only while what has come is a beginning of the preface.
async fn begins_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = 0;
    loop {
        let mut bytes = [0; PREFACE.len()];
        let n = stream.peek(&mut bytes).await?;
        if n == 0 || bytes[..n] != PREFACE[..n] {
            return Ok(false);
        }
        if n == PREFACE.len() {
            return Ok(true);
        }
        if n == seen {
            // peeked bytes stay readable, so waiting for readiness would not wait
            sleep(PREFACE_PAUSE).await;
        }
        seen = n;
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Answers go out at once, and a peer that vanished without a word is noticed by the kernel: the
/// last line of defence behind heartbeats.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// No descriptors or memory left: accepting again at once would only burn the processor.
fn is_exhausted(cause: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOBUFS: i32 = 105;
    const ENOMEM: i32 = 12;
    matches!(
        cause.raw_os_error(),
        Some(EMFILE | ENFILE | ENOBUFS | ENOMEM)
    )
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PREFACE_PAUSE: Duration = Duration::from_millis(5);
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Connections that wait to be accepted; the kernel's own limit may be lower.
const BACKLOG: i32 = 4096;

const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
