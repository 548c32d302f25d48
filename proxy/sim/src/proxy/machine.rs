//! The two state machines of `holdfast_core` behind one face.

use holdfast_core::connection::{Answer, Command, EventStream, Opening, Order, Placed, WebSocket};
use holdfast_core::{EndpointId, Instant, Snapshot};

/// A relayed connection.
pub(crate) enum Machine {
    WebSocket(Box<WebSocket>),
    EventStream(Box<EventStream>),
}

macro_rules! both {
    ($self:ident, $machine:ident => $does:expr) => {
        match $self {
            Self::WebSocket($machine) => $does,
            Self::EventStream($machine) => $does,
        }
    };
}

impl Machine {
    pub(crate) fn open(sse: bool, opening: Opening, now: Instant) -> Self {
        if sse {
            Self::EventStream(Box::new(EventStream::open(opening, now)))
        } else {
            Self::WebSocket(Box::new(WebSocket::open(opening, now)))
        }
    }

    pub(crate) fn endpoint(&self) -> Option<&EndpointId> {
        both!(self, machine => machine.endpoint())
    }

    pub(crate) fn command(&mut self) -> Option<Command> {
        both!(self, machine => machine.poll_command())
    }

    pub(crate) fn accepted(&self) -> u64 {
        match self {
            Self::WebSocket(machine) => machine.accepted(),
            Self::EventStream(_) => 0,
        }
    }

    /// Bytes held for the endpoint, and for the client.
    pub(crate) fn held(&self) -> (usize, usize) {
        match self {
            Self::WebSocket(machine) => machine.held(),
            Self::EventStream(machine) => (0, machine.held()),
        }
    }

    pub(crate) const fn is_leaving(&self) -> bool {
        both!(self, machine => machine.is_leaving())
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        both!(self, machine => machine.poll_timeout())
    }

    pub(crate) fn held_until(&self) -> Option<Instant> {
        both!(self, machine => machine.held_until())
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        both!(self, machine => machine.handle_timeout(now));
    }

    pub(crate) fn place(&mut self, snapshot: &Snapshot, now: Instant) -> Option<Placed> {
        both!(self, machine => machine.place(snapshot, now))
    }

    pub(crate) fn answer(&mut self, answer: Answer, now: Instant) {
        both!(self, machine => machine.handle_answer(answer, now));
    }

    pub(crate) fn order(&mut self, order: Order, now: Instant) {
        both!(self, machine => machine.handle_order(order, now));
    }

    pub(crate) fn hear(&mut self, bytes: &[u8], now: Instant) {
        both!(self, machine => machine.handle_upstream(bytes, now));
    }

    pub(crate) fn upstream_ended(&mut self, complete: bool, now: Instant) {
        match self {
            Self::WebSocket(machine) => machine.handle_upstream_end(now),
            Self::EventStream(machine) => machine.handle_upstream_end(complete, now),
        }
    }

    pub(crate) fn wants_upstream(&self) -> bool {
        both!(self, machine => machine.wants_upstream())
    }

    pub(crate) fn to_downstream(&self) -> &[u8] {
        both!(self, machine => machine.to_downstream())
    }

    pub(crate) fn downstream_written(&mut self, count: usize, now: Instant) {
        both!(self, machine => machine.downstream_written(count, now));
    }

    pub(crate) fn to_upstream(&self) -> &[u8] {
        match self {
            Self::WebSocket(machine) => machine.to_upstream(),
            Self::EventStream(_) => &[],
        }
    }

    pub(crate) fn upstream_written(&mut self, count: usize, now: Instant) {
        if let Self::WebSocket(machine) = self {
            machine.upstream_written(count, now);
        }
    }

    pub(crate) fn wants_downstream(&self) -> bool {
        match self {
            Self::WebSocket(machine) => machine.wants_downstream(),
            Self::EventStream(_) => false,
        }
    }

    pub(crate) fn say(&mut self, bytes: &[u8], now: Instant) {
        if let Self::WebSocket(machine) = self {
            machine.handle_downstream(bytes, now);
        }
    }
}
