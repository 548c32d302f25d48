//! From bytes to whole messages, in one direction of one leg.

use holdfast_wire::contract::{self, Note};
use holdfast_wire::websocket::{CloseCode, Control, ScanError, Scanner};

/// Takes bytes as they come and gives them back as whole messages and whole control frames.
///
/// Of an opaque leg nothing but control frames is held back. Of a contract leg a message is
/// held until it is whole, so that a half-received one can be dropped; one above `bound` bytes
/// passes through in parts.
#[derive(Debug)]
pub(super) struct Frames {
    scanner: Scanner,
    /// Bytes of one message that may be held; `None` holds none.
    bound: Option<usize>,
    /// A begun frame head, or a begun control frame: at most 139 bytes.
    begun: Vec<u8>,
    /// The begun message.
    held: Vec<u8>,
    /// The message or oversized control frame under way passes through in parts.
    passing: bool,
    /// The last part handed out is of a message that is not kept whole.
    large: bool,
    /// What of `begun` and `held` was handed out and is to be dropped.
    spent: Spent,
}

/// What bytes turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// All frames of one data message, and nothing else.
    Message(&'a [u8]),
    /// Bytes of a data message that passes through; `ends` it or goes on.
    Passing { bytes: &'a [u8], ends: bool },
    /// One whole control frame and what it says.
    Control(&'a [u8], Said),
}

/// What a control frame says, as far as a relay cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Close(CloseCode),
    /// A Pong that starts with `hf1:`; nothing in it if it is malformed.
    Marked(Option<Note>),
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spent {
    Nothing,
    Begun,
    Held,
}

impl Frames {
    /// At the first byte behind the handshake. `bound` is what may be held of one message,
    /// `None` for an opaque leg.
    pub(super) const fn new(bound: Option<usize>) -> Self {
        Self {
            scanner: Scanner::new(),
            bound,
            begun: Vec::new(),
            held: Vec::new(),
            passing: false,
            large: false,
            spent: Spent::Nothing,
        }
    }

    /// From now on so many bytes of one message may be held; `None` holds none.
    pub(super) const fn set_bound(&mut self, bound: Option<usize>) {
        self.bound = bound;
    }

    /// Bytes of a message that is not whole.
    pub(super) fn held_len(&self) -> usize {
        match self.spent {
            Spent::Held => 0,
            Spent::Nothing | Spent::Begun => self.held.len(),
        }
    }

    /// A message was handed out in part: it cannot be dropped whole any more.
    pub(super) const fn passing(&self) -> bool {
        self.passing
    }

    /// What was handed out ends inside a frame: nothing may be put behind it.
    pub(super) fn inside_frame(&self) -> bool {
        self.passing && !self.scanner.at_frame_boundary() && !self.is_begun()
    }

    /// The next part that `input` completes; moves `input` behind what was taken. `None`: all
    /// was taken and what is left over is held.
    pub(super) fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Part<'a>>, ScanError> {
        self.drop_spent();
        while let Some(piece) = self.scanner.scan(input)? {
            let (bytes, rest) = input.split_at(piece.len);
            *input = rest;
            let Some(head) = piece.head else {
                self.begun.extend_from_slice(bytes);
                continue;
            };
            let whole = piece.first && piece.last && self.begun.is_empty();
            let small = self.begun.len() + bytes.len() <= CONTROL_FRAME_MAX;
            if head.opcode.is_control() && head.payload_len <= CONTROL_PAYLOAD_MAX && small {
                let said = if piece.last { self.said() } else { Said::Other };
                if whole {
                    return Ok(Some(Part::Control(bytes, said)));
                }
                self.begun.extend_from_slice(bytes);
                if piece.last {
                    self.spent = Spent::Begun;
                    return Ok(Some(Part::Control(&self.begun, said)));
                }
                continue;
            }
            // A control frame that is too long is the other side's to refuse: it passes.
            let ends = if head.opcode.is_control() {
                piece.last
            } else {
                piece.ends_message()
            };
            if self.hold(bytes, ends, whole, piece.remaining) {
                return Ok(Some(self.part(bytes, ends)));
            }
        }
        Ok(None)
    }

    /// Takes bytes of a message; says whether there is something to be handed out.
    fn hold(&mut self, bytes: &[u8], ends: bool, whole: bool, remaining: u64) -> bool {
        match self.bound {
            Some(bound) if !self.passing => {
                if whole && ends && self.held.is_empty() {
                    self.large = bytes.len() > bound;
                    return true;
                }
                self.held.append(&mut self.begun);
                self.held.extend_from_slice(bytes);
                self.large = self.held.len() as u64 + remaining > bound as u64;
                self.passing = self.large && !ends;
                self.spent = if ends || self.large {
                    Spent::Held
                } else {
                    Spent::Nothing
                };
                ends || self.large
            }
            _ => {
                self.large = true;
                self.passing = !ends;
                if !self.begun.is_empty() {
                    self.begun.extend_from_slice(bytes);
                    self.spent = Spent::Begun;
                }
                true
            }
        }
    }

    /// What [`hold`](Self::hold) found: in `bytes` alone, or with what was held before them.
    fn part<'a>(&'a self, bytes: &'a [u8], ends: bool) -> Part<'a> {
        let bytes = match self.spent {
            Spent::Nothing => bytes,
            Spent::Begun => &self.begun,
            Spent::Held => &self.held,
        };
        if self.large {
            Part::Passing { bytes, ends }
        } else {
            Part::Message(bytes)
        }
    }

    fn said(&self) -> Said {
        match self.scanner.control() {
            Some(Control::Close(close)) => {
                Said::Close(close.code().unwrap_or(CloseCode::NO_STATUS))
            }
            Some(Control::Pong(payload)) if contract::is_marked(payload) => {
                Said::Marked(Note::parse(payload).ok())
            }
            _ => Said::Other,
        }
    }

    fn is_begun(&self) -> bool {
        !self.begun.is_empty() && self.spent != Spent::Begun
    }

    fn drop_spent(&mut self) {
        match std::mem::replace(&mut self.spent, Spent::Nothing) {
            Spent::Nothing => {}
            Spent::Begun => self.begun = Vec::new(),
            Spent::Held => self.held = Vec::new(),
        }
    }
}

/// The most bytes a legal control frame carries (RFC 6455 section 5.5).
const CONTROL_PAYLOAD_MAX: u64 = 125;
/// Two bytes of head, a mask, the payload; longer heads are legal and rare, and pass.
const CONTROL_FRAME_MAX: usize = 14 + CONTROL_PAYLOAD_MAX as usize;
