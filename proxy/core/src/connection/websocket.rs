//! One relayed WebSocket.

mod closing;
mod holding;
mod moving;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use holdfast_wire::contract::{EventId, Note, PREFIX};
use holdfast_wire::websocket::{CloseCode, ControlFrame};

use self::closing::Close;
use self::moving::Step;
use super::frames::{Frames, Part, Said};
use super::holdings::Share;
use super::legs::Legs;
use super::pulse::{Beat, Pulse};
use super::queue::Queue;
use super::replay::Replay;
use super::{Answer, CLOSING, Cause, Command, Ending, Lost, Opening, Placed, Settings};
use crate::cluster::EndpointId;
use crate::snapshot::Snapshot;
use crate::time::Instant;

/// The state machine of one relayed WebSocket. See the [module](super) for its states.
#[derive(Debug)]
pub struct WebSocket {
    settings: Arc<Settings>,
    stage: Stage,
    /// The endpoint keeps the contract: this connection can be moved.
    contract: bool,
    legs: Legs,
    /// There is an upstream leg.
    attached: bool,
    up: Up,
    down: Down,
    pulse: Pulse,
    share: Share,
    commands: VecDeque<Command>,
}

#[derive(Debug)]
enum Stage {
    Opening,
    Attached,
    Detaching {
        cause: Cause,
        since: Instant,
        until: Instant,
        step: Step,
    },
    Searching,
    /// The client is to be told 1012, once what it sent is accepted and what it gets is whole.
    Leaving {
        until: Instant,
    },
    Closing {
        until: Instant,
        ending: Ending,
    },
    Ended,
}

/// Client to endpoint.
#[derive(Debug)]
struct Up {
    frames: Frames,
    replay: Replay,
    /// The edge's own word to the endpoint it leaves.
    farewell: Queue,
    /// The client said Close.
    closed: Option<CloseCode>,
    /// The client sends nothing more.
    ended: bool,
    messages: u64,
}

/// Endpoint to client.
#[derive(Debug)]
struct Down {
    frames: Frames,
    /// Bytes that leave for the client, whatever becomes of the leg they came from.
    out: Queue,
    /// The id of the message that follows.
    named: Option<EventId>,
    /// Close was said to the client.
    closed: Option<CloseCode>,
    /// A ping waits for the end of a frame.
    ping_due: bool,
    messages: u64,
}

impl WebSocket {
    /// A connection whose client waits for its answer.
    pub fn open(opening: Opening, now: Instant) -> Self {
        Self {
            legs: Legs::open(&opening, now),
            share: Share::new(opening.settings.holdings.clone()),
            settings: opening.settings,
            stage: Stage::Opening,
            contract: false,
            attached: false,
            up: Up {
                frames: Frames::new(None),
                replay: Replay::default(),
                farewell: Queue::default(),
                closed: None,
                ended: false,
                messages: 0,
            },
            down: Down {
                frames: Frames::new(None),
                out: Queue::default(),
                named: None,
                closed: None,
                ping_due: false,
                messages: 0,
            },
            pulse: Pulse::new(now),
            commands: VecDeque::from([Command::Dial]),
        }
    }

    /// The endpoint it is at, or was at last.
    pub const fn endpoint(&self) -> Option<&EndpointId> {
        self.legs.endpoint()
    }

    /// Whether its endpoint keeps the contract.
    pub const fn keeps_contract(&self) -> bool {
        self.contract
    }

    /// The instant before which it is not moved on purpose, if it followed a `421`: an order to
    /// move is not obeyed until then, nor remembered, since whoever gave it may have changed
    /// his mind by that time.
    pub fn held_until(&self) -> Option<Instant> {
        self.legs.held_until(&self.settings)
    }

    /// Why it left its last endpoint, if no other has taken it since.
    pub const fn moving(&self) -> Option<Cause> {
        self.legs.moving()
    }

    /// Whether it is on its way to another endpoint, or to its end.
    pub const fn is_leaving(&self) -> bool {
        !matches!(self.stage, Stage::Opening | Stage::Attached)
    }

    /// Whether the client is told, or is about to be, that it is to come back elsewhere.
    pub const fn is_drained(&self) -> bool {
        matches!(
            self.stage,
            Stage::Closing {
                ending: Ending::Drained,
                ..
            }
        )
    }

    /// Whole messages relayed so far: from the client, and to it.
    pub const fn messages(&self) -> (u64, u64) {
        (self.up.messages, self.down.messages)
    }

    /// What is to be done next.
    pub fn poll_command(&mut self) -> Option<Command> {
        let command = self.commands.pop_front();
        if command.is_none() && self.commands.capacity() > 0 {
            self.commands = VecDeque::new();
        }
        command
    }

    /// Whether [`poll_command`](Self::poll_command) has something.
    pub fn has_command(&self) -> bool {
        !self.commands.is_empty()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, if nothing happens first.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Ended => return None,
            Stage::Opening => return self.legs.timeout(),
            Stage::Attached => None,
            Stage::Detaching { until, .. }
            | Stage::Leaving { until }
            | Stage::Closing { until, .. } => Some(*until),
            Stage::Searching => self.legs.timeout(),
        };
        let pulse = self.pulse.timeout(&self.settings.pulse);
        let room = self.share.timeout();
        stage.into_iter().chain(room).chain([pulse]).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if !matches!(self.stage, Stage::Opening | Stage::Ended) {
            self.beat(now);
        }
        match self.stage {
            Stage::Opening | Stage::Searching => match self.legs.dial_due(now) {
                Ok(true) => self.commands.push_back(Command::Dial),
                Ok(false) => {}
                Err(lost) => self.give_up(lost, now),
            },
            Stage::Detaching { until, .. } if now >= until => self.detaching_too_long(now),
            Stage::Leaving { until } if now >= until => self.close(Ending::Drained, now),
            Stage::Closing { until, ending } if now >= until => self.end(ending),
            _ => {}
        }
        self.account(now);
    }

    /// Whom to dial. `None`: nobody; another [`Command::Dial`] may follow later.
    pub fn place(&mut self, snapshot: &Snapshot, now: Instant) -> Option<Placed> {
        let placed = self.legs.place(snapshot);
        if placed.is_none() {
            self.nobody(now);
        }
        placed
    }

    /// What came of the dial.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        match self.stage {
            Stage::Opening => self.answered_first(answer, now),
            Stage::Searching => self.answered_later(answer, now),
            _ => {}
        }
    }

    /// Whether bytes of the client are wanted.
    pub fn wants_downstream(&self) -> bool {
        let open = !matches!(self.stage, Stage::Opening | Stage::Ended) && !self.up.ended;
        let bound = self.share.bound(self.up_bound());
        open && (self.up.closed.is_some() || self.up.replay.occupied() < bound)
    }

    /// The client sent these bytes.
    pub fn handle_downstream(&mut self, bytes: &[u8], now: Instant) {
        self.pulse.heard(now);
        self.bound_messages();
        let mut input = bytes;
        while self.up.closed.is_none() {
            let Up {
                frames,
                replay,
                closed,
                messages,
                ..
            } = &mut self.up;
            match frames.next(&mut input) {
                Ok(None) => break,
                Ok(Some(part)) => take(part, self.contract, replay, closed, messages),
                Err(_) => return self.close(Ending::ClientBroken, now),
            }
        }
        if self.up.closed.is_some() {
            self.client_closed(now);
        }
        self.progress(now);
    }

    /// The client's leg ended: with FIN, or torn by an error.
    pub fn handle_downstream_end(&mut self, torn: bool, now: Instant) {
        self.up.ended = true;
        match self.stage {
            Stage::Ended => {}
            Stage::Closing { ending, .. } if torn || self.down.closed.is_some() => self.end(ending),
            Stage::Closing { .. } => {}
            // What it said before it went away is still delivered, for a while.
            Stage::Attached
            | Stage::Detaching {
                step: Step::Boundary | Step::Acceptance,
                ..
            } if !torn => {
                self.up.replay.release();
                let ending = Ending::ClientGone;
                self.stage = Stage::Closing {
                    until: now + CLOSING,
                    ending,
                };
            }
            // Its last words go to the next endpoint, if one takes it in time.
            Stage::Detaching { .. } | Stage::Searching if !torn && self.up.replay.owes() => {}
            _ => self.end(Ending::ClientGone),
        }
        self.progress(now);
    }

    /// Whether bytes of the endpoint are wanted.
    pub fn wants_upstream(&self) -> bool {
        let bound = self.share.bound(self.settings.handoff.message_buffer);
        self.attached && self.down.out.len() < bound
    }

    /// Bytes that may be read at once.
    pub fn read_max(&self) -> usize {
        self.share.bound(usize::MAX)
    }

    /// The endpoint sent these bytes.
    pub fn handle_upstream(&mut self, bytes: &[u8], now: Instant) {
        self.bound_messages();
        let mut input = bytes;
        while self.attached && self.down.closed.is_none() {
            let part = match self.down.frames.next(&mut input) {
                Ok(None) => break,
                Ok(Some(part)) => part,
                // No boundary can be found any more: nothing of this leg can be believed.
                Err(_) => return self.handle_upstream_end(now),
            };
            match part {
                Part::Message(bytes) => {
                    self.down.out.push(bytes);
                    self.down.messages += 1;
                    self.legs.delivered(self.down.named.take());
                }
                Part::Passing { bytes, ends } => {
                    self.down.out.push(bytes);
                    if ends {
                        self.down.messages += 1;
                        self.legs.delivered(self.down.named.take());
                    }
                }
                Part::Control(_, Said::Marked(note)) if self.contract => self.noted(note, now),
                Part::Control(frame, Said::Close(code)) => {
                    let close = Close {
                        frame: frame.into(),
                        code,
                    };
                    self.endpoint_closed(&close, now);
                }
                Part::Control(frame, _) => self.down.out.push(frame),
            }
        }
        self.ping_if_due();
        self.progress(now);
    }

    /// The upstream leg ended without a word, or broke.
    pub fn handle_upstream_end(&mut self, now: Instant) {
        if !self.attached {
            return;
        }
        match self.stage {
            Stage::Detaching {
                cause,
                since,
                step: Step::Farewell,
                ..
            } => {
                self.leg_over(cause, since, now);
            }
            _ => self.leg_over(Cause::Crash, now, now),
        }
        self.progress(now);
    }

    /// What may be written to the endpoint now.
    pub fn to_upstream(&self) -> &[u8] {
        match &self.stage {
            _ if !self.attached => &[],
            Stage::Detaching {
                step: Step::Farewell,
                ..
            } => self.up.farewell.as_slice(),
            _ => self.up.replay.unsent(),
        }
    }

    /// So many bytes of [`to_upstream`](Self::to_upstream) were written.
    pub fn upstream_written(&mut self, count: usize, now: Instant) {
        if let Stage::Detaching {
            step: Step::Farewell,
            ..
        } = self.stage
        {
            self.up.farewell.consume(count);
        } else {
            self.up.replay.advance(count);
        }
        self.progress(now);
    }

    /// All was written to the endpoint, and the client sends nothing more: pass its FIN on.
    pub fn upstream_finished(&self) -> bool {
        self.attached && self.up.ended && self.to_upstream().is_empty()
    }

    /// What may be written to the client now.
    pub fn to_downstream(&self) -> &[u8] {
        self.down.out.as_slice()
    }

    /// So many bytes of [`to_downstream`](Self::to_downstream) were written.
    pub fn downstream_written(&mut self, count: usize, now: Instant) {
        self.down.out.consume(count);
        self.pulse.wrote(now);
        self.progress(now);
    }

    fn nobody(&mut self, now: Instant) {
        if let super::search::Step::Lost(lost) = self.legs.nobody(now) {
            self.give_up(lost, now);
        } else if matches!(self.stage, Stage::Opening) && !self.legs.hopeful() {
            self.decline();
        }
    }

    fn beat(&mut self, now: Instant) {
        let reading = self.wants_downstream();
        self.pulse.observe(!self.down.out.is_empty(), reading, now);
        match self.pulse.beat(&self.settings.pulse, now) {
            None => {}
            Some(Beat::Ping) => {
                // Nothing follows a Close.
                self.down.ping_due = self.down.closed.is_none();
                self.ping_if_due();
            }
            // Such a client takes no Close either.
            Some(Beat::Silent) => self.end(Ending::ClientSilent),
            Some(Beat::Stalled) => self.end(Ending::ClientSlow),
            Some(Beat::Idle) => self.end(Ending::Idle),
        }
    }

    fn ping_if_due(&mut self) {
        if !self.down.ping_due || self.down.frames.inside_frame() {
            return;
        }
        self.down.ping_due = false;
        if let Ok(ping) = ControlFrame::ping(PREFIX, None) {
            self.down.out.push(ping.as_ref());
        }
    }

    fn noted(&mut self, note: Option<Note>, now: Instant) {
        let Some(note) = note else { return };
        if let Some(id) = note.id() {
            self.down.named = Some(*id);
        }
        if let Some(count) = note.accepted()
            && self.up.replay.accept(count).is_err()
        {
            self.close(Ending::Lost(Lost::Contract), now);
        }
    }

    /// Does what has become possible: the next step of a move, or the end.
    fn progress(&mut self, now: Instant) {
        let reading = self.wants_downstream();
        self.pulse.observe(!self.down.out.is_empty(), reading, now);
        match self.stage {
            Stage::Detaching { .. } => self.detach(now),
            Stage::Leaving { .. } => self.leave(now),
            Stage::Closing { ending, .. } if self.is_closed() => self.end(ending),
            _ => {}
        }
        self.account(now);
    }
}

/// What the client said goes to the endpoint, but for what nobody but an endpoint may say: so a
/// Pong to a ping of the edge goes no further.
fn take(
    part: Part<'_>,
    contract: bool,
    replay: &mut Replay,
    closed: &mut Option<CloseCode>,
    messages: &mut u64,
) {
    let bytes = match part {
        Part::Control(_, Said::Marked(_)) => return,
        Part::Message(bytes) => {
            *messages += 1;
            return replay.push_message(bytes);
        }
        Part::Passing { bytes, ends } => {
            *messages += u64::from(ends);
            if contract {
                return replay.push_part(bytes, ends);
            }
            bytes
        }
        Part::Control(bytes, said) => {
            if let Said::Close(code) = said {
                *closed = Some(code);
            }
            if contract {
                return replay.push_control(bytes);
            }
            bytes
        }
    };
    replay.push_opaque(bytes);
}
