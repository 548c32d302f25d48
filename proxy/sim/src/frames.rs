//! Whole WebSocket frames out of a stream of bytes, for those who end it: clients and endpoints.

use holdfast_wire::websocket::{FrameHead, Opcode, mask};

/// Bytes of a begun frame, and those behind it.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame. Nobody here sends fragments.
    pub(crate) fn next(&mut self) -> Option<(Opcode, Vec<u8>)> {
        let (head, at) = FrameHead::parse(&self.bytes).expect("a legal frame")?;
        let end = at + usize::try_from(head.payload_len).expect("a short frame");
        if self.bytes.len() < end {
            return None;
        }
        let mut payload = self.bytes[at..end].to_vec();
        self.bytes.drain(..end);
        if let Some(key) = head.mask {
            mask(&mut payload, key, 0);
        }
        assert!(head.fin, "nobody fragments");
        Some((head.opcode, payload))
    }
}
