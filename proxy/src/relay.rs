//! What joins a client's leg to an endpoint's, when the edge owns both.
//!
//! Plain HTTP and gRPC take Pingora's own way. A WebSocket or an event stream is taken over
//! before that, because it may outlive its endpoint: `holdfast_core::connection` decides what
//! becomes of it, the relays here move its bytes.
//!
//! | module | what it does |
//! |---|---|
//! | `websocket` | one task per WebSocket, spawned off the request that opened it |
//! | `sse` | one event stream, inside the request that opened it |
//! | `leg` | dials when the state machine says so |
//! | `answer` | what the client is told when nothing is relayed |
//! | `handshake` | what an upgrade, and the answer to one, have to look like |
//! | [`registry`] | who is connected to whom, and orders to move or close |
//! | [`record`] | what is told when a connection ends |

mod answer;
mod handshake;
mod leg;
mod places;
pub mod record;
pub mod registry;
mod scratch;
mod sse;
#[cfg(test)]
mod stage;
mod websocket;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use holdfast_core::cluster::ClusterSettings;
use holdfast_core::connection::{Holdings, Opening, PulseSettings, Settings};
use holdfast_core::{Endpoint, EndpointId, Forward, Instant};
use holdfast_wire::contract::EventId;
use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

pub use leg::ConnectionId;
pub use record::{Ended, Observer};
pub use registry::Registry;

use self::places::Places;
use crate::control::Snapshots;
use crate::upstream::dial::Dialler;

/// A request for a WebSocket or an event stream, ready to be relayed.
pub struct Admitted {
    /// Where it goes, and why.
    pub forward: Forward,
    /// The request as the endpoint is to see it: sanitized
    /// ([`sanitize`](crate::upstream::sanitize)), with forwarding fields, request id, subject
    /// and, for a cluster that may keep the contract, the cluster key. The contract's other
    /// fields are added for each dial.
    pub head: RequestHeader,
    /// The fields the edge puts on the answer to the client, for the endpoint that really
    /// answered: `Set-Cookie`, `Holdfast-Endpoint`, the request id.
    pub fields: AnswerFields,
    /// The client's address, as the logs are to have it.
    pub client: IpAddr,
    /// The request id.
    pub request_id: Box<str>,
    /// The number of the snapshot that decided.
    pub snapshot: u64,
}

/// Makes the edge's own fields of an answer, once it is known who gave it.
pub type AnswerFields =
    Box<dyn FnOnce(Option<&EndpointId>) -> Vec<(HeaderName, HeaderValue)> + Send>;

/// What became of a request that was handed to a relay. It is answered in any case: return
/// `Ok(true)` from `request_filter`.
#[derive(Clone, Debug)]
pub enum Relayed {
    /// The connection was, or still is, relayed, and is logged by the relay when it ends. The
    /// session has no request any more: do not ask it for one.
    Taken,
    /// An endpoint answered and nothing else came of it; log it like any other request.
    Answered {
        /// With this status.
        status: u16,
        /// The one that did.
        endpoint: Arc<Endpoint>,
    },
    /// The edge itself answered; log it so.
    Refused {
        /// With this status.
        status: u16,
        /// And this code.
        code: &'static str,
    },
}

/// All relays of the process. Cheap to clone.
#[derive(Clone)]
pub struct Relays {
    shared: Arc<Shared>,
}

/// What relays work with.
pub struct Parts {
    /// What they decide by.
    pub snapshots: Snapshots,
    /// Who is told what becomes of connections.
    pub observer: Arc<dyn Observer>,
    /// Opens connections to endpoints.
    pub dialler: Dialler,
    /// How clients are watched.
    pub pulse: PulseSettings,
    /// What all connections may hold together.
    pub holdings: Arc<Holdings>,
    /// The core's time, on tokio's clock.
    pub now: registry::Now,
}

/// What every relay needs.
pub(crate) struct Shared {
    pub(crate) snapshots: Snapshots,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) registry: Registry,
    pub(crate) dialler: Dialler,
    /// Those who wait for a dial, in order.
    places: Places,
    now: registry::Now,
    pub(crate) pulse: PulseSettings,
    /// What all relays hold together.
    holdings: Arc<Holdings>,
    /// How the clusters' connections are treated, by the settings that say so; as many as the
    /// configuration has clusters, and those of the last reload.
    settings: Mutex<Vec<(Arc<ClusterSettings>, Arc<Settings>)>>,
}

impl Relays {
    /// Relays that work with these.
    pub fn new(parts: Parts) -> Self {
        let settings = Mutex::default();
        let registry = Registry::new(parts.now.clone());
        let shared = Shared {
            snapshots: parts.snapshots,
            observer: parts.observer,
            registry,
            dialler: parts.dialler,
            places: Places::default(),
            now: parts.now,
            pulse: parts.pulse,
            holdings: parts.holdings,
            settings,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes over a WebSocket: dials its endpoint, answers the client, and relays in a task of
    /// its own until the connection ends.
    pub async fn websocket(
        &self,
        session: &mut Session,
        admitted: Admitted,
    ) -> pingora_core::Result<Relayed> {
        websocket::open(&self.shared, session, admitted).await
    }

    /// Relays an event stream until it ends.
    pub async fn sse(
        &self,
        session: &mut Session,
        admitted: Admitted,
    ) -> pingora_core::Result<Relayed> {
        sse::relay(&self.shared, session, admitted).await
    }

    /// Who is connected to whom.
    pub fn registry(&self) -> &Registry {
        &self.shared.registry
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Instant {
        (self.now)()
    }

    /// What the state machine is told of a new connection.
    pub(crate) fn opening(&self, forward: &Forward, last_event_id: Option<EventId>) -> Opening {
        Opening {
            settings: self.settings(&forward.cluster.settings),
            cluster: forward.cluster.name().clone(),
            key: forward.key,
            endpoint: forward.endpoint.clone(),
            claimed: forward.claimed.clone(),
            moved_from: forward.moved_from.clone(),
            last_event_id,
            draw: leg::draw(),
        }
    }

    fn settings(&self, of: &Arc<ClusterSettings>) -> Arc<Settings> {
        let mut known = self.settings.lock();
        if let Some((_, settings)) = known.iter().find(|(key, _)| Arc::ptr_eq(key, of)) {
            return settings.clone();
        }
        known.retain(|(key, _)| key.name != of.name);
        let settings = Arc::new(Settings {
            handoff: of.handoff.clone(),
            pulse: self.pulse,
            retry: RETRY,
            holdings: self.holdings.clone(),
        });
        known.push((of.clone(), settings.clone()));
        settings
    }
}

impl fmt::Debug for Relays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relays")
            .field("registry", &self.shared.registry)
            .finish_non_exhaustive()
    }
}

/// When a client is told to come back whose event stream ends for reasons of ours.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);
