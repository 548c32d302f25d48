//! The commands that talk to a running proxy through its operators' port.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;
use thiserror::Error;

use crate::config::Config;

/// What an operator wants.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Let an endpoint take no new clients, and move or close those it has.
    Drain {
        /// `cluster/id`, or the id alone where it is the only one of that name.
        endpoint: String,
        /// Return only when it is empty.
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        to: Target,
    },
    /// Let an endpoint serve again.
    Ready {
        /// `cluster/id`, or the id alone where it is the only one of that name.
        endpoint: String,
        #[command(flatten)]
        to: Target,
    },
    /// Print what the proxy knows, as JSON.
    Status {
        #[command(flatten)]
        to: Target,
    },
}

/// Which proxy.
#[derive(Debug, Args)]
pub struct Target {
    /// The address of its operators' port.
    #[arg(long, default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
    /// Take the address from this configuration instead.
    #[arg(long)]
    config: Option<PathBuf>,
}

/// Why a running proxy could not be asked, or refused.
#[derive(Debug, Error)]
enum Refused {
    #[error("{address}: {cause}; is the proxy running, and is this its operators' port?")]
    Unreachable {
        address: SocketAddr,
        cause: io::Error,
    },
    #[error("{address} answered no HTTP")]
    NoHttp { address: SocketAddr },
    #[error("{status}: {body}")]
    Answered { status: u16, body: String },
    #[error("there is no endpoint {name:?}; `holdfast-proxy status` lists them")]
    Unknown { name: String },
    #[error("there are several endpoints {name:?}; name one of {found}")]
    Several { name: String, found: String },
    #[error("{0}")]
    Config(String),
}

impl Command {
    /// Do it; the exit code says whether it was done.
    pub fn run(self) -> ExitCode {
        let done = match &self {
            Self::Drain { endpoint, wait, to } => drain(to, endpoint, *wait),
            Self::Ready { endpoint, to } => set(to, endpoint, "ready"),
            Self::Status { to } => to.ask("GET", "/status").map(|body| pretty(&body)),
        };
        match done {
            Ok(text) => {
                print(io::stdout(), &text);
                ExitCode::SUCCESS
            }
            Err(refused) => {
                print(io::stderr(), &refused.to_string());
                ExitCode::FAILURE
            }
        }
    }
}

/// The proxy answers a waiting drain when the endpoint is empty, and ends it by its deadline.
fn drain(to: &Target, endpoint: &str, wait: bool) -> Result<String, Refused> {
    if !wait {
        return set(to, endpoint, "drain");
    }
    let (cluster, id) = to.find(endpoint)?;
    let path = format!("/endpoints/{cluster}/{id}/drain?wait={}s", WAIT.as_secs());
    to.ask_within("POST", &path, WAIT + TIMEOUT)?;
    Ok(format!("{cluster}/{id} is empty"))
}

fn set(to: &Target, endpoint: &str, state: &str) -> Result<String, Refused> {
    let (cluster, id) = to.find(endpoint)?;
    to.ask("POST", &format!("/endpoints/{cluster}/{id}/{state}"))?;
    Ok(format!("{cluster}/{id}: {state}"))
}

impl Target {
    fn address(&self) -> Result<SocketAddr, Refused> {
        match &self.config {
            None => Ok(self.admin),
            Some(path) => Config::load(path)
                .map(|config| config.admin.address)
                .map_err(|error| Refused::Config(error.to_string())),
        }
    }

    fn status(&self) -> Result<Value, Refused> {
        let body = self.ask("GET", "/status")?;
        serde_json::from_str(&body).map_err(|_| Refused::NoHttp {
            address: self.admin,
        })
    }

    /// `cluster/id` is taken at its word; an id alone is looked for.
    fn find(&self, name: &str) -> Result<(String, String), Refused> {
        if let Some((cluster, id)) = name.split_once('/') {
            return Ok((cluster.to_owned(), id.to_owned()));
        }
        let status = self.status()?;
        let mut found: Vec<(String, String)> = endpoints(&status)
            .filter(|(_, id, _)| id == name)
            .map(|(cluster, id, _)| (cluster, id))
            .collect();
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Refused::Unknown {
                name: name.to_owned(),
            }),
            (Some(last), false) => {
                found.push(last);
                let all: Vec<String> = found.iter().map(|(c, id)| format!("{c}/{id}")).collect();
                Err(Refused::Several {
                    name: name.to_owned(),
                    found: all.join(", "),
                })
            }
        }
    }

    /// One request, one answer, one connection: HTTP/1.0 needs no client library.
    fn ask(&self, method: &str, path: &str) -> Result<String, Refused> {
        self.ask_within(method, path, TIMEOUT)
    }

    fn ask_within(&self, method: &str, path: &str, time: Duration) -> Result<String, Refused> {
        let address = self.address()?;
        let unreachable = |cause| Refused::Unreachable { address, cause };
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(unreachable)?;
        stream.set_read_timeout(Some(time)).map_err(unreachable)?;
        let request =
            format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(unreachable)?;
        let mut answer = Vec::new();
        stream
            .take(ANSWER_MAX)
            .read_to_end(&mut answer)
            .map_err(unreachable)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or(Refused::NoHttp { address })?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        match status.ok_or(Refused::NoHttp { address })? {
            200..=299 => Ok(body.to_owned()),
            status => Err(Refused::Answered {
                status,
                body: body.trim().to_owned(),
            }),
        }
    }
}

/// Cluster, id and state of every endpoint, whether clusters are listed or named.
fn endpoints(status: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    let listed = status["clusters"].as_array().into_iter().flatten();
    listed.flat_map(|cluster| {
        let name = cluster["name"].as_str().unwrap_or_default().to_owned();
        let endpoints = cluster["endpoints"].as_array().into_iter().flatten();
        endpoints.map(move |endpoint| {
            let id = endpoint["id"].as_str().unwrap_or_default().to_owned();
            (name.clone(), id, endpoint)
        })
    })
}

fn pretty(body: &str) -> String {
    let value: Result<Value, _> = serde_json::from_str(body);
    let text = value.and_then(|value| serde_json::to_string_pretty(&value));
    text.unwrap_or_else(|_| body.to_owned())
}

fn print(mut to: impl io::Write, text: &str) {
    // nobody is left to tell when this fails
    let _ = writeln!(to, "{text}");
}

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_MAX: u64 = 64 << 20;
/// The longest wait the operators' port allows.
const WAIT: Duration = Duration::from_secs(3600);
