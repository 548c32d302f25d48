//! One network connection between a proxy and an endpoint: bytes in order, some time on their
//! way, and lost when it is cut.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use holdfast_core::connection::Answer;
use holdfast_wire::websocket::{CloseCode, ControlFrame, Opcode, encode_data};

use crate::endpoint::Leg;
use crate::frames::Frames;
use crate::hub::Hub;
use crate::world::World;

/// One connection, from its dial on.
pub(crate) struct Wire {
    hub: Rc<Hub>,
    pub(crate) proxy: usize,
    pub(crate) connection: usize,
    pub(crate) endpoint: usize,
    /// When the last thing sent each way arrives.
    up_at: Cell<u64>,
    down_at: Cell<u64>,
    up_flight: Cell<usize>,
    down_flight: Cell<usize>,
    /// What was under way is lost.
    cut: Cell<bool>,
    /// The proxy has let go of it; the endpoint has.
    up_ended: Cell<bool>,
    down_ended: Cell<bool>,
    /// Who reads at the endpoint.
    pub(crate) leg: RefCell<Option<Rc<Leg>>>,
    /// At an opaque endpoint: what it has read, all of which it says again.
    pub(crate) echo: RefCell<Option<Frames>>,
}

impl Wire {
    pub(crate) fn new(hub: &Rc<Hub>, proxy: usize, connection: usize, endpoint: usize) -> Rc<Self> {
        Rc::new(Self {
            hub: hub.clone(),
            proxy,
            connection,
            endpoint,
            up_at: Cell::new(0),
            down_at: Cell::new(0),
            up_flight: Cell::new(0),
            down_flight: Cell::new(0),
            cut: Cell::new(false),
            up_ended: Cell::new(false),
            down_ended: Cell::new(false),
            leg: RefCell::default(),
            echo: RefCell::default(),
        })
    }

    /// Bytes the proxy may write before the endpoint reads.
    pub(crate) fn room_up(&self) -> usize {
        WINDOW.saturating_sub(self.up_flight.get())
    }

    pub(crate) fn has_room_down(&self) -> bool {
        self.down_flight.get() < WINDOW
    }

    pub(crate) fn is_over(&self) -> bool {
        self.cut.get() || self.up_ended.get() || self.down_ended.get()
    }

    /// It broke, rather than being ended by either side.
    pub(crate) fn is_torn(&self) -> bool {
        self.cut.get()
    }

    pub(crate) fn send_up(self: &Rc<Self>, bytes: Vec<u8>) {
        let wire = self.clone();
        self.up_flight.set(self.up_flight.get() + bytes.len());
        self.post_up(move |_| {
            wire.up_flight.set(wire.up_flight.get() - bytes.len());
            if let Some(leg) = wire.leg.borrow().as_ref() {
                leg.hear(&bytes);
            }
            wire.say_again(&bytes);
        });
    }

    fn say_again(self: &Rc<Self>, bytes: &[u8]) {
        let mut echo = self.echo.borrow_mut();
        let Some(frames) = echo.as_mut() else { return };
        frames.push(bytes);
        while let Some((opcode, payload)) = frames.next() {
            let mut bytes = Vec::new();
            match opcode {
                Opcode::Text => encode_data(&mut bytes, Opcode::Text, true, &payload, None),
                Opcode::Close => {
                    let close = ControlFrame::close(CloseCode::NORMAL, "", None);
                    bytes.extend_from_slice(close.as_ref());
                }
                _ => continue,
            }
            self.send_down(bytes);
            if opcode == Opcode::Close {
                self.end_down();
            }
        }
    }

    /// The proxy is through with it.
    pub(crate) fn end_up(self: &Rc<Self>) {
        if self.up_ended.replace(true) {
            return;
        }
        let wire = self.clone();
        self.post_up(move |_| {
            if let Some(leg) = wire.leg.borrow_mut().take() {
                leg.gone();
            }
        });
    }

    /// Bytes come in pieces of any size.
    pub(crate) fn send_down(self: &Rc<Self>, mut bytes: Vec<u8>) {
        if bytes.len() > 1 && self.hub.chance(|chance| chance.percent(20)) {
            let cut = 1 + self
                .hub
                .chance(|chance| chance.below(bytes.len() as u64 - 1));
            let rest = bytes.split_off(usize::try_from(cut).expect("a length"));
            self.send_down_whole(bytes);
            bytes = rest;
        }
        self.send_down_whole(bytes);
    }

    fn send_down_whole(self: &Rc<Self>, bytes: Vec<u8>) {
        let wire = self.clone();
        self.down_flight.set(self.down_flight.get() + bytes.len());
        self.post_down(move |world| {
            let count = bytes.len();
            world.hear_upstream(&wire, &bytes);
            wire.down_flight.set(wire.down_flight.get() - count);
        });
    }

    /// The endpoint is through with it.
    pub(crate) fn end_down(self: &Rc<Self>) {
        if self.down_ended.replace(true) {
            return;
        }
        let wire = self.clone();
        self.post_down(move |world| world.upstream_ended(&wire));
    }

    /// The answer to the dial.
    pub(crate) fn answer(self: &Rc<Self>, answer: Answer) {
        let wire = self.clone();
        self.post_down(move |world| world.answered(&wire, answer));
    }

    /// It is torn: both sides learn so, and what is under way is lost.
    pub(crate) fn tear(self: &Rc<Self>) {
        if self.cut.replace(true) {
            return;
        }
        self.up_ended.set(true);
        self.down_ended.set(true);
        let (to_proxy, to_endpoint) = (self.clone(), self.clone());
        self.hub
            .post(1, move |world| world.upstream_ended(&to_proxy));
        let endpoint = self.endpoint;
        self.hub.post(1, move |world| {
            world.at_endpoint(endpoint, move |_| {
                if let Some(leg) = to_endpoint.leg.borrow_mut().take() {
                    leg.gone();
                }
            });
        });
    }

    fn post_up(self: &Rc<Self>, act: impl FnOnce(&mut World) + 'static) {
        let at = self.arrival(&self.up_at);
        let wire = self.clone();
        let endpoint = self.endpoint;
        self.hub.post_at(at, move |world| {
            if !wire.cut.get() {
                world.at_endpoint(endpoint, act);
            }
        });
    }

    fn post_down(self: &Rc<Self>, act: impl FnOnce(&mut World) + 'static) {
        let at = self.arrival(&self.down_at);
        let wire = self.clone();
        self.hub.post_at(at, move |world| {
            if !wire.cut.get() {
                act(world);
            }
        });
    }

    fn arrival(&self, last: &Cell<u64>) -> u64 {
        let delay = self.hub.chance(|chance| chance.between(1, 3));
        let at = (self.hub.now() + delay).max(last.get());
        last.set(at);
        at
    }
}

/// Bytes under way at most, each way.
const WINDOW: usize = 32 << 10;
