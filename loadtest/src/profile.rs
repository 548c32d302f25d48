//! `run PROFILE`: clients with live exchanges, a disturbance, and the accounts afterwards.
//!
//! Runs against a lab that is up (`lab.json` says where). Each session has a WebSocket that trades
//! and an event stream that listens; both keep an account, and the session is asked for what it
//! emitted and executed. The exit status judges counts; pauses are reported, beside those of
//! sessions on an endpoint that nobody touched. Then something is taken out of the record, and the
//! ledger must miss it, or the run proves nothing.
//!
//! - [`load`] is the course of a run; [`desk`] is one session with all its books.
//! - [`trader`], [`websocket`], [`events`], [`requests`] are its clients; [`auditor`] asks it.
//! - [`disturb`] does to the lab what the profile says; [`opaque`] is the profile without contract.
//! - [`group`], [`levels`], [`check`], [`strange`], [`report`], [`page`] say what came of it.

mod admin;
mod auditor;
mod check;
mod cookies;
mod desk;
mod disturb;
mod events;
mod group;
mod histogram;
mod journal;
mod lab_file;
mod levels;
mod load;
mod opaque;
mod options;
mod page;
mod report;
mod requests;
mod strange;
mod trader;
mod websocket;

use std::path::PathBuf;
use std::{fs, io};

use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::terminal;
pub use options::Options;
use report::Report;
use trader::TraderError;

/// Why there is no result, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: no lab there; start one with `holdfast-loadtest lab`")]
    NoLab { path: PathBuf, source: io::Error },
    #[error("{path}")]
    Path { path: PathBuf, source: io::Error },
    #[error("JSON of a lab or of a report")]
    Json(#[from] serde_json::Error),
    #[error("opening a session")]
    Trader(#[from] TraderError),
    #[error("disturbing the lab")]
    Disturb(#[from] disturb::Error),
    #[error(transparent)]
    Admin(#[from] admin::AdminError),
    #[error("the kernel's counters")]
    Counters(#[from] io::Error),
    #[error("stopped before the end")]
    Stopped,
    #[error("the ledger did not notice what was taken out of it: this run proves nothing")]
    Blind,
    #[error("the accounts do not balance")]
    Unbalanced,
}

/// Loads the lab, reports, and fails if anything was lost.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), Error> {
    let tasks = LocalSet::new();
    let load = tasks.run_until(load::load(&options));
    let report = stop
        .run_until_cancelled(load)
        .await
        .unwrap_or(Err(Error::Stopped))?;
    terminal::say(&report);
    write(&options, &report)?;
    if !report.self_check.passed() {
        return Err(Error::Blind);
    }
    if report.balanced() {
        Ok(())
    } else {
        Err(Error::Unbalanced)
    }
}

/// Flags of `holdfast-loadtest report`.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportOptions {
    /// Where `run` wrote its reports
    #[arg(long, default_value = "target/run")]
    dir: PathBuf,
}

/// Prints the reports of earlier runs, oldest first of each profile, and writes their pages anew.
pub fn print_reports(options: &ReportOptions) -> Result<(), Error> {
    let at = |source| Error::Path {
        path: options.dir.clone(),
        source,
    };
    let found: io::Result<Vec<_>> = fs::read_dir(&options.dir).map_err(at)?.collect();
    let mut paths: Vec<PathBuf> = found.map_err(at)?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths
        .iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
    {
        let text = fs::read(path).map_err(at)?;
        let report: Report = match serde_json::from_slice(&text) {
            Ok(report) => report,
            Err(error) => {
                let path = path.display();
                terminal::warn(format_args!("{path}: no report of this version: {error}"));
                continue;
            }
        };
        let page = path.with_extension("html");
        fs::write(&page, page::html(&report)).map_err(at)?;
        let (path, page) = (path.display(), page.display());
        terminal::say(format_args!(
            "{path}\n{report}\n  page              {page}\n"
        ));
    }
    Ok(())
}

fn write(options: &Options, report: &Report) -> Result<(), Error> {
    let at = |source| Error::Path {
        path: options.dir.clone(),
        source,
    };
    fs::create_dir_all(&options.dir).map_err(at)?;
    let name = format!("{}-{}", report.name(), clock::wall().as_millis());
    let path = options.dir.join(format!("{name}.json"));
    fs::write(&path, serde_json::to_string_pretty(report)?).map_err(at)?;
    let page = options.dir.join(format!("{name}.html"));
    fs::write(&page, page::html(report)).map_err(at)?;
    terminal::say(format_args!(
        "report: {}\npage: {}",
        path.display(),
        page.display()
    ));
    Ok(())
}
