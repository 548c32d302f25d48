//! From the store to the ledger, as one task of the process. What it reads it leaves in the store
//! until the ledger has it; done twice, by this process or by others, it is recorded once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use holdfast_session::id::SessionId;
use holdfast_session::trail::facts;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::backlog::Due;
use super::read::Question;
use super::{Backlog, Lag, Ledger, LedgerError, Loaded, Pool, Tally};
use crate::clock;
use crate::random;
use crate::store::{Place, Store};

/// How many sessions one batch is of at most.
const SESSIONS_MAX: usize = 64;

/// How many parcels of a session one batch has at most.
const PARCELS_MAX: usize = 8;

/// Beyond so many bytes a batch takes no more.
const BYTES_MAX: usize = 1 << 20;

/// How often it looks into the store for what nobody here knows of.
const LOOK: Duration = Duration::from_secs(10);

/// What waits for so long is carried by whoever finds it: its owner does not.
const ABANDONED_MS: u64 = 30_000;

/// How many sessions such a look finds at most.
const FOUND_MAX: usize = 1_000;

/// After the first failure; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(250);

/// At most.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What comes within this time of each other shares a batch.
const GATHER: Duration = Duration::from_millis(100);

/// A session whose facts are refused is tried again after this.
const SET_ASIDE: Duration = Duration::from_secs(60);

/// How long the last facts of a leaving process may take; what is left then waits in the store.
const FLUSH: Duration = Duration::from_secs(3);

/// How a ledger is; everybody may look.
pub struct Health {
    /// What waits for it.
    pub backlog: Arc<Backlog>,
    /// What is counted.
    pub tally: Tally,
    ledger: Arc<dyn Ledger>,
    trouble: Mutex<Option<String>>,
    refused: Mutex<Option<(SessionId, String)>>,
}

impl Health {
    /// What is wrong; none when all is well.
    pub fn trouble(&self) -> Option<String> {
        if let Some(trouble) = self.trouble.lock().clone() {
            return Some(trouble);
        }
        let full = self.lag().full;
        if full > 0 {
            return Some(format!("{full} sessions have no room for what waits"));
        }
        let refused = self.refused.lock().clone();
        refused.map(|(id, why)| format!("facts of {id} are set aside: {why}"))
    }

    /// How far it is behind.
    pub fn lag(&self) -> Lag {
        self.backlog.lag(clock::wall_ms())
    }

    /// Its connections.
    pub fn pool(&self) -> Pool {
        self.ledger.pool()
    }

    /// Rows of a listing, each a JSON object.
    pub async fn read(&self, question: &Question) -> Result<Vec<String>, LedgerError> {
        self.ledger.read(question).await
    }

    /// Brings the gauges up to date.
    pub fn measure(&self) {
        let overflown = self.backlog.overflown();
        self.tally.now(self.lag(), overflown, self.pool());
    }
}

/// Carries what waits.
pub struct Carrier {
    store: Arc<dyn Store>,
    ledger: Arc<dyn Ledger>,
    health: Arc<Health>,
    is_ready: bool,
    failures: u32,
    next_look: Instant,
}

/// One session's part of a batch.
struct Part {
    due: Due,
    /// Up to where it is cleared.
    place: Place,
    facts: u64,
    /// Since when what follows has waited.
    rest_ms: Option<u64>,
    parcels: Vec<Loaded>,
}

impl Carrier {
    /// From `store` to `ledger`.
    pub fn new(store: Arc<dyn Store>, ledger: Arc<dyn Ledger>) -> Self {
        let health = Arc::new(Health {
            backlog: Arc::default(),
            tally: Tally::default(),
            ledger: Arc::clone(&ledger),
            trouble: Mutex::default(),
            refused: Mutex::default(),
        });
        Self {
            store,
            ledger,
            health,
            is_ready: false,
            failures: 0,
            next_look: clock::now(),
        }
    }

    /// How it is.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Carries until `stop`, then what is left, for a moment.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            // a round that is dropped half done is done again by whoever comes next
            let pause = tokio::select! {
                () = &mut stop => break,
                pause = self.round() => pause,
            };
            let backlog = Arc::clone(&self.health.backlog);
            let more = async {
                match pause {
                    Some(pause) => sleep(pause).await,
                    None => {
                        backlog.more().await;
                        sleep(GATHER).await;
                    }
                }
            };
            tokio::select! {
                () = &mut stop => break,
                () = more => {}
                () = tokio::time::sleep_until(self.next_look) => {}
            }
        }
        if timeout(FLUSH, self.last_round()).await.is_err() {
            tracing::info!("what the ledger has not taken waits in the store");
        }
    }

    /// Everything that waits. `Some`: try again after so long.
    async fn round(&mut self) -> Option<Duration> {
        if clock::now() >= self.next_look {
            self.look().await;
        }
        loop {
            match self.carry().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(pause) => return Some(pause),
            }
        }
    }

    async fn last_round(&mut self) {
        while let Ok(true) = self.carry().await {}
    }

    /// Finds what nobody here was told of: of owners that died, and of this process's earlier self.
    async fn look(&mut self) {
        self.next_look = clock::now() + LOOK.mul_f64(0.5 + random::fraction());
        let now_ms = clock::wall_ms();
        let before_ms = now_ms.saturating_sub(ABANDONED_MS);
        match self.store.outboxes(before_ms, FOUND_MAX).await {
            Ok(found) => found
                .into_iter()
                .for_each(|id| self.health.backlog.found(id, before_ms)),
            Err(error) => tracing::debug!(%error, "the store does not say what waits"),
        }
    }

    /// One batch. `false`: nothing waits.
    async fn carry(&mut self) -> Result<bool, Duration> {
        if !self.is_ready {
            self.prepare().await?;
        }
        let due = self.health.backlog.due(SESSIONS_MAX);
        if due.is_empty() {
            return Ok(false);
        }
        let mut parts = Vec::new();
        let mut bytes = 0;
        for due in due {
            let part = self.read(due, &mut bytes).await?;
            parts.extend(part);
            if bytes >= BYTES_MAX {
                break;
            }
        }
        match self.record(&parts).await {
            Ok(()) => {
                self.well();
                Ok(true)
            }
            Err(LedgerError::Refused(_)) => self.one_by_one(parts).await,
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The tables are made or brought up to date before anything is written.
    async fn prepare(&mut self) -> Result<(), Duration> {
        match self.ledger.migrate().await {
            Ok(report) => {
                for migration in &report.pending {
                    let (number, name) = (migration.number, migration.name);
                    tracing::info!(number, name, "the ledger was migrated");
                }
                self.is_ready = true;
                self.well();
                Ok(())
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// What waits of one session; none when nothing does or it cannot be read here.
    async fn read(&mut self, due: Due, bytes: &mut usize) -> Result<Option<Part>, Duration> {
        let Ok(waiting) = self.store.outbox(due.id, PARCELS_MAX + 1).await else {
            // the sessions notice it, too, and say so
            return Err(self.pause());
        };
        if waiting.is_empty() {
            self.health.backlog.done(due, u64::MAX, None);
        }
        let mut part: Option<Part> = None;
        for (n, parcel) in waiting.into_iter().enumerate() {
            let read = parcel.body.as_deref().map(facts).transpose();
            if let Err(error) = &read {
                self.set_aside(due.id, &error.to_string());
            }
            let is_enough = n == PARCELS_MAX || (n > 0 && *bytes >= BYTES_MAX);
            let Some(facts) = read.ok().filter(|_| !is_enough) else {
                if let Some(part) = &mut part {
                    part.rest_ms = Some(parcel.at_ms);
                }
                break;
            };
            *bytes += parcel.body.map_or(0, |body| body.len());
            let part = part.get_or_insert_with(|| Part::new(due, parcel.place.clone()));
            part.place = parcel.place;
            part.facts += parcel.last + 1 - parcel.first;
            part.parcels.push(Loaded {
                session: due.id,
                trail: parcel.trail.to_string(),
                first: parcel.first,
                last: parcel.last,
                at_ms: parcel.at_ms,
                facts,
            });
        }
        Ok(part)
    }

    /// Into the ledger, then out of the store.
    async fn record(&mut self, parts: &[Part]) -> Result<(), LedgerError> {
        let parcels: Vec<Loaded> = parts
            .iter()
            .flat_map(|part| part.parcels.iter().cloned())
            .collect();
        if !parcels.is_empty() {
            let recorded = self.ledger.record(&parcels).await?;
            self.health.tally.recorded(recorded);
            if recorded.missing > 0 {
                let missing = recorded.missing;
                tracing::warn!(missing, "facts are missing in the ledger; it says which");
            }
        }
        for part in parts {
            // what is not cleared now is carried again, and recorded no second time
            if self.store.clear(part.due.id, &part.place).await.is_ok() {
                let backlog = &self.health.backlog;
                backlog.done(part.due, part.facts, part.rest_ms);
            }
            let is_taken = |refused: &(SessionId, String)| refused.0 == part.due.id;
            drop(
                self.health
                    .refused
                    .lock()
                    .take_if(|refused| is_taken(refused)),
            );
        }
        Ok(())
    }

    /// A batch was refused: whose fault it was is set aside, and the others go on.
    async fn one_by_one(&mut self, parts: Vec<Part>) -> Result<bool, Duration> {
        for part in parts {
            let id = part.due.id;
            match self.record(&[part]).await {
                Ok(()) => {}
                Err(error @ LedgerError::Refused(_)) => {
                    self.count(&error);
                    self.set_aside(id, &error.to_string());
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(true)
    }

    fn set_aside(&self, id: SessionId, why: &str) {
        tracing::error!(session = %id, why, "facts are set aside");
        self.health.backlog.set_aside(id, SET_ASIDE);
        *self.health.refused.lock() = Some((id, why.to_owned()));
    }

    fn well(&mut self) {
        self.failures = 0;
        self.health.tally.up.set(1);
        if self.health.trouble.lock().take().is_some() {
            tracing::info!(place = self.ledger.place(), "the ledger is written to");
        }
    }

    fn failed(&mut self, error: &LedgerError) -> Duration {
        self.count(error);
        // what comes back may be another database, or an older one
        self.is_ready = false;
        let why = error.to_string();
        let before = self.health.trouble.lock().replace(why.clone());
        if before.is_none() {
            self.health.tally.outages.inc();
            self.health.tally.up.set(0);
        }
        if before.as_ref() != Some(&why) {
            let place = self.ledger.place();
            tracing::warn!(
                place,
                why,
                "the ledger is not written to; facts wait in the store"
            );
        }
        self.pause()
    }

    fn count(&self, error: &LedgerError) {
        let reason = match error {
            LedgerError::Away(_) => "away",
            LedgerError::Newer { .. } => "newer",
            LedgerError::Changed { .. } => "changed",
            LedgerError::Refused(_) => "refused",
        };
        let failures = &self.health.tally.failures;
        failures.with_label_values(&[reason]).inc();
    }

    /// Ever longer, and not all processes at once.
    fn pause(&mut self) -> Duration {
        let doubled = PAUSE.saturating_mul(1 << self.failures.min(10));
        self.failures += 1;
        doubled
            .min(PAUSE_MAX)
            .mul_f64(0.5 + 0.5 * random::fraction())
    }
}

impl Part {
    const fn new(due: Due, place: Place) -> Self {
        Self {
            due,
            place,
            facts: 0,
            rest_ms: None,
            parcels: Vec::new(),
        }
    }
}
