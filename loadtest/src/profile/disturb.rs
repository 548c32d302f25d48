//! What happens to the endpoints while clients are connected.

mod lose;
mod plan;
mod stop;

use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::admin::{Admin, AdminError};
use super::auditor::Auditor;
use super::desk::{Desk, Group, Seat, Volley};
use super::lab_file::{LabFile, LabRecord, Member};
use super::options::{Options, Profile};
use crate::client::Client;
use crate::clock::Instant;
use crate::terminal;

/// Why the disturbance did not happen as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("signal to {who}")]
    Signal {
        who: String,
        source: rustix::io::Errno,
    },
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("{who} did not come back within {BACK_MAX:?}")]
    Gone { who: String },
    #[error("lab.json became unreadable")]
    Lab,
    #[error("the lab has no Redis; start it with `holdfast-loadtest lab --store redis`")]
    NoRedis,
    #[error("reading the journals in Redis")]
    Journal(#[source] std::io::Error),
}

/// Something that was done to the lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Event {
    /// Seconds after the start of the run.
    pub(super) at: f64,
    pub(super) what: String,
    /// The endpoint it was done to.
    #[serde(default)]
    pub(super) endpoint: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) events: Vec<Event>,
    /// What was seen meanwhile, in words.
    pub(super) seen: Vec<String>,
    /// What should not have been seen.
    pub(super) wrong: Vec<String>,
}

/// The disturbance of one profile.
pub(super) struct Disturbance<'a> {
    pub(super) options: &'a Options,
    pub(super) lab: &'a LabFile,
    pub(super) admin: &'a Admin,
    pub(super) seat: &'a Seat,
    pub(super) desks: &'a [Rc<Desk>],
    pub(super) auditor: &'a Auditor,
    pub(super) volleys: &'a watch::Sender<Option<Volley>>,
    pub(super) storms: &'a watch::Sender<u32>,
    pub(super) client: Client,
    pub(super) course: Course,
}

impl Disturbance<'_> {
    /// Carries it out.
    pub(super) async fn run(mut self) -> Result<Course, Error> {
        match self.options.profile {
            Profile::Affinity | Profile::OpaqueDrain => {}
            Profile::IdleTimeout => self.volley(1, Duration::ZERO),
            Profile::GracefulShutdown => self.drain_each().await?,
            Profile::RollingDeploy => self.roll().await?,
            Profile::Kill => self.kill_each().await?,
            Profile::Pause => self.pause().await?,
            Profile::RedisRestart => self.restart_redis().await?,
            Profile::ZoneFailover => self.lose_zone().await?,
            Profile::ReconnectStorm => self.storm().await,
            Profile::Commands => self.commands().await?,
        }
        Ok(self.course)
    }

    async fn storm(&mut self) {
        for _ in 0..self.options.times() {
            self.note("everybody reconnects", None);
            self.storms.send_modify(|count| *count += 1);
            tokio::time::sleep(self.options.interval()).await;
        }
    }

    fn volley(&self, orders: u32, apart: Duration) {
        let at = Instant::now();
        self.volleys
            .send_replace(Some(Volley { at, orders, apart }));
    }

    fn record(&self) -> Result<LabRecord, Error> {
        self.lab.read().map_err(|_| Error::Lab)
    }

    fn backends(&self) -> Result<Vec<Member>, Error> {
        Ok(self.record()?.backends)
    }

    fn moved(&self) -> impl Iterator<Item = &Rc<Desk>> {
        let moved = |desk: &&Rc<Desk>| desk.group == Group::Moved;
        self.desks.iter().filter(moved)
    }

    fn signal(&mut self, one: &Member, signal: Signal) -> Result<(), Error> {
        send(one.pid, signal, &one.id)?;
        let name = match signal {
            Signal::KILL => "SIGKILL",
            Signal::STOP => "SIGSTOP",
            Signal::CONT => "SIGCONT",
            _ => "SIGTERM",
        };
        self.note(&format!("{name} {}", one.id), Some(&one.id));
        Ok(())
    }

    /// Waits until the backend runs under another pid and is ready.
    async fn back(&self, backend: &Member) -> Result<(), Error> {
        let returned = async {
            let mut ticks = tokio::time::interval(LOOK);
            loop {
                ticks.tick().await;
                let reborn = self
                    .backends()
                    .unwrap_or_default()
                    .iter()
                    .any(|now| now.id == backend.id && now.pid != backend.pid);
                if reborn && self.is_ready(backend).await {
                    return;
                }
            }
        };
        let gone = |_| Error::Gone {
            who: format!("backend {}", backend.id),
        };
        tokio::time::timeout(BACK_MAX, returned).await.map_err(gone)
    }

    async fn is_ready(&self, backend: &Member) -> bool {
        let asked = self
            .client
            .call(Method::GET, backend.address, "/health/ready");
        asked
            .await
            .is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    fn note(&mut self, what: &str, endpoint: Option<&str>) {
        let at = self.seat.start.elapsed().as_secs_f64();
        terminal::warn(format_args!("{at:7.2} s  {what}"));
        self.course.events.push(Event {
            at,
            what: what.to_owned(),
            endpoint: endpoint.map(str::to_owned),
        });
    }
}

fn send(pid: i32, signal: Signal, who: &str) -> Result<(), Error> {
    let pid = Pid::from_raw(pid).ok_or(Error::Lab)?;
    kill_process(pid, signal).map_err(|source| Error::Signal {
        who: who.to_owned(),
        source,
    })
}

/// Between two looks at the lab.
const LOOK: Duration = Duration::from_millis(50);
const BACK_MAX: Duration = Duration::from_secs(90);
