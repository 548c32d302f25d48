//! Child processes that never outlive this one.
//!
//! The kernel can end a process when its parent ends (`PR_SET_PDEATHSIG`), but only the child
//! itself may ask for that. So every child starts as this very executable, `holdfast-loadtest
//! tied`, which asks and then becomes the wanted program: same pid, and not a line of unsafe
//! code. The wish ends with the *thread* that started the child, so children are started on the
//! main thread of a single-threaded runtime.
//!
//! Children run in process groups of their own: a Ctrl-C in the terminal reaches this process
//! alone, which then ends them in order.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, kill_process};

/// A program and where its output goes.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    /// Both are appended to; the same path may be given twice.
    pub stdout: PathBuf,
    pub stderr: PathBuf,
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "{path}: no such program; build it with `cargo build --bins`, or name its directory \
             with --bin-dir"
    )]
    Missing { path: PathBuf },
    #[error("log {path}")]
    Log { path: PathBuf, source: io::Error },
    #[error("start {path}")]
    Spawn { path: PathBuf, source: io::Error },
}

impl Program {
    /// Starts it, tied to this process.
    pub fn start(&self) -> Result<Child, StartError> {
        if !self.path.is_file() {
            return Err(StartError::Missing {
                path: self.path.clone(),
            });
        }
        let spawn = |source| StartError::Spawn {
            path: self.path.clone(),
            source,
        };
        let this = std::env::current_exe().map_err(spawn)?;
        let mut command = tokio::process::Command::new(this);
        command
            .args(["tied", "--parent"])
            .arg(std::process::id().to_string())
            .arg("--")
            .arg(&self.path)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log(&self.stdout)?)
            .stderr(log(&self.stderr)?)
            .process_group(0)
            .kill_on_drop(true);
        let inner = command.spawn().map_err(spawn)?;
        let pid = inner.id().unwrap_or_default();
        Ok(Child { inner, pid })
    }
}

fn log(path: &Path) -> Result<File, StartError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| StartError::Log {
            path: path.to_owned(),
            source,
        })
}

/// A running child; dropping it kills it.
#[derive(Debug)]
pub struct Child {
    inner: tokio::process::Child,
    pid: u32,
}

impl Child {
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end. Cancel-safe: a child whose wait was dropped can be waited for again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.inner.wait().await
    }

    /// SIGKILL; [`Child::wait`] then reports the end.
    pub fn kill(&mut self) -> io::Result<()> {
        self.inner.start_kill()
    }

    /// SIGTERM, then SIGKILL after `deadline`. Says whether it went by itself.
    pub async fn terminate(&mut self, deadline: Duration) -> io::Result<bool> {
        if let Some(pid) = self
            .inner
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()))
        {
            // Not reaped yet, so the number is still this child's; a zombie takes it silently.
            kill_process(pid, Signal::TERM)?;
        }
        if tokio::time::timeout(deadline, self.inner.wait())
            .await
            .is_ok()
        {
            return Ok(true);
        }
        self.inner.kill().await?;
        Ok(false)
    }
}

/// `tied`: the step between this program and a child.
#[derive(Debug, clap::Args)]
pub struct Tied {
    /// The process to end with
    #[arg(long)]
    parent: i32,
    /// The program to become, and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Ties this process to its parent and becomes the wanted program; returns only on failure.
#[must_use]
pub fn tied(options: &Tied) -> io::Error {
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have ended before the wish was made, and then nobody would end this one.
    if getppid().map(Pid::as_raw_pid) != Some(options.parent) {
        return io::Error::other("the parent process is gone");
    }
    let Some((program, arguments)) = options.command.split_first() else {
        return io::Error::other("no program named");
    };
    std::process::Command::new(program).args(arguments).exec()
}
