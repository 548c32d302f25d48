//! What everybody may know about the lab. `lab.json` and `GET /lab/state` show this and nothing
//! else; tools outside the project read its names.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::files::Files;
use super::plan::{Plan, Seat};

/// A process of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MemberId {
    Proxy,
    Redis,
    Reference,
    Backend(String),
    StickyApp(String),
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy => f.write_str("proxy"),
            Self::Redis => f.write_str("redis"),
            Self::Reference => f.write_str("backend reference"),
            Self::Backend(id) => write!(f, "backend {id}"),
            Self::StickyApp(id) => write!(f, "sticky-app {id}"),
        }
    }
}

/// The lab as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct Lab {
    /// The lab's own process: SIGTERM to it ends everything.
    pub pid: u32,
    /// Everything answered once; what died later is being started again.
    #[serde(skip)]
    pub ready: bool,
    pub proxy: Proxy,
    pub backends: Vec<Server>,
    pub sticky_apps: Vec<Server>,
    /// With `--reference`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Server>,
    /// With `--store redis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// Where the kill and drain buttons are served.
    pub control: SocketAddr,
    pub logs: PathBuf,
}

/// The edge.
#[derive(Debug, Clone, Serialize)]
pub struct Proxy {
    #[serde(flatten)]
    pub process: Process,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub h2c: SocketAddr,
    pub config: PathBuf,
}

/// A backend or sticky application; the id outlives its process.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    pub id: String,
    #[serde(flatten)]
    pub process: Process,
    pub address: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
}

/// The lab's own Redis server.
#[derive(Debug, Clone, Serialize)]
pub struct Redis {
    #[serde(flatten)]
    pub process: Process,
    pub address: SocketAddr,
    pub config: PathBuf,
}

/// One process, over all its starts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Process {
    /// Of the running process, or of the last one while there is none.
    pub pid: u32,
    pub running: bool,
    pub restarts: u32,
    /// How the process before this one ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
}

impl Lab {
    pub(super) fn new(plan: &Plan, files: &Files) -> Self {
        let server = |seat: &Seat, config| Server {
            id: seat.id.clone(),
            process: Process::default(),
            address: seat.address,
            config,
        };
        Self {
            pid: std::process::id(),
            ready: false,
            proxy: Proxy {
                process: Process::default(),
                address: plan.proxy,
                admin: plan.admin,
                h2c: plan.h2c,
                config: files.proxy_config.clone(),
            },
            backends: plan
                .backends
                .iter()
                .map(|seat| server(seat, Some(files.backend_config(seat))))
                .collect(),
            sticky_apps: plan
                .sticky_apps
                .iter()
                .map(|seat| server(seat, None))
                .collect(),
            reference: plan
                .reference
                .as_ref()
                .map(|seat| server(seat, Some(files.backend_config(seat)))),
            redis: plan.redis.map(|address| Redis {
                process: Process::default(),
                address,
                config: files.redis_config(),
            }),
            control: plan.control,
            logs: files.logs.clone(),
        }
    }

    /// The entry of one process; `None` for an id that is not in this lab.
    pub fn process(&mut self, id: &MemberId) -> Option<&mut Process> {
        let (servers, wanted) = match id {
            MemberId::Proxy => return Some(&mut self.proxy.process),
            MemberId::Reference => return self.reference.as_mut().map(|one| &mut one.process),
            MemberId::Redis => return self.redis.as_mut().map(|redis| &mut redis.process),
            MemberId::Backend(id) => (&mut self.backends, id),
            MemberId::StickyApp(id) => (&mut self.sticky_apps, id),
        };
        servers
            .iter_mut()
            .find(|server| server.id == *wanted)
            .map(|server| &mut server.process)
    }

    /// Every process with its name.
    pub fn processes(&self) -> impl Iterator<Item = (MemberId, &Process)> {
        let backends = self
            .backends
            .iter()
            .map(|one| (MemberId::Backend(one.id.clone()), &one.process));
        let sticky = self
            .sticky_apps
            .iter()
            .map(|one| (MemberId::StickyApp(one.id.clone()), &one.process));
        let redis = self.redis.as_ref();
        let redis = redis.map(|redis| (MemberId::Redis, &redis.process));
        let reference = self.reference.as_ref();
        let reference = reference.map(|one| (MemberId::Reference, &one.process));
        std::iter::once((MemberId::Proxy, &self.proxy.process))
            .chain(redis)
            .chain(reference)
            .chain(backends)
            .chain(sticky)
    }
}
