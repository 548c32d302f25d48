//! `run PROFILE`: clients with live exchanges, a disturbance, and the accounts afterwards.
//!
//! Runs against a lab that is up (`lab.json` says where). Each session has a WebSocket that trades
//! and an event stream that listens; both keep an [`Account`]. The exit status judges counts -
//! lost, doubled, reordered, reset, closed, unanswered; pauses are reported. Then one message is
//! taken out of the record, and the judge must find it missing, or the run proves nothing.

mod disturb;
mod events;
mod histogram;
mod page;
mod report;
mod requests;
mod trader;
mod websocket;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use std::{fs, io};

use clap::ValueEnum as _;
use futures_util::StreamExt as _;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Instant};
use crate::ledger::Account;
use crate::terminal;
use disturb::{Disturbance, LabFile};
use report::Report;
use trader::{Trader, TraderError};

/// Flags of `holdfast-loadtest run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What happens meanwhile
    #[arg(value_enum)]
    profile: Profile,
    /// The lab that is loaded
    #[arg(long, default_value = "target/lab/lab.json")]
    lab: PathBuf,
    /// Sessions, each with one WebSocket and one event stream
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
    sessions: u32,
    /// Orders a second of each session; 0 for none
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    orders: u32,
    /// Plain requests a second of each session, in the profile `affinity`
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    requests: u32,
    /// Undisturbed time before and after, in seconds; all of the time of a quiet profile
    #[arg(long)]
    seconds: Option<u64>,
    /// How often the disturbance happens
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// Where the report goes
    #[arg(long, default_value = "target/run")]
    dir: PathBuf,
}

/// The named tests.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Nothing happens: everybody stays where they are
    Affinity,
    /// Nothing is said for five minutes: heartbeats alone keep connections open
    IdleTimeout,
    /// One backend is drained by the operator and put back
    GracefulShutdown,
    /// Each backend in turn gets SIGTERM and comes back
    RollingDeploy,
    /// A backend gets SIGKILL every five seconds
    Kill,
}

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
    #[error("stopped before the end")]
    Stopped,
    #[error("the ledger did not notice a message that was taken out: this run proves nothing")]
    Blind,
    #[error("the accounts do not balance")]
    Unbalanced,
}

type Shared = Rc<RefCell<Account>>;

/// Loads the lab, reports, and fails if anything was lost.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), Error> {
    let tasks = LocalSet::new();
    let load = tasks.run_until(load(&options));
    let report = stop
        .run_until_cancelled(load)
        .await
        .unwrap_or(Err(Error::Stopped))?;
    terminal::say(&report);
    write(&options, &report)?;
    if !report.sees_a_loss {
        return Err(Error::Blind);
    }
    if report.balanced {
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

/// Prints the reports of earlier runs, oldest first of each profile.
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
        let report: Report = serde_json::from_slice(&fs::read(path).map_err(at)?)?;
        terminal::say(format_args!("{}\n{report}\n", path.display()));
    }
    Ok(())
}

async fn load(options: &Options) -> Result<Report, Error> {
    let lab = LabFile::new(&options.lab);
    let edge = lab.read()?.proxy.address;
    let start = Instant::now();
    let quiet = options
        .seconds
        .map_or_else(|| options.profile.quiet(), Duration::from_secs);
    terminal::warn(format_args!("opening {} sessions", options.sessions));
    let traders = open(edge, options).await?;
    let done = CancellationToken::new();
    let mut clients = JoinSet::new();
    let mut accounts: Vec<Shared> = Vec::new();
    for trader in traders {
        let seat = Seat {
            edge,
            start,
            done: done.clone(),
            orders: options.orders_of_profile(),
            requests: options.requests,
            channels: options.profile.channels(),
            // Elsewhere it is right that sessions change their place.
            answered_by: (options.profile == Profile::Affinity).then(Shared::default),
        };
        let trader = Rc::new(trader);
        let (told, heard) = (Shared::default(), Shared::default());
        accounts.extend([told.clone(), heard.clone()]);
        if let Some(asked) = seat.answered_by.clone() {
            accounts.push(asked.clone());
            clients.spawn_local(requests::run(seat.clone(), trader.clone(), asked));
        }
        clients.spawn_local(websocket::run(seat.clone(), trader.clone(), told));
        clients.spawn_local(events::run(seat, trader, heard));
    }
    let machine = crate::machine::Machine::now().map_err(disturb::Error::from)?;
    let mut disturbance = Disturbance::new(options.profile, lab, options.times);
    tokio::time::sleep(quiet).await;
    let happened = disturbance.run().await?;
    if options.profile.disturbs() {
        tokio::time::sleep(quiet).await;
    }
    done.cancel();
    while clients.join_next().await.is_some() {}
    let idle = crate::machine::Machine::now()
        .map_err(disturb::Error::from)?
        .idle_since(&machine);
    let accounts: Vec<Account> = accounts
        .iter()
        .map(|account| account.borrow().clone())
        .collect();
    Ok(Report::new(
        options.profile,
        start.elapsed(),
        &accounts,
        happened,
        idle,
    ))
}

/// Opens all sessions, a few at a time.
async fn open(edge: SocketAddr, options: &Options) -> Result<Vec<Trader>, TraderError> {
    let opened = (0..options.sessions).map(|_| Trader::open(edge));
    let opened: Vec<_> = futures_util::stream::iter(opened)
        .buffer_unordered(OPEN_AT_ONCE)
        .collect()
        .await;
    opened.into_iter().collect()
}

/// What a client has to know beside its session.
#[derive(Debug, Clone)]
struct Seat {
    edge: SocketAddr,
    start: Instant,
    done: CancellationToken,
    /// Both a second.
    orders: u32,
    requests: u32,
    /// Added to the query of both streams.
    channels: &'static str,
    /// Where all clients of a session write down who answered.
    answered_by: Option<Shared>,
}

impl Options {
    fn orders_of_profile(&self) -> u32 {
        if self.profile == Profile::IdleTimeout {
            0
        } else {
            self.orders
        }
    }
}

impl Profile {
    /// As on the command line.
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn quiet(self) -> Duration {
        Duration::from_secs(match self {
            Self::IdleTimeout => 300,
            Self::Affinity => 30,
            Self::GracefulShutdown | Self::RollingDeploy | Self::Kill => 5,
        })
    }

    /// Without orders of its own, a stream of orders is silent.
    fn channels(self) -> &'static str {
        if self == Self::IdleTimeout {
            "&channels=order"
        } else {
            ""
        }
    }

    fn disturbs(self) -> bool {
        !matches!(self, Self::Affinity | Self::IdleTimeout)
    }
}

fn write(options: &Options, report: &Report) -> Result<(), Error> {
    let at = |source| Error::Path {
        path: options.dir.clone(),
        source,
    };
    fs::create_dir_all(&options.dir).map_err(at)?;
    let name = format!("{}-{}", report.name(), clock::wall().as_secs());
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

const OPEN_AT_ONCE: usize = 16;
