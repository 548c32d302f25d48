//! How a WebSocket leaves its endpoint and comes to another.

use holdfast_wire::contract::MOVE_REASON;
use holdfast_wire::websocket::{CloseCode, ControlFrame};

use super::super::legs::Whither;
use super::super::search;
use super::super::{Answer, CLOSING, Cause, Command, Ending, Lost, Order, Terms};
use super::{Frames, Stage, WebSocket};
use crate::cluster::Contract;
use crate::time::Instant;

/// How far a planned move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A message too large to hold is on its way to the endpoint: wait for its end.
    Boundary,
    /// All that was sent is being accepted.
    Acceptance,
    /// Close 1012 `hf1:move` was said; the endpoint says what it still has, then Close.
    Farewell,
}

impl WebSocket {
    /// Operators or the control plane want something.
    pub fn handle_order(&mut self, order: Order, now: Instant) {
        match (order, &self.stage) {
            (Order::Abandon, _) if self.attached && self.contract => self.handle_upstream_end(now),
            (Order::Abandon, _) if self.attached => self.close(Ending::EndpointGone, now),
            (Order::Move(cause), Stage::Attached) if self.contract => self.begin_move(cause, now),
            (Order::Close, Stage::Opening) => self.decline(),
            (Order::Close, Stage::Searching) => self.close(Ending::Drained, now),
            (Order::Move(_), Stage::Attached)
            | (Order::Close, Stage::Attached | Stage::Detaching { .. }) => {
                // What was sent is accepted first; an opaque endpoint cannot say so.
                let until = now + self.settings.handoff.close_timeout;
                self.stage = Stage::Leaving { until };
                self.leave(now);
            }
            // It is on its way already.
            _ => {}
        }
    }

    fn begin_move(&mut self, cause: Cause, now: Instant) {
        if self.held_until().is_some_and(|until| now < until) {
            return;
        }
        let until = now + self.settings.handoff.close_timeout;
        self.stage = Stage::Detaching {
            cause,
            since: now,
            until,
            step: Step::Boundary,
        };
        self.detach(now);
    }

    /// The next steps of a planned move, as far as they can be made.
    pub(super) fn detach(&mut self, now: Instant) {
        loop {
            let Stage::Detaching { step, until, .. } = &mut self.stage else {
                return;
            };
            match step {
                Step::Boundary if self.up.replay.hold() => *step = Step::Acceptance,
                Step::Acceptance if self.up.replay.settled() => {
                    *step = Step::Farewell;
                    *until = now + self.settings.handoff.close_timeout;
                    // The mask hides nothing: the frame is the same each time.
                    let close =
                        ControlFrame::close(CloseCode::RESTART, MOVE_REASON, Some([0x48; 4]));
                    self.up.farewell.push(close.as_ref());
                    return;
                }
                _ => return,
            }
        }
    }

    /// A step of a planned move took longer than it may.
    pub(super) fn detaching_too_long(&mut self, now: Instant) {
        let Stage::Detaching {
            cause,
            since,
            until,
            step,
        } = &mut self.stage
        else {
            return;
        };
        match *step {
            // The client is in the middle of a large message. Moving now would tear it; the
            // endpoint's going away will, if it must be.
            Step::Boundary => self.stage = Stage::Attached,
            Step::Acceptance if self.up.replay.unsent().is_empty() => {
                // What it has not accepted is said again to the next.
                *step = Step::Farewell;
                *until = now + self.settings.handoff.close_timeout;
                let close = ControlFrame::close(CloseCode::RESTART, MOVE_REASON, Some([0x48; 4]));
                self.up.farewell.push(close.as_ref());
            }
            // It does not even take bytes, or never says Close: leave without a word.
            Step::Acceptance | Step::Farewell => {
                let (cause, since) = (*cause, *since);
                self.leg_over(cause, since, now);
            }
        }
    }

    /// Says 1012 to the client once nothing is lost by it.
    pub(super) fn leave(&mut self, now: Instant) {
        let accepted = !self.contract || (self.up.replay.hold() && self.up.replay.settled());
        let whole = !self.down.frames.passing();
        if accepted && whole {
            self.close(Ending::Drained, now);
        }
    }

    /// The upstream leg is gone. Goes on, ends well, or is lost.
    pub(super) fn leg_over(&mut self, cause: Cause, since: Instant, now: Instant) {
        let torn = self.down.frames.passing();
        let inside = self.down.frames.inside_frame();
        self.attached = false;
        self.up.farewell.clear();
        self.down.named = None;
        self.commands.push_back(Command::HangUp);
        if !inside {
            self.down.frames = Frames::new(self.held_bytes());
        }
        if !self.contract {
            return self.opaque_leg_over(now);
        }
        match self.stage {
            Stage::Ended => {}
            Stage::Closing { ending, .. } => self.leg_over_while_closing(ending, since, now),
            Stage::Leaving { .. } => self.close(Ending::Drained, now),
            _ if torn => {
                self.legs.left(cause);
                self.close(Ending::Lost(Lost::Torn), now);
            }
            _ => match self.up.closed {
                Some(code) if !self.up.replay.owes() => self.answer_client(code, now),
                _ => self.search(cause, since, now),
            },
        }
    }

    fn leg_over_while_closing(&mut self, ending: Ending, since: Instant, now: Instant) {
        match (self.up.closed, self.down.closed) {
            // The client's last words were not accepted, and it still waits for its Close.
            (Some(_), None) if self.up.replay.owes() => self.search(Cause::Crash, since, now),
            (Some(code), None) => self.answer_client(code, now),
            _ if self.up.ended => self.end(ending),
            _ => {}
        }
    }

    fn search(&mut self, cause: Cause, since: Instant, now: Instant) {
        self.stage = Stage::Searching;
        let asked = match cause {
            Cause::Crash => Whither::Back,
            _ => Whither::Away,
        };
        self.legs.leave((cause, asked), since, now, &self.settings);
        if !self.share.park(true) {
            return self.close(Ending::Lost(Lost::Crowded), now);
        }
        if self.legs.dial_due(now) == Ok(true) {
            self.commands.push_back(Command::Dial);
        }
    }

    /// What an opaque endpoint said last goes to the client, and then the end of its leg.
    fn opaque_leg_over(&mut self, now: Instant) {
        match (&self.stage, self.up.closed, self.down.closed) {
            (Stage::Closing { ending, .. }, ..) if self.down.out.is_empty() => {
                let ending = *ending;
                self.end(ending);
            }
            (Stage::Closing { .. } | Stage::Ended, ..) => self.up.ended = true,
            (_, Some(code), None) => self.answer_client(code, now),
            _ => {
                let ending = Ending::EndpointGone;
                self.stage = Stage::Closing {
                    until: now + CLOSING,
                    ending,
                };
                self.up.ended = true;
            }
        }
    }

    pub(super) fn answered_first(&mut self, answer: Answer, now: Instant) {
        let contract = self.settings.contract();
        let follows = |said: bool| contract == Contract::Required || said;
        match answer {
            Answer::Taken(terms) => {
                let terms = terms.under(&self.settings);
                match terms.filter(|terms| terms.accepted.unwrap_or(0) == 0) {
                    Some(terms) => self.accept(terms, now),
                    None => {
                        self.commands.push_back(Command::HangUp);
                        self.go_elsewhere(&Answer::Unsuitable, now);
                    }
                }
            }
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

    fn accept(&mut self, terms: Terms, now: Instant) {
        self.contract = terms.contract;
        self.legs.attach(terms, now);
        self.attached = true;
        self.stage = Stage::Attached;
        self.up.frames = Frames::new(self.held_bytes());
        self.down.frames = Frames::new(self.held_bytes());
        self.pulse.heard(now);
        self.commands.push_back(Command::Accept);
    }

    pub(super) fn answered_later(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::Taken(terms) => self.attach(terms, now),
            Answer::Refused(status) => self.close(Ending::Refused(status), now),
            // No answer to an upgrade.
            Answer::Finished => self.go_elsewhere(&Answer::Unsuitable, now),
            _ => self.go_elsewhere(&answer, now),
        }
    }

    /// A later leg is taken if its terms fit what happened on the legs before.
    fn attach(&mut self, terms: Terms, now: Instant) {
        let Some(accepted) = terms.accepted.filter(|_| terms.contract) else {
            self.commands.push_back(Command::HangUp);
            return self.go_elsewhere(&Answer::Unsuitable, now);
        };
        if accepted < self.up.replay.accepted() {
            return self.close(Ending::Lost(Lost::Rewound), now);
        }
        if self.up.replay.accept(accepted).is_err() {
            return self.close(Ending::Lost(Lost::Contract), now);
        }
        if self.up.replay.rewind().is_err() {
            return self.close(Ending::Lost(Lost::Torn), now);
        }
        let moved = self.legs.attach(terms, now);
        self.attached = true;
        self.commands.extend(moved.map(Command::Report));
        let ending = match self.up.closed {
            Some(code) => Some(Ending::ClientClosed(code)),
            None => self.up.ended.then_some(Ending::ClientGone),
        };
        let until = now + CLOSING;
        self.stage = ending.map_or(Stage::Attached, |ending| Stage::Closing { until, ending });
        self.progress(now);
    }

    fn go_elsewhere(&mut self, answer: &Answer, now: Instant) {
        match self.legs.refused(answer, now) {
            search::Step::Dial => self.commands.push_back(Command::Dial),
            search::Step::Lost(lost) => self.give_up(lost, now),
        }
    }

    /// Nobody takes it.
    pub(super) fn give_up(&mut self, lost: Lost, now: Instant) {
        if matches!(self.stage, Stage::Opening) {
            self.decline();
        } else {
            self.close(Ending::Lost(lost), now);
        }
    }
}
