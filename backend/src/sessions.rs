//! The sessions this process runs. `http/*` and `service/*` ask here and only
//! translate; who owns a session, what is accepted and what is emitted is
//! decided in `holdfast-session`.
//!
//! Every question about a session first settles who owns it, with the
//! [`Ask`] of the request: it may lead to a [`Refusal`] such as "the owner is
//! another endpoint", or to this endpoint taking the session over (from its
//! owner when that one lets go, from the store when it is gone), and only then
//! is it answered.

mod ask;
mod attachment;
mod refusal;

use std::sync::Arc;

use holdfast_session::id::{ClientId, EndpointId, EntryId, Incarnation, SessionId};
use holdfast_session::message::Answer;
use holdfast_session::view;

pub use ask::{Ask, CommandRequest, Dial, OrdersQuery, Transport};
pub use attachment::{Attachment, Delivery, Ending, Input, LegEnded, Outgoing, Output};
pub use refusal::Refusal;

use crate::handoff::{Handoff, ReleaseAsk, Released};
use crate::store::Store;

/// This process, as the store names owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The name that outlives the address.
    pub endpoint: EndpointId,
    /// This start of the process; drawn at random.
    pub incarnation: Incarnation,
    /// Where other backends reach this one's gRPC: `host:port`.
    pub address: String,
}

/// A cheap handle on the sessions this process runs.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

/// What `/health` counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions this process owns and runs.
    pub sessions: usize,
    /// WebSockets and event streams attached to them.
    pub connections: usize,
    /// Clients that have such a connection.
    pub clients: usize,
}

impl Sessions {
    /// Sessions of the endpoint `me`, kept in `store`, pulled from other
    /// endpoints by `handoff`.
    pub fn new(me: Me, store: Arc<dyn Store>, handoff: Arc<dyn Handoff>) -> Self {
        Self {
            inner: Arc::new(Inner { me, store, handoff }),
        }
    }

    /// This process, as the store names owners.
    pub fn me(&self) -> &Me {
        &self.inner.me
    }

    /// Creates a session owned by this endpoint and starts its simulator.
    pub async fn create(
        &self,
        subject: Option<&str>,
        request: view::SessionRequest,
    ) -> Result<view::Session, Refusal> {
        let _ = (subject, request, &self.inner.me, &self.inner.handoff);
        Err(Refusal::unavailable("not yet"))
    }

    /// The subject's sessions, newest first, whoever owns them (at most 1,000).
    pub async fn list(&self, subject: Option<&str>) -> Result<Vec<view::Session>, Refusal> {
        let _ = (subject, &self.inner.store);
        Err(Refusal::unavailable("not yet"))
    }

    /// One session.
    pub async fn read(&self, id: SessionId, ask: &Ask) -> Result<view::Session, Refusal> {
        let _ = (id, ask);
        Err(Refusal::unavailable("not yet"))
    }

    /// Ends a session for good: its legs end with [`Ending::Ended`], later
    /// requests for it are [`Refusal::Ended`].
    pub async fn end(&self, id: SessionId, ask: &Ask) -> Result<(), Refusal> {
        let _ = (id, ask);
        Err(Refusal::unavailable("not yet"))
    }

    /// Attaches a connection: ends its older legs, throws away what they had
    /// not yet accepted, and says where this leg starts.
    pub async fn open(&self, id: SessionId, ask: &Ask, dial: Dial) -> Result<Attachment, Refusal> {
        let _ = (id, ask, dial);
        Err(Refusal::unavailable("not yet"))
    }

    /// Executes one command that came without a connection. It returns when
    /// the command is journaled and done; the same key gets the same answer
    /// without doing it again.
    pub async fn command(
        &self,
        id: SessionId,
        ask: &Ask,
        request: CommandRequest,
    ) -> Result<Answer, Refusal> {
        let _ = (id, ask, request);
        Err(Refusal::unavailable("not yet"))
    }

    /// The whole book of a symbol; [`Refusal::Missing`] when there is no such symbol.
    pub async fn book(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
    ) -> Result<view::Book, Refusal> {
        let _ = (id, ask, symbol);
        Err(Refusal::unavailable("not yet"))
    }

    /// The latest trades of a symbol, oldest first.
    pub async fn trades(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
    ) -> Result<Vec<view::Trade>, Refusal> {
        let _ = (id, ask, symbol);
        Err(Refusal::unavailable("not yet"))
    }

    /// What the user holds.
    pub async fn positions(
        &self,
        id: SessionId,
        ask: &Ask,
    ) -> Result<Vec<view::Position>, Refusal> {
        let _ = (id, ask);
        Err(Refusal::unavailable("not yet"))
    }

    /// The user's orders, newest first.
    pub async fn orders(
        &self,
        id: SessionId,
        ask: &Ask,
        query: OrdersQuery,
    ) -> Result<view::OrderPage, Refusal> {
        let _ = (id, ask, query);
        Err(Refusal::unavailable("not yet"))
    }

    /// One of the user's orders.
    pub async fn order(
        &self,
        id: SessionId,
        ask: &Ask,
        order: &str,
    ) -> Result<view::Order, Refusal> {
        let _ = (id, ask, order);
        Err(Refusal::unavailable("not yet"))
    }

    /// What the simulator is doing.
    pub async fn simulator(&self, id: SessionId, ask: &Ask) -> Result<view::Simulator, Refusal> {
        let _ = (id, ask);
        Err(Refusal::unavailable("not yet"))
    }

    /// Everything at this moment.
    pub async fn snapshot(&self, id: SessionId, ask: &Ask) -> Result<view::Snapshot, Refusal> {
        let _ = (id, ask);
        Err(Refusal::unavailable("not yet"))
    }

    /// What was emitted after `after` (from the oldest kept when `None`), at
    /// most 1,000 entries. An `after` that is no longer kept is
    /// [`Refusal::Invalid`] with the code `trimmed`: never a silent gap.
    pub async fn log(
        &self,
        id: SessionId,
        ask: &Ask,
        after: Option<EntryId>,
    ) -> Result<view::LogPage, Refusal> {
        let _ = (id, ask, after);
        Err(Refusal::unavailable("not yet"))
    }

    /// What a client's last 256 commands were answered.
    pub async fn commands(
        &self,
        id: SessionId,
        ask: &Ask,
        client: &ClientId,
    ) -> Result<view::CommandPage, Refusal> {
        let _ = (id, ask, client);
        Err(Refusal::unavailable("not yet"))
    }

    /// How many of everything, at this moment.
    pub fn counts(&self) -> Counts {
        Counts::default()
    }

    /// From now on (`true`) this endpoint says in every record it owns that it
    /// is leaving, creates nothing and takes nothing over; or (`false`) no longer.
    pub fn set_draining(&self, draining: bool) {
        let _ = draining;
    }

    /// Whether this endpoint drains.
    pub fn is_draining(&self) -> bool {
        false
    }

    /// Returns when the last session is gone from this process: pulled by
    /// other endpoints, ended, or laid down in the store.
    pub async fn emptied(&self) {}

    /// Lays down every session in the store (snapshot, leaving) and ends all
    /// legs with [`Ending::Moved`]: the last act before the process exits.
    pub async fn shut_down(&self) {}

    /// Another endpoint asks for a session. Answered when everything is in the
    /// store and the legs here have ended; may be asked twice and by several.
    pub async fn release(&self, ask: &ReleaseAsk) -> Released {
        let _ = ask;
        Released::NotOwner { generation: 0 }
    }

    /// Where the store stands; for health. `None` is well.
    pub fn store_trouble(&self) -> Option<String> {
        None
    }
}

struct Inner {
    me: Me,
    store: Arc<dyn Store>,
    handoff: Arc<dyn Handoff>,
}
