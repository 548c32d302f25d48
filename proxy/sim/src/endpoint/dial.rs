//! A dial at an endpoint: who owns the session is settled, then it answers.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use holdfast_core::connection::{Answer, Terms};
use holdfast_exchange::{CrowdSettings, FlowSettings, Scenario};
use holdfast_session::engine::{Engine, Founding, Mark, Revived, Stored};
use holdfast_session::id::{ClaimId, ClientId, ConnectionId, EndpointId, Epoch};
use holdfast_session::log::Log;
use holdfast_session::ownership::{
    self, Ancestors, Claim, Holder, Owner, Record, ReleaseAnswer, Served, after_release, judge,
};
use holdfast_wire::contract::EventId;

use super::running::{Mail, Opened, Refusal, Released, Running};
use super::writes::stored;
use super::{Handle, Node};
use crate::Sight;
use crate::act::Step;
use crate::hub::Reply;
use crate::store::{Found, Snapshot, Store, StoreError};
use crate::wire::Wire;

/// What a dial of a connection says.
pub(crate) struct Dial {
    pub(crate) session: usize,
    pub(crate) connection: ConnectionId,
    pub(crate) attempt: u32,
    pub(crate) last_event_id: Option<String>,
    pub(crate) generation: Option<Served>,
    pub(crate) moved_from: Vec<EndpointId>,
    pub(crate) client: ClientId,
    pub(crate) sse: bool,
    pub(crate) wire: Rc<Wire>,
}

impl Node {
    pub(crate) const fn hold_ms(&self) -> u64 {
        ownership::HOLD_MS
    }

    /// A dial has come.
    pub(crate) fn dialled(self: &Rc<Self>, dial: Rc<Dial>) {
        let node = self.clone();
        self.spawn(async move {
            let limit = node.hub.timeout(node.index, PATIENCE_MS, node.open(&dial));
            let opened = limit.await.unwrap_or(Err(Refusal::Unavailable));
            node.answer(&dial, opened);
        });
    }

    fn answer(&self, dial: &Dial, opened: Opened) {
        let answer = match opened {
            Ok(taken) => {
                if dial.wire.is_over() {
                    return taken.leg.gone();
                }
                *dial.wire.leg.borrow_mut() = Some(taken.leg.clone());
                self.legs.borrow_mut().push(taken.leg);
                Answer::Taken(Terms {
                    contract: true,
                    position: EventId::new(taken.position),
                    generation: Some(taken.claim.to_string().into()),
                    accepted: Some(taken.accepted).filter(|_| !dial.sse),
                })
            }
            Err(Refusal::Owner(owner)) => Answer::Elsewhere {
                owner: holdfast_core::EndpointId::parse(&owner).ok(),
                contract: true,
            },
            Err(Refusal::Missing) => Answer::Refused(404),
            Err(Refusal::Unavailable) => Answer::Elsewhere {
                owner: None,
                contract: true,
            },
            Err(Refusal::Superseded(seen)) => Answer::Conflict { seen },
        };
        let at = self.owner.endpoint.to_string();
        self.hub.see(Sight::Answered {
            client: dial.client.to_string(),
            at,
            answer: answer.clone(),
        });
        dial.wire.answer(answer);
    }

    async fn open(self: &Rc<Self>, dial: &Rc<Dial>) -> Opened {
        let handle = self.settle(dial).await?;
        let reply = Reply::new(&self.hub);
        handle.post(Mail::Open(dial.clone(), reply.clone()));
        self.hub.stir();
        poll_fn(|_| match reply.take() {
            Some(opened) => Poll::Ready(opened),
            None if handle.over.get() => Poll::Ready(Err(Refusal::Unavailable)),
            None => Poll::Pending,
        })
        .await
    }

    /// A session that runs here, taken over if the record and the dial allow it.
    async fn settle(self: &Rc<Self>, dial: &Dial) -> Result<Rc<Handle>, Refusal> {
        for _ in 0..ROUNDS {
            // one at a time per session; whoever waited finds it running
            let gate = self.gate(dial.session).await;
            let running = self.sessions.borrow().get(&dial.session).cloned();
            if let Some(handle) = running {
                return Ok(handle);
            }
            let settled = self.settle_once(dial).await;
            drop(gate);
            if let Some(handle) = settled? {
                return Ok(handle);
            }
        }
        Err(Refusal::Unavailable)
    }

    async fn gate(self: &Rc<Self>, session: usize) -> Gate {
        poll_fn(|_| {
            let free = self.settling.borrow_mut().insert(session);
            if free { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Gate {
            node: self.clone(),
            session,
        }
    }

    /// `None`: it changed hands meanwhile, look again.
    async fn settle_once(self: &Rc<Self>, dial: &Dial) -> Result<Option<Rc<Handle>>, Refusal> {
        let session = dial.session;
        let found = self.store(move |store| store.find(session)).await;
        let found = found.map_err(|_| Refusal::Unavailable)?;
        let Found { record, .. } = found.ok_or(Refusal::Missing)?;
        let draining = self.draining.get();
        let mut step = judge(&record, &self.owner, &dial.moved_from, draining);
        if let ownership::Step::AskRelease(owner) = step {
            self.hub.step(self.index, Step::Asks);
            let answer = self.ask_release(session, &owner).await;
            self.hub.step(self.index, Step::Released);
            step = after_release(answer, owner);
        }
        match step {
            ownership::Step::Claim => self.claim(session, record).await,
            ownership::Step::Redirect(owner) | ownership::Step::AskRelease(owner) => {
                Err(Refusal::Owner(owner.endpoint.to_string()))
            }
            ownership::Step::Decline => Err(Refusal::Unavailable),
        }
    }

    async fn ask_release(self: &Rc<Self>, session: usize, owner: &Owner) -> ReleaseAnswer {
        let reply = Reply::new(&self.hub);
        let (place, name, from) = (reply.clone(), owner.address.clone(), self.index);
        self.hub.post(1, move |world| {
            world.ask_release(from, &name, session, place)
        });
        let limit = self.hub.timeout(self.index, RELEASE_MS, reply.wait());
        match limit.await.flatten() {
            Some(Released::LetGo) => ReleaseAnswer::Released,
            Some(Released::Held) => ReleaseAnswer::Held,
            Some(Released::NotOwner) => ReleaseAnswer::NotOwner,
            None => ReleaseAnswer::Unreachable,
        }
    }

    async fn claim(
        self: &Rc<Self>,
        session: usize,
        record: Record,
    ) -> Result<Option<Rc<Handle>>, Refusal> {
        let seen = record.claim;
        let lineage = record.lineage();
        let next = self.next_record(seen, lineage.clone(), self.draining.get());
        let claim = next.claim;
        self.hub.step(self.index, Step::Claims);
        let claimed = self.store(move |store| store.claim(session, seen, next));
        let state = match claimed.await {
            Ok(state) => state,
            Err(StoreError::Fenced { .. } | StoreError::Missing) => return Ok(None),
            Err(_) => return Err(Refusal::Unavailable),
        };
        self.hub.step(self.index, Step::Claimed);
        self.hub.see(Sight::Claimed {
            session,
            at: self.owner.endpoint.to_string(),
            generation: claim.generation,
        });
        let fresh = Epoch::new(self.hub.chance(|chance| chance.draw() >> 11));
        let from = Stored {
            rewound: state.rewound,
            ..stored(&state.snapshot, &state.journal)
        };
        let revived = Engine::revive(from, claim.generation, CATCH_UP_MS, fresh);
        let Revived {
            engine,
            log,
            same_epoch,
            mark,
        } = revived.expect("what the store gives back can be revived");
        let revived_at = Some(mark).filter(|_| same_epoch);
        let holder = Holder::new(claim, lineage, self.hub.now());
        Ok(Some(self.start(session, holder, engine, log, revived_at)))
    }

    fn start(
        self: &Rc<Self>,
        session: usize,
        holder: Holder,
        engine: Engine,
        log: Log,
        revived_at: Option<Mark>,
    ) -> Rc<Handle> {
        let handle = Rc::new(Handle {
            session,
            mail: RefCell::default(),
            log: RefCell::new(log),
            over: Cell::new(false),
            legs: RefCell::default(),
        });
        let running = Running::new(self, &handle, engine, holder, revived_at);
        self.sessions.borrow_mut().insert(session, handle.clone());
        self.spawn(running.run());
        handle
    }

    /// A new session, run here.
    pub(crate) fn found(self: &Rc<Self>, store: &mut Store) -> usize {
        let seed = self.hub.chance(|chance| chance.draw());
        let founding = Founding {
            scenario: market(),
            seed: seed >> 11,
            wall_ms: self.hub.wall_ms(),
            catch_up_ms: CATCH_UP_MS,
        };
        let engine = Engine::found(&founding).expect("a sound market");
        let log = Log::new(Epoch::new(seed >> 12), 0);
        let unowned = Claim {
            generation: 0,
            id: ClaimId::new(0),
        };
        let record = self.next_record(unowned, Ancestors::default(), false);
        let holder = Holder::new(record.claim, Ancestors::default(), self.hub.now());
        let snapshot = Snapshot {
            length: 0,
            seq: 0,
            at_ms: founding.wall_ms,
            state: engine.state(&log).expect("nothing is open"),
            last_act: false,
            epoch: log.epoch().clone(),
        };
        let session = store.create(record, snapshot);
        self.start(session, holder, engine, log, None);
        session
    }
}

/// A small market: one instrument, a few trades a second.
fn market() -> Scenario {
    let mut market = Scenario::default();
    market.symbols.truncate(1);
    market.remembered = 20;
    market.flow = FlowSettings {
        crowd: Some(CrowdSettings {
            limit_rate: 0.05,
            market_rate: 0.5,
            cancel_rate: 0.05,
            prices: 10,
            lots: 100,
        }),
        makers: None,
        momentum: None,
        value: None,
        queues: None,
        clusters: None,
        large_orders: None,
        shocks: Vec::new(),
    };
    market
}

/// The turn of one dial at settling a session.
struct Gate {
    node: Rc<Node>,
    session: usize,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.node.settling.borrow_mut().remove(&self.session);
        self.node.hub.stir();
    }
}

/// How often a session that changes hands under our eyes is looked at anew.
const ROUNDS: usize = 4;
const PATIENCE_MS: u64 = 5_000;
/// One call of another endpoint, in all.
const RELEASE_MS: u64 = 1_000;
pub(crate) const CATCH_UP_MS: u64 = 120_000;
