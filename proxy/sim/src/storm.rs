//! A run that a seed decides: who is there, what they say, and what is done to them.

use crate::audit::{Broken, Watch, conclude};
use crate::chance::Chance;
use crate::client::Client;
use crate::endpoint::Life;
use crate::store::Mood;
use crate::world::{Setup, World, cluster};
use crate::{Mutation, Sight};
use holdfast_core::Admin;
use holdfast_session::view::ResetReason;

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
    /// Connections that found no endpoint in time.
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
    world: World,
    watch: Watch,
    chance: Chance,
    /// Which faults there are.
    faults: Vec<Fault>,
    /// When what was done is undone.
    healing: Vec<(u64, Heal)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause,
    Cut,
    Drain,
    Part,
    SlowStore,
    GoneStore,
    MuteStore,
}

#[derive(Clone, Copy, Debug)]
enum Heal {
    Restart(usize),
    Wake(usize),
    Ready(usize, usize),
    Join(usize, usize),
    Store,
}

/// Runs a seed to its end.
pub fn run(seed: u64, mutation: Option<Mutation>) -> Result<Tally, Broken> {
    let mut storm = Storm::new(seed, mutation);
    storm.run().map_err(|Broken(what)| {
        let seen = storm.world.sights.iter().rev().take(SEEN_MAX).rev();
        let seen: Vec<_> = seen
            .map(|(at, sight)| format!("{at:>6} ms  {sight}"))
            .collect();
        let faults = &storm.faults;
        Broken(format!("{what}\nfaults: {faults:?}\n{}", seen.join("\n")))
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
        conclude(&self.world)?;
        self.tally()
    }

    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut chance = Chance::new(!seed);
        let world = World::new(Setup {
            seed,
            mutation,
            proxies: 2,
            endpoints: 3,
            cluster: cluster(),
        });
        let mut faults: Vec<_> = Fault::ALL
            .into_iter()
            .filter(|_| chance.percent(40))
            .collect();
        if faults.is_empty() {
            faults.push(Fault::Kill);
        }
        Self {
            world,
            watch: Watch::default(),
            chance,
            faults,
            healing: Vec::new(),
        }
    }

    fn pass(&mut self, span: u64) -> Result<(), Broken> {
        let end = self.world.hub.now() + span;
        let watch = &mut self.watch;
        self.world.run_until(end, |world| watch.check(world))
    }

    /// Sessions are founded and clients come.
    fn open(&mut self) -> Result<(), Broken> {
        self.pass(100)?;
        let sessions = self.chance.between(1, 2);
        for _ in 0..sessions {
            let endpoint = self.place(3);
            let session = self.world.found(endpoint);
            for (kind, sse) in [("w", false), ("v", false), ("s", true)] {
                let name = format!("{kind}{session}");
                let proxy = self.place(2);
                let client = Client::new(&name, session, sse);
                self.world
                    .open(proxy, client)
                    .map_err(|reject| Broken(format!("{name}: rejected, {reject:?}")))?;
            }
        }
        self.pass(200)
    }

    /// Something is said or done, and some time passes.
    fn step(&mut self) -> Result<(), Broken> {
        for _ in 0..self.chance.below(4) {
            self.say();
        }
        if self.chance.percent(25) {
            self.disturb();
        }
        let span = match self.chance.below(4) {
            0 => self.chance.between(200, 800),
            _ => self.chance.between(1, 150),
        };
        self.pass(span)?;
        let now = self.world.hub.now();
        for (at, heal) in std::mem::take(&mut self.healing) {
            if at <= now {
                self.heal(heal);
            } else {
                self.healing.push((at, heal));
            }
        }
        Ok(())
    }

    /// Somebody says something.
    fn say(&mut self) {
        let (proxy, draw) = (self.place(2), self.chance.percent(80));
        let connections = &mut self.world.proxies[proxy].connections;
        if connections.is_empty() {
            return;
        }
        let at = usize::try_from(self.chance.below(connections.len() as u64)).unwrap_or(0);
        let connection = &mut connections[at];
        if connection.client.sse || connection.is_over() {
            return;
        }
        connection.dirty = true;
        if draw {
            connection.client.command();
        } else {
            connection.client.pong();
        }
    }

    fn disturb(&mut self) {
        let count = self.faults.len() as u64;
        let at = self.place(count);
        let fault = self.faults[at];
        let (endpoint, proxy) = (self.place(3), self.place(2));
        let now = self.world.hub.now();
        let running = self.world.endpoints[endpoint].life == Life::Running;
        let others = self.world.endpoints.iter();
        let others = others.filter(|e| e.life == Life::Running).count() > 1;
        let mut later = |chance: &mut Chance, low, high, heal| {
            self.healing.push((now + chance.between(low, high), heal));
        };
        match fault {
            Fault::Kill if running && others => {
                self.world.kill(endpoint);
                later(&mut self.chance, 100, 4_000, Heal::Restart(endpoint));
            }
            Fault::Pause if running && others => {
                self.world.pause(endpoint);
                later(&mut self.chance, 50, 8_000, Heal::Wake(endpoint));
            }
            Fault::Drain => {
                self.world.wish(proxy, endpoint, Admin::Drain);
                later(&mut self.chance, 500, 4_000, Heal::Ready(proxy, endpoint));
            }
            Fault::Part => {
                self.world.part(proxy, endpoint);
                later(&mut self.chance, 500, 3_000, Heal::Join(proxy, endpoint));
            }
            Fault::Cut => self.world.cut_one(),
            Fault::SlowStore => {
                let most = self.chance.between(10, 400);
                self.world.set_mood(Mood::Slow(most));
                later(&mut self.chance, 100, 3_000, Heal::Store);
            }
            Fault::GoneStore => {
                self.world.set_mood(Mood::Gone);
                later(&mut self.chance, 50, 2_500, Heal::Store);
            }
            Fault::MuteStore => {
                self.world.set_mood(Mood::Mute);
                later(&mut self.chance, 5, 1_000, Heal::Store);
            }
            Fault::Kill | Fault::Pause => {}
        }
    }

    fn heal(&mut self, heal: Heal) {
        match heal {
            Heal::Restart(endpoint) => self.world.restart(endpoint),
            Heal::Wake(endpoint) => self.world.wake(endpoint),
            Heal::Ready(proxy, endpoint) => self.world.wish(proxy, endpoint, Admin::Ready),
            Heal::Join(proxy, endpoint) => self.world.join(proxy, endpoint),
            Heal::Store => self.world.set_mood(Mood::Well),
        }
    }

    /// Everything is healed; everybody says one more thing, and all of it has to be answered.
    fn calm(&mut self) -> Result<(), Broken> {
        for (_, heal) in std::mem::take(&mut self.healing) {
            self.heal(heal);
        }
        self.pass(16_000)?;
        let proxies = self.world.proxies.iter_mut();
        for connection in proxies.flat_map(|proxy| &mut proxy.connections) {
            if !connection.client.sse && !connection.is_over() {
                connection.client.command();
                connection.dirty = true;
            }
        }
        self.pass(3_000)
    }

    fn tally(&self) -> Result<Tally, Broken> {
        let mut tally = Tally::default();
        for connection in self
            .world
            .proxies
            .iter()
            .flat_map(|proxy| &proxy.connections)
        {
            tally.moves += connection.moves;
            tally.answers += connection.client.answers;
            tally.heard += connection.client.heard.len() as u64;
            tally.resets += connection.client.resets;
            tally.lost += u64::from(connection.is_over());
        }
        let claims = self
            .world
            .store
            .sessions
            .iter()
            .map(|stored| stored.claims.len() as u64);
        tally.claims = claims.sum();
        let harmless = |fault: &Fault| matches!(fault, Fault::Kill | Fault::Cut | Fault::Drain);
        let sights = self.world.sights.iter();
        let mut resets = sights.filter_map(|(_, sight)| match sight {
            Sight::Reset(reason) => Some(*reason),
            _ => None,
        });
        if tally.lost > 0 && self.faults.iter().all(harmless) {
            let what = "a connection was lost although somebody could take it";
            return Err(Broken(what.into()));
        }
        // A run is shorter than the time for which entries are kept, whoever has the session.
        let cut_off = !self.faults.iter().all(harmless);
        let strange = resets.find(|reason| *reason == ResetReason::Trimmed || !cut_off);
        if let Some(reason) = strange {
            let what = format!("a resume was reset, {reason:?}, although no owner was cut off");
            return Err(Broken(what));
        }
        Ok(tally)
    }

    fn place(&mut self, end: u64) -> usize {
        usize::try_from(self.chance.below(end)).unwrap_or(0)
    }
}

/// What was seen last, told with a broken promise.
const SEEN_MAX: usize = 400;

impl Fault {
    const ALL: [Self; 8] = [
        Self::Kill,
        Self::Pause,
        Self::Cut,
        Self::Drain,
        Self::Part,
        Self::SlowStore,
        Self::GoneStore,
        Self::MuteStore,
    ];
}
