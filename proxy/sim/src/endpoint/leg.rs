//! An endpoint's end of one leg: the session's output on the wire, the client's messages into
//! the session's mail.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use holdfast_session::id::{ClientId, ConnectionId, EntryId};
use holdfast_session::reader::{Delivery, Next, Reader};
use holdfast_session::subscription::Channels;
use holdfast_wire::contract::{EventId, Note};
use holdfast_wire::sse::Event;
use holdfast_wire::websocket::{CloseCode, ControlFrame, Opcode, encode_data};

use super::running::{Mail, StandIn};
use super::{Dial, Handle, Node};
use crate::frames::Frames;
use crate::hub::Reply;
use crate::wire::Wire;

/// One leg.
pub(crate) struct Leg {
    pub(crate) connection: ConnectionId,
    pub(crate) attempt: u32,
    pub(crate) client: ClientId,
    wire: Rc<Wire>,
    sse: bool,
    handle: Rc<Handle>,
    state: RefCell<State>,
    gone: Cell<bool>,
}

/// Why a leg ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Moved,
    Replaced,
}

struct State {
    reader: Reader,
    found: VecDeque<Delivery>,
    /// What is accepted, and what was last said of it.
    accepted: u64,
    said: u64,
    channels: Option<Channels>,
    ending: Option<Ending>,
    asked: Option<Reply<(EntryId, Rc<str>)>>,
    greeted: bool,
    /// Its last word was said.
    closed: bool,
    frames: Frames,
}

impl Leg {
    pub(super) fn new(
        dial: &Dial,
        handle: &Rc<Handle>,
        accepted: u64,
        mut reader: Reader,
        opening: Vec<StandIn>,
    ) -> Self {
        let stand_in =
            |(kind, id, body): (_, _, Rc<str>)| reader.stand_in(kind, id, (*body).into());
        let found = opening.into_iter().map(stand_in).collect();
        let state = State {
            reader,
            found,
            accepted,
            said: accepted,
            channels: None,
            ending: None,
            asked: None,
            greeted: false,
            closed: false,
            frames: Frames::default(),
        };
        Self {
            connection: dial.connection,
            attempt: dial.attempt,
            client: dial.client.clone(),
            wire: dial.wire.clone(),
            sse: dial.sse,
            handle: handle.clone(),
            state: RefCell::new(state),
            gone: Cell::new(false),
        }
    }

    pub(super) fn accept(&self, accepted: u64, channels: Channels) {
        let mut state = self.state.borrow_mut();
        state.channels = Some(channels);
        state.accepted = accepted;
    }

    pub(super) fn end(&self, ending: Ending) {
        self.state.borrow_mut().ending.get_or_insert(ending);
    }

    pub(super) fn is_over(&self) -> bool {
        self.gone.get() || self.state.borrow().ending.is_some()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// The other side is gone.
    pub(crate) fn gone(&self) {
        self.gone.set(true);
        self.wire.end_down();
    }

    /// Bytes of the client came.
    pub(crate) fn hear(&self, bytes: &[u8]) {
        self.state.borrow_mut().frames.push(bytes);
        self.read();
    }

    /// Takes whole messages, while the session has room for them.
    fn read(&self) {
        while !self.gone.get() && !self.handle.is_crowded() {
            let frame = self.state.borrow_mut().frames.next();
            let Some((opcode, payload)) = frame else {
                return;
            };
            match opcode {
                Opcode::Text if self.state.borrow().ending.is_none() => {
                    let text = String::from_utf8(payload).expect("clients say text");
                    self.handle.say(self, text);
                }
                // What was not delivered by now is for the next leg.
                Opcode::Close => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    let code = CloseCode(code.unwrap_or(CloseCode::NORMAL.0));
                    let close = ControlFrame::close(code, "", None);
                    self.wire.send_down(close.as_ref().to_vec());
                    self.gone();
                }
                _ => {}
            }
        }
    }

    /// Sends what there is to send, while the wire takes it.
    pub(super) fn pump(&self, node: &Node) {
        self.read();
        while !self.gone.get() && self.wire.has_room_down() {
            let bytes = self.next_bytes(node);
            if bytes.is_empty() {
                return;
            }
            self.wire.send_down(bytes);
            if self.state.borrow().closed {
                self.gone();
            }
        }
    }

    fn next_bytes(&self, node: &Node) -> Vec<u8> {
        let mut state = self.state.borrow_mut();
        let mut bytes = Vec::new();
        if self.sse && !state.greeted {
            bytes.extend_from_slice(b": holdfast\nretry: 1000\n\n");
        }
        state.greeted = true;
        let mut next = state.look(&self.handle, node);
        while next == Next::Again {
            next = state.look(&self.handle, node);
        }
        if next == Next::Snapshot && state.ending.is_none() {
            let reply = Reply::new(&node.hub);
            self.handle
                .post(Mail::Snapshot(self.client.clone(), reply.clone()));
            node.hub.stir();
            state.asked = Some(reply);
        }
        let fresh = state.accepted != state.said;
        let mut accepted = fresh.then_some(state.accepted).filter(|_| !self.sse);
        state.said = state.accepted;
        while let Some(delivery) = state.found.pop_front() {
            self.encode(&delivery, accepted.take(), &mut bytes);
        }
        if let Some(count) = accepted {
            pong(&Note::Accepted(count), &mut bytes);
        }
        let over = state.asked.is_none() && state.ending.is_some();
        if let Some(ending) = state.ending.filter(|_| over && !self.sse) {
            let (code, reason) = match ending {
                Ending::Moved => (1012, "moved"),
                Ending::Replaced => (4009, "replaced"),
            };
            let close = ControlFrame::close(CloseCode(code), reason, None);
            bytes.extend_from_slice(close.as_ref());
        }
        state.closed = over;
        if over && bytes.is_empty() {
            bytes.extend_from_slice(b":\n\n");
        }
        bytes
    }

    fn encode(&self, delivery: &Delivery, accepted: Option<u64>, bytes: &mut Vec<u8>) {
        let id = EventId::new(delivery.id.to_string()).expect("ids of entries are ids of events");
        if self.sse {
            let data = delivery.event_data();
            let event = Event {
                id: Some(&id),
                name: Some(delivery.kind),
                data: &data,
            };
            return event.encode(bytes).expect("kinds have one line");
        }
        let note = match accepted {
            Some(count) => Note::Both(id, count),
            None => Note::Id(id),
        };
        pong(&note, bytes);
        let text = delivery.websocket();
        encode_data(bytes, Opcode::Text, true, text.as_bytes(), None);
    }
}

impl State {
    /// Takes what has come into the log.
    fn look(&mut self, handle: &Handle, node: &Node) -> Next {
        if let Some(reply) = &self.asked {
            let Some((id, body)) = reply.take() else {
                if handle.over.get() {
                    self.asked = None;
                    self.ending.get_or_insert(Ending::Moved);
                }
                return Next::Wait;
            };
            self.asked = None;
            let snapshot = self.reader.stand_in("snapshot", id, (*body).into());
            self.found.push_back(snapshot);
        }
        if let Some(channels) = self.channels.take() {
            self.reader.subscribe(channels);
        }
        let mut deliveries = Vec::new();
        let log = handle.log.borrow();
        let next = self.reader.turn(&log, node.hub.now(), &mut deliveries);
        self.found.extend(deliveries);
        next
    }
}

fn pong(note: &Note, bytes: &mut Vec<u8>) {
    let pong = ControlFrame::pong(note.to_string().as_bytes(), None).expect("notes are short");
    bytes.extend_from_slice(pong.as_ref());
}
