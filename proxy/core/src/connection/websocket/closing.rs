//! How a WebSocket ends: who says Close, and what that means.

use holdfast_wire::websocket::{CloseCode, ControlFrame};

use super::super::{CLOSING, Cause, Command, Ending};
use super::{Stage, Step, WebSocket};
use crate::time::Instant;

/// A Close of the endpoint.
pub(super) struct Close {
    pub(super) frame: Box<[u8]>,
    pub(super) code: CloseCode,
}

impl WebSocket {
    /// The client's Close goes to the endpoint like anything else, and wins over a move.
    pub(super) fn client_closed(&mut self, now: Instant) {
        let Some(code) = self.up.closed else { return };
        let until = now + CLOSING;
        match self.stage {
            Stage::Detaching {
                step: Step::Boundary | Step::Acceptance,
                ..
            }
            | Stage::Attached => {
                self.up.replay.release();
                self.stage = Stage::Closing {
                    until,
                    ending: Ending::ClientClosed(code),
                };
            }
            Stage::Searching if !self.up.replay.owes() => self.answer_client(code, now),
            Stage::Leaving { .. } => {
                self.stage = Stage::Closing {
                    until,
                    ending: Ending::ClientClosed(code),
                };
            }
            _ => {}
        }
    }

    /// There is no endpoint to answer the client's Close, and none is needed.
    pub(super) fn answer_client(&mut self, code: CloseCode, now: Instant) {
        self.close_with(code, Ending::ClientClosed(code), now);
    }

    /// What the endpoint's Close means depends on who began.
    pub(super) fn endpoint_closed(&mut self, close: &Close, now: Instant) {
        let restarts = matches!(close.code, CloseCode::RESTART | CloseCode::GOING_AWAY);
        match self.stage {
            Stage::Detaching {
                cause,
                since,
                step: Step::Farewell,
                ..
            } => {
                self.leg_over(cause, since, now);
            }
            _ if self.contract && restarts && self.up.closed.is_none() => match self.stage {
                // A proxy that leaves has nowhere to move it to.
                Stage::Leaving { .. } | Stage::Closing { .. } => self.pass_close(close, now),
                _ => self.leg_over(Cause::Wish, now, now),
            },
            _ => self.pass_close(close, now),
        }
    }

    pub(super) fn pass_close(&mut self, close: &Close, now: Instant) {
        self.up.replay.release();
        self.down.out.push(&close.frame);
        self.down.closed = Some(close.code);
        if !matches!(self.stage, Stage::Closing { .. }) {
            let ending = Ending::EndpointClosed(close.code);
            self.stage = Stage::Closing {
                until: now + CLOSING,
                ending,
            };
        }
    }

    /// Ends the connection with the edge's own Close, where a frame may stand.
    pub(super) fn close(&mut self, ending: Ending, now: Instant) {
        self.close_with(ending.code(), ending, now);
    }

    pub(super) fn close_with(&mut self, code: CloseCode, ending: Ending, now: Instant) {
        if matches!(self.stage, Stage::Ended) {
            return;
        }
        let cut = self.down.frames.inside_frame();
        // A client that is closed politely answers, and its answer is the endpoint's Close.
        if ending != Ending::Drained {
            self.drop_leg();
        }
        if cut || self.down.closed.is_some() || self.up.ended {
            return self.end(ending);
        }
        let close = ControlFrame::close(code, ending.as_str(), None);
        self.down.out.push(close.as_ref());
        self.down.closed = Some(code);
        self.up.replay.release();
        self.stage = Stage::Closing {
            until: now + CLOSING,
            ending,
        };
        self.progress(now);
    }

    pub(super) fn drop_leg(&mut self) {
        if self.attached || matches!(self.stage, Stage::Searching) {
            self.commands.push_back(Command::HangUp);
        }
        self.attached = false;
        self.legs.give_up();
    }

    pub(super) fn end(&mut self, ending: Ending) {
        if matches!(self.stage, Stage::Ended) {
            return;
        }
        self.drop_leg();
        self.stage = Stage::Ended;
        self.commands.push_back(Command::End(ending));
    }

    pub(super) fn decline(&mut self) {
        self.legs.give_up();
        self.stage = Stage::Ended;
        self.commands.push_back(Command::Decline);
    }

    /// Both sides have said and got what they were to get.
    pub(super) fn is_closed(&self) -> bool {
        let flushed = self.down.out.is_empty();
        if !self.attached {
            // Only the client is left, and it was told; its answer has nowhere to go.
            return flushed && (self.up.closed.is_some() || self.up.ended);
        }
        let told = self.up.closed.is_some() && self.down.closed.is_some();
        flushed && told && self.up.replay.unsent().is_empty()
    }
}
