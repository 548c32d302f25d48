//! Who is told what, and who is not told twice.

use std::future::poll_fn;
use std::sync::atomic::AtomicU64;

use super::*;

/// A registry on a clock of its own, with connections at endpoints `a` and `b`.
struct Office {
    registry: Registry,
    seconds: Arc<AtomicU64>,
}

impl Office {
    fn new() -> Self {
        let seconds = Arc::new(AtomicU64::new(100));
        let clock = seconds.clone();
        let now = move || Instant::after_start(Duration::from_secs(clock.load(Ordering::Relaxed)));
        Self {
            registry: Registry::new(Arc::new(now)),
            seconds,
        }
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// A connection at `a` of this client.
    fn open(&self, key: u128) -> Registered {
        let who = (
            ConnectionId::random(),
            Relay::WebSocket,
            AffinityKey::from_bits(key),
        );
        let place = (cluster(), id("a"));
        self.registry.open(who, place, (self.registry.inner.now)())
    }

    fn order(&self, order: Order, max: usize) -> usize {
        self.registry
            .order(&cluster(), &id("a"), (order, "drain"), max)
    }
}

fn cluster() -> ClusterName {
    ClusterName::parse("game").expect("a name")
}

fn id(name: &str) -> EndpointId {
    EndpointId::parse(name).expect("an id")
}

const MOVE: Order = Order::Move(Cause::Drain);

#[test]
fn one_that_nobody_else_took_is_not_asked_again_at_once() {
    let office = Office::new();
    let mut line = office.open(1);
    assert_eq!(office.order(MOVE, 10), 1);
    line.moved_to(&id("a"));
    assert_eq!(office.order(MOVE, 10), 0, "it just came back");
    office.pass(15);
    assert_eq!(office.order(MOVE, 10), 1);
    line.moved_to(&id("b"));
    let at_b = office
        .registry
        .order(&cluster(), &id("b"), (MOVE, "drain"), 10);
    assert_eq!(at_b, 1, "the next endpoint may want it to leave at once");
}

#[test]
fn one_that_is_held_is_asked_when_its_time_has_come() {
    let office = Office::new();
    let line = office.open(1);
    line.line
        .hold((office.registry.inner.now)() + Duration::from_secs(10));
    assert_eq!(office.order(MOVE, 10), 0);
    assert_eq!(
        office.order(Order::Abandon, 10),
        1,
        "a dead endpoint holds nobody"
    );
    line.line
        .hold((office.registry.inner.now)() + Duration::from_secs(10));
    office.pass(10);
    assert_eq!(office.order(MOVE, 10), 1);
}

#[test]
fn connections_of_a_client_move_together_and_close_one_by_one() {
    let office = Office::new();
    let _lines: Vec<_> = (0..6).map(|n| office.open(n / 3)).collect();
    assert_eq!(office.order(MOVE, 1), 3, "the whole client");
    let office = Office::new();
    let _lines: Vec<_> = (0..6).map(|n| office.open(n / 3)).collect();
    assert_eq!(
        office.order(Order::Close, 1),
        1,
        "no burst that a client sees"
    );
}

#[test]
fn whoever_was_told_to_close_does_not_use_up_the_turn_of_others() {
    let office = Office::new();
    let _lines: Vec<_> = (0..10).map(|n| office.open(n)).collect();
    for told in 1..=5 {
        assert_eq!(office.registry.close_some(2), 2);
        assert_eq!(office.registry.untold(), 10 - 2 * told);
    }
    assert_eq!(office.registry.close_some(2), 0);
}

#[tokio::test]
async fn a_move_under_way_may_be_turned_into_a_close_and_says_why() {
    let office = Office::new();
    let line = office.open(1);
    assert_eq!(line.line.because(), "");
    assert_eq!(office.order(MOVE, 1), 1);
    assert_eq!(line.line.because(), "drain");
    assert_eq!(office.registry.close_some(1), 1);
    assert_eq!(line.line.because(), "shutdown");
    let order = poll_fn(|cx| line.line.poll_order(cx)).await;
    assert_eq!(order, Order::Close, "the last word counts");
}

#[tokio::test]
async fn who_follows_the_contract_is_not_closed_because_its_endpoint_was_not_known_to() {
    let office = Office::new();
    let lines: Vec<_> = (0..4).map(|_| office.open(1)).collect();
    let (one, drain) = (control::Count::AtMost(1), control::Cause::Drain);
    office
        .registry
        .close_connections(&cluster(), &id("a"), one, drain);
    let told = lines.iter().find(|line| !line.line.because().is_empty());
    let told = told.expect("one was told");
    let order = poll_fn(|cx| told.line.poll_order(cx)).await;
    assert_eq!(order, MOVE, "the connection itself knows whether it can");
    let others = lines.iter().filter(|line| line.line.because().is_empty());
    assert_eq!(others.count(), 3, "no burst that a client sees");
    let (all, deadline) = (control::Count::All, control::Cause::Deadline);
    office
        .registry
        .close_connections(&cluster(), &id("a"), all, deadline);
    let order = poll_fn(|cx| told.line.poll_order(cx)).await;
    assert_eq!(order, Order::Close);
}
