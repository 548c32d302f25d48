//! `bench`: what the proxy costs, beside nginx and HAProxy.
//!
//! CPU time per operation is asked of the kernel, not of a stopwatch: on a busy machine a proxy
//! waits for its turn, but it does not compute more. All contestants run at the same time, use
//! one thread each, stand in front of the same origin, and are measured in turn, round by round,
//! so that whatever disturbs the machine disturbs all of them. Only ratios within one run mean
//! anything.

mod contestant;
mod cost;
mod load;
pub mod origin;
mod report;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Instant};
use crate::lab::plan::{free_ports, loopback};
use crate::machine::Machine;
use crate::process::{Child, Program, StartError};
use crate::terminal;
use contestant::{Contestant, Instance};
use cost::{Cpu, Facts};
use load::{Load, LoadError, Work};
use report::{Case, Report, Sample};

/// Flags of `holdfast-loadtest bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Who is measured
    #[arg(long, value_enum, value_delimiter = ',',
          default_values_t = [Contestant::Holdfast, Contestant::Nginx, Contestant::Haproxy])]
    contestants: Vec<Contestant>,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',',
          default_values_t = [Case::Http, Case::Echo, Case::Connect, Case::Sse, Case::Idle])]
    cases: Vec<Case>,
    /// How often everything is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one measurement lasts, in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Clients at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// WebSockets of the memory measurement
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=8000))]
    idle: u16,
    /// Where the report, configuration files and logs go
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
    /// Where holdfast-proxy is [default: beside this program]
    #[arg(long)]
    bin_dir: Option<PathBuf>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Contestant(#[from] contestant::Error),
    #[error("{case:?} through {name}")]
    Load {
        name: &'static str,
        case: Case,
        source: LoadError,
    },
    #[error("{path}")]
    Path { path: PathBuf, source: io::Error },
    #[error("the origin server")]
    Origin(#[from] StartError),
    #[error("reading the kernel's counters in /proc")]
    Counters(#[source] io::Error),
    #[error("limit on open files")]
    Files(#[source] rustix::io::Errno),
    #[error("no free port")]
    Port(#[source] io::Error),
    #[error("stopped; nothing was written")]
    Stopped,
    #[error("report")]
    Report(#[from] serde_json::Error),
}

/// Measures, prints the table and writes the report.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), Error> {
    let bench = async {
        let bench = Bench::prepare(&options).await?;
        let report = LocalSet::new().run_until(bench.run()).await?;
        terminal::say(&report);
        write_report(&bench.dir, &report)
    };
    stop.run_until_cancelled(bench)
        .await
        .unwrap_or(Err(Error::Stopped))
}

struct Bench<'a> {
    options: &'a Options,
    dir: PathBuf,
    programs: Vec<(Contestant, PathBuf)>,
    origin: SocketAddr,
    _origin: Child,
}

impl<'a> Bench<'a> {
    async fn prepare(options: &'a Options) -> Result<Self, Error> {
        let dir = std::path::absolute(&options.dir).map_err(at(&options.dir))?;
        fs::create_dir_all(&dir).map_err(at(&dir))?;
        let this = std::env::current_exe().map_err(at(&dir))?;
        let here = this.parent().unwrap_or(&dir).to_owned();
        let bin_dir = options.bin_dir.clone().unwrap_or(here);
        let programs: Result<Vec<_>, _> = options
            .contestants
            .iter()
            .map(|who| who.program(&bin_dir).map(|program| (*who, program)))
            .collect();
        allow_many_files()?;
        let origin = loopback(free_ports(1).map_err(Error::Port)?[0]);
        let log = dir.join("origin.log");
        let arguments = ["bench-origin", "--listen", &origin.to_string()]
            .map(Into::into)
            .to_vec();
        let program = Program {
            path: this,
            arguments,
            environment: Vec::new(),
            stdout: log.clone(),
            stderr: log.clone(),
        };
        let child = program.start()?;
        contestant::answers("the origin server", origin, &log).await?;
        Ok(Self {
            options,
            dir,
            programs: programs?,
            origin,
            _origin: child,
        })
    }

    async fn run(&self) -> Result<Report, Error> {
        let mut results = Vec::new();
        for &case in &self.options.cases {
            let rounds = match work(case) {
                Some(work) => self.costs(case, work).await?,
                None => self.memory().await?,
            };
            results.push(report::Result::new(case, &rounds));
        }
        let versions: BTreeMap<_, _> = self
            .programs
            .iter()
            .map(|(who, program)| (who.name(), who.version(program)))
            .collect();
        Ok(Report {
            made: clock::wall().as_secs(),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            machine: Facts::gather(),
            versions,
            method: self.method(),
            results,
        })
    }

    /// CPU time of every contestant, in turn, round by round.
    async fn costs(&self, case: Case, work: Work) -> Result<Rounds, Error> {
        let mut instances = Vec::new();
        for (who, program) in &self.programs {
            instances.push((*who, who.start(program, &self.dir, self.origin).await?));
        }
        let mut rounds = Rounds::new();
        for round in 0..self.options.rounds {
            let mut samples = Vec::new();
            // Nobody is always the first after a pause.
            instances.rotate_left(1);
            for (who, instance) in &instances {
                progress(case, *who, round);
                let sample = self.cost(work, instance).await;
                samples.push((*who, sample.map_err(|error| error.of(who.name(), case))?));
            }
            rounds.push(samples);
        }
        Ok(rounds)
    }

    async fn cost(&self, work: Work, instance: &Instance) -> Result<Sample, Broken> {
        let mut load = Load::start(work, instance.address, self.options.connections.into());
        load.run_for(WARM_UP).await?;
        let pid = instance.child.pid();
        let (cpu, machine) = (Cpu::of(pid)?, Machine::now()?);
        let (start, before) = (Instant::now(), load.done.get());
        load.run_for(Duration::from_secs(self.options.seconds))
            .await?;
        let spent = Cpu::of(pid)?.since(&cpu);
        let (elapsed, done) = (start.elapsed(), load.done.get() - before);
        if done == 0 {
            return Err(LoadError::Late.into());
        }
        Ok(Sample {
            cost: spent.as_secs_f64() * 1e6 / done as f64,
            rate: done as f64 / elapsed.as_secs_f64(),
            machine_idle: Machine::now()?.idle_since(&machine),
        })
    }

    /// Memory of a fresh process of every contestant, in turn, round by round.
    async fn memory(&self) -> Result<Rounds, Error> {
        let case = Case::Idle;
        let mut rounds = Rounds::new();
        for round in 0..self.options.rounds.min(MEMORY_ROUNDS_MAX) {
            let mut samples = Vec::new();
            for (who, program) in &self.programs {
                progress(case, *who, round);
                let mut instance = who.start(program, &self.dir, self.origin).await?;
                let sample = self.resident(&instance).await;
                samples.push((*who, sample.map_err(|error| error.of(who.name(), case))?));
                let ended = instance.child.terminate(TERMINATION_MAX).await;
                ended.map_err(Error::Counters)?;
            }
            rounds.push(samples);
        }
        Ok(rounds)
    }

    async fn resident(&self, instance: &Instance) -> Result<Sample, Broken> {
        let pid = instance.child.pid();
        let machine = Machine::now()?;
        // What the first connections make once and for all is no cost of the later ones.
        drop(load::idle(instance.address, FIRST_CONNECTIONS).await?);
        tokio::time::sleep(SETTLE).await;
        let before = cost::resident(pid)?;
        let count = usize::from(self.options.idle);
        let sockets = load::idle(instance.address, count).await?;
        tokio::time::sleep(SETTLE).await;
        let grown = cost::resident(pid)?.saturating_sub(before);
        drop(sockets);
        Ok(Sample {
            cost: grown as f64 / 1024.0 / count as f64,
            rate: count as f64,
            machine_idle: Machine::now()?.idle_since(&machine),
        })
    }

    fn method(&self) -> String {
        let Options {
            connections,
            rounds,
            seconds,
            idle,
            ..
        } = self.options;
        format!(
            "method: CPU time of the proxy (all threads, user and kernel, /proc/PID/task/*/\
             schedstat) per operation; {connections} clients over loopback, {rounds} interleaved \
             rounds of {seconds} s after {WARM_UP:?}, median; one thread each; affinity cookie \
             on, access log off, no TLS; events {events}/s over all streams; memory: growth of \
             VmRSS of a fresh process over {idle} WebSockets, kernel memory not counted; idle: \
             least share of the machine that was idle. Compare within one run only.",
            events = load::EVENTS_PER_SECOND,
        )
    }
}

type Rounds = Vec<Vec<(Contestant, Sample)>>;

/// A measurement that came to nothing.
enum Broken {
    Load(LoadError),
    Counters(io::Error),
}

impl Broken {
    fn of(self, name: &'static str, case: Case) -> Error {
        match self {
            Self::Load(source) => Error::Load { name, case, source },
            Self::Counters(source) => Error::Counters(source),
        }
    }
}

impl From<LoadError> for Broken {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Counters(error)
    }
}

impl Load {
    /// Lets the clients work; fails as soon as one of them fails.
    async fn run_for(&mut self, time: Duration) -> Result<(), LoadError> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            error = self.failure() => Err(error),
        }
    }
}

fn work(case: Case) -> Option<Work> {
    match case {
        Case::Http => Some(Work::Http),
        Case::Echo => Some(Work::Echo),
        Case::Connect => Some(Work::Connect),
        Case::Sse => Some(Work::Sse),
        Case::Idle => None,
    }
}

/// Thousands of connections need as many files; children inherit the limit.
fn allow_many_files() -> Result<(), Error> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .map_err(Error::Files)
}

fn write_report(dir: &Path, report: &Report) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(report)?;
    let path = dir.join(format!("bench-{}.json", report.made));
    fs::write(&path, text).map_err(at(&path))?;
    terminal::say(format_args!("report: {}", path.display()));
    Ok(())
}

fn progress(case: Case, who: Contestant, round: u32) {
    terminal::warn(format_args!(
        "round {}: {case:?} through {}",
        round + 1,
        who.name()
    ));
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Path { path, source }
}

const WARM_UP: Duration = Duration::from_millis(700);
/// After connections came or went, before memory is read.
const SETTLE: Duration = Duration::from_secs(1);
const FIRST_CONNECTIONS: usize = 32;
const MEMORY_ROUNDS_MAX: u32 = 3;
const TERMINATION_MAX: Duration = Duration::from_secs(5);
