//! The frame scanner of a relay.

use std::{error, fmt, ops::Range};

use super::head::head_len;
use super::{
    CONTROL_PAYLOAD_MAX, CloseCode, FrameHead, HEAD_BYTES_MAX, LengthOutOfRange, Opcode, mask,
};

/// Finds frames and messages in one direction of one leg, fed each byte once.
///
/// It keeps a begun head and a begun control payload (139 bytes) and nothing else; whoever relays
/// decides which bytes to hold. Make a new one for every leg.
#[derive(Clone, Debug)]
pub struct Scanner {
    /// The begun head of the next frame, while it is cut (or for good, when it has no end).
    head: [u8; HEAD_BYTES_MAX],
    head_filled: u8,
    /// The frame whose payload is under way.
    frame: Option<FrameHead>,
    /// Bytes of that payload seen.
    offset: u64,
    in_message: bool,
    messages: u64,
    control: [u8; CONTROL_PAYLOAD_MAX],
    /// What `control` belongs to and how much of it is there; `None` outside and after an illegal
    /// control frame, whose payload is not kept.
    control_frame: Option<(Opcode, u8)>,
}

impl Scanner {
    /// A scanner at the first byte behind the handshake.
    pub const fn new() -> Self {
        Self {
            head: [0; HEAD_BYTES_MAX],
            head_filled: 0,
            frame: None,
            offset: 0,
            in_message: false,
            messages: 0,
            control: [0; CONTROL_PAYLOAD_MAX],
            control_frame: None,
        }
    }

    /// The piece of one frame that `bytes` begin with; `None` when they are empty.
    ///
    /// Call it again with the bytes behind [`Piece::len`] until then. After an error the stream
    /// has no boundaries any more, and every further call says so: end the leg.
    #[inline]
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<Piece>, ScanError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        if let Some(frame) = self.frame {
            return Ok(Some(self.take_payload(frame, bytes, 0, Start::Before)));
        }
        if self.head_filled > 0 {
            return self.scan_cut_head(bytes).map(Some);
        }
        let Ok(Some((frame, len))) = FrameHead::parse(bytes) else {
            return self.scan_cut_head(bytes).map(Some);
        };
        let violation = self.begin(frame);
        Ok(Some(self.take_payload(
            frame,
            bytes,
            len,
            Start::Here {
                first: true,
                violation,
            },
        )))
    }

    /// No frame is begun: a frame of one's own may be written here.
    #[inline]
    pub const fn at_frame_boundary(&self) -> bool {
        self.frame.is_none() && self.head_filled == 0
    }

    /// No frame and no fragmented message is begun: here a stream may change its endpoint.
    #[inline]
    pub const fn at_message_boundary(&self) -> bool {
        self.at_frame_boundary() && !self.in_message
    }

    /// A message has begun and not ended: inside its only frame, inside or between fragments.
    #[inline]
    pub const fn in_message(&self) -> bool {
        self.in_message
    }

    /// Data messages that have ended so far, fragmented or not. Control frames do not count.
    #[inline]
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// The control frame that the last piece ended, unmasked; valid until the next frame begins.
    ///
    /// `None` after a data frame, before the control frame is whole, and when it broke the rules
    /// ([`Violation`]) or has a reserved opcode.
    pub fn control(&self) -> Option<Control<'_>> {
        if !self.at_frame_boundary() {
            return None;
        }
        let (opcode, len) = self.control_frame?;
        let payload = &self.control[..usize::from(len)];
        match opcode {
            Opcode::Close => Some(Control::Close(Close { payload })),
            Opcode::Ping => Some(Control::Ping(payload)),
            Opcode::Pong => Some(Control::Pong(payload)),
            _ => None,
        }
    }

    /// A head that ends behind `bytes`, began before them, or has no fair length. The last one
    /// stays where it is, so that every further call fails too.
    #[cold]
    fn scan_cut_head(&mut self, bytes: &[u8]) -> Result<Piece, ScanError> {
        let before = usize::from(self.head_filled);
        let first = before == 0;
        let mut taken = 0;
        for &byte in bytes {
            let filled = before + taken;
            if filled >= 2 && filled == head_len(self.head[1]) {
                break;
            }
            self.head[filled] = byte;
            taken += 1;
        }
        let filled = before + taken;
        self.head_filled = filled as u8;
        let Some((frame, _)) = FrameHead::parse(&self.head[..filled])? else {
            return Ok(Piece {
                first,
                ..Piece::of_cut_head(taken)
            });
        };
        self.head_filled = 0;
        let violation = self.begin(frame);
        Ok(self.take_payload(frame, bytes, taken, Start::Here { first, violation }))
    }

    /// A head is complete: what it means for the message it belongs to.
    #[inline]
    fn begin(&mut self, frame: FrameHead) -> Option<Violation> {
        self.offset = 0;
        if frame.opcode.is_control() {
            let violation = if frame.payload_len > CONTROL_PAYLOAD_MAX as u64 {
                Some(Violation::ControlTooLong)
            } else if !frame.fin {
                Some(Violation::ControlFragmented)
            } else if matches!(frame.opcode, Opcode::Reserved(_)) {
                Some(Violation::ReservedOpcode)
            } else {
                None
            };
            self.control_frame = violation.is_none().then_some((frame.opcode, 0));
            return violation;
        }
        self.control_frame = None;
        let violation = match (frame.opcode, self.in_message) {
            (Opcode::Reserved(_), _) => Some(Violation::ReservedOpcode),
            (Opcode::Continuation, false) => Some(Violation::NothingToContinue),
            (Opcode::Text | Opcode::Binary, true) => Some(Violation::MessageInterrupted),
            _ => None,
        };
        self.in_message = true;
        violation
    }

    /// Takes what belongs to `frame`; its head ends at `payload_at`, and `bytes` reach that far.
    #[inline]
    fn take_payload(
        &mut self,
        frame: FrameHead,
        bytes: &[u8],
        payload_at: usize,
        start: Start,
    ) -> Piece {
        let offset = self.offset;
        let missing = frame.payload_len - offset;
        let available = bytes.len() - payload_at;
        let taken = usize::try_from(missing).map_or(available, |missing| missing.min(available));
        let remaining = missing - taken as u64;
        let payload = payload_at..payload_at + taken;
        if let Some((_, filled)) = &mut self.control_frame {
            let range = usize::from(*filled)..usize::from(*filled) + taken;
            let kept = &mut self.control[range];
            kept.copy_from_slice(&bytes[payload.clone()]);
            if let Some(key) = frame.mask {
                mask(kept, key, offset);
            }
            *filled += taken as u8;
        }
        let last = remaining == 0;
        if last {
            self.frame = None;
            if frame.fin && !frame.opcode.is_control() {
                self.in_message = false;
                self.messages += 1;
            }
        } else {
            self.frame = Some(frame);
            self.offset = offset + taken as u64;
        }
        let (first, violation) = match start {
            Start::Here { first, violation } => (first, violation),
            Start::Before => (false, None),
        };
        Piece {
            len: payload.end,
            payload_at,
            offset,
            head: Some(frame),
            first,
            last,
            remaining,
            violation,
        }
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes at the start of a slice that belong to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes of the slice they are; never 0.
    pub len: usize,
    /// Where in the slice payload begins; `len` when the piece has none.
    pub payload_at: usize,
    /// Bytes of the frame's payload that came in earlier pieces: where masking goes on.
    pub offset: u64,
    /// The frame's head, as soon as it is complete: `None` only while its 2 to 14 bytes are cut.
    pub head: Option<FrameHead>,
    /// The frame begins here.
    pub first: bool,
    /// The frame ends here.
    pub last: bool,
    /// Bytes of the frame still to come; 0, and without meaning, while `head` is `None`.
    pub remaining: u64,
    /// A rule the frame breaks, said once, on the piece that completes its head.
    pub violation: Option<Violation>,
}

impl Piece {
    /// Where in the slice this piece's payload is.
    #[inline]
    pub const fn payload(&self) -> Range<usize> {
        self.payload_at..self.len
    }

    /// The last byte of a data message is in this piece.
    #[inline]
    pub fn ends_message(&self) -> bool {
        self.last
            && self
                .head
                .is_some_and(|head| head.fin && !head.opcode.is_control())
    }

    /// The frame is a Close, Ping, Pong or a reserved control frame.
    #[inline]
    pub fn is_control(&self) -> bool {
        self.head.is_some_and(|head| head.opcode.is_control())
    }

    const fn of_cut_head(len: usize) -> Self {
        Self {
            len,
            payload_at: len,
            offset: 0,
            head: None,
            first: false,
            last: false,
            remaining: 0,
            violation: None,
        }
    }
}

/// A whole control frame, unmasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// The peer ends the connection.
    Close(Close<'a>),
    /// The peer wants a Pong with this payload.
    Ping(&'a [u8]),
    /// An answer to a Ping, or an unsolicited one, which may be the contract's.
    Pong(&'a [u8]),
}

/// What a Close frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    payload: &'a [u8],
}

impl<'a> Close<'a> {
    /// The code; `None` when it has none (or one byte alone, which is illegal and means nothing).
    pub fn code(self) -> Option<CloseCode> {
        self.payload
            .first_chunk()
            .map(|&code| CloseCode(u16::from_be_bytes(code)))
    }

    /// The reason, which should be UTF-8 and need not.
    pub fn reason(self) -> &'a [u8] {
        self.payload.get(2..).unwrap_or_default()
    }
}

/// A rule of RFC 6455 that a frame breaks although its end can still be found. A relay may pass
/// it on for the endpoint to judge; the scanner goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A control frame above 125 bytes (section 5.5).
    ControlTooLong,
    /// A control frame without FIN (section 5.5).
    ControlFragmented,
    /// An opcode without a meaning (section 5.2). Counted as data below 8, as control above.
    ReservedOpcode,
    /// A continuation outside a fragmented message (section 5.4); counted as if it began one.
    NothingToContinue,
    /// A new message inside a fragmented one (section 5.4); counted as its continuation.
    MessageInterrupted,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlTooLong => "control frame above 125 bytes",
            Self::ControlFragmented => "fragmented control frame",
            Self::ReservedOpcode => "reserved opcode",
            Self::NothingToContinue => "continuation outside a fragmented message",
            Self::MessageInterrupted => "new message inside a fragmented one",
        })
    }
}

/// Why no boundary can be found any more.
pub type ScanError = LengthOutOfRange;

impl error::Error for Violation {}

/// Whether a frame's head ended in the slice at hand.
enum Start {
    Here {
        first: bool,
        violation: Option<Violation>,
    },
    Before,
}
