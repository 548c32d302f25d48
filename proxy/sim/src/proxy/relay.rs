//! One relayed connection: its client on one side, a wire to an endpoint on the other.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use holdfast_core::cluster::Open;
use holdfast_core::connection::{Answer, Command, Ending, Order, Placed};
use holdfast_core::health::Kind;
use holdfast_core::{AffinityKey, Endpoint, EndpointId, Forward, Relay};
use holdfast_session::ownership::Served;
use holdfast_wire::websocket::FrameHead;

use super::{Machine, Proxy, milliseconds};
use crate::client::Client;
use crate::wire::Wire;
use crate::{Mutation, Sight, Told};

/// One connection.
pub(crate) struct Connection {
    pub(crate) place: usize,
    /// `Holdfast-Connection`.
    pub(crate) id: u128,
    pub(crate) key: AffinityKey,
    pub(crate) client: Client,
    pub(crate) machine: Machine,
    pub(crate) wire: Option<Rc<Wire>>,
    dial: Option<Dialling>,
    /// What came on the wire and was not read; an empty piece is its end.
    inbox: VecDeque<Vec<u8>>,
    endpoint: Arc<Endpoint>,
    open: Option<Open>,
    busy_until: u64,
    told_to_close: bool,
    /// Under which generations its legs were served.
    pub(crate) generations: Vec<u64>,
    pub(crate) active_at: u64,
    accepted: bool,
    pub(crate) ended: Option<Ending>,
    pub(crate) ended_at: u64,
    pub(crate) moves: u64,
    /// Since when it has no leg.
    pub(crate) alone_since: Option<u64>,
    pub(crate) dirty: bool,
    /// The fault: the next whole frame written on this leg is forgotten.
    skips: bool,
}

struct Dialling {
    wire: Rc<Wire>,
    placed: Placed,
    until: Option<u64>,
}

impl Connection {
    pub(super) fn new(
        place: usize,
        id: u128,
        forward: Forward,
        machine: Machine,
        client: Client,
    ) -> Self {
        Self {
            place,
            id,
            key: forward.key,
            client,
            machine,
            wire: None,
            dial: None,
            inbox: VecDeque::new(),
            endpoint: forward.endpoint,
            open: None,
            busy_until: 0,
            told_to_close: false,
            generations: Vec::new(),
            active_at: 0,
            accepted: false,
            ended: None,
            ended_at: 0,
            moves: 0,
            alone_since: None,
            dirty: true,
            skips: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some() || self.client.ended
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.accepted && !self.is_over() && self.wire.is_some()
    }

    pub(super) fn is_at(&self, endpoint: &EndpointId) -> bool {
        !self.is_over() && self.machine.endpoint() == Some(endpoint)
    }

    pub(super) const fn may_be_ordered(&self, order: Order, now: u64) -> bool {
        let free = now >= self.busy_until;
        match order {
            Order::Abandon => true,
            Order::Close => free || !self.told_to_close,
            Order::Move(_) => free,
        }
    }

    pub(super) fn order(&mut self, order: Order, now: u64) {
        self.busy_until = now + ORDER_MS;
        self.told_to_close = order == Order::Close;
        let at = holdfast_core::Instant::after_start(std::time::Duration::from_millis(now));
        match self.machine.held_until() {
            Some(until) if matches!(order, Order::Move(_)) && at < until => {
                self.busy_until = milliseconds(until);
            }
            _ => self.machine.order(order, at),
        }
        self.dirty = true;
    }

    pub(super) fn timeout(&self) -> Option<u64> {
        if self.is_over() {
            return None;
        }
        let machine = self.machine.timeout().map(milliseconds);
        let dial = self.dial.as_ref().and_then(|dial| dial.until);
        machine.into_iter().chain(dial).min()
    }

    pub(crate) fn is_on(&self, wire: &Rc<Wire>) -> bool {
        self.wire.as_ref().is_some_and(|own| Rc::ptr_eq(own, wire))
    }

    pub(crate) fn dials_on(&self, wire: &Rc<Wire>) -> bool {
        let dial = self.dial.as_ref();
        dial.is_some_and(|dial| Rc::ptr_eq(&dial.wire, wire))
    }

    pub(crate) fn heard(&mut self, bytes: &[u8]) {
        self.inbox.push_back(bytes.to_vec());
        self.dirty = true;
    }
}

impl Proxy {
    pub(super) fn tick_connection(&mut self, at: usize) {
        let now = self.now();
        // What it wants already goes before what time makes it want.
        while self.connections[at].dirty && self.exchange(at) {}
        let connection = &mut self.connections[at];
        if connection.is_over() {
            return;
        }
        if connection.machine.timeout().is_some_and(|due| due <= now) {
            connection.machine.tick(now);
            connection.dirty = true;
        }
        let late = |dial: &Dialling| dial.until.is_some_and(|until| until <= self.hub.now());
        if connection.dial.as_ref().is_some_and(late) {
            self.dialled(at, Answer::Failed);
        }
    }

    /// Moves bytes and does what the machines want until nothing more can be done.
    pub(crate) fn run(&mut self) {
        for at in 0..self.connections.len() {
            let mut rounds = 0;
            while std::mem::take(&mut self.connections[at].dirty) {
                while self.exchange(at) {}
                rounds += 1;
                assert!(rounds < 1_000, "a connection spins");
            }
            let connection = &mut self.connections[at];
            if let Some(open) = &mut connection.open {
                open.set_departing(connection.machine.is_leaving());
            }
        }
    }

    /// What came of the dial under way.
    pub(crate) fn dialled(&mut self, at: usize, answer: Answer) {
        let Some(dial) = self.connections[at].dial.take() else {
            return;
        };
        let kind = match &answer {
            Answer::Failed => Kind::DialFailed,
            Answer::Taken(_) => Kind::Answered { status: 101 },
            Answer::Elsewhere { owner: Some(_), .. } => Kind::Answered { status: 421 },
            _ => Kind::NotTaken,
        };
        let endpoint = dial.placed.endpoint.clone();
        let now = self.now();
        let connection = &mut self.connections[at];
        connection.dirty = true;
        if let Answer::Taken(terms) = &answer {
            let generation = terms.generation.as_deref();
            let served = generation.and_then(|text| text.parse::<Served>().ok());
            connection
                .generations
                .extend(served.map(|served| served.generation));
            let relay = if connection.client.sse {
                Relay::Sse
            } else {
                Relay::WebSocket
            };
            connection.open = Some(endpoint.load.open(relay));
            connection.endpoint = endpoint.clone();
            connection.skips = connection.accepted && self.hub.mutates(Mutation::DropReplayed);
            connection.wire = Some(dial.wire);
            connection.inbox.clear();
            connection.alone_since = None;
        } else {
            dial.wire.end_up();
        }
        connection.machine.answer(answer, now);
        self.outcome(&endpoint.id, kind);
    }

    /// One round; says whether anything happened.
    fn exchange(&mut self, at: usize) -> bool {
        let mut happened = false;
        while let Some(command) = self.connections[at].machine.command() {
            self.obey_machine(at, command);
            happened = true;
        }
        if self.connections[at].is_over() {
            return false;
        }
        happened | self.write_up(at) | self.write_down(at) | self.read_down(at) | self.read_up(at)
    }

    fn obey_machine(&mut self, at: usize, command: Command) {
        let now = self.hub.now();
        let connection = &mut self.connections[at];
        match command {
            Command::Dial => self.dial(at),
            Command::HangUp => {
                let dial = connection.dial.take().map(|dial| dial.wire);
                for wire in connection.wire.take().into_iter().chain(dial) {
                    wire.end_up();
                }
                connection.inbox.clear();
                connection.alone_since.get_or_insert(now);
            }
            Command::Accept => {
                connection.accepted = true;
                connection.active_at = now;
            }
            Command::Decline => {
                connection.client.ended = true;
                let name = connection.client.name.clone();
                self.hub.see(Sight::Told(Told::Declined(name)));
            }
            Command::Report(moved) => {
                connection.moves += 1;
                if moved.from != moved.to {
                    connection.busy_until = 0;
                }
                let client = connection.client.name.clone();
                self.hub.see(Sight::Told(Told::Moved { client, moved }));
            }
            Command::End(ending) => {
                if ending == Ending::Drained {
                    connection.endpoint.load.tell(connection.key);
                }
                if let Some(wire) = connection.wire.take() {
                    wire.end_up();
                }
                connection.ended = Some(ending);
                connection.ended_at = now;
                connection.open = None;
                let name = connection.client.name.clone();
                self.hub.see(Sight::Told(Told::Ended(name, ending)));
            }
        }
    }

    fn dial(&mut self, at: usize) {
        let now = self.now();
        let connection = &mut self.connections[at];
        let Some(placed) = connection.machine.place(&self.snapshot, now) else {
            return;
        };
        let late = connection.accepted;
        let until = milliseconds(now + placed.patience);
        let endpoint = usize::from(placed.endpoint.address.port()) - FIRST_PORT;
        let wire = Wire::new(&self.hub, self.index, connection.place, endpoint);
        let dial = Dialling {
            wire: wire.clone(),
            placed: placed.clone(),
            until: late.then_some(until),
        };
        let older = connection.dial.replace(dial);
        assert!(older.is_none(), "one dial at a time");
        self.hub.post(1, move |world| world.dial(wire, placed));
    }

    fn write_up(&mut self, at: usize) -> bool {
        let now = self.now();
        let connection = &mut self.connections[at];
        let Some(wire) = connection.wire.clone() else {
            return false;
        };
        let bytes = connection.machine.to_upstream();
        let room = wire.room_up().min(bytes.len());
        if room == 0 {
            return false;
        }
        if std::mem::take(&mut connection.skips)
            && let Ok(Some((head, length))) = FrameHead::parse(bytes)
        {
            let whole = length + usize::try_from(head.payload_len).expect("short");
            if whole <= bytes.len() && !head.opcode.is_control() {
                connection.machine.upstream_written(whole, now);
                return true;
            }
        }
        // A write may take less than is there.
        let count = if self.hub.chance(|chance| chance.percent(15)) {
            1 + self.hub.chance(|chance| chance.below(room as u64))
        } else {
            room as u64
        };
        let count = usize::try_from(count).expect("a length").min(room);
        wire.send_up(bytes[..count].to_vec());
        connection.machine.upstream_written(count, now);
        connection.active_at = self.hub.now();
        true
    }

    fn write_down(&mut self, at: usize) -> bool {
        let now = self.now();
        let connection = &mut self.connections[at];
        let bytes = connection.machine.to_downstream();
        if bytes.is_empty() || connection.client.stalled {
            return false;
        }
        connection.client.hear(bytes);
        let count = bytes.len();
        connection.machine.downstream_written(count, now);
        connection.active_at = self.hub.now();
        true
    }

    fn read_down(&mut self, at: usize) -> bool {
        let now = self.now();
        let connection = &mut self.connections[at];
        if connection.client.out.is_empty() || !connection.machine.wants_downstream() {
            return false;
        }
        let count = connection.client.out.len().min(READ);
        let bytes: Vec<u8> = connection.client.out.drain(..count).collect();
        connection.machine.say(&bytes, now);
        true
    }

    fn read_up(&mut self, at: usize) -> bool {
        let now = self.now();
        let connection = &mut self.connections[at];
        let Some(wire) = connection.wire.clone() else {
            return false;
        };
        if !connection.machine.wants_upstream() {
            return false;
        }
        let Some(bytes) = connection.inbox.pop_front() else {
            return false;
        };
        if bytes.is_empty() {
            connection.wire = None;
            connection.alone_since.get_or_insert_with(|| self.hub.now());
            connection.machine.upstream_ended(!wire.is_torn(), now);
        } else {
            connection.machine.hear(&bytes, now);
        }
        true
    }
}

/// A connection that got an order and is where it was after this long is ordered anew.
const ORDER_MS: u64 = 15_000;
/// Bytes of a client that are read at once.
pub(crate) const READ: usize = 16 << 10;
/// Endpoint 0 is at this port.
pub(crate) const FIRST_PORT: usize = 9_000;
