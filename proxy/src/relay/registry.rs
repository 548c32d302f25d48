//! Who is connected to whom, and orders to move or close.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdfast_core::connection::{Cause, Order};
use holdfast_core::{AffinityKey, ClusterName, EndpointId, Instant, Relay, control};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::leg::ConnectionId;
use crate::control::Orders;

/// All open connections of the process. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    /// By endpoint, since orders are about endpoints. Touched when connections open, move and
    /// end, never while they carry bytes.
    places: Mutex<HashMap<Place, HashMap<ConnectionId, Arc<Line>>>>,
    tracker: TaskTracker,
    now: Now,
}

/// Asks the present time.
pub type Now = Arc<dyn Fn() -> Instant + Send + Sync>;

type Place = (ClusterName, EndpointId);

/// One connection, as others see it: how to reach its relay, and what it says of itself.
#[derive(Debug)]
pub(crate) struct Line {
    id: ConnectionId,
    relay: Relay,
    key: AffinityKey,
    opened: Instant,
    /// Milliseconds since the start of the process when a byte was last relayed.
    active_ms: AtomicU64,
    moves: AtomicU32,
    call: Mutex<Call>,
}

#[derive(Debug, Default)]
struct Call {
    /// Not heard yet.
    order: Option<Order>,
    /// The last one, and why it was given.
    last: Option<(Order, &'static str)>,
    /// Until then the last order is being carried out, or none is listened to.
    busy_until: Option<Instant>,
    waker: Option<Waker>,
}

/// An open connection, as operators see it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its id, as endpoints know it.
    pub id: ConnectionId,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Where it is.
    pub endpoint: EndpointId,
    /// WebSocket or event stream.
    pub relay: Relay,
    /// Where it goes together with the other connections of its client.
    pub key: AffinityKey,
    /// How long it has been open.
    pub age: Duration,
    /// How long nothing was relayed.
    pub idle: Duration,
    /// Moves made.
    pub moves: u32,
}

/// The entry of one connection; dropping it takes it out.
#[derive(Debug)]
pub(crate) struct Registered {
    registry: Registry,
    pub(crate) line: Arc<Line>,
    place: Place,
}

impl Registry {
    /// An empty one. `now` is asked for idle times.
    pub fn new(now: Now) -> Self {
        let inner = Inner {
            places: Mutex::default(),
            tracker: TaskTracker::new(),
            now,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What is open at an endpoint.
    pub fn count(&self, cluster: &ClusterName, endpoint: &EndpointId) -> usize {
        let place = (cluster.clone(), endpoint.clone());
        self.inner.places.lock().get(&place).map_or(0, HashMap::len)
    }

    /// What is open in all.
    pub fn total(&self) -> usize {
        self.inner.places.lock().values().map(HashMap::len).sum()
    }

    /// At most `max` open connections, in no order.
    pub fn list(&self, max: usize) -> Vec<Connection> {
        let now = (self.inner.now)();
        let places = self.inner.places.lock();
        let all = places
            .iter()
            .flat_map(|(place, lines)| lines.values().map(move |l| (place, l)));
        all.take(max)
            .map(|(place, line)| line.describe(place, now))
            .collect()
    }

    /// Gives an order to connections of an endpoint, the most idle first; those that are
    /// carrying one out already are passed over. Connections of one affinity key move together,
    /// even if they are more than `max`; of those that are closed never more are told, since
    /// their clients notice. Says how many got it.
    pub fn order(
        &self,
        cluster: &ClusterName,
        endpoint: &EndpointId,
        (order, because): (Order, &'static str),
        max: usize,
    ) -> usize {
        let together = matches!(order, Order::Move(_));
        self.order_some(self.at(cluster, endpoint), (order, because), max, together)
    }

    /// Closes politely at most `max` connections, whichever endpoint they are at, the most idle
    /// first. For the shutdown of the process.
    pub fn close_some(&self, max: usize) -> usize {
        self.order_some(self.all(), (Order::Close, SHUTDOWN), max, false)
    }

    /// How many have not been told to close.
    pub fn untold(&self) -> usize {
        let now = (self.inner.now)();
        let places = self.inner.places.lock();
        let lines = places.values().flat_map(HashMap::values);
        lines
            .filter(|line| line.may_be_ordered(Order::Close, now))
            .count()
    }

    /// Resolves when no relay runs any more. Call it when none is begun any more.
    pub async fn empty(&self) {
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }

    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.inner.tracker
    }

    pub(crate) fn open(
        &self,
        (id, relay, key): (ConnectionId, Relay, AffinityKey),
        place: Place,
        now: Instant,
    ) -> Registered {
        let line = Arc::new(Line {
            id,
            relay,
            key,
            opened: now,
            active_ms: AtomicU64::new(milliseconds(now)),
            moves: AtomicU32::new(0),
            call: Mutex::default(),
        });
        self.put(place.clone(), line.clone());
        Registered {
            registry: self.clone(),
            line,
            place,
        }
    }

    fn all(&self) -> Vec<Arc<Line>> {
        let places = self.inner.places.lock();
        places.values().flat_map(HashMap::values).cloned().collect()
    }

    fn at(&self, cluster: &ClusterName, endpoint: &EndpointId) -> Vec<Arc<Line>> {
        let place = (cluster.clone(), endpoint.clone());
        let places = self.inner.places.lock();
        let lines = places.get(&place).into_iter().flat_map(HashMap::values);
        lines.cloned().collect()
    }

    fn order_some(
        &self,
        mut lines: Vec<Arc<Line>>,
        (order, because): (Order, &'static str),
        max: usize,
        by_key: bool,
    ) -> usize {
        let now = (self.inner.now)();
        lines.retain(|line| line.may_be_ordered(order, now));
        // A client is as idle as its least idle connection.
        let mut active: HashMap<AffinityKey, u64> = HashMap::new();
        for line in &lines {
            let last = active.entry(line.key).or_default();
            *last = (*last).max(line.active_ms.load(Ordering::Relaxed));
        }
        lines.sort_by_key(|line| (active.get(&line.key).copied(), line.key));
        let mut given = 0;
        let mut last = None;
        for line in lines {
            let together = by_key && last == Some(line.key);
            if given >= max && !together {
                break;
            }
            last = Some(line.key);
            line.give((order, because), now);
            given += 1;
        }
        given
    }

    fn put(&self, place: Place, line: Arc<Line>) {
        self.inner
            .places
            .lock()
            .entry(place)
            .or_default()
            .insert(line.id, line);
    }

    fn take(&self, place: &Place, id: ConnectionId) {
        let mut places = self.inner.places.lock();
        if let Some(lines) = places.get_mut(place) {
            lines.remove(&id);
            if lines.is_empty() {
                places.remove(place);
            }
        }
    }
}

impl Orders for Registry {
    fn move_connections(
        &self,
        cluster: &ClusterName,
        endpoint: &EndpointId,
        count: control::Count,
        cause: control::Cause,
    ) {
        self.order(cluster, endpoint, (away(cause), cause.as_str()), max(count));
    }

    fn close_connections(
        &self,
        cluster: &ClusterName,
        endpoint: &EndpointId,
        count: control::Count,
        cause: control::Cause,
    ) {
        // Where the endpoint is not known to keep the contract, a connection may know better:
        // it moves, and the others close.
        let order = match cause {
            control::Cause::Deadline => Order::Close,
            _ => away(cause),
        };
        let lines = self.at(cluster, endpoint);
        self.order_some(lines, (order, cause.as_str()), max(count), false);
    }
}

impl Registered {
    /// The connection is at another endpoint now, or came back to the same: then whoever wanted
    /// it to leave waits as long as after any order, for nobody else took it.
    pub(crate) fn moved_to(&mut self, endpoint: &EndpointId) {
        self.line.moves.fetch_add(1, Ordering::Relaxed);
        if self.place.1 != *endpoint {
            self.line.call.lock().busy_until = None;
            self.registry.take(&self.place, self.line.id);
            self.place.1 = endpoint.clone();
            self.registry.put(self.place.clone(), self.line.clone());
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.take(&self.place, self.line.id);
    }
}

impl Line {
    /// Bytes are being relayed.
    pub(crate) fn active(&self, now: Instant) {
        self.active_ms.store(milliseconds(now), Ordering::Relaxed);
    }

    pub(crate) const fn key(&self) -> AffinityKey {
        self.key
    }

    pub(crate) fn moves(&self) -> u32 {
        self.moves.load(Ordering::Relaxed)
    }

    /// Why it was told to close or to move, the last time it was; empty if it never was.
    pub(crate) fn because(&self) -> &'static str {
        self.call.lock().last.map_or("", |(_, because)| because)
    }

    /// No order to move is obeyed before this.
    pub(crate) fn hold(&self, until: Instant) {
        self.call.lock().busy_until = Some(until);
    }

    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.since(self.opened)
    }

    /// The next order.
    pub(crate) fn poll_order(&self, cx: &Context<'_>) -> Poll<Order> {
        let mut call = self.call.lock();
        if let Some(order) = call.order.take() {
            return Poll::Ready(order);
        }
        if !call
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            call.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn may_be_ordered(&self, order: Order, now: Instant) -> bool {
        let call = self.call.lock();
        let free = call.busy_until.is_none_or(|until| now >= until);
        match order {
            Order::Abandon => true,
            // One that is moving may be closed; one that is closing is not told twice, or it
            // would use up what is due to the others.
            Order::Close => free || !matches!(call.last, Some((Order::Close, _))),
            Order::Move(_) => free,
        }
    }

    fn give(&self, (order, because): (Order, &'static str), now: Instant) {
        let mut call = self.call.lock();
        call.order = Some(order);
        call.last = Some((order, because));
        call.busy_until = Some(now + ORDER_TIME);
        if let Some(waker) = call.waker.take() {
            waker.wake();
        }
    }

    fn describe(&self, (cluster, endpoint): &Place, now: Instant) -> Connection {
        let active = Duration::from_millis(self.active_ms.load(Ordering::Relaxed));
        Connection {
            id: self.id,
            cluster: cluster.clone(),
            endpoint: endpoint.clone(),
            relay: self.relay,
            key: self.key,
            age: self.age(now),
            idle: now.since_start().saturating_sub(active),
            moves: self.moves(),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("total", &self.total())
            .finish_non_exhaustive()
    }
}

/// How a connection is told to go to another endpoint.
const fn away(cause: control::Cause) -> Order {
    match cause {
        control::Cause::Drain | control::Cause::Deadline => Order::Move(Cause::Drain),
        control::Cause::Maint => Order::Move(Cause::Maint),
        control::Cause::Gone => Order::Move(Cause::Gone),
        control::Cause::Dead => Order::Abandon,
    }
}

fn milliseconds(now: Instant) -> u64 {
    u64::try_from(now.since_start().as_millis()).unwrap_or(u64::MAX)
}

fn max(count: control::Count) -> usize {
    match count {
        control::Count::AtMost(max) => max as usize,
        control::Count::All => usize::MAX,
    }
}

/// Why connections close when the process leaves.
const SHUTDOWN: &str = "shutdown";
/// A connection that got an order and is where it was after this long is ordered anew.
const ORDER_TIME: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
