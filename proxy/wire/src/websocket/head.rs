//! The head of one frame, RFC 6455 section 5.2.

use std::{error, fmt};

use super::MaskKey;

/// What a frame is, from the low four bits of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// Goes on with the fragmented message begun before.
    Continuation,
    /// Begins a message of text.
    Text,
    /// Begins a message of bytes.
    Binary,
    /// Ends the connection, with an optional code and reason.
    Close,
    /// Asks for a Pong with the same payload.
    Ping,
    /// Answers a Ping, or stands alone.
    Pong,
    /// 3-7 (data) and 11-15 (control): no meaning yet.
    Reserved(u8),
}

impl Opcode {
    /// The opcode in the low four bits of `byte`.
    #[inline]
    pub const fn from_bits(byte: u8) -> Self {
        match byte & 0x0f {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            other => Self::Reserved(other),
        }
    }

    /// The four bits that name it.
    #[inline]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
            Self::Reserved(bits) => bits & 0x0f,
        }
    }

    /// Control frames stand between the frames of a message without being part of it.
    #[inline]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

/// Everything a frame says before its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// The last (or only) frame of its message.
    pub fin: bool,
    /// RSV1, RSV2, RSV3 as the bits 4, 2, 1. An extension's word; nobody else may set them.
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key of a masked frame. Clients mask every frame, servers none.
    pub mask: Option<MaskKey>,
    /// Bytes of payload announced. Nothing may be allocated for it: a peer can say anything.
    pub payload_len: u64,
}

impl FrameHead {
    /// An unfragmented frame without extension bits.
    pub const fn whole(opcode: Opcode, payload_len: u64, mask: Option<MaskKey>) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            mask,
            payload_len,
        }
    }

    /// Reads a head from the start of `bytes`, with the number of bytes it takes (2 to 14);
    /// `None` when it goes on behind them.
    ///
    /// Lengths written longer than needed are taken as they are: the endpoint judges them.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, LengthOutOfRange> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        let len = head_len(second);
        if bytes.len() < len {
            return Ok(None);
        }
        let (payload_len, rest) = match (second & 0x7f, rest) {
            (126, &[a, b, ref rest @ ..]) => (u64::from(u16::from_be_bytes([a, b])), rest),
            (127, &[a, b, c, d, e, f, g, h, ref rest @ ..]) => {
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), rest)
            }
            (short, rest) => (u64::from(short), rest),
        };
        if payload_len > i64::MAX as u64 {
            return Err(LengthOutOfRange);
        }
        let mask = match (second & 0x80 != 0, rest) {
            (true, &[a, b, c, d, ..]) => Some([a, b, c, d]),
            _ => None,
        };
        let head = Self {
            fin: first & 0x80 != 0,
            rsv: first >> 4 & 0x7,
            opcode: Opcode::from_bits(first),
            mask,
            payload_len,
        };
        Ok(Some((head, len)))
    }

    /// The head as bytes, its length written as short as it can be.
    ///
    /// A `payload_len` above 2^63-1 cannot be said; it is written as that.
    pub fn encode(&self) -> EncodedHead {
        let mut bytes = [0; HEAD_BYTES_MAX];
        bytes[0] = u8::from(self.fin) << 7 | (self.rsv & 0x7) << 4 | self.opcode.bits();
        let masked = u8::from(self.mask.is_some()) << 7;
        let mut len = 2;
        if let Ok(short) = u8::try_from(self.payload_len)
            && short < 126
        {
            bytes[1] = masked | short;
        } else if let Ok(medium) = u16::try_from(self.payload_len) {
            bytes[1] = masked | 126;
            bytes[2..4].copy_from_slice(&medium.to_be_bytes());
            len = 4;
        } else {
            bytes[1] = masked | 127;
            let long = self.payload_len.min(i64::MAX as u64);
            bytes[2..10].copy_from_slice(&long.to_be_bytes());
            len = 10;
        }
        if let Some(key) = self.mask {
            bytes[len..len + 4].copy_from_slice(&key);
            len += 4;
        }
        EncodedHead {
            bytes,
            len: len as u8,
        }
    }
}

/// A head ready to be written.
#[derive(Clone, Copy, Debug)]
pub struct EncodedHead {
    bytes: [u8; HEAD_BYTES_MAX],
    len: u8,
}

impl AsRef<[u8]> for EncodedHead {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The most significant bit of a 64-bit length is set, which RFC 6455 section 5.2 forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthOutOfRange;

impl fmt::Display for LengthOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("frame announces more than 2^63-1 bytes; the top bit of the length must be 0")
    }
}

impl error::Error for LengthOutOfRange {}

/// The most bytes a head can take: 2, a 64-bit length, a mask.
pub const HEAD_BYTES_MAX: usize = 14;

/// How long the head is whose second byte is `second`.
#[inline]
pub(super) const fn head_len(second: u8) -> usize {
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 != 0 { 4 } else { 0 }
}
