//! Where do WebSocket frames and messages begin and end? (RFC 6455)
//!
//! A relay is no endpoint: it must find boundaries, see control frames and count messages, and
//! leaves it to the endpoints to judge masks, RSV bits, UTF-8 and close codes. [`Scanner`] does
//! that on a stream of bytes; the rest of the module reads and builds single frames.

mod accept;
mod close;
mod frame;
mod head;
mod mask;
mod scanner;

pub use accept::{accept_key, is_handshake_key};
pub use close::{CloseClass, CloseCode};
pub use frame::{ControlFrame, PayloadTooLong, encode_data};
pub use head::{EncodedHead, FrameHead, HEAD_BYTES_MAX, LengthOutOfRange, Opcode};
pub use mask::{MaskKey, mask};
pub use scanner::{Close, Control, Piece, ScanError, Scanner, Violation};

/// The most bytes a control frame may carry (RFC 6455 section 5.5).
pub const CONTROL_PAYLOAD_MAX: usize = 125;

/// The most bytes of text a Close may carry beside its two-byte code.
pub const CLOSE_REASON_MAX: usize = CONTROL_PAYLOAD_MAX - 2;
