//! What an endpoint carries right now.
//!
//! Counts change with every request, so they are atomics beside the snapshot rather than part of
//! it. They are only ever raised through a guard that lowers them when dropped: no path through
//! an error can leave one too high.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::affinity::AffinityKey;
use crate::health::Service;
use crate::route::Relay;

/// The counts of one endpoint, shared by every snapshot that contains it.
#[derive(Debug)]
pub struct Load {
    /// Requests in flight and connections open, by relay.
    open: [AtomicU32; Relay::ALL.len()],
    /// Sessions the endpoint last said it has; [`UNSAID`] until it said so.
    reported: AtomicU32,
    /// New clients this proxy sent there since.
    placed: AtomicU32,
    /// Of what is open, connections on their way to another endpoint or to their end.
    departing: AtomicU32,
    /// Whether it served somebody badly since it last served somebody well.
    suspect: AtomicBool,
    /// Whether something made what is known of it doubtful since it last answered a probe.
    doubted: AtomicBool,
    /// Clients that were told to leave while it drains. Only looked at while it does.
    told: Mutex<HashSet<AffinityKey>>,
}

impl Load {
    /// An endpoint nobody is connected to.
    pub fn idle() -> Arc<Self> {
        Arc::new(Self {
            open: Default::default(),
            reported: AtomicU32::new(UNSAID),
            placed: AtomicU32::new(0),
            departing: AtomicU32::new(0),
            suspect: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
            told: Mutex::default(),
        })
    }

    /// Counts one request or connection until the guard is dropped. Hold it for as long as
    /// the endpoint is busy with it.
    pub fn open(self: &Arc<Self>, relay: Relay) -> Open {
        self.open[relay as usize].fetch_add(1, Ordering::Relaxed);
        Open {
            load: self.clone(),
            relay,
            departing: false,
        }
    }

    /// Counts a client that had no claim on any endpoint and now has one on this.
    pub fn place(&self) {
        self.placed.fetch_add(1, Ordering::Relaxed);
    }

    /// What is open of this kind.
    pub fn open_count(&self, relay: Relay) -> u32 {
        self.open[relay as usize].load(Ordering::Relaxed)
    }

    /// Open WebSockets and event streams: what a drain has to move or close.
    pub fn connections(&self) -> u32 {
        self.open_count(Relay::WebSocket) + self.open_count(Relay::Sse)
    }

    /// Of these, the ones nobody has told to leave yet: what a drain still has to pace.
    pub fn staying(&self) -> u32 {
        let departing = self.departing.load(Ordering::Relaxed);
        self.connections().saturating_sub(departing)
    }

    /// Everything open.
    pub fn total(&self) -> u32 {
        Relay::ALL.iter().map(|&relay| self.open_count(relay)).sum()
    }

    /// Takes what the endpoint says of itself; placements start anew from there.
    pub fn report(&self, sessions: u32) {
        self.reported
            .store(sessions.min(UNSAID - 1), Ordering::Relaxed);
        self.placed.store(0, Ordering::Relaxed);
    }

    /// Forgets what the endpoint said: it is another incarnation, or fell silent.
    pub fn forget_report(&self) {
        self.reported.store(UNSAID, Ordering::Relaxed);
    }

    /// Sessions the endpoint last said it has.
    pub fn reported(&self) -> Option<u32> {
        Some(self.reported.load(Ordering::Relaxed)).filter(|&n| n != UNSAID)
    }

    /// The figure `least_sessions` and caps go by: what the endpoint says it has, which
    /// includes what other proxies sent, plus what this one sent since; for an endpoint that
    /// does not say, what this proxy has open there.
    pub fn sessions(&self) -> u32 {
        match self.reported() {
            Some(reported) => reported.saturating_add(self.placed.load(Ordering::Relaxed)),
            None => self.total(),
        }
    }

    /// Whether this outcome is news to the control plane: every bad one, and the first good
    /// one after it. So a healthy endpoint costs the control plane nothing.
    pub fn is_news(&self, service: Service) -> bool {
        match service {
            Service::Bad => {
                self.suspect.store(true, Ordering::Relaxed);
                true
            }
            Service::Good => {
                self.suspect.load(Ordering::Relaxed) && self.suspect.swap(false, Ordering::Relaxed)
            }
            Service::Silent => false,
        }
    }

    /// What is known of it is doubtful: news to the control plane once for each probe.
    pub fn doubt(&self) -> bool {
        !self.doubted.load(Ordering::Relaxed) && !self.doubted.swap(true, Ordering::Relaxed)
    }

    /// It answered a probe: what is known of it is true.
    pub fn trust(&self) {
        self.doubted.store(false, Ordering::Relaxed);
    }

    /// Remembers that this client was told to leave (Close 1012, or `retry:` and the end of
    /// its stream): when it comes back it belongs here no more. Beyond [`TOLD_MAX`] clients
    /// are not remembered, and stay until the drain's deadline.
    pub fn tell(&self, key: AffinityKey) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX {
            told.insert(key);
        }
    }

    /// Whether it was told to leave.
    pub fn was_told(&self, key: AffinityKey) -> bool {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&key)
    }

    /// Forgets whom it told: its drain is over.
    pub fn forget_told(&self) {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// One open request or connection; dropping it ends the count.
#[derive(Debug)]
pub struct Open {
    load: Arc<Load>,
    relay: Relay,
    departing: bool,
}

impl Open {
    /// Says whether it is on its way: to another endpoint, or to its end.
    pub fn set_departing(&mut self, departing: bool) {
        if departing != self.departing {
            self.departing = departing;
            let count = &self.load.departing;
            match departing {
                true => count.fetch_add(1, Ordering::Relaxed),
                false => count.fetch_sub(1, Ordering::Relaxed),
            };
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.set_departing(false);
        self.load.open[self.relay as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

/// Marks `reported` as never said.
const UNSAID: u32 = u32::MAX;
/// Clients of one draining endpoint that are remembered as told: 1 MiB or so.
pub const TOLD_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_guard_ends_its_count() {
        let load = Load::idle();
        let socket = load.open(Relay::WebSocket);
        let request = load.open(Relay::Http);
        assert_eq!((load.connections(), load.total()), (1, 2));
        drop(socket);
        assert_eq!((load.connections(), load.total()), (0, 1));
        drop(request);
        assert_eq!(load.total(), 0);
    }

    #[test]
    fn a_connection_on_its_way_is_there_and_does_not_stay() {
        let load = Load::idle();
        let mut first = load.open(Relay::WebSocket);
        let _second = load.open(Relay::Sse);
        first.set_departing(true);
        first.set_departing(true);
        assert_eq!((load.connections(), load.staying()), (2, 1));
        first.set_departing(false);
        assert_eq!(load.staying(), 2, "nobody else took it");
        first.set_departing(true);
        drop(first);
        assert_eq!((load.connections(), load.staying()), (1, 1));
    }

    #[test]
    fn reported_sessions_count_with_what_was_placed_since() {
        let load = Load::idle();
        let _request = load.open(Relay::Http);
        load.place();
        assert_eq!(
            load.sessions(),
            1,
            "an endpoint that says nothing is judged by what is open"
        );
        load.report(40);
        assert_eq!(load.sessions(), 40);
        load.place();
        assert_eq!(load.sessions(), 41);
        load.report(41);
        assert_eq!(
            load.sessions(),
            41,
            "the report includes the placed one by now"
        );
        load.forget_report();
        assert_eq!(load.sessions(), 1);
    }

    #[test]
    fn only_trouble_and_its_end_are_news() {
        let load = Load::idle();
        assert!(!load.is_news(Service::Good));
        assert!(load.is_news(Service::Bad));
        assert!(load.is_news(Service::Bad));
        assert!(!load.is_news(Service::Silent));
        assert!(load.is_news(Service::Good));
        assert!(!load.is_news(Service::Good));
    }

    #[test]
    fn who_was_told_to_leave_is_remembered_until_the_drain_ends() {
        let (load, key) = (Load::idle(), AffinityKey::from_bits(7));
        assert!(!load.was_told(key));
        load.tell(key);
        assert!(load.was_told(key) && !load.was_told(AffinityKey::from_bits(8)));
        load.forget_told();
        assert!(!load.was_told(key));
    }
}
