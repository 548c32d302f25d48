//! What happens to the backends while clients are connected.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::Profile;
use crate::client::{AskError, Client};
use crate::terminal;

/// `lab.json`, as far as it is needed here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LabRecord {
    pub(super) proxy: Proxy,
    pub(super) backends: Vec<Backend>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    admin: SocketAddr,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Backend {
    id: String,
    pid: i32,
    address: SocketAddr,
}

/// Where the lab says what it is.
#[derive(Debug, Clone)]
pub(super) struct LabFile(PathBuf);

/// Why the disturbance did not happen as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the kernel's counters")]
    Counters(#[from] io::Error),
    #[error("signal to backend {id}")]
    Signal {
        id: String,
        source: rustix::io::Errno,
    },
    #[error("the proxy's admin listener")]
    Admin(#[from] AskError),
    #[error("the proxy's admin listener answered {status} to {command} {id}")]
    Refused {
        command: &'static str,
        id: String,
        status: StatusCode,
    },
    #[error("backend {id} did not come back within {BACK_MAX:?}")]
    Gone { id: String },
    #[error("lab.json became unreadable")]
    Lab,
}

impl LabFile {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn read(&self) -> Result<LabRecord, super::Error> {
        let no_lab = |source| super::Error::NoLab {
            path: self.0.clone(),
            source,
        };
        Ok(serde_json::from_str(
            &fs::read_to_string(&self.0).map_err(no_lab)?,
        )?)
    }

    fn backends(&self) -> Result<Vec<Backend>, Error> {
        Ok(self.read().map_err(|_| Error::Lab)?.backends)
    }
}

/// The disturbance of one profile.
#[derive(Debug)]
pub(super) struct Disturbance {
    profile: Profile,
    lab: LabFile,
    times: u32,
    client: Client,
    happened: Vec<String>,
}

impl Disturbance {
    pub(super) fn new(profile: Profile, lab: LabFile, times: u32) -> Self {
        let client = Client::new(Duration::from_secs(5));
        Self {
            profile,
            lab,
            times,
            client,
            happened: Vec::new(),
        }
    }

    /// Carries it out; what happened comes back in words.
    pub(super) async fn run(&mut self) -> Result<Vec<String>, Error> {
        for time in 0..self.times as usize {
            let backends = self.lab.backends()?;
            let Some(one) = backends.get(time % backends.len().max(1)) else {
                break;
            };
            match self.profile {
                Profile::Affinity | Profile::IdleTimeout => break,
                Profile::GracefulShutdown => self.drain_and_back(one).await?,
                Profile::Kill => {
                    self.signal(one, Signal::KILL)?;
                    self.back(one).await?;
                    tokio::time::sleep(BETWEEN_KILLS).await;
                }
                Profile::RollingDeploy => {
                    for each in &backends {
                        self.signal(each, Signal::TERM)?;
                        self.back(each).await?;
                    }
                }
            }
        }
        Ok(std::mem::take(&mut self.happened))
    }

    async fn drain_and_back(&mut self, backend: &Backend) -> Result<(), Error> {
        self.admin(&backend.id, "drain").await?;
        tokio::time::sleep(DRAINED).await;
        self.admin(&backend.id, "ready").await?;
        tokio::time::sleep(BETWEEN_KILLS).await;
        Ok(())
    }

    async fn admin(&mut self, id: &str, command: &'static str) -> Result<(), Error> {
        let admin = self.lab.read().map_err(|_| Error::Lab)?.proxy.admin;
        let path = format!("/endpoints/backend/{id}/{command}");
        let status = self.client.call(Method::POST, admin, &path).await?.status();
        if !status.is_success() {
            return Err(Error::Refused {
                command,
                id: id.to_owned(),
                status,
            });
        }
        self.note(format!("{command} {id}"));
        Ok(())
    }

    fn signal(&mut self, backend: &Backend, signal: Signal) -> Result<(), Error> {
        let failed = |source| Error::Signal {
            id: backend.id.clone(),
            source,
        };
        let pid = Pid::from_raw(backend.pid).ok_or(Error::Lab)?;
        kill_process(pid, signal).map_err(failed)?;
        let name = if signal == Signal::KILL {
            "SIGKILL"
        } else {
            "SIGTERM"
        };
        self.note(format!("{name} {}", backend.id));
        Ok(())
    }

    /// Waits until the backend runs under another pid and is ready.
    async fn back(&self, backend: &Backend) -> Result<(), Error> {
        let returned = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            loop {
                ticks.tick().await;
                let backends = self.lab.backends().unwrap_or_default();
                let reborn = backends
                    .iter()
                    .any(|now| now.id == backend.id && now.pid != backend.pid);
                if !reborn {
                    continue;
                }
                let ready = self
                    .client
                    .call(Method::GET, backend.address, "/health/ready")
                    .await;
                if ready.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                    return;
                }
            }
        };
        let gone = |_| Error::Gone {
            id: backend.id.clone(),
        };
        tokio::time::timeout(BACK_MAX, returned).await.map_err(gone)
    }

    fn note(&mut self, what: String) {
        terminal::warn(&what);
        self.happened.push(what);
    }
}

const BETWEEN_KILLS: Duration = Duration::from_secs(5);
/// How long an endpoint stays drained.
const DRAINED: Duration = Duration::from_secs(10);
const BACK_MAX: Duration = Duration::from_secs(60);
