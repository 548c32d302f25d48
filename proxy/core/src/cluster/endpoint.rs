//! One endpoint, as known at one moment.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{ClusterSettings, Contract, EndpointId, Load};
use crate::drain::Progress;
use crate::health::Record;
use crate::time::Instant;

/// One backend process, whatever its address is today.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Names it for as long as it lives.
    pub id: EndpointId,
    /// Where to dial it now.
    pub address: SocketAddr,
    /// Its share of new clients against its neighbours'; 0: it takes none.
    pub weight: u32,
    /// What operators, or the endpoint itself, want of it.
    pub admin: Admin,
    /// A draining endpoint that is empty, or out of time: nobody belongs to it any more.
    pub drained: bool,
    /// How far its drain is, while it lasts.
    pub drain: Option<Progress>,
    /// What probes and outcomes say of it.
    pub health: Health,
    /// What its checks heard, for people; the same objects in every snapshot until a reload.
    pub checks: Vec<Arc<Record>>,
    /// Whether it keeps the handoff contract, as required by the configuration or learnt.
    pub contract: bool,
    /// When it last became fit to serve: slow start counts from here. `None`: it was there
    /// from the beginning, and starts at full weight.
    pub fit_since: Option<Instant>,
    /// Sessions it may have before new clients go elsewhere.
    pub sessions_max: Option<u32>,
    /// What it carries; the same object in every snapshot.
    pub load: Arc<Load>,
}

impl Endpoint {
    /// An endpoint of `settings`' cluster that nothing is known about yet.
    pub fn new(
        id: EndpointId,
        address: SocketAddr,
        weight: u32,
        settings: &ClusterSettings,
    ) -> Self {
        Self {
            id,
            address,
            weight,
            admin: Admin::Ready,
            drained: false,
            drain: None,
            health: Health::Up,
            checks: Vec::new(),
            contract: settings.handoff.contract == Contract::Required,
            fit_since: None,
            sessions_max: settings.sessions_max,
            load: Load::idle(),
        }
    }

    /// Whether it takes a connection or request of such a client. `failing_open` is the
    /// cluster's: then nobody's health is believed.
    ///
    /// A draining endpoint that keeps the contract takes nothing at all, not even from its own
    /// clients: their sessions come along to wherever they go. One that does not keeps them.
    pub fn admits(&self, client: Client, failing_open: bool) -> bool {
        let fit = failing_open || self.health.fit();
        let wanted = match (self.admin, client) {
            (Admin::Ready, Client::New) => self.weight > 0,
            (Admin::Ready, Client::Own) => true,
            (Admin::Drain, Client::Own) => !self.contract && !self.drained,
            (Admin::Drain, Client::New) | (Admin::Maint, _) => false,
        };
        fit && wanted
    }

    /// Whether a connection may come back to it when nobody else can take it: it serves, and
    /// is neither in maintenance nor already drained.
    pub fn may_keep(&self, failing_open: bool) -> bool {
        let fit = failing_open || self.health.fit();
        fit && self.admin != Admin::Maint && !self.drained
    }

    /// Whether it may have a session that nobody else takes: one that keeps the contract and
    /// leaves has its sessions until others come for them, however few connections are left.
    pub fn may_have(&self, failing_open: bool) -> bool {
        let fit = failing_open || self.health.fit();
        fit && self.contract && self.admin == Admin::Drain
    }

    /// Whether nothing that is known of it differs; what it carries is not compared.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let known = |e: &Self| {
            (
                e.address,
                e.weight,
                e.admin,
                e.drained,
                e.health,
                e.contract,
                e.fit_since,
            )
        };
        self.id == other.id
            && known(self) == known(other)
            && self.drain == other.drain
            && self.sessions_max == other.sessions_max
            && self.checks.len() == other.checks.len()
            && std::iter::zip(&self.checks, &other.checks).all(|(a, b)| Arc::ptr_eq(a, b))
            && Arc::ptr_eq(&self.load, &other.load)
    }

    /// Whether it has all the sessions it may have.
    pub fn is_full(&self) -> bool {
        self.sessions_max
            .is_some_and(|max| self.load.sessions() >= max)
    }
}

/// Whose request it is, seen from an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// It has no claim on this endpoint.
    New,
    /// It proved that it belongs here.
    Own,
}

/// What operators want of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admin {
    /// Send it whatever comes.
    #[default]
    Ready,
    /// Send it no new client. Its own are moved away if it keeps the contract, else they stay
    /// until `drain.deadline`. Go on probing it.
    Drain,
    /// Send it nothing, and expect nothing of it.
    Maint,
}

impl Admin {
    /// Its name in metrics, logs and paths.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// What is known of an endpoint's fitness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not probed yet: it takes new clients only while nobody is known to be up.
    Untried,
    /// Send it whatever it admits.
    #[default]
    Up,
    /// It serves, and says that something it depends on does not: it takes new clients only
    /// while nobody is fully up.
    Degraded,
    /// Its probes fail: send it nothing, and treat its connections as lost.
    Down,
    /// Taken out for a while because of how it served: send it nothing until it is back.
    Ejected,
}

impl Health {
    /// Whether it can be expected to serve.
    pub const fn fit(self) -> bool {
        !matches!(self, Self::Down | Self::Ejected)
    }

    /// Its name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untried => "untried",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Ejected => "ejected",
        }
    }
}
