//! The proxies that are measured: where they are, how each is told to use one thread, and one
//! running instance of each.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;

use crate::client::Client;
use crate::keys;
use crate::lab::plan::{free_ports, loopback};
use crate::process::{Child, Program, StartError};
use crate::template::{Template, UnknownPlaceholder};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Contestant {
    Holdfast,
    Nginx,
    Haproxy,
}

/// Why one of them does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} is not installed: apt-get install {0}")]
    NotInstalled(&'static str),
    #[error("{path}")]
    Path { path: PathBuf, source: io::Error },
    #[error("no free port")]
    Port(#[source] io::Error),
    #[error("the affinity key cannot be made")]
    Key,
    #[error(transparent)]
    Placeholder(#[from] UnknownPlaceholder),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{name} did not answer at http://{address}/ within {START_MAX:?}; its log is {log}")]
    Silent {
        name: &'static str,
        address: SocketAddr,
        log: PathBuf,
    },
}

impl Contestant {
    #[must_use]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Holdfast => "holdfast",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// The executable: ours beside this one, theirs where Debian puts them.
    pub(super) fn program(self, bin_dir: &Path) -> Result<PathBuf, Error> {
        let name = match self {
            Self::Holdfast => {
                let path = bin_dir.join("holdfast-proxy");
                let there = path.is_file();
                return if there {
                    Ok(path)
                } else {
                    Err(StartError::Missing { path }.into())
                };
            }
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
            .map(|dir| dir.join(name))
            .find(|path| path.is_file())
            .ok_or(Error::NotInstalled(name))
    }

    /// The first line in which it says its version.
    pub(super) fn version(self, program: &Path) -> String {
        let flag = if self == Self::Holdfast {
            "--version"
        } else {
            "-v"
        };
        let Ok(output) = std::process::Command::new(program).arg(flag).output() else {
            return String::from("unknown");
        };
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text)
            .lines()
            .next()
            .unwrap_or("unknown")
            .to_owned()
    }

    fn template(self) -> Template {
        match self {
            Self::Holdfast => Template::built_in(
                "loadtest/bench/holdfast.yaml",
                include_str!("../../bench/holdfast.yaml"),
            ),
            Self::Nginx => Template::built_in(
                "loadtest/bench/nginx.conf",
                include_str!("../../bench/nginx.conf"),
            ),
            Self::Haproxy => Template::built_in(
                "loadtest/bench/haproxy.cfg",
                include_str!("../../bench/haproxy.cfg"),
            ),
        }
    }

    /// Starts one in front of `origin`, with its files in `dir`, and waits for an answer
    /// through it.
    pub(super) async fn start(
        self,
        program: &Path,
        dir: &Path,
        origin: SocketAddr,
    ) -> Result<Instance, Error> {
        let ports = free_ports(2).map_err(Error::Port)?;
        let (address, admin) = (loopback(ports[0]), loopback(ports[1]));
        let place = dir.display().to_string();
        if self == Self::Holdfast {
            let key = keys::symmetric().map_err(|_| Error::Key)?;
            write(&dir.join("affinity-key"), &key)?;
        }
        let config = dir.join(match self {
            Self::Holdfast => "holdfast.yaml",
            Self::Nginx => "nginx.conf",
            Self::Haproxy => "haproxy.cfg",
        });
        let text = self.template().fill(&[
            ("address", &address.to_string()),
            ("admin", &admin.to_string()),
            ("origin", &origin.to_string()),
            ("dir", &place),
        ])?;
        write(&config, &text)?;
        let arguments = match self {
            Self::Holdfast => vec!["run".into(), "--config".into(), config.into()],
            Self::Nginx => vec!["-p".into(), dir.into(), "-c".into(), config.into()],
            Self::Haproxy => vec!["-db".into(), "-f".into(), config.into()],
        };
        let log = dir.join(format!("{}.log", self.name()));
        let child = Program {
            path: program.to_owned(),
            arguments,
            environment: Vec::new(),
            stdout: log.clone(),
            stderr: log.clone(),
        }
        .start()?;
        answers(self.name(), address, &log).await?;
        Ok(Instance { child, address })
    }
}

/// A running proxy; dropping it kills it.
pub(super) struct Instance {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
}

/// Waits until something answers at `address`.
pub(super) async fn answers(
    name: &'static str,
    address: SocketAddr,
    log: &Path,
) -> Result<(), Error> {
    let client = Client::new(Duration::from_secs(2));
    let asked = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            let answer = client.call(Method::GET, address, "/").await;
            if answer.is_ok_and(|answer| answer.status() == http::StatusCode::OK) {
                return;
            }
        }
    };
    let silent = || Error::Silent {
        name,
        address,
        log: log.to_owned(),
    };
    tokio::time::timeout(START_MAX, asked)
        .await
        .map_err(|_| silent())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::Path {
        path: path.to_owned(),
        source,
    })
}

const START_MAX: Duration = Duration::from_secs(10);
