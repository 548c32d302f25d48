//! Whole frames, built for sending.

use std::{error, fmt};

use super::{CLOSE_REASON_MAX, CONTROL_PAYLOAD_MAX, CloseCode, FrameHead, MaskKey, Opcode, mask};

/// A Close, Ping or Pong ready to be written, without allocation.
///
/// `key` in its constructors is the mask: needed towards a server, forbidden towards a client.
#[derive(Clone, Copy)]
pub struct ControlFrame {
    bytes: [u8; CONTROL_FRAME_MAX],
    len: u8,
}

impl ControlFrame {
    /// A Close with code and reason. A reason above 123 bytes is cut at a character: a Close must
    /// never fail to be said for the length of its text.
    pub fn close(code: CloseCode, reason: &str, key: Option<MaskKey>) -> Self {
        let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_MAX)];
        Self::new(
            Opcode::Close,
            &[&code.0.to_be_bytes(), reason.as_bytes()],
            key,
        )
    }

    /// A Close without a code, as an endpoint may answer one.
    pub fn close_without_code(key: Option<MaskKey>) -> Self {
        Self::new(Opcode::Close, &[], key)
    }

    /// A Ping.
    pub fn ping(payload: &[u8], key: Option<MaskKey>) -> Result<Self, PayloadTooLong> {
        Self::checked(Opcode::Ping, payload, key)
    }

    /// A Pong, asked for or not.
    pub fn pong(payload: &[u8], key: Option<MaskKey>) -> Result<Self, PayloadTooLong> {
        Self::checked(Opcode::Pong, payload, key)
    }

    fn checked(
        opcode: Opcode,
        payload: &[u8],
        key: Option<MaskKey>,
    ) -> Result<Self, PayloadTooLong> {
        if payload.len() > CONTROL_PAYLOAD_MAX {
            return Err(PayloadTooLong { len: payload.len() });
        }
        Ok(Self::new(opcode, &[payload], key))
    }

    /// The caller has made sure that `parts` have at most 125 bytes together.
    fn new(opcode: Opcode, parts: &[&[u8]], key: Option<MaskKey>) -> Self {
        let payload_len: usize = parts.iter().map(|part| part.len()).sum();
        let head = FrameHead::whole(opcode, payload_len as u64, key).encode();
        let head = head.as_ref();
        let mut bytes = [0; CONTROL_FRAME_MAX];
        bytes[..head.len()].copy_from_slice(head);
        let mut len = head.len();
        for part in parts {
            bytes[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        if let Some(key) = key {
            mask(&mut bytes[head.len()..len], key, 0);
        }
        Self {
            bytes,
            len: len as u8,
        }
    }
}

impl AsRef<[u8]> for ControlFrame {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for ControlFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlFrame({})", self.as_ref().escape_ascii())
    }
}

/// Appends one data frame to `out`: `opcode` Text or Binary for the first of a message,
/// Continuation for further ones, `fin` on its last.
pub fn encode_data(
    out: &mut Vec<u8>,
    opcode: Opcode,
    fin: bool,
    payload: &[u8],
    key: Option<MaskKey>,
) {
    let head = FrameHead {
        fin,
        ..FrameHead::whole(opcode, payload.len() as u64, key)
    }
    .encode();
    out.reserve(head.as_ref().len() + payload.len());
    out.extend_from_slice(head.as_ref());
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        mask(&mut out[start..], key, 0);
    }
}

/// A Ping or Pong was to carry more than 125 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadTooLong {
    /// What it was to carry.
    pub len: usize,
}

impl fmt::Display for PayloadTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "control payload of {} bytes; at most {CONTROL_PAYLOAD_MAX}",
            self.len
        )
    }
}

impl error::Error for PayloadTooLong {}

/// Two bytes of head, a mask, the payload.
const CONTROL_FRAME_MAX: usize = 6 + CONTROL_PAYLOAD_MAX;
