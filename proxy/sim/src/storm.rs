//! A run that a seed decides: who is there, what they say, and what is done to them.

mod shrink;

use std::fmt::Write as _;

use holdfast_core::Admin;

use crate::Mutation;
use crate::act::{Act, Deed, Step, Who, Words};
use crate::audit::{Broken, conclude};
use crate::chance::Chance;
use crate::endpoint::Life;
use crate::stage::{Failed, Stage};
use crate::store::{Loss, Mood};
use crate::world::{Setup, cluster};

pub use shrink::scenario;

/// What came of a run that kept every promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Moves made.
    pub moves: u64,
    /// Commands answered.
    pub answers: u64,
    /// Messages with an id that clients were told.
    pub heard: u64,
    /// Resumes that were not possible.
    pub resets: u64,
    /// Connections that ended although their clients wanted to go on, and had to.
    pub lost: u64,
    /// Changes of owners.
    pub claims: u64,
}

impl Tally {
    /// Adds what came of another run.
    pub const fn add(&mut self, other: &Self) {
        self.moves += other.moves;
        self.answers += other.answers;
        self.heard += other.heard;
        self.resets += other.resets;
        self.lost += other.lost;
        self.claims += other.claims;
    }
}

/// What this run is made of.
struct Storm {
    stage: Stage,
    chance: Chance,
    /// Which faults there are.
    faults: Vec<Fault>,
    clients: Vec<String>,
    /// What was done when, to be told if it ends badly.
    done: Vec<(u64, Act)>,
    /// When what a proxy was told to want is over.
    wishes: Vec<(u64, Act)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause,
    Cut,
    Drain,
    Part,
    Hide,
    Stall,
    SlowStore,
    GoneStore,
    MuteStore,
    /// What it is asked is done after the asker gave up.
    LateStore,
    /// The store is away for one endpoint alone.
    CutOffOwner,
    /// One of the others, at a step.
    Ambush,
    Tail,
    Everything,
}

/// How much may be held.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    message_kib: usize,
    unaccepted_kib: usize,
}

/// Runs a seed to its end.
pub fn run(seed: u64, mutation: Option<Mutation>) -> Result<Tally, Broken> {
    let mut storm = Storm::new(seed, mutation);
    storm.run().map_err(|Broken(what)| {
        let world = &storm.stage.world;
        let mut told = format!("{what}\nfaults: {:?}\n", storm.faults);
        for (at, sight) in world.sights.iter().rev().take(SEEN_MAX).rev() {
            // writing to a String cannot fail
            let _ = writeln!(told, "{at:>6} ms  {sight}");
        }
        Broken(told)
    })
}

impl Storm {
    fn run(&mut self) -> Result<Tally, Broken> {
        self.open()?;
        let steps = self.chance.between(40, 120);
        for _ in 0..steps {
            self.step()?;
        }
        self.calm()?;
        conclude(&self.stage.world)?;
        Ok(self.tally())
    }

    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut chance = Chance::new(!seed);
        let faults = Fault::drawn(&mut chance);
        let setup = setup(seed, mutation, &faults, Bounds::drawn(&mut chance));
        Self {
            stage: Stage::new(setup),
            chance,
            faults,
            clients: Vec::new(),
            done: Vec::new(),
            wishes: Vec::new(),
        }
    }

    fn now(&self) -> u64 {
        self.stage.world.hub.now()
    }

    fn pass(&mut self, span: u64) -> Result<(), Broken> {
        let end = self.now() + span;
        self.stage.until(end)
    }

    fn act(&mut self, act: Act) -> Result<(), Broken> {
        self.done.push((self.now(), act.clone()));
        match self.stage.act(&act) {
            Ok(_) => Ok(()),
            Err(Failed::Senseless(what)) => Err(Broken(format!("{act}: {what}"))),
            Err(Failed::Broken(broken)) => Err(broken),
        }
    }

    /// Sessions are founded and clients come.
    fn open(&mut self) -> Result<(), Broken> {
        self.pass(100)?;
        let sessions = self.chance.between(1, 2);
        for session in 0..sessions {
            let endpoint = self.place(3);
            self.act(Act::Session(endpoint))?;
            for (kind, sse) in [("w", false), ("v", false), ("s", true)] {
                let client = format!("{kind}{session}");
                let proxy = self.place(2);
                self.act(Act::Opens {
                    client: client.clone(),
                    sse,
                    proxy,
                    session: usize::try_from(session).ok(),
                })?;
                self.clients.push(client);
            }
        }
        self.pass(200)
    }

    /// Something is said or done, and some time passes.
    fn step(&mut self) -> Result<(), Broken> {
        for _ in 0..self.chance.below(4) {
            self.say()?;
        }
        if self.chance.percent(25) {
            self.disturb()?;
        }
        let span = match self.chance.below(4) {
            0 => self.chance.between(200, 800),
            _ => self.chance.between(1, 150),
        };
        self.pass(span)?;
        let now = self.now();
        for (at, act) in std::mem::take(&mut self.wishes) {
            if at <= now {
                self.act(act)?;
            } else {
                self.wishes.push((at, act));
            }
        }
        Ok(())
    }

    /// Somebody says something.
    fn say(&mut self) -> Result<(), Broken> {
        let at = self.place(self.clients.len());
        let client = self.clients[at].clone();
        let words = match self.chance.below(20) {
            0 => Words::Novels,
            1..=4 => Words::Pongs,
            _ => Words::Commands,
        };
        let count = match words {
            // Now and then more than may be held.
            Words::Novels => self.chance.between(1, 8),
            _ => 1,
        };
        if client.starts_with('s') {
            return Ok(());
        }
        self.act(Act::Says {
            client,
            count,
            words,
        })
    }

    fn disturb(&mut self) -> Result<(), Broken> {
        let at = self.place(self.faults.len());
        let fault = self.faults[at];
        if fault == Fault::Ambush {
            let steps = Step::ALL.len();
            let step = Step::ALL[self.place(steps)];
            let does = [
                Fault::Kill,
                Fault::Pause,
                Fault::Cut,
                Fault::MuteStore,
                Fault::LateStore,
                Fault::CutOffOwner,
            ];
            let does = does[self.place(does.len())];
            let other = self.place(3);
            let whom = if self.chance.percent(70) {
                Who::It
            } else {
                Who::Named(other)
            };
            let proxy = self.place(2);
            let (deed, span) = self.deed(does, whom, proxy);
            return self.act(Act::When {
                step,
                at: None,
                deed,
                span,
            });
        }
        let (endpoint, proxy) = (self.place(3), self.place(2));
        let lives = |at: usize| self.stage.world.endpoints[at].life == Life::Running;
        let alone = (0..3).filter(|at| lives(*at)).count() < 2;
        match fault {
            // Somebody is left.
            Fault::Kill | Fault::Pause if alone || !lives(endpoint) => Ok(()),
            Fault::Drain => {
                let wish = |admin| Act::Admin {
                    proxy,
                    admin,
                    endpoint,
                };
                let until = self.now() + self.chance.between(500, 4_000);
                self.wishes.push((until, wish(Admin::Ready)));
                self.act(wish(Admin::Drain))
            }
            Fault::Stall => {
                let at = self.place(self.clients.len());
                let client = self.clients[at].clone();
                let until = self.now() + self.chance.between(100, 5_000);
                self.wishes.push((until, Act::Reads(client.clone())));
                self.act(Act::Stalls(client))
            }
            fault => {
                let (deed, span) = self.deed(fault, Who::Named(endpoint), proxy);
                self.act(Act::Deed(deed, span))
            }
        }
    }

    /// A fault as a deed, and for how long.
    fn deed(&mut self, fault: Fault, who: Who, proxy: usize) -> (Deed, Option<u64>) {
        let chance = &mut self.chance;
        let (deed, low, high) = match fault {
            Fault::Kill => (Deed::Kill(who), 100, 4_000),
            Fault::Pause => (Deed::Pause(who), 50, 8_000),
            Fault::Part => (Deed::Part(proxy, who), 500, 3_000),
            Fault::Hide => (Deed::Hide(proxy, who), 500, 4_000),
            Fault::SlowStore => {
                let most = chance.between(10, 400);
                (Deed::Store(Mood::Slow(most)), 100, 3_000)
            }
            Fault::GoneStore => (Deed::Store(Mood::Gone), 50, 2_500),
            Fault::MuteStore => (Deed::Store(Mood::Mute), 5, 1_000),
            Fault::LateStore => {
                let most = chance.between(1, 2_000);
                (Deed::Store(Mood::Late(most)), 5, 1_000)
            }
            Fault::CutOffOwner => (Deed::StoreOf(who, Mood::Gone), 100, 6_000),
            Fault::Tail => return (Deed::Loses(Loss::Tail), None),
            Fault::Everything => return (Deed::Loses(Loss::Everything), None),
            _ => return (Deed::CutOne, None),
        };
        (deed, Some(chance.between(low, high)))
    }

    /// Everything is healed; everybody says one more thing, and all of it has to be answered.
    fn calm(&mut self) -> Result<(), Broken> {
        self.act(Act::Well)?;
        // As long as whatever is held may be held, unless nobody waits for anything. What a store
        // lost is made good with the next snapshots.
        let lossless = self.stage.world.store.lost_at.is_none();
        for _ in 0..16 {
            self.pass(1_000)?;
            if lossless && self.stage.world.is_settled() {
                break;
            }
        }
        for client in self.clients.clone() {
            if !client.starts_with('s') {
                let (count, words) = (1, Words::Commands);
                self.act(Act::Says {
                    client,
                    count,
                    words,
                })?;
            }
        }
        self.pass(3_000)
    }

    fn tally(&self) -> Tally {
        let world = &self.stage.world;
        let mut tally = Tally::default();
        for connection in world.proxies.iter().flat_map(|proxy| &proxy.connections) {
            tally.moves += connection.moves;
            tally.answers += connection.client.answers;
            tally.heard += connection.client.heard.len() as u64;
            tally.resets += connection.client.resets;
            tally.lost += u64::from(connection.is_over());
        }
        let claims = world.store.sessions.iter();
        tally.claims = claims.map(|stored| stored.claims.len() as u64).sum();
        tally
    }

    fn place(&mut self, end: usize) -> usize {
        usize::try_from(self.chance.below(end as u64)).unwrap_or(0)
    }
}

fn setup(seed: u64, mutation: Option<Mutation>, faults: &[Fault], bounds: Bounds) -> Setup {
    let mut cluster = cluster();
    cluster.handoff.message_buffer = bounds.message_kib << 10;
    cluster.handoff.unaccepted_buffer = bounds.unaccepted_kib << 10;
    Setup {
        seed,
        mutation,
        proxies: 2,
        endpoints: 3,
        cluster,
        everysec: faults.contains(&Fault::Tail),
    }
}

impl Bounds {
    fn drawn(chance: &mut Chance) -> Self {
        let message_kib = [4, 64, 64, 64];
        let unaccepted_kib = [16, 256, 256];
        let of = |list: &[usize], draw: u64| list[usize::try_from(draw).unwrap_or(0) % list.len()];
        Self {
            message_kib: of(&message_kib, chance.below(4)),
            unaccepted_kib: of(&unaccepted_kib, chance.below(3)),
        }
    }
}

impl Fault {
    const ALL: [Self; 13] = [
        Self::Kill,
        Self::Pause,
        Self::Cut,
        Self::Drain,
        Self::Part,
        Self::Hide,
        Self::Stall,
        Self::SlowStore,
        Self::GoneStore,
        Self::MuteStore,
        Self::LateStore,
        Self::CutOffOwner,
        Self::Ambush,
    ];

    /// Some of them; a store that loses something is rare, since much is excused by it. One that
    /// loses everything does so while every owner knows that it is: who had lost the session and
    /// did not know might write it anew before the one that has it.
    fn drawn(chance: &mut Chance) -> Vec<Self> {
        let mut faults: Vec<_> = Self::ALL
            .into_iter()
            .filter(|_| chance.percent(30))
            .collect();
        match chance.below(20) {
            0 => faults.push(Self::Tail),
            1 => {
                let known = [Self::Kill, Self::Cut, Self::Drain, Self::Hide, Self::Stall];
                faults.retain(|fault| known.contains(fault));
                faults.push(Self::Everything);
            }
            _ if faults.is_empty() => faults.push(Self::Kill),
            _ => {}
        }
        faults
    }
}

/// What was seen last, told with a broken promise.
const SEEN_MAX: usize = 400;
