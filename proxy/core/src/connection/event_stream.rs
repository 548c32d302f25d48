//! One relayed event stream.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use holdfast_wire::sse::{self, Block, BlockId, BlockKind, Scanner};
use holdfast_wire::websocket::CloseCode;

use super::holdings::{Buffer, Share};
use super::legs::{Legs, Whither};
use super::queue::Queue;
use super::search::Step;
use super::{Answer, Cause, Command, Ending, Lost, Opening, Order, Placed, Settings, Terms};
use crate::cluster::{Contract, EndpointId};
use crate::snapshot::Snapshot;
use crate::time::Instant;

/// The state machine of one relayed event stream: whole events go to the client, whichever
/// endpoint they come from. See the [module](super) for its states.
#[derive(Debug)]
pub struct EventStream {
    settings: Arc<Settings>,
    stage: Stage,
    /// The endpoint keeps the contract: this connection can be moved.
    contract: bool,
    legs: Legs,
    /// There is an upstream leg.
    attached: bool,
    scanner: Scanner,
    /// The begun event, while it may still be dropped.
    held: Vec<u8>,
    /// The event under way is too large to hold and passes through.
    passing: bool,
    /// Bytes that leave for the client, whatever becomes of the leg they came from.
    out: Queue,
    /// When bytes were last taken, or there were none.
    wrote: Instant,
    share: Share,
    events: u64,
    commands: VecDeque<Command>,
}

#[derive(Debug)]
enum Stage {
    Opening,
    Attached,
    /// An event too large to hold is passing: wait for its end, then move or close.
    Detaching {
        cause: Option<Cause>,
        since: Instant,
        until: Instant,
    },
    Searching,
    /// The last bytes are on their way to the client.
    Closing {
        ending: Ending,
    },
    Ended,
}

impl EventStream {
    /// A connection whose client waits for its answer.
    pub fn open(opening: Opening, now: Instant) -> Self {
        Self {
            legs: Legs::open(&opening, now),
            share: Share::new(opening.settings.holdings.clone()),
            scanner: Scanner::new(opening.settings.handoff.message_buffer),
            settings: opening.settings,
            stage: Stage::Opening,
            contract: false,
            attached: false,
            held: Vec::new(),
            passing: false,
            out: Queue::default(),
            wrote: now,
            events: 0,
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
    /// move is not obeyed until then, nor remembered.
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
                ending: Ending::Drained
            }
        )
    }

    /// Events relayed so far.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Bytes held for the client, with the begun event.
    pub fn held(&self) -> usize {
        self.out.len() + self.held.len()
    }

    /// What is to be done next.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, if nothing happens first.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Ended => return None,
            Stage::Opening => return self.legs.timeout(),
            Stage::Attached => None,
            Stage::Detaching { until, .. } => Some(*until),
            Stage::Searching => self.legs.timeout(),
            Stage::Closing { .. } => None,
        };
        let pulse = &self.settings.pulse;
        let watch = if self.out.is_empty() {
            pulse.heartbeat
        } else {
            pulse.write_stall
        };
        let room = self.share.timeout();
        stage
            .into_iter()
            .chain(room)
            .chain([self.wrote + watch])
            .min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.stage {
            Stage::Opening | Stage::Searching => match self.legs.dial_due(now) {
                Ok(true) => self.commands.push_back(Command::Dial),
                Ok(false) => {}
                Err(lost) => self.give_up(lost, now),
            },
            Stage::Detaching { until, cause, .. } if now >= until => match cause {
                // Moving now would tear the event.
                Some(_) => self.stage = Stage::Attached,
                None => self.end(Ending::Drained),
            },
            _ => {}
        }
        self.watch(now);
        self.account(now);
    }

    /// Whom to dial. `None`: nobody; another [`Command::Dial`] may follow later.
    pub fn place(&mut self, snapshot: &Snapshot, now: Instant) -> Option<Placed> {
        let placed = self.legs.place(snapshot);
        if placed.is_none() {
            match self.legs.nobody(now) {
                Step::Lost(lost) => self.give_up(lost, now),
                Step::Dial if matches!(self.stage, Stage::Opening) && !self.legs.hopeful() => {
                    self.decline();
                }
                Step::Dial => {}
            }
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

    /// The client waits for the head of its answer, which leaves with the first bytes behind it.
    pub fn greet(&mut self) {
        if !self.passing && self.out.is_empty() {
            self.out.push(HEARTBEAT);
        }
    }

    /// The client took nothing for as long as the shell waits for one write.
    pub fn handle_downstream_stalled(&mut self) {
        self.end(Ending::ClientSlow);
    }

    /// The client is gone.
    pub fn handle_downstream_end(&mut self) {
        self.end(Ending::ClientGone);
    }

    /// Whether bytes of the endpoint are wanted.
    pub fn wants_upstream(&self) -> bool {
        let bound = self.share.bound(self.settings.handoff.message_buffer);
        self.attached && self.out.len() < bound
    }

    /// Bytes that may be read at once.
    pub fn read_max(&self) -> usize {
        self.share.bound(usize::MAX)
    }

    /// The endpoint sent these bytes of its stream.
    pub fn handle_upstream(&mut self, bytes: &[u8], now: Instant) {
        if !self.attached {
            return;
        }
        let idle = self.out.is_empty();
        let mut rest = bytes;
        while let Some(piece) = self.scanner.scan(rest) {
            let (bytes, after) = rest.split_at(piece.len);
            rest = after;
            self.take(bytes, piece);
            if piece.ended.is_some() && matches!(self.stage, Stage::Detaching { .. }) {
                return self.detach(now);
            }
        }
        if idle {
            self.wrote = now;
        }
        self.account(now);
    }

    /// The endpoint's stream ended: `complete` as HTTP has it, or cut.
    pub fn handle_upstream_end(&mut self, complete: bool, now: Instant) {
        if !self.attached {
            return;
        }
        if !self.contract {
            self.out.push(&std::mem::take(&mut self.held));
            return self.closing(if complete {
                Ending::Finished
            } else {
                Ending::EndpointGone
            });
        }
        let cause = if complete { Cause::Wish } else { Cause::Crash };
        // Some servers end their streams in good order whatever kills them: either way the
        // endpoint is asked again first, while it is admitted.
        self.leg_over((cause, Whither::Back), now, now);
    }

    /// Operators or the control plane want something.
    pub fn handle_order(&mut self, order: Order, now: Instant) {
        match (order, &self.stage) {
            (Order::Abandon, _) => self.handle_upstream_end(false, now),
            (Order::Move(cause), Stage::Attached) if self.contract => self.begin_move(cause, now),
            (Order::Close, Stage::Opening) => self.decline(),
            (Order::Close, Stage::Searching) => self.close(Ending::Drained),
            (Order::Move(_), Stage::Attached)
            | (Order::Close, Stage::Attached | Stage::Detaching { .. }) => {
                self.begin_detaching(None, now);
            }
            _ => {}
        }
    }

    /// What may be written to the client now: whole events, unless one is too large to hold.
    pub fn to_downstream(&self) -> &[u8] {
        self.out.as_slice()
    }

    /// So many bytes of [`to_downstream`](Self::to_downstream) were written.
    pub fn downstream_written(&mut self, count: usize, now: Instant) {
        self.out.consume(count);
        self.wrote = now;
        self.account(now);
        if let Stage::Closing { ending } = self.stage
            && self.out.is_empty()
        {
            self.end(ending);
        }
    }

    fn take(&mut self, bytes: &[u8], piece: sse::Piece) {
        if !self.contract || self.passing {
            self.out.push(bytes);
            // Of an opaque stream a begun event has partly gone out already.
            self.passing = piece.ended.is_none();
        } else if let Some(block) = piece.ended {
            if matches!(block.kind, BlockKind::Comment | BlockKind::Event) {
                self.out.push(&std::mem::take(&mut self.held));
                self.out.push(bytes);
            }
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(bytes);
            // Too large for the connection, or for all of them together.
            if piece.over_bound || self.held.len() > self.share.message_bound(usize::MAX) {
                self.out.push(&std::mem::take(&mut self.held));
                self.passing = true;
            }
        }
        if let Some(block) = piece.ended {
            self.delivered(&block);
        }
    }

    fn delivered(&mut self, block: &Block) {
        if block.kind != BlockKind::Event {
            return;
        }
        self.events += u64::from(block.has_data);
        match block.id {
            Some(BlockId::Named(id)) => self.legs.delivered(Some(id)),
            Some(BlockId::Reset) => self.legs.forget_id(),
            Some(BlockId::Foreign) | None => self.legs.delivered(None),
        }
    }

    /// Keeps the client's path open, and gives up a client that takes nothing.
    fn watch(&mut self, now: Instant) {
        let pulse = &self.settings.pulse;
        if matches!(self.stage, Stage::Opening | Stage::Ended) {
            return;
        }
        if !self.out.is_empty() && now >= self.wrote + pulse.write_stall {
            return self.end(Ending::ClientSlow);
        }
        if self.out.is_empty() && now >= self.wrote + pulse.heartbeat {
            self.wrote = now;
            if !self.passing {
                self.out.push(HEARTBEAT);
            }
        }
    }

    fn begin_move(&mut self, cause: Cause, now: Instant) {
        if self.held_until().is_none_or(|until| now >= until) {
            self.begin_detaching(Some(cause), now);
        }
    }

    /// To another endpoint for this cause; without one, away from the client.
    fn begin_detaching(&mut self, cause: Option<Cause>, now: Instant) {
        let until = now + self.settings.handoff.close_timeout;
        self.stage = Stage::Detaching {
            cause,
            since: now,
            until,
        };
        self.detach(now);
    }

    /// Leaves the endpoint, or the client, if no event is cut by it.
    fn detach(&mut self, now: Instant) {
        let Stage::Detaching { cause, since, .. } = self.stage else {
            return;
        };
        if self.passing {
            return;
        }
        match cause {
            Some(cause) => self.leg_over((cause, Whither::Away), since, now),
            None => self.close(Ending::Drained),
        }
    }

    fn leg_over(&mut self, why: (Cause, Whither), since: Instant, now: Instant) {
        self.drop_leg();
        if self.passing {
            self.legs.left(why.0);
            return self.close(Ending::Lost(Lost::Torn));
        }
        self.held = Vec::new();
        self.scanner = Scanner::new(self.settings.handoff.message_buffer);
        self.stage = Stage::Searching;
        self.legs.leave(why, since, now, &self.settings);
        if !self.share.park(true) {
            return self.close(Ending::Lost(Lost::Crowded));
        }
        if self.legs.dial_due(now) == Ok(true) {
            self.commands.push_back(Command::Dial);
        }
    }

    fn answered_first(&mut self, answer: Answer, now: Instant) {
        let contract = self.settings.contract();
        let follows = |said: bool| contract == Contract::Required || said;
        match answer {
            Answer::Taken(terms) => match terms.under(&self.settings) {
                Some(terms) => {
                    self.contract = terms.contract;
                    self.attach(terms, now);
                    self.commands.push_back(Command::Accept);
                }
                None => self.unsuitable(now),
            },
            Answer::Failed => self.go_elsewhere(&answer, now),
            _ if contract == Contract::Off => self.decline(),
            Answer::Elsewhere {
                ref owner,
                contract: said,
            } if follows(said || owner.is_some()) => {
                self.go_elsewhere(&answer, now);
            }
            Answer::Conflict { .. } => self.go_elsewhere(&answer, now),
            _ => self.decline(),
        }
    }

    fn answered_later(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::Taken(terms) if terms.contract => self.attach(terms, now),
            Answer::Taken(_) => self.unsuitable(now),
            Answer::Refused(status) => self.close(Ending::Refused(status)),
            Answer::Finished => self.close(Ending::Finished),
            _ => self.go_elsewhere(&answer, now),
        }
    }

    fn attach(&mut self, terms: Terms, now: Instant) {
        let moved = self.legs.attach(terms, now);
        self.commands.extend(moved.map(Command::Report));
        self.attached = true;
        self.stage = Stage::Attached;
        self.wrote = now;
        self.account(now);
    }

    fn unsuitable(&mut self, now: Instant) {
        self.commands.push_back(Command::HangUp);
        self.go_elsewhere(&Answer::Unsuitable, now);
    }

    fn go_elsewhere(&mut self, answer: &Answer, now: Instant) {
        match self.legs.refused(answer, now) {
            Step::Dial => self.commands.push_back(Command::Dial),
            Step::Lost(lost) => self.give_up(lost, now),
        }
    }

    /// Counts what is held, and the bounds that were reached.
    fn account(&mut self, now: Instant) {
        let held = self.out.len();
        self.share.hold(held + self.held.len());
        let own = self.settings.handoff.message_buffer;
        let full = held >= own;
        let tight = held >= self.share.bound(own);
        self.share.at(Buffer::Downstream, full, now);
        self.share.at(Buffer::Process, tight && !full, now);
        if !matches!(self.stage, Stage::Searching) {
            let _ = self.share.park(false);
        }
    }

    fn give_up(&mut self, lost: Lost, _now: Instant) {
        if matches!(self.stage, Stage::Opening) {
            self.decline();
        } else {
            self.close(Ending::Lost(lost));
        }
    }

    fn decline(&mut self) {
        self.legs.give_up();
        self.stage = Stage::Ended;
        self.commands.push_back(Command::Decline);
    }

    /// Ends the stream at a whole event and tells the client when to come back, if it may.
    fn close(&mut self, ending: Ending) {
        let comes_back = matches!(ending, Ending::Drained | Ending::Lost(_));
        if comes_back && !self.passing {
            let mut retry = Vec::new();
            let wait = u64::try_from(self.settings.retry.as_millis()).unwrap_or(u64::MAX);
            sse::encode_retry(&mut retry, wait);
            self.out.push(&retry);
        }
        self.closing(ending);
    }

    fn closing(&mut self, ending: Ending) {
        self.drop_leg();
        if self.out.is_empty() {
            return self.end(ending);
        }
        self.stage = Stage::Closing { ending };
    }

    fn drop_leg(&mut self) {
        if self.attached || matches!(self.stage, Stage::Searching) {
            self.commands.push_back(Command::HangUp);
        }
        self.attached = false;
        self.legs.give_up();
    }

    fn end(&mut self, ending: Ending) {
        if matches!(self.stage, Stage::Ended) {
            return;
        }
        self.drop_leg();
        self.stage = Stage::Ended;
        self.commands.push_back(Command::End(ending));
    }
}

impl Ending {
    /// Whether an event stream with this ending was complete, as far as HTTP is concerned: else
    /// the client has to see that it was cut.
    pub const fn completes_stream(self) -> bool {
        match self {
            Self::EndpointGone | Self::ClientSlow | Self::Lost(Lost::Torn) => false,
            Self::EndpointClosed(code) => code.0 == CloseCode::NORMAL.0,
            _ => true,
        }
    }
}

/// A comment: clients do not see it, paths between here and them stay open.
const HEARTBEAT: &[u8] = b":\n\n";
