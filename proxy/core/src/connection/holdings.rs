//! What all connections of the process hold together, and when that is too much.
//!
//! Each connection has bounds of its own, but a hundred thousand of them have a hundred thousand
//! times as much. So what they hold is summed up: bytes of messages that wait for somebody, and
//! connections that have no endpoint. Beyond the bound on bytes each connection may hold no more
//! than [`QUANTUM`]; who holds more is not read until it has let go of it. Nothing is thrown
//! away, and small messages still come and go. Messages that are not whole have to be read on,
//! or nobody would ever let go: they may use a quarter more. Beyond that, longer ones pass
//! through in parts, and are lost if their endpoint dies meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::time::Instant;

/// The sums, shared by all connections of the process.
#[derive(Debug)]
pub struct Holdings {
    bytes: AtomicUsize,
    bytes_max: usize,
    parked: AtomicUsize,
    parked_max: usize,
    full: [AtomicU64; Buffer::ALL.len()],
}

/// A bound that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// Client messages that the endpoint has not accepted: the client is not read.
    Unaccepted,
    /// What the client has not taken: the endpoint is not read.
    Downstream,
    /// What all connections hold together: neither is read.
    Process,
}

/// One connection's part in the sums; dropping it gives everything back.
#[derive(Debug)]
pub(super) struct Share {
    holdings: Arc<Holdings>,
    /// Whole quanta of what it holds, in bytes: small messages cost no shared counter.
    counted: usize,
    parked: bool,
    /// The bounds it is at, as bits of [`Buffer`].
    full: u8,
    /// When to look again whether there is room for all.
    recheck: Option<Instant>,
}

impl Holdings {
    /// So much at most: bytes, and connections without an endpoint.
    pub const fn new(bytes_max: usize, parked_max: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
            parked: AtomicUsize::new(0),
            parked_max,
            full: [const { AtomicU64::new(0) }; Buffer::ALL.len()],
        }
    }

    /// Bytes held, but for less than [`QUANTUM`] of each connection.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Connections that look for an endpoint.
    pub fn parked(&self) -> usize {
        self.parked.load(Ordering::Relaxed)
    }

    /// How many times connections came to a bound.
    pub fn full(&self, buffer: Buffer) -> u64 {
        self.full[buffer as usize].load(Ordering::Relaxed)
    }

    fn is_tight(&self) -> bool {
        self.bytes() >= self.bytes_max
    }

    fn is_full(&self) -> bool {
        self.bytes() >= self.bytes_max.saturating_add(self.bytes_max / 4)
    }
}

impl Default for Holdings {
    fn default() -> Self {
        Self::new(usize::MAX, usize::MAX)
    }
}

impl Buffer {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Unaccepted, Self::Downstream, Self::Process];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unaccepted => "unaccepted",
            Self::Downstream => "downstream",
            Self::Process => "process",
        }
    }
}

impl Share {
    pub(super) const fn new(holdings: Arc<Holdings>) -> Self {
        Self {
            holdings,
            counted: 0,
            parked: false,
            full: 0,
            recheck: None,
        }
    }

    /// It holds so many bytes now.
    pub(super) fn hold(&mut self, bytes: usize) {
        let counted = bytes / QUANTUM * QUANTUM;
        if counted > self.counted {
            let more = counted - self.counted;
            self.holdings.bytes.fetch_add(more, Ordering::Relaxed);
        } else if counted < self.counted {
            let less = self.counted - counted;
            self.holdings.bytes.fetch_sub(less, Ordering::Relaxed);
        }
        self.counted = counted;
    }

    /// Its own bound, or less while all together hold too much.
    pub(super) fn bound(&self, own: usize) -> usize {
        match self.holdings.is_tight() {
            true => own.min(QUANTUM),
            false => own,
        }
    }

    /// The same for one message that has to be whole.
    pub(super) fn message_bound(&self, own: usize) -> usize {
        match self.holdings.is_full() {
            true => own.min(QUANTUM),
            false => own,
        }
    }

    /// It has no endpoint, or has one again. False: too many have none.
    #[must_use]
    pub(super) fn park(&mut self, parked: bool) -> bool {
        if parked == self.parked {
            return true;
        }
        let count = &self.holdings.parked;
        if !parked {
            count.fetch_sub(1, Ordering::Relaxed);
        } else if count.fetch_add(1, Ordering::Relaxed) >= self.holdings.parked_max {
            count.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.parked = parked;
        true
    }

    /// Whether it is at this bound; coming to it is counted.
    pub(super) fn at(&mut self, buffer: Buffer, full: bool, now: Instant) {
        let bit = 1 << buffer as u8;
        let was = self.full & bit != 0;
        if full && !was {
            self.holdings.full[buffer as usize].fetch_add(1, Ordering::Relaxed);
        }
        self.full = if full {
            self.full | bit
        } else {
            self.full & !bit
        };
        if buffer == Buffer::Process {
            self.recheck = full.then_some(now + RECHECK);
        }
    }

    /// When to look again: nobody tells it that others have let go.
    pub(super) const fn timeout(&self) -> Option<Instant> {
        self.recheck
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
        let _ = self.park(false);
    }
}

/// What a connection may hold in any case, and the grain in which it is counted.
pub const QUANTUM: usize = 4 << 10;
/// Between two looks whether there is room again.
const RECHECK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connections_hold_is_summed_up_in_quanta_and_given_back() {
        let holdings = Arc::new(Holdings::new(3 * QUANTUM, 10));
        let mut first = Share::new(holdings.clone());
        let mut second = Share::new(holdings.clone());
        first.hold(QUANTUM - 1);
        assert_eq!(holdings.bytes(), 0, "small messages are not counted");
        first.hold(2 * QUANTUM + 1);
        second.hold(QUANTUM);
        assert_eq!(holdings.bytes(), 3 * QUANTUM);
        assert_eq!(second.bound(64 << 10), QUANTUM, "no more for anybody");
        first.hold(QUANTUM);
        assert_eq!(second.bound(64 << 10), 64 << 10);
        drop((first, second));
        assert_eq!(holdings.bytes(), 0);
    }

    #[test]
    fn no_more_than_the_bound_are_parked() {
        let holdings = Arc::new(Holdings::new(0, 1));
        let mut first = Share::new(holdings.clone());
        let mut second = Share::new(holdings.clone());
        assert!(first.park(true) && first.park(true));
        assert!(!second.park(true));
        assert_eq!(holdings.parked(), 1);
        assert!(first.park(false) && second.park(true));
        drop(second);
        assert_eq!(holdings.parked(), 0);
    }

    #[test]
    fn coming_to_a_bound_is_counted_once() {
        let holdings = Arc::new(Holdings::default());
        let mut share = Share::new(holdings.clone());
        for full in [true, true, false, true] {
            share.at(Buffer::Process, full, Instant::START);
            assert_eq!(share.timeout().is_some(), full);
        }
        assert_eq!(holdings.full(Buffer::Process), 2);
        assert_eq!(holdings.full(Buffer::Unaccepted), 0);
    }
}
