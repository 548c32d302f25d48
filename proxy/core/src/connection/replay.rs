//! What the client said and nobody has accepted yet.
//!
//! Everything that goes to the endpoint waits here. On an opaque leg it is let go as it is
//! written. On a contract leg it stays until the endpoint says that it is accepted: when the
//! leg is lost, writing starts again at the first message that is not.

use std::collections::VecDeque;

use super::queue::Queue;

/// Bytes from the client, with the boundaries of its messages.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// From the first byte that may have to be said again.
    queue: Queue,
    /// What the queue is made of, in order. Empty on an opaque leg.
    pieces: VecDeque<Piece>,
    /// Pieces of `pieces` that are wholly written on this leg.
    pieces_sent: usize,
    /// Bytes in the first `pieces_sent` pieces.
    sent_whole: usize,
    /// Bytes of `queue` written on this leg.
    sent: usize,
    /// Bytes of `queue` that may be written, while the rest is held for the next leg.
    gate: Option<usize>,
    /// The first piece lost its beginning: it was too large to keep.
    torn: bool,
    /// Messages accepted, over all legs.
    accepted: u64,
    /// Messages accepted or wholly written on this leg.
    written: u64,
    /// The most messages ever wholly written: nobody can have accepted more.
    forwarded: u64,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    len: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Control,
    Message,
    /// A message that is too large to keep; `open` while more of it is to come.
    Large {
        open: bool,
    },
}

/// The endpoint says that it accepted more than it was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MoreThanSent;

/// The first message that is not accepted is not there any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Torn;

impl Replay {
    /// Bytes to be let go as they are written: nobody will ask for them again.
    pub(super) fn push_opaque(&mut self, bytes: &[u8]) {
        debug_assert!(
            self.pieces.is_empty(),
            "a connection is opaque or not, for life"
        );
        self.queue.push(bytes);
    }

    /// One whole message, to be kept until it is accepted.
    pub(super) fn push_message(&mut self, bytes: &[u8]) {
        self.push(bytes, Kind::Message);
    }

    /// One whole control frame. It is not accepted by anybody: it goes once it is written and
    /// nothing before it is kept.
    pub(super) fn push_control(&mut self, bytes: &[u8]) {
        // Inside a large message under way, the frame rides along with it.
        match self.open_piece() {
            Some(piece) => {
                piece.len += bytes.len();
                self.queue.push(bytes);
            }
            None => self.push(bytes, Kind::Control),
        }
    }

    /// A part of a message too large to keep.
    pub(super) fn push_part(&mut self, bytes: &[u8], ends: bool) {
        match self.open_piece() {
            Some(piece) => {
                piece.len += bytes.len();
                piece.kind = Kind::Large { open: !ends };
                self.queue.push(bytes);
                self.count_sent();
            }
            None => self.push(bytes, Kind::Large { open: !ends }),
        }
    }

    /// What it occupies, against the bound at which the client is not read any more.
    pub(super) fn occupied(&self) -> usize {
        self.queue.len() + self.pieces.len() * size_of::<Piece>()
    }

    /// What may be written now.
    pub(super) fn unsent(&self) -> &[u8] {
        let end = self.gate.unwrap_or(self.queue.len());
        &self.queue.as_slice()[self.sent..end.max(self.sent)]
    }

    /// `count` bytes of [`unsent`](Self::unsent) were written.
    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.pieces.is_empty() {
            self.queue.consume(self.sent);
            self.sent = 0;
            return;
        }
        self.count_sent();
        self.trim();
    }

    /// Lets nothing more out than the message under way. `false` while that one has not been
    /// received to its end: ask again later.
    pub(super) fn hold(&mut self) -> bool {
        let begun = self.sent > self.sent_whole || (self.torn && self.pieces_sent == 0);
        let gate = match self.pieces.get(self.pieces_sent) {
            Some(Piece {
                kind: Kind::Large { open: true },
                ..
            }) if begun => return false,
            Some(piece) if begun => self.sent_whole + piece.len,
            _ => self.sent_whole,
        };
        self.gate = Some(gate);
        true
    }

    /// Lets everything out again.
    pub(super) fn release(&mut self) {
        self.gate = None;
    }

    /// All that was let out is accepted.
    pub(super) fn settled(&self) -> bool {
        self.unsent().is_empty() && self.accepted >= self.written
    }

    /// A message is waiting to be written or accepted.
    pub(super) fn owes(&self) -> bool {
        self.pieces.iter().any(|piece| piece.kind != Kind::Control)
    }

    /// Messages accepted so far, over all legs.
    pub(super) const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// The endpoint has accepted `count` messages by now. A smaller number than before says
    /// nothing new.
    pub(super) fn accept(&mut self, count: u64) -> Result<(), MoreThanSent> {
        if count > self.forwarded {
            return Err(MoreThanSent);
        }
        while self.accepted < count {
            let Some(piece) = self.pop() else { break };
            if piece.kind != Kind::Control {
                self.accepted += 1;
            }
        }
        self.written = self.written.max(self.accepted);
        self.trim();
        Ok(())
    }

    /// A new leg: writing starts again at the first message that is not accepted.
    pub(super) fn rewind(&mut self) -> Result<(), Torn> {
        if self.torn {
            return Err(Torn);
        }
        self.gate = None;
        self.sent = 0;
        self.sent_whole = 0;
        self.pieces_sent = 0;
        self.written = self.accepted;
        Ok(())
    }

    fn push(&mut self, bytes: &[u8], kind: Kind) {
        self.queue.push(bytes);
        self.pieces.push_back(Piece {
            len: bytes.len(),
            kind,
        });
    }

    fn open_piece(&mut self) -> Option<&mut Piece> {
        self.pieces
            .back_mut()
            .filter(|piece| piece.kind == Kind::Large { open: true })
    }

    /// Counts the pieces that are wholly written.
    fn count_sent(&mut self) {
        while let Some(piece) = self.pieces.get(self.pieces_sent) {
            let end = self.sent_whole + piece.len;
            if self.sent < end || piece.kind == (Kind::Large { open: true }) {
                break;
            }
            self.sent_whole = end;
            self.pieces_sent += 1;
            if piece.kind != Kind::Control {
                self.written += 1;
                self.forwarded = self.forwarded.max(self.written);
            }
        }
    }

    /// Lets go of what nobody will ask for again, or what is too large to keep.
    fn trim(&mut self) {
        while let Some(piece) = self.pieces.front_mut() {
            match piece.kind {
                Kind::Control if self.pieces_sent > 0 => {
                    self.pop();
                }
                Kind::Large { .. } if self.sent > 0 && piece.len > 0 => {
                    let count = piece.len.min(self.sent);
                    piece.len -= count;
                    self.torn = true;
                    self.forget(count, self.pieces_sent > 0);
                    return;
                }
                _ => return,
            }
        }
    }

    fn pop(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        let whole = self.pieces_sent > 0;
        self.pieces_sent = self.pieces_sent.saturating_sub(1);
        self.torn = false;
        self.forget(piece.len, whole);
        Some(piece)
    }

    /// Drops `count` bytes from the front, `whole` if they belong to a piece wholly written.
    fn forget(&mut self, count: usize, whole: bool) {
        self.queue.consume(count);
        self.sent = self.sent.saturating_sub(count);
        self.gate = self.gate.map(|gate| gate.saturating_sub(count));
        if whole {
            self.sent_whole -= count;
        }
    }
}
