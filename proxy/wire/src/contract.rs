//! What the handoff contract, version 1, says inside a WebSocket stream.
//!
//! An endpoint names the next message and acknowledges the client's in unsolicited Pongs whose
//! payload starts with `hf1:`; the edge eats them. The edge asks for a planned move with a Close
//! of [`MOVE_REASON`]. Everything else of the contract is HTTP headers, whose ids have the same
//! shape ([`EventId`]).

use std::{error, fmt, str};

/// What every control payload of the contract starts with. A client's Pong that starts so is
/// dropped, whatever follows.
pub const PREFIX: &[u8] = b"hf1:";

/// The reason in the Close 1012 by which the edge asks an endpoint to let go of a connection.
pub const MOVE_REASON: &str = "hf1:move";

/// Whether a control payload is the contract's, well-formed or not.
#[inline]
pub fn is_marked(payload: &[u8]) -> bool {
    payload.starts_with(PREFIX)
}

/// One Pong of the contract: `hf1:id=<id>`, `hf1:accepted=<n>` or `hf1:id=<id>;accepted=<n>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Names the data message that follows.
    Id(EventId),
    /// So many data messages of this connection are durably accepted, over all its legs.
    Accepted(u64),
    /// Both at once.
    Both(EventId, u64),
}

impl Note {
    /// Reads a payload that [`is_marked`]; anything but the three shapes is refused.
    pub fn parse(payload: &[u8]) -> Result<Self, MalformedNote> {
        let body = payload.strip_prefix(PREFIX).ok_or(MalformedNote)?;
        if let Some(count) = body.strip_prefix(b"accepted=") {
            return parse_count(count).map(Self::Accepted).ok_or(MalformedNote);
        }
        let rest = body.strip_prefix(b"id=").ok_or(MalformedNote)?;
        let Some(at) = memchr::memchr(b';', rest) else {
            return EventId::new(rest).map(Self::Id).ok_or(MalformedNote);
        };
        let id = EventId::new(&rest[..at]).ok_or(MalformedNote)?;
        let count = rest[at..]
            .strip_prefix(b";accepted=")
            .ok_or(MalformedNote)?;
        parse_count(count)
            .map(|count| Self::Both(id, count))
            .ok_or(MalformedNote)
    }

    /// The id in it, if any.
    pub fn id(&self) -> Option<&EventId> {
        match self {
            Self::Id(id) | Self::Both(id, _) => Some(id),
            Self::Accepted(_) => None,
        }
    }

    /// The count in it, if any.
    pub const fn accepted(&self) -> Option<u64> {
        match self {
            Self::Accepted(count) | Self::Both(_, count) => Some(*count),
            Self::Id(_) => None,
        }
    }
}

/// The payload as it goes into a Pong; at most 98 bytes, so every note fits.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "hf1:id={id}"),
            Self::Accepted(count) => write!(f, "hf1:accepted={count}"),
            Self::Both(id, count) => write!(f, "hf1:id={id};accepted={count}"),
        }
    }
}

/// The name of a message or event: 1 to 64 letters, digits, `.`, `_`, `-`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    // Bytes behind `len` are 0, so that the derived comparison is that of the text.
    bytes: [u8; EVENT_ID_BYTES_MAX],
    len: u8,
}

impl EventId {
    /// The id `text` spells; `None` when it is empty, too long or has other bytes.
    #[inline]
    pub fn new(text: impl AsRef<[u8]>) -> Option<Self> {
        let text = text.as_ref();
        if text.is_empty() || text.len() > EVENT_ID_BYTES_MAX || !text.iter().all(is_id_byte) {
            return None;
        }
        let mut bytes = [0; EVENT_ID_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Some(Self {
            bytes,
            len: text.len() as u8,
        })
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("an id is ASCII")
    }

    /// The bytes of the id, all ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({})", self.as_str())
    }
}

impl str::FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        Self::new(text).ok_or(InvalidEventId)
    }
}

/// A text that is no [`EventId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEventId;

impl fmt::Display for InvalidEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an event id; 1 to 64 letters, digits, '.', '_', '-'")
    }
}

impl error::Error for InvalidEventId {}

/// A control payload that starts with `hf1:` and says nothing this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedNote;

impl fmt::Display for MalformedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed hf1: payload; want id=<id>, accepted=<n> or id=<id>;accepted=<n>")
    }
}

impl error::Error for MalformedNote {}

/// A decimal count without sign, spaces or leading zeros: one spelling per number.
///
/// Also that of `Holdfast-Accepted` and `Holdfast-Attempt`.
pub fn parse_count(text: &[u8]) -> Option<u64> {
    if text.is_empty() || (text[0] == b'0' && text.len() > 1) {
        return None;
    }
    text.iter().try_fold(0u64, |count, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        count.checked_mul(10)?.checked_add(digit)
    })
}

/// The most bytes an [`EventId`] has.
pub const EVENT_ID_BYTES_MAX: usize = 64;

fn is_id_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EventId {
        EventId::new(text).expect("a valid id")
    }

    #[test]
    fn notes_have_three_shapes_and_no_other() {
        let taken: [(&[u8], Note); 5] = [
            (b"hf1:id=e1.7", Note::Id(id("e1.7"))),
            (b"hf1:accepted=0", Note::Accepted(0)),
            (
                b"hf1:accepted=18446744073709551615",
                Note::Accepted(u64::MAX),
            ),
            (b"hf1:id=a;accepted=12", Note::Both(id("a"), 12)),
            (b"hf1:id=accepted;accepted=1", Note::Both(id("accepted"), 1)),
        ];
        for (payload, note) in taken {
            assert_eq!(Note::parse(payload), Ok(note));
            assert_eq!(note.to_string().as_bytes(), payload);
        }
        let refused: [&[u8]; 15] = [
            b"",
            b"hf1:",
            b"hf2:id=a",
            b"hf1:id=",
            b"hf1:id=a b",
            b"hf1:id=a;",
            b"hf1:id=;accepted=1",
            b"hf1:id=a;accepted=",
            b"hf1:id=a;accepted=1;",
            b"hf1:accepted=1;id=a",
            b"hf1:accepted=-1",
            b"hf1:accepted=+1",
            b"hf1:accepted=01",
            b"hf1:accepted=18446744073709551616",
            b"hf1:move",
        ];
        for payload in refused {
            assert_eq!(
                Note::parse(payload),
                Err(MalformedNote),
                "{}",
                payload.escape_ascii()
            );
        }
    }

    #[test]
    fn the_longest_note_fits_a_control_frame() {
        let note = Note::Both(id(&"x".repeat(EVENT_ID_BYTES_MAX)), u64::MAX);
        assert!(note.to_string().len() <= crate::websocket::CONTROL_PAYLOAD_MAX);
    }

    #[test]
    fn an_id_has_at_most_64_bytes_of_its_alphabet() {
        assert_eq!(id("aZ09._-").as_str(), "aZ09._-");
        assert!(EventId::new("x".repeat(64)).is_some());
        assert!(EventId::new("x".repeat(65)).is_none());
        for text in ["", " ", "a b", "ä", "a\0", "a;b", "a=b", "a\n"] {
            assert!(EventId::new(text).is_none(), "{text:?}");
        }
    }
}
