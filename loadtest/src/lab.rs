//! `lab`: a whole Holdfast on this machine, as processes, for demonstrations and tests.
//!
//! - [`plan`] decides who listens where and refuses ports that are taken.
//! - [`files`] lays out the directory: keys, configuration files, logs.
//! - [`member`] keeps one process running and starts it anew when it dies, as a ReplicaSet would.
//! - [`record`] is what everybody may know about the lab; `lab.json` is a copy of it.
//! - [`redis`] is the server of `--store redis`.
//! - [`reference`] is the backend of `--reference`, [`pace`] how fast things go.
//! - [`control`] serves the kill and drain buttons of the page.

pub mod control;
pub mod files;
mod logs;
pub mod member;
pub mod pace;
pub mod plan;
mod ready;
pub mod record;
pub mod redis;
mod reference;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::process::{Program, StartError};
use crate::terminal;
use control::Control;
use files::Files;
use member::{Member, Order};
use plan::Plan;
use record::{Lab, MemberId};

/// Flags of `holdfast-loadtest lab`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where configuration, keys, logs, the store and lab.json go
    #[arg(long, default_value = "target/lab")]
    dir: PathBuf,
    /// Where holdfast-proxy and holdfast-backend are [default: beside this program]
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// Move every port: proxy N, h2c N+1, admin N+2, control N+3, Redis N+4, reference N+5,
    /// backends from N+10, sticky applications from N+20; 0 takes free ones [default: 8080, 8081,
    /// 9090, 9190, 9379, 9201, 9001, 9101]
    #[arg(long, value_name = "N")]
    port_base: Option<u16>,
    /// Port of the page and of every HTTP/1.1 client
    #[arg(long)]
    port: Option<u16>,
    /// Port of HTTP/2 without TLS, for gRPC
    #[arg(long)]
    h2c_port: Option<u16>,
    /// Port of the proxy's admin listener and the operators' page
    #[arg(long)]
    admin_port: Option<u16>,
    /// How many backends: a, b, c, ...
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    backends: u8,
    /// So many fronts of the backends: fa, fb, ... The proxy sees them alone; at most 10 with the
    /// backends
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=9))]
    fronts: u8,
    /// How many sticky applications: sa, sb, sc, ...
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    sticky_apps: u8,
    /// Where sessions are kept
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,
    /// With `--store redis`: when the server syncs what it has written to disk
    #[arg(long, value_enum, default_value_t = redis::Sync::Always)]
    appendfsync: redis::Sync,
    /// One more backend that nobody disturbs, for load tests to compare with
    #[arg(long)]
    reference: bool,
    #[command(flatten)]
    pace: pace::Pace,
    /// Keep the keys and the sessions of the lab that used the directory before
    #[arg(long)]
    keep: bool,
    /// Another proxy configuration; the placeholders are those of loadtest/lab/proxy.yaml
    #[arg(long, value_name = "FILE")]
    proxy_template: Option<PathBuf>,
    /// Another backend configuration; the placeholders are those of loadtest/lab/backend.yaml
    #[arg(long, value_name = "FILE")]
    backend_template: Option<PathBuf>,
}

/// The session store of the backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Store {
    /// One file for all backends
    Sqlite,
    /// A redis-server of the lab's own
    Redis,
}

/// Why the lab could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Plan(#[from] plan::Error),
    #[error(transparent)]
    Files(#[from] files::Error),
    #[error("control listener")]
    Control(#[source] io::Error),
    #[error("{id}")]
    Start { id: MemberId, source: StartError },
    #[error(transparent)]
    NotReady(#[from] ready::NotReady),
}

/// Runs the lab until `stop`, or until it cannot start.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), Error> {
    let plan = Plan::new(&options)?;
    plan.check()?;
    let files = Files::lay_out(&plan, &options)?;
    let (members, outcome) = {
        let mut running = Running::new(plan, files, stop.clone());
        let outcome = running.bring_up().await;
        if outcome.is_ok() {
            stop.cancelled().await;
            terminal::warn("stopping");
        }
        (running.stop().await, outcome)
    };
    members.and(outcome)
}

/// The parts of a started lab.
struct Running {
    plan: Plan,
    files: Files,
    record: watch::Sender<Lab>,
    orders: HashMap<MemberId, mpsc::Sender<Order>>,
    members: JoinSet<Result<(), Error>>,
    stop: CancellationToken,
    /// Backends write to the store until they have ended, so it stops after them.
    store: JoinSet<Result<(), Error>>,
    store_stop: CancellationToken,
}

impl Running {
    fn new(plan: Plan, files: Files, stop: CancellationToken) -> Self {
        let record = watch::Sender::new(Lab::new(&plan, &files));
        Self {
            plan,
            files,
            record,
            orders: HashMap::new(),
            members: JoinSet::new(),
            stop,
            store: JoinSet::new(),
            store_stop: CancellationToken::new(),
        }
    }

    /// The store, then servers, then the proxy, so that its first probes find them.
    async fn bring_up(&mut self) -> Result<(), Error> {
        if let Some(address) = self.plan.redis {
            let member = self.member(
                MemberId::Redis,
                self.files.redis()?,
                self.store_stop.clone(),
            );
            self.store.spawn(member);
            ready::redis(address, &self.record, &self.files, &self.stop).await?;
        }
        for seat in self.plan.backends.clone() {
            self.start(
                MemberId::Backend(seat.id.clone()),
                self.files.backend(&seat),
            );
        }
        if let Some(seat) = self.plan.reference.clone() {
            self.start(MemberId::Reference, self.files.backend(&seat));
        }
        for seat in self.plan.sticky_apps.clone() {
            self.start(
                MemberId::StickyApp(seat.id.clone()),
                self.files.sticky_app(&seat),
            );
        }
        ready::servers(&self.plan, &self.record, &self.files, &self.stop).await?;
        let control = Control::new(&self.plan, self.record.subscribe(), self.orders.clone());
        let listener = control.bind().await.map_err(Error::Control)?;
        let stop = self.stop.clone();
        self.members
            .spawn(async move { control.serve(listener, stop).await.map_err(Error::Control) });
        self.start(MemberId::Proxy, self.files.proxy());
        ready::proxy(&self.plan, &self.record, &self.files, &self.stop).await?;
        if self.stop.is_cancelled() {
            return Ok(());
        }
        self.members
            .spawn(logs::bound(self.files.logs.clone(), self.stop.clone()));
        self.record.send_modify(|lab| lab.ready = true);
        self.files.write_record(&self.record.borrow())?;
        let (files, record) = (self.files.clone(), self.record.subscribe());
        let stop = self.stop.clone();
        self.members
            .spawn(async move { files.follow(record, stop).await.map_err(Error::Files) });
        self.announce();
        Ok(())
    }

    fn start(&mut self, id: MemberId, program: Program) {
        let member = self.member(id, program, self.stop.clone());
        self.members.spawn(member);
    }

    /// A member until `until`; one that cannot be started at all ends the lab.
    fn member(
        &mut self,
        id: MemberId,
        program: Program,
        until: CancellationToken,
    ) -> impl Future<Output = Result<(), Error>> + use<> {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        self.orders.insert(id.clone(), orders);
        let member = Member::new(id.clone(), program, inbox, self.record.clone(), until);
        let stop = self.stop.clone();
        async move {
            let outcome = member.run().await;
            if outcome.is_err() {
                stop.cancel();
            }
            outcome.map_err(|source| Error::Start { id, source })
        }
    }

    fn announce(&self) {
        let plan = &self.plan;
        terminal::say(format_args!(
            "Holdfast is up\n\
             \x20 trade            http://{proxy}/\n\
             \x20 affinity         http://{proxy}/affinity\n\
             \x20 operators' page  http://{admin}/\n\
             \x20 gRPC             {h2c} (HTTP/2 without TLS)\n\
             \x20 files            {dir}\n\
             Ctrl-C stops everything.",
            proxy = plan.proxy,
            admin = plan.admin,
            h2c = plan.h2c,
            dir = plan.dir.display(),
        ));
    }

    /// Ends every process and removes `lab.json`. The first failure of a member is reported.
    async fn stop(mut self) -> Result<(), Error> {
        self.stop.cancel();
        let members = ends(&mut self.members).await;
        self.store_stop.cancel();
        let outcome = members.and(ends(&mut self.store).await);
        self.files.remove_record()?;
        outcome
    }
}

/// Waits for all; the first failure counts.
async fn ends(members: &mut JoinSet<Result<(), Error>>) -> Result<(), Error> {
    let mut outcome = Ok(());
    while let Some(ended) = members.join_next().await {
        if let Ok(Err(error)) = ended {
            outcome = outcome.and(Err(error));
        }
    }
    outcome
}

/// Orders that may wait at one member; more are refused.
const ORDERS_MAX: usize = 4;
