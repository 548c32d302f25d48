//! What a WebSocket holds, and tells the process of it.

use super::super::holdings::Buffer;
use super::{Stage, WebSocket};
use crate::time::Instant;

impl WebSocket {
    /// How many of the client's messages the endpoints said they have accepted, over all legs.
    pub const fn accepted(&self) -> u64 {
        self.up.replay.accepted()
    }

    /// Bytes held for the endpoint, with what the client has begun to say, and for the client.
    pub fn held(&self) -> (usize, usize) {
        let Self { up, down, .. } = self;
        let for_endpoint = up.replay.occupied() + up.farewell.len() + up.frames.held_len();
        (for_endpoint, down.out.len() + down.frames.held_len())
    }

    /// Bytes of the client that may wait for the endpoint.
    pub(super) fn up_bound(&self) -> usize {
        let handoff = &self.settings.handoff;
        match self.contract {
            true => handoff.unaccepted_buffer,
            false => handoff.message_buffer,
        }
    }

    /// Bytes of one message that may be held, so that a torn one can be dropped whole.
    pub(super) fn held_bytes(&self) -> Option<usize> {
        let bound = self.settings.handoff.message_buffer;
        self.contract.then(|| self.share.message_bound(bound))
    }

    /// While all connections together hold too much, longer messages pass through in parts.
    pub(super) fn bound_messages(&mut self) {
        let bound = self.held_bytes();
        self.up.frames.set_bound(bound);
        self.down.frames.set_bound(bound);
    }

    /// Counts what is held, and the bounds that were reached.
    pub(super) fn account(&mut self, now: Instant) {
        let (up, down) = (self.up.replay.occupied(), self.down.out.len());
        let begun = self.up.frames.held_len() + self.down.frames.held_len();
        self.share.hold(up + down + begun);
        let over = matches!(self.stage, Stage::Opening | Stage::Ended);
        let own = (self.up_bound(), self.settings.handoff.message_buffer);
        let (full_up, full_down) = (!over && up >= own.0, !over && down >= own.1);
        let tight = (self.share.bound(own.0), self.share.bound(own.1));
        let held_up = !over && (up >= tight.0 || down >= tight.1);
        self.share.at(Buffer::Unaccepted, full_up, now);
        self.share.at(Buffer::Downstream, full_down, now);
        let process = held_up && !full_up && !full_down;
        self.share.at(Buffer::Process, process, now);
        if !matches!(self.stage, Stage::Searching) {
            let _ = self.share.park(false);
        }
    }
}
