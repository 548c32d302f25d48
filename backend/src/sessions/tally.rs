//! What is counted about sessions, for `/metrics`.

use holdfast_session::engine::Start;
use holdfast_session::view::ResetReason;
use prometheus::{IntCounterVec, Opts};

/// Counters that several sessions share.
pub struct Tally {
    /// Connections that came back, by how they went on.
    pub resumes: IntCounterVec,
    /// What a store turned out to have lost.
    pub losses: IntCounterVec,
    /// What was refused because a quota is used up.
    pub refusals: IntCounterVec,
}

/// What users may have only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Sessions.
    Sessions,
    /// WebSockets and streams.
    Streams,
    /// Operations on orders a second.
    Orders,
}

impl Quota {
    const ALL: [Self; 3] = [Self::Sessions, Self::Streams, Self::Orders];

    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Streams => "streams",
            Self::Orders => "orders",
        }
    }
}

/// What a store can lose, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The end of a journal; its owner wrote a snapshot of what it has in memory.
    Tail,
    /// A claim; its owner claimed the session again.
    Claim,
    /// A session; its owner wrote it anew.
    Session,
    /// Perhaps its last moments, and the owner with them: its clients are sent `reset`.
    Moments,
    /// A session that nobody has in memory: a client came back to nothing.
    Gone,
}

impl Loss {
    const ALL: [Self; 5] = [
        Self::Tail,
        Self::Claim,
        Self::Session,
        Self::Moments,
        Self::Gone,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Tail => "tail",
            Self::Claim => "claim",
            Self::Session => "session",
            Self::Moments => "moments",
            Self::Gone => "gone",
        }
    }
}

impl Tally {
    pub(crate) fn new() -> Self {
        let counter = |name: &str, help: &str, label: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &[label]);
            counter.expect("name and help are constants")
        };
        let tally = Self {
            resumes: counter(
                "holdfast_backend_resumes_total",
                "Connections that came back, by outcome: whole, or why they were reset",
                "outcome",
            ),
            losses: counter(
                "holdfast_backend_store_losses_total",
                "Losses of the store that were found: tail, claim, session, moments, gone",
                "what",
            ),
            refusals: counter(
                "holdfast_backend_quota_refusals_total",
                "Requests refused because a user's quota is used up: sessions, streams, orders",
                "quota",
            ),
        };
        // a counter that is not there cannot be watched
        for loss in Loss::ALL {
            tally.losses.with_label_values(&[loss.name()]);
        }
        for quota in Quota::ALL {
            tally.refusals.with_label_values(&[quota.name()]);
        }
        tally
    }

    /// A request was refused because a quota is used up.
    pub fn refused(&self, quota: Quota) {
        self.refusals.with_label_values(&[quota.name()]).inc();
    }

    pub(super) fn lost(&self, what: Loss) {
        self.losses.with_label_values(&[what.name()]).inc();
    }

    pub(super) fn resumed(&self, start: &Start) {
        let outcome = match start {
            Start::Fresh => return,
            Start::After(_) => "whole",
            Start::Reset(ResetReason::Epoch) => "epoch",
            Start::Reset(ResetReason::Trimmed) => "trimmed",
            Start::Reset(ResetReason::Restarted) => "restarted",
            Start::Reset(ResetReason::Ahead) => "ahead",
            Start::Reset(ResetReason::Diverged) => "diverged",
        };
        self.resumes.with_label_values(&[outcome]).inc();
    }
}
