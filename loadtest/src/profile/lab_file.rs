//! What a running lab says of itself.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// `lab.json`, as far as it is needed here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LabRecord {
    pub(super) proxy: Proxy,
    pub(super) backends: Vec<Member>,
    #[serde(default)]
    pub(super) sticky_apps: Vec<Member>,
    /// Untouched, in a cluster of its own.
    #[serde(default)]
    pub(super) reference: Option<Member>,
    #[serde(default)]
    pub(super) redis: Option<Server>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// A backend or an application.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) pid: i32,
    pub(super) address: SocketAddr,
}

/// The store.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Server {
    pub(super) pid: i32,
    pub(super) address: SocketAddr,
}

/// Where the lab says what it is.
#[derive(Debug, Clone)]
pub(super) struct LabFile(PathBuf);

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
}

/// The name by which the edge knows the cluster that nobody touches.
pub(super) const REFERENCE_HOST: &str = "reference.lab";
