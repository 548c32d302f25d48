//! An endpoint: a process that runs sessions. What decides is `holdfast_session`'s; what is here
//! carries its mail, writes and legs, in the same order of work as the backend's own tasks.

mod dial;
mod leg;
mod losses;
mod opening;
mod running;
mod writes;
mod yielding;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use holdfast_session::id::{ClaimId, ConnectionId};
use holdfast_session::log::Log;
use holdfast_session::ownership::{Ancestors, Claim, Owner, Record};

pub(crate) use dial::Dial;
pub(crate) use leg::Leg;
pub(crate) use running::Released;
use running::{Mail, Running};

use crate::hub::{Act, Hub, Reply, Task, poll_once};
use crate::store::{Fence, Store, StoreError};

/// One endpoint and its present process.
pub(crate) struct Endpoint {
    pub(crate) name: &'static str,
    pub(crate) life: Life,
    pub(crate) node: Rc<Node>,
    tasks: Vec<Task>,
    /// What came while it was paused.
    pub(crate) inbox: Vec<Act>,
    /// Something came for it.
    pub(crate) dirty: bool,
}

/// Whether its process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    Paused,
    Dead,
}

/// A process: what its tasks share.
pub(crate) struct Node {
    pub(crate) hub: Rc<Hub>,
    pub(crate) index: usize,
    pub(crate) owner: Owner,
    pub(crate) draining: Cell<bool>,
    pub(crate) sessions: RefCell<BTreeMap<usize, Rc<Handle>>>,
    settling: RefCell<BTreeSet<usize>>,
    pub(crate) spawned: RefCell<Vec<Task>>,
    pub(crate) legs: RefCell<Vec<Rc<Leg>>>,
}

/// A session that runs here, as others reach it.
pub(crate) struct Handle {
    pub(crate) session: usize,
    mail: RefCell<VecDeque<Mail>>,
    pub(crate) log: RefCell<Log>,
    over: Cell<bool>,
    /// Of the open legs, which speaks for each connection.
    legs: RefCell<BTreeMap<ConnectionId, Rc<Leg>>>,
}

impl Endpoint {
    pub(crate) fn new(hub: &Rc<Hub>, index: usize, name: &'static str) -> Self {
        Self {
            name,
            life: Life::Running,
            node: Node::new(hub, index, name),
            tasks: Vec::new(),
            inbox: Vec::new(),
            dirty: true,
        }
    }

    /// Its process is started anew, under the same name.
    pub(crate) fn restart(&mut self, hub: &Rc<Hub>) {
        self.node = Node::new(hub, self.node.index, self.name);
        self.life = Life::Running;
    }

    /// `kill -9`: its tasks are gone, what it held in memory too.
    pub(crate) fn kill(&mut self) -> Vec<Rc<Leg>> {
        self.life = Life::Dead;
        self.tasks.clear();
        self.inbox.clear();
        self.node.spawned.take();
        self.node.sessions.take();
        self.node.legs.take()
    }

    /// Lets its tasks do what they can.
    pub(crate) fn run(&mut self) {
        if self.life != Life::Running {
            return;
        }
        self.dirty = false;
        for _ in 0..ROUNDS_MAX {
            self.tasks.append(&mut self.node.spawned.borrow_mut());
            poll_once(&mut self.tasks);
            let stirred = self.node.hub.take_stirred();
            if !stirred && self.node.spawned.borrow().is_empty() {
                break;
            }
        }
        let legs = self.node.legs.borrow().clone();
        for leg in &legs {
            leg.pump(&self.node);
        }
        self.node.legs.borrow_mut().retain(|leg| !leg.is_gone());
    }

    /// Messages that wait in mailboxes, at most in one of them.
    pub(crate) fn mail_max(&self) -> usize {
        let sessions = self.node.sessions.borrow();
        let lengths = sessions.values().map(|handle| handle.mail.borrow().len());
        lengths.max().unwrap_or(0)
    }

    pub(crate) fn set_draining(&self, draining: bool) {
        self.node.draining.set(draining);
        for handle in self.node.sessions.borrow().values() {
            handle.post(Mail::Leaving(draining));
        }
        self.node.hub.stir();
    }
}

impl Node {
    fn new(hub: &Rc<Hub>, index: usize, name: &str) -> Rc<Self> {
        let incarnation = hub.chance(|chance| chance.bits128());
        Rc::new(Self {
            hub: hub.clone(),
            index,
            owner: Owner {
                endpoint: name.parse().expect("an endpoint's name"),
                incarnation: holdfast_session::id::Incarnation::new(incarnation),
                address: name.to_owned(),
            },
            draining: Cell::new(false),
            sessions: RefCell::default(),
            settling: RefCell::default(),
            spawned: RefCell::default(),
            legs: RefCell::default(),
        })
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.spawned.borrow_mut().push(Box::pin(task));
        self.hub.stir();
    }

    /// The record this process would write at a claim after `seen`.
    fn next_record(&self, seen: Claim, ancestors: Ancestors, leaving: bool) -> Record {
        Record {
            claim: Claim {
                generation: seen.generation + 1,
                id: ClaimId::new(self.hub.chance(|chance| chance.bits128())),
            },
            owner: self.owner.clone(),
            leaving,
            laid_down: false,
            ancestors,
        }
    }

    /// Asks the store. What was asked is done even if the asker does not wait for it.
    pub(crate) async fn store<T: 'static>(
        &self,
        ask: impl FnOnce(&mut Store) -> Result<T, StoreError> + 'static,
    ) -> Result<T, StoreError> {
        let reply = Reply::new(&self.hub);
        let (place, who) = (reply.clone(), self.index);
        let late = self.hub.chance(|chance| chance.between(0, 2));
        self.hub
            .post(late, move |world| world.ask_store(who, ask, place));
        reply.wait().await
    }
}

impl Handle {
    fn post(&self, mail: Mail) {
        self.mail.borrow_mut().push_back(mail);
    }

    pub(crate) fn release(&self, reply: Reply<Released>) {
        self.post(Mail::Release(reply));
    }

    /// One data message of a leg.
    pub(crate) fn say(&self, leg: &Leg, text: String) {
        self.post(Mail::Say {
            connection: leg.connection,
            attempt: leg.attempt,
            text,
        });
    }

    pub(crate) fn is_crowded(&self) -> bool {
        self.mail.borrow().len() >= MAILBOX
    }
}

impl Running {
    fn fence(&self) -> Fence {
        Fence {
            session: self.handle.session,
            claim: self.holder.claim(),
            length: self.engine.length(),
        }
    }
}

/// Times the tasks of one process are polled in one moment.
const ROUNDS_MAX: usize = 64;
/// Messages in a session's mailbox, beside those that were read with the last one.
pub(crate) const MAILBOX: usize = 64;
