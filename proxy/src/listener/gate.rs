//! How long may this connection's bytes take to come, and how many may they be?
//!
//! Pingora bounds each single read, never the whole of a head or a body. The gate does: it is
//! shared by the stream, which reads, and the edge, which knows where head and body end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// One connection, as stream and edge share it.
#[derive(Debug)]
pub struct Gate {
    /// The client, as the socket or the PROXY header says.
    pub client: SocketAddr,
    /// Did it come over TLS?
    pub secure: bool,
    /// Bytes of the longest head.
    pub(super) head_max: usize,
    /// For a whole head.
    pub(super) head_timeout: Duration,
    /// For a whole body.
    pub(super) body_timeout: Duration,
    phase: AtomicU8,
    refusal: AtomicU8,
    requests: AtomicU64,
}

/// What is read at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing yet: between two requests.
    Idle,
    /// A head: time and bytes are bounded.
    Head,
    /// A body: time is bounded.
    Body,
    /// Anything: a relay took over, or nothing is expected.
    Open,
}

/// Why the stream stopped reading of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// Nothing was sent at all; there is nobody to answer.
    Silent = 1,
    /// The head did not come in time.
    HeadTime,
    /// The head is too long.
    HeadSize,
    /// The body did not come in time.
    BodyTime,
    /// What came is no request.
    Malformed,
    /// A tunnel was asked for.
    Tunnel,
}

impl Gate {
    /// A new connection: its first head is due.
    pub fn new(client: SocketAddr, secure: bool, limits: &crate::config::Limits) -> Self {
        Self {
            client,
            secure,
            head_max: limits.head,
            head_timeout: limits.head_timeout,
            body_timeout: limits.body_timeout,
            phase: AtomicU8::new(Phase::Head as u8),
            refusal: AtomicU8::new(0),
            requests: AtomicU64::new(0),
        }
    }

    /// The next request may come, or may not.
    pub fn idle(&self) {
        self.set(Phase::Idle);
    }

    /// The head is whole and a body follows.
    pub fn body(&self) {
        self.set(Phase::Body);
    }

    /// Head and body are whole, or somebody else watches over them now.
    pub fn open(&self) {
        self.set(Phase::Open);
    }

    /// What is read at the moment.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Body,
            _ => Phase::Open,
        }
    }

    /// Why the stream stopped reading, if it did.
    pub fn refusal(&self) -> Option<Refusal> {
        match self.refusal.load(Ordering::Acquire) {
            1 => Some(Refusal::Silent),
            2 => Some(Refusal::HeadTime),
            3 => Some(Refusal::HeadSize),
            4 => Some(Refusal::BodyTime),
            5 => Some(Refusal::Malformed),
            6 => Some(Refusal::Tunnel),
            _ => None,
        }
    }

    /// Counts the requests of the connection; the first is 1.
    pub fn count_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn head(&self) {
        self.set(Phase::Head);
    }

    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refusal.store(refusal as u8, Ordering::Release);
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }
}
