//! What everybody in the simulated world shares: the time, chance, what is under way, and what
//! was seen. And just enough of an executor for the endpoints' tasks.
//!
//! Nothing here wakes anybody: a task is polled again when something came for its endpoint or a
//! moment came that one of its tasks waits for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::act::{Deed, Step};
use crate::chance::Chance;
use crate::world::World;
use crate::{Mutation, Sight};

/// Something that happens later.
pub(crate) type Act = Box<dyn FnOnce(&mut World)>;

/// A fault that waits for a step.
struct Ambush {
    step: Step,
    at: Option<usize>,
    deed: Deed,
    span: Option<u64>,
}

/// A task of an endpoint's process.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Shared by everybody.
pub(crate) struct Hub {
    /// Milliseconds since the start.
    now: Cell<u64>,
    number: Cell<u64>,
    posted: RefCell<BTreeMap<(u64, u64), Act>>,
    /// When which endpoint's tasks want to be polled.
    timers: RefCell<BTreeSet<(u64, usize)>>,
    chance: RefCell<Chance>,
    stirred: Cell<bool>,
    seen: RefCell<Vec<Sight>>,
    ambushes: RefCell<Vec<Ambush>>,
    pub(crate) mutation: Option<Mutation>,
}

impl Hub {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>) -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(0),
            number: Cell::new(0),
            posted: RefCell::default(),
            timers: RefCell::default(),
            chance: RefCell::new(Chance::new(seed)),
            stirred: Cell::new(false),
            seen: RefCell::default(),
            ambushes: RefCell::default(),
            mutation,
        })
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Milliseconds since 1970.
    pub(crate) fn wall_ms(&self) -> u64 {
        EPOCH_MS + self.now()
    }

    pub(crate) fn set_now(&self, at: u64) {
        self.now.set(at);
    }

    pub(crate) fn mutates(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(crate) fn chance<T>(&self, ask: impl FnOnce(&mut Chance) -> T) -> T {
        ask(&mut self.chance.borrow_mut())
    }

    /// Lets something happen so many milliseconds from now.
    pub(crate) fn post(&self, delay: u64, act: impl FnOnce(&mut World) + 'static) {
        self.post_at(self.now() + delay, act);
    }

    pub(crate) fn post_at(&self, at: u64, act: impl FnOnce(&mut World) + 'static) {
        self.number.set(self.number.get() + 1);
        let key = (at, self.number.get());
        self.posted.borrow_mut().insert(key, Box::new(act));
    }

    /// When something is to happen next.
    pub(crate) fn next_post(&self) -> Option<u64> {
        self.posted.borrow().keys().next().map(|(at, _)| *at)
    }

    /// What is due now.
    pub(crate) fn take_due(&self) -> Option<Act> {
        let due = self.next_post().is_some_and(|at| at <= self.now());
        due.then(|| self.posted.borrow_mut().pop_first().map(|(_, act)| act))?
    }

    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.timers.borrow().first().map(|(at, _)| *at)
    }

    pub(crate) fn take_timer(&self) -> Option<usize> {
        let due = self.next_timer().is_some_and(|at| at <= self.now());
        due.then(|| self.timers.borrow_mut().pop_first().map(|(_, who)| who))?
    }

    /// Says that somebody else may have something to do now.
    pub(crate) fn stir(&self) {
        self.stirred.set(true);
    }

    pub(crate) fn take_stirred(&self) -> bool {
        self.stirred.replace(false)
    }

    /// Lets something be done as soon as an endpoint (this one, or any) comes to a step.
    pub(crate) fn lie_in_wait(&self, step: Step, at: Option<usize>, deed: Deed, span: Option<u64>) {
        let ambush = Ambush {
            step,
            at,
            deed,
            span,
        };
        self.ambushes.borrow_mut().push(ambush);
    }

    /// How many deeds wait for their step.
    pub(crate) fn in_wait(&self) -> usize {
        self.ambushes.borrow().len()
    }

    /// Nothing waits for a step any more.
    pub(crate) fn call_off(&self) {
        self.ambushes.borrow_mut().clear();
    }

    /// Endpoint `who` has come to a step.
    pub(crate) fn step(&self, who: usize, step: Step) {
        let mut ambushes = self.ambushes.borrow_mut();
        if ambushes.is_empty() {
            return;
        }
        let meets = |ambush: &Ambush| ambush.step == step && ambush.at.is_none_or(|at| at == who);
        if let Some(at) = ambushes.iter().position(meets) {
            let Ambush { deed, span, .. } = ambushes.remove(at);
            let deed = deed.named(who);
            self.post(0, move |world| world.perform(deed, span));
        }
    }

    pub(crate) fn see(&self, sight: Sight) {
        self.seen.borrow_mut().push(sight);
    }

    pub(crate) fn take_seen(&self) -> Vec<Sight> {
        self.seen.take()
    }

    /// Waits until this moment, as a task of endpoint `who`.
    pub(crate) fn sleep_until(self: &Rc<Self>, who: usize, at: u64) -> impl Future<Output = ()> {
        let hub = self.clone();
        poll_fn(move |_| {
            if hub.now() >= at {
                return Poll::Ready(());
            }
            hub.timers.borrow_mut().insert((at, who));
            Poll::Pending
        })
    }

    /// Gives `future` so many milliseconds.
    pub(crate) async fn timeout<T>(
        self: &Rc<Self>,
        who: usize,
        limit: u64,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        let mut over = pin!(self.sleep_until(who, self.now() + limit));
        poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            over.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

/// A place for one answer. Whoever asked may have gone when it comes.
pub(crate) struct Reply<T> {
    hub: Rc<Hub>,
    place: Rc<RefCell<Option<T>>>,
}

impl<T> Clone for Reply<T> {
    fn clone(&self) -> Self {
        Self {
            hub: self.hub.clone(),
            place: self.place.clone(),
        }
    }
}

impl<T> Reply<T> {
    pub(crate) fn new(hub: &Rc<Hub>) -> Self {
        Self {
            hub: hub.clone(),
            place: Rc::default(),
        }
    }

    pub(crate) fn give(&self, value: T) {
        *self.place.borrow_mut() = Some(value);
        self.hub.stir();
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.place.borrow_mut().take()
    }

    pub(crate) async fn wait(&self) -> T {
        poll_fn(|_| self.take().map_or(Poll::Pending, Poll::Ready)).await
    }
}

/// Polls every task once; those that are done are dropped.
pub(crate) fn poll_once(tasks: &mut Vec<Task>) {
    let mut cx = Context::from_waker(Waker::noop());
    tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
}

/// Wall time at the start of every run.
const EPOCH_MS: u64 = 1_750_000_000_000;
