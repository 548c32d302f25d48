//! The course of a run: people come, something happens to the lab, the books are closed.

use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_local};
use tokio_util::sync::CancellationToken;

use super::admin::{Admin, MoveTimes, Totals};
use super::auditor::Auditor;
use super::desk::{Desk, Group, Seat, Volley};
use super::disturb::{Course, Disturbance};
use super::group::Sight;
use super::lab_file::{LabFile, LabRecord, REFERENCE_HOST};
use super::levels::{self, Health};
use super::opaque;
use super::options::{Options, Profile};
use super::report::{Load, ProxyWord, Report, SelfCheck};
use super::strange::Strange;
use super::trader::{Market, Trader, TraderError};
use super::{Error, check, events, requests, websocket};
use crate::client::Client;
use crate::clock::Instant;
use crate::machine::Machine;
use crate::terminal;

/// Loads the lab, disturbs it and closes the books.
pub(super) async fn load(options: &Options) -> Result<Report, Error> {
    let file = LabFile::new(&options.lab);
    let lab = file.read()?;
    let admin = Admin::new(lab.proxy.admin);
    let witness = Witness::begin(&admin).await?;
    if options.profile == Profile::OpaqueDrain {
        let start = Instant::now();
        let apps: Vec<String> = lab.sticky_apps.iter().map(|app| app.id.clone()).collect();
        let (pace, course) = opaque::run(options, lab.proxy.address, &admin, &apps).await?;
        let (machine, proxy) = witness.end(&admin).await?;
        let mut report = empty(options, start.elapsed(), machine, proxy);
        report.connections = pace.connections;
        report.self_check.by_chain = pace.sees_a_loss;
        report.pace = Some(pace);
        return Ok(with(report, course));
    }
    let desks = open(&lab, options).await?;
    let stage = Stage::set(options, &desks);
    let watch = stage.watch_health(&lab);
    let (course, (machine, proxy)) = stage.play(options, &file, &admin).await?;
    let health = watch.await.unwrap_or_default();
    let time = stage.close().await;
    let mut report = empty(options, time, machine, proxy);
    judge(&mut report, options, &desks, &course, health);
    Ok(with(report, course))
}

/// What is measured over the disturbance: the machine, and the proxy's own counters.
struct Witness {
    machine: Machine,
    totals: Totals,
    times: MoveTimes,
}

impl Witness {
    async fn begin(admin: &Admin) -> Result<Self, Error> {
        Ok(Self {
            totals: admin.totals().await?,
            times: admin.move_times().await?,
            machine: Machine::now()?,
        })
    }

    async fn end(self, admin: &Admin) -> Result<(Load, ProxyWord), Error> {
        let idle = Machine::now()?.idle_since(&self.machine);
        let (totals, times) = (admin.totals().await?, admin.move_times().await?);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let proxy = ProxyWord {
            totals: Totals {
                moves: totals.moves.saturating_sub(self.totals.moves),
                lost: totals.lost.saturating_sub(self.totals.lost),
            },
            move_p50_below_ms: times.below_ms(&self.times, 0.5),
            move_p99_below_ms: times.below_ms(&self.times, 0.99),
        };
        Ok((Load { cores, idle }, proxy))
    }
}

/// Everybody in their places.
struct Stage {
    seat: Seat,
    desks: Vec<Rc<Desk>>,
    clients: JoinSet<()>,
    auditor: Rc<Auditor>,
    volleys: watch::Sender<Option<Volley>>,
    storms: watch::Sender<u32>,
}

impl Stage {
    fn set(options: &Options, desks: &[Rc<Desk>]) -> Self {
        let (volleys, storms) = (watch::Sender::new(None), watch::Sender::new(0));
        let profile = options.profile;
        let seat = Seat {
            start: Instant::now(),
            quiet: CancellationToken::new(),
            done: CancellationToken::new(),
            events_through: options.events_through,
            orders: options.orders(),
            requests: if profile == Profile::Affinity {
                options.requests
            } else {
                0
            },
            channels: profile.channels(),
            stays: profile == Profile::Affinity,
            volleys: volleys.subscribe(),
            storms: storms.subscribe(),
        };
        let mut clients = JoinSet::new();
        for desk in desks {
            if seat.requests > 0 {
                clients.spawn_local(requests::run(seat.clone(), Rc::clone(desk)));
            }
            clients.spawn_local(websocket::run(seat.clone(), Rc::clone(desk)));
            clients.spawn_local(events::run(seat.clone(), Rc::clone(desk)));
        }
        let auditor = Rc::new(Auditor::new(seat.clone(), desks.to_vec()));
        let (follower, every) = (Rc::clone(&auditor), options.audit());
        clients.spawn_local(async move { follower.follow(every).await });
        Self {
            seat,
            desks: desks.to_vec(),
            clients,
            auditor,
            volleys,
            storms,
        }
    }

    fn watch_health(&self, lab: &LabRecord) -> tokio::task::JoinHandle<Health> {
        let (seat, edge) = (self.seat.clone(), lab.proxy.address);
        spawn_local(async move { Health::watch(&seat, edge).await })
    }

    /// Quiet, the disturbance, quiet again.
    async fn play(
        &self,
        options: &Options,
        file: &LabFile,
        admin: &Admin,
    ) -> Result<(Course, (Load, ProxyWord)), Error> {
        if options.profile == Profile::IdleTimeout {
            self.one_order_each();
            self.answered().await;
        }
        tokio::time::sleep(options.quiet()).await;
        let witness = Witness::begin(admin).await?;
        let disturbance = Disturbance {
            options,
            lab: file,
            admin,
            seat: &self.seat,
            desks: &self.desks,
            auditor: &self.auditor,
            volleys: &self.volleys,
            storms: &self.storms,
            client: Client::new(Duration::from_secs(2)),
            course: Course::default(),
        };
        let course = disturbance.run().await?;
        if options.profile.disturbs() {
            tokio::time::sleep(options.quiet()).await;
        }
        let seen = witness.end(admin).await?;
        self.seat.quiet.cancel();
        self.answered().await;
        Ok((course, seen))
    }

    fn one_order_each(&self) {
        self.volleys.send_replace(Some(Volley {
            at: Instant::now(),
            orders: 1,
            apart: Duration::ZERO,
        }));
    }

    /// Waits until everything that was asked is answered; what is not by then is judged so.
    async fn answered(&self) {
        let mut ticks = tokio::time::interval(LOOK);
        let deadline = Instant::now() + SETTLE_MAX;
        // An order that was just asked for is sent first.
        ticks.tick().await;
        ticks.tick().await;
        let settled = |desk: &Rc<Desk>| desk.commands.borrow().settled();
        while Instant::now() < deadline && !self.desks.iter().all(settled) {
            ticks.tick().await;
        }
    }

    /// The last page of every log, and then everybody may go.
    async fn close(mut self) -> Duration {
        self.auditor.finish().await;
        self.seat.done.cancel();
        while self.clients.join_next().await.is_some() {}
        let time = self.seat.start.elapsed();
        self.auditor.leave().await;
        time
    }
}

/// Opens all sessions, a few at a time.
async fn open(lab: &LabRecord, options: &Options) -> Result<Vec<Rc<Desk>>, TraderError> {
    let edge = lab.proxy.address;
    let market = |host: String| Market {
        edge,
        host,
        scenario: options.scenario.clone(),
        speed: options.speed,
    };
    let unmoved = if lab.reference.is_some() {
        options.reference_sessions()
    } else {
        terminal::warn("no unmoved sessions to compare with: the lab has no --reference");
        0
    };
    terminal::warn(format_args!(
        "opening {} sessions and {unmoved} unmoved ones",
        options.sessions
    ));
    let groups = [
        (Group::Moved, options.sessions, market(edge.to_string())),
        (Group::Reference, unmoved, market(REFERENCE_HOST.to_owned())),
    ];
    let wanted = groups.iter().flat_map(|(group, count, market)| {
        (0..*count).map(move |_| async move {
            let trader = Trader::open(market).await?;
            Ok(Rc::new(Desk::new(*group, trader)))
        })
    });
    let opened: Vec<_> = futures_util::stream::iter(wanted)
        .buffer_unordered(OPEN_AT_ONCE)
        .collect()
        .await;
    opened.into_iter().collect()
}

fn judge(
    report: &mut Report,
    options: &Options,
    desks: &[Rc<Desk>],
    course: &Course,
    health: Health,
) {
    let channels = options.profile.channels();
    report.findings = desks.iter().map(|desk| desk.findings(channels)).sum();
    report.self_check = check::self_check(desks, channels);
    report.strange = Strange::of(desks.iter().map(|desk| &**desk), channels);
    let since = course.events.first().map_or(0.0, |event| event.at);
    let since = Duration::from_secs_f64(since.max(0.0));
    let sight = |group: Group| {
        let of = desks
            .iter()
            .map(|desk| &**desk)
            .filter(move |desk| desk.group == group);
        Sight::of(of, options.speed, since)
    };
    (report.moved, report.reference) = (sight(Group::Moved), sight(Group::Reference));
    report.connections = 2 * desks.len();
    let found = &report.findings;
    report.levels = levels::levels(
        desks,
        Duration::from_secs_f64(report.seconds),
        health,
        options.profile.is_planned(),
        options.profile == Profile::ZoneFailover,
        found.lost + found.doubled + found.reordered + found.missing,
    );
    let ends = desks.iter().flat_map(|desk| {
        [desk.told.borrow(), desk.heard.borrow(), desk.asked.borrow()]
            .into_iter()
            .filter_map(|account| account.end().map(str::to_owned))
            .chain(desk.unread.borrow().clone())
            .collect::<Vec<_>>()
    });
    report.ends = ends.take(ENDS_MAX).collect();
}

fn empty(options: &Options, time: Duration, machine: Load, proxy: ProxyWord) -> Report {
    Report {
        profile: options.profile,
        seconds: time.as_secs_f64(),
        connections: 0,
        orders: options.orders(),
        speed: options.speed,
        findings: crate::ledger::Findings::default(),
        resets_forgiven: options.forgive_resets,
        self_check: SelfCheck::default(),
        moved: None,
        reference: None,
        pace: None,
        levels: Vec::new(),
        machine,
        proxy,
        events: Vec::new(),
        seen: Vec::new(),
        wrong: Vec::new(),
        ends: Vec::new(),
        strange: Vec::new(),
    }
}

fn with(report: Report, course: Course) -> Report {
    let Course {
        events,
        seen,
        wrong,
    } = course;
    Report {
        events,
        seen,
        wrong,
        ..report
    }
}

const OPEN_AT_ONCE: usize = 16;
const LOOK: Duration = Duration::from_millis(50);
/// For the answers to the last orders.
const SETTLE_MAX: Duration = Duration::from_secs(30);
const ENDS_MAX: usize = 10;
