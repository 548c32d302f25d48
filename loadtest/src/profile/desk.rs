//! One session of a run: the person, and the books of everything that is connected to it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::trader::Trader;
use crate::clock::Instant;
use crate::ledger::{Account, Audit, Commands, Findings, Kind, Listener};

/// Who a session is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Lives on the endpoints that are disturbed.
    Moved,
    /// Lives on the endpoint that nobody touches, behind the same proxy.
    Reference,
}

/// One session, its clients' books and what the session says of itself.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) group: Group,
    pub(super) trader: Trader,
    /// Of the WebSocket, the event stream, and plain requests.
    pub(super) told: RefCell<Account>,
    pub(super) heard: RefCell<Account>,
    pub(super) asked: RefCell<Account>,
    pub(super) commands: RefCell<Commands>,
    pub(super) audit: RefCell<Audit>,
    /// The id of the last entry that the audit has.
    pub(super) audited: RefCell<Option<String>>,
    /// Who answered for the session, and since when.
    pub(super) homes: RefCell<Vec<(Duration, String)>>,
    /// Why the session could not be asked at the end.
    pub(super) unread: RefCell<Option<String>>,
}

/// What all clients of a run have in common.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) start: Instant,
    /// Nobody orders any more.
    pub(super) quiet: CancellationToken,
    /// Connections may go.
    pub(super) done: CancellationToken,
    /// The proxy that event streams go through, if it is another one.
    pub(super) events_through: Option<SocketAddr>,
    /// Orders a second.
    pub(super) orders: f64,
    /// Plain requests a second; none for zero.
    pub(super) requests: u32,
    /// What is subscribed to; everything for none.
    pub(super) channels: Option<&'static str>,
    /// Only there it is wrong that another endpoint answers.
    pub(super) stays: bool,
    /// Orders beside the steady ones.
    pub(super) volleys: watch::Receiver<Option<Volley>>,
    /// Counts how often everybody has to come back.
    pub(super) storms: watch::Receiver<u32>,
}

/// Many orders of each session around one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volley {
    pub(super) at: Instant,
    pub(super) orders: u32,
    pub(super) apart: Duration,
}

/// The name of the one client that orders.
pub(super) const CLIENT: &str = "load";

impl Desk {
    pub(super) fn new(group: Group, trader: Trader) -> Self {
        Self {
            group,
            trader,
            told: RefCell::default(),
            heard: RefCell::default(),
            asked: RefCell::default(),
            commands: RefCell::default(),
            audit: RefCell::default(),
            audited: RefCell::default(),
            homes: RefCell::default(),
            unread: RefCell::default(),
        }
    }

    /// The endpoint that answered at this time or last before it.
    pub(super) fn home(&self, at: Duration) -> Option<String> {
        let homes = self.homes.borrow();
        let before = homes.iter().rev().find(|(since, _)| *since <= at);
        before.map(|(_, home)| home.clone())
    }

    /// Somebody answered for the session.
    pub(super) fn answered_by(&self, at: Duration, endpoint: &str) {
        let mut homes = self.homes.borrow_mut();
        if homes.last().is_none_or(|(_, home)| home != endpoint) {
            homes.push((at, endpoint.to_owned()));
        }
    }

    /// Who answered, and from when on, in seconds.
    pub(super) fn known_homes(&self) -> Vec<(f64, String)> {
        let homes = self.homes.borrow();
        let seconds = |(since, home): &(Duration, String)| (since.as_secs_f64(), home.clone());
        homes.iter().map(seconds).collect()
    }

    /// What the WebSocket and the event stream are due.
    pub(super) fn listeners(channels: Option<&str>) -> [Listener; 2] {
        let kinds: Option<Vec<Kind>> =
            channels.map(|channels| channels.split(',').map(Kind::of).collect());
        [
            Listener::new(kinds.clone(), Some(CLIENT)),
            Listener::new(kinds, None),
        ]
    }

    /// Everything that is wrong here.
    pub(super) fn findings(&self, channels: Option<&str>) -> Findings {
        let audit = self.audit.borrow();
        let [told, heard] = Self::listeners(channels);
        let commands = self.commands.borrow();
        [
            self.told.borrow().findings(),
            self.heard.borrow().findings(),
            self.asked.borrow().findings(),
            commands.findings(),
            audit.compare(&self.told.borrow(), &told),
            audit.compare(&self.heard.borrow(), &heard),
            audit.compare_commands(&commands),
            Findings {
                unread: u64::from(self.unread.borrow().is_some()),
                ..Findings::default()
            },
        ]
        .into_iter()
        .sum()
    }
}
