//! The props of the relays' tests: an edge in one process on real sockets, and endpoints and
//! clients that speak raw bytes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_core::cluster::{Cluster, ClusterSettings, Contract, Health};
use holdfast_core::connection::{Moved, PulseSettings};
use holdfast_core::decide::{CookieAction, Why};
use holdfast_core::health::Kind;
use holdfast_core::route::{Identity, Match, Route, RouteName};
use holdfast_core::{
    Admin, AffinityKey, ClusterName, Endpoint, EndpointId, Forward, Instant, Relay, Snapshot,
};
use http::HeaderValue;
use http::header::HeaderName;
use pingora_core::apps::ServerApp;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{HttpProxy, ProxyHttp, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::{Admitted, ConnectionId, Ended, Observer, Parts, Relayed, Relays};
use crate::control::Snapshots;
use crate::upstream::dial::Dialler;
use crate::upstream::sanitize::sanitize;

/// An edge whose every request goes to one relay.
pub(crate) struct Edge {
    pub(crate) relays: Relays,
    pub(crate) snapshots: Snapshots,
    pub(crate) seen: mpsc::UnboundedReceiver<Seen>,
    app: Arc<HttpProxy<App>>,
    shutdown: watch::Sender<bool>,
    settings: Arc<ClusterSettings>,
    members: Vec<Endpoint>,
}

/// What the relays told.
#[derive(Debug)]
pub(crate) enum Seen {
    Opened,
    Moved(Moved),
    Ended(Box<Ended>),
}

struct Watcher(mpsc::UnboundedSender<Seen>);

struct App {
    relays: Relays,
    snapshots: Snapshots,
    cluster: ClusterName,
    relay: Relay,
}

impl Edge {
    pub(crate) async fn new(
        relay: Relay,
        contract: Contract,
        pulse: PulseSettings,
        endpoints: &[(&str, SocketAddr)],
    ) -> Self {
        let cluster = ClusterName::parse("game").expect("a name");
        let mut settings = ClusterSettings::new(cluster.clone());
        settings.handoff.contract = contract;
        settings.handoff.close_timeout = Duration::from_millis(500);
        let members = endpoints.iter().map(|(name, address)| {
            let mut endpoint = Endpoint::new(id(name), *address, 1, &settings);
            endpoint.contract = contract != Contract::Off;
            endpoint
        });
        let members: Vec<_> = members.collect();
        let (sender, seen) = mpsc::unbounded_channel();
        let snapshots = Snapshots::default();
        let start = tokio::time::Instant::now();
        let relays = Relays::new(Parts {
            snapshots: snapshots.clone(),
            observer: Arc::new(Watcher(sender)),
            dialler: Dialler {
                connect: Duration::from_secs(1),
            },
            pulse,
            holdings: Arc::default(),
            now: Arc::new(move || Instant::after_start(start.elapsed())),
        });
        let app = App {
            relays: relays.clone(),
            snapshots: snapshots.clone(),
            cluster,
            relay,
        };
        let app = Arc::new(HttpProxy::new(app, Arc::new(ServerConf::default())));
        let (shutdown, _) = watch::channel(false);
        let settings = Arc::new(settings);
        let mut edge = Self {
            relays,
            snapshots,
            seen,
            app,
            shutdown,
            settings,
            members,
        };
        edge.publish();
        edge
    }

    pub(crate) fn drain(&mut self, name: &str) {
        self.member(name).admin = Admin::Drain;
        self.publish();
    }

    pub(crate) fn down(&mut self, name: &str) {
        self.member(name).health = Health::Down;
        self.publish();
    }

    fn member(&mut self, name: &str) -> &mut Endpoint {
        let member = self.members.iter_mut().find(|e| e.id == id(name));
        member.expect("a member")
    }

    fn publish(&mut self) {
        let members = self.members.iter().cloned().map(Arc::new).collect();
        let cluster = Cluster::new(self.settings.clone(), members, Arc::default());
        let mut snapshot = Snapshot::default();
        snapshot
            .clusters
            .insert(self.settings.name.clone(), Arc::new(cluster));
        self.snapshots.publish(Arc::new(snapshot));
    }

    /// A client's connection to the edge.
    pub(crate) async fn connect(&self) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let client = TcpStream::connect(address).await.expect("a connection");
        let (server, _) = listener.accept().await.expect("a connection");
        server.set_nodelay(true).expect("a socket");
        let stream: pingora_core::protocols::l4::stream::Stream = server.into();
        let (app, shutdown) = (self.app.clone(), self.shutdown.subscribe());
        tokio::spawn(async move {
            let shutdown: ShutdownWatch = shutdown;
            app.process_new(Box::new(stream), &shutdown).await;
        });
        client
    }

    /// The next thing the relays tell.
    pub(crate) async fn next(&mut self) -> Seen {
        self.seen.recv().await.expect("the relays go on")
    }

    pub(crate) async fn ended(&mut self) -> Ended {
        loop {
            if let Seen::Ended(ended) = self.next().await {
                return *ended;
            }
        }
    }
}

#[async_trait]
impl ProxyHttp for App {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut (),
    ) -> pingora_core::Result<Box<HttpPeer>> {
        pingora_core::Error::e_explain(pingora_core::ErrorType::InternalError, "all is relayed")
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        _ctx: &mut (),
    ) -> pingora_core::Result<bool> {
        let snapshot = self.snapshots.load();
        let cluster = snapshot
            .cluster(&self.cluster)
            .expect("the cluster")
            .clone();
        let endpoint = cluster.endpoints()[0].clone();
        let mut head = session.req_header().clone();
        if sanitize(&mut head).is_err() {
            session.respond_error(400).await?;
            return Ok(true);
        }
        let route = Route {
            name: RouteName::new("all"),
            matches: Match::default(),
            cluster: self.cluster.clone(),
            relay: Some(self.relay),
            affinity: true,
            identity: Identity::Off,
        };
        let forward = Forward {
            route: Arc::new(route),
            cluster,
            endpoint,
            relay: self.relay,
            key: AffinityKey::from_bits(7),
            cookie: CookieAction::None,
            why: Why::Off,
            claimed: None,
            moved_from: Vec::new(),
        };
        let admitted = Admitted {
            forward,
            head,
            fields: Box::new(|endpoint| {
                let value = endpoint.map_or("none", EndpointId::as_str);
                let value = HeaderValue::from_str(value).expect("an id");
                vec![(HeaderName::from_static("x-answered-by"), value)]
            }),
            client: IpAddr::from([127, 0, 0, 1]),
            request_id: "r1".into(),
            snapshot: 1,
        };
        let _: Relayed = match self.relay {
            Relay::WebSocket => self.relays.websocket(session, admitted).await?,
            _ => self.relays.sse(session, admitted).await?,
        };
        Ok(true)
    }
}

impl Observer for Watcher {
    fn opened(&self, _relay: Relay, _cluster: &ClusterName, _endpoint: &EndpointId) {
        let _ = self.0.send(Seen::Opened);
    }
    fn moved(&self, _id: ConnectionId, _relay: Relay, _cluster: &ClusterName, moved: &Moved) {
        let _ = self.0.send(Seen::Moved(moved.clone()));
    }
    fn ended(&self, record: &Ended) {
        let _ = self.0.send(Seen::Ended(Box::new(record.clone())));
    }
    fn outcome(&self, _cluster: &ClusterName, _endpoint: &Endpoint, _kind: Kind) {}
}

/// An endpoint that does what the test says.
pub(crate) struct Scripted {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Scripted {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        Self { listener, address }
    }

    /// The next connection and the head of its request, in lower case.
    pub(crate) async fn asked(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.listener.accept().await.expect("a connection");
        let head = read_head(&mut stream).await;
        (stream, head.to_ascii_lowercase())
    }

    /// Accepts a WebSocket on these further fields.
    pub(crate) async fn upgraded(&self, fields: &str) -> (TcpStream, String) {
        let (mut stream, head) = self.asked().await;
        stream
            .write_all(switching(fields).as_bytes())
            .await
            .expect("written");
        (stream, head)
    }
}

/// A 101 for [`KEY`].
pub(crate) fn switching(fields: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{fields}\r\n"
    )
}

/// The client's request for a WebSocket.
pub(crate) fn upgrade(fields: &str) -> String {
    format!(
        "GET /ws?x=1 HTTP/1.1\r\nHost: game.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{fields}\r\n"
    )
}

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    String::from_utf8(head).expect("text")
}

pub(crate) async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    stream.read_exact(&mut read).await.expect("as many bytes");
    assert_eq!(
        read.escape_ascii().to_string(),
        bytes.escape_ascii().to_string()
    );
}

pub(crate) fn id(name: &str) -> EndpointId {
    EndpointId::parse(name).expect("an id")
}
