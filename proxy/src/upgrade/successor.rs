//! The process that replaces this one, as long as it is not sure to serve.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{READY, Sockets};

/// How this process was started, so that it can be started again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// A process that was started to replace this one.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    stream: tokio::net::UnixStream,
}

/// There is no successor; this process goes on.
#[derive(Debug, Error)]
pub enum UpgradeError {
    /// It cannot be started, or the sockets cannot be sent.
    #[error("{path} cannot be started: {source}", path = path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended instead of saying that it serves; its own log says why.
    #[error("the new process ended before it was ready: {0}")]
    Ended(String),
    /// It said nothing in time, and was killed.
    #[error("the new process was not ready within {0:?}")]
    Silent(Duration),
}

impl Program {
    /// This process. To be asked at its start: the file may be replaced later.
    pub fn this() -> io::Result<Self> {
        Ok(Self {
            path: std::env::current_exe()?,
            arguments: std::env::args_os().skip(1).collect(),
        })
    }

    /// Starts it anew, with these sockets. Call it inside a tokio runtime.
    pub fn start(&self, sockets: &Sockets) -> Result<Successor, UpgradeError> {
        self.begin(sockets).map_err(|source| UpgradeError::Start {
            path: self.path.clone(),
            source,
        })
    }

    fn begin(&self, sockets: &Sockets) -> io::Result<Successor> {
        let (ours, theirs) = UnixStream::pair()?;
        sockets.send(&ours)?;
        let others = self.arguments.iter().filter(|given| *given != INHERIT);
        let child = Command::new(&self.path)
            .args(others)
            .arg(INHERIT)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        ours.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(ours)?;
        Ok(Successor { child, stream })
    }
}

impl Successor {
    /// Its process id.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it serves.
    pub async fn ready(mut self) -> Result<(), UpgradeError> {
        let mut said = [0; READY.len()];
        match timeout(READY_TIMEOUT, self.stream.read_exact(&mut said)).await {
            Ok(Ok(_)) if said == READY => Ok(()),
            Ok(_) => {
                // It has let go of its end, so it has ended or is about to.
                let _ = self.child.start_kill();
                let ended = timeout(END_TIMEOUT, self.child.wait()).await;
                let how = match ended {
                    Ok(Ok(status)) => status.to_string(),
                    Ok(Err(cause)) => cause.to_string(),
                    Err(_) => "it does not end".to_owned(),
                };
                Err(UpgradeError::Ended(how))
            }
            Err(_) => {
                let _ = self.child.start_kill();
                let _ = timeout(END_TIMEOUT, self.child.wait()).await;
                Err(UpgradeError::Silent(READY_TIMEOUT))
            }
        }
    }
}

/// The argument that says where the sockets come from.
const INHERIT: &str = "--inherit";
/// Reading the configuration, binding and probing once take a second or two.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// After a kill.
const END_TIMEOUT: Duration = Duration::from_secs(5);
