//! Events as text.

use std::{error, fmt};

use memchr::memchr2;

use crate::contract::EventId;

/// One event to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event<'a> {
    /// What a client names when it comes back.
    pub id: Option<&'a EventId>,
    /// The type; clients take `message` when there is none.
    pub name: Option<&'a str>,
    /// The text, any number of lines. Every kind of line break arrives as LF.
    pub data: &'a str,
}

impl Event<'_> {
    /// Appends the event to `out`, the empty line behind it included.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), NameWithLineBreak> {
        if let Some(name) = self.name {
            if memchr2(b'\n', b'\r', name.as_bytes()).is_some() {
                return Err(NameWithLineBreak);
            }
            encode_line(out, "event: ", name.as_bytes());
        }
        if let Some(id) = self.id {
            encode_line(out, "id: ", id.as_bytes());
        }
        for line in lines(self.data) {
            encode_line(out, "data: ", line);
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Appends a comment, which keeps the path open and which clients do not see.
pub fn encode_comment(out: &mut Vec<u8>, text: &str) {
    for line in lines(text) {
        encode_line(out, ": ", line);
    }
    out.push(b'\n');
}

/// Appends how long a client is to wait, in milliseconds, before it comes back.
pub fn encode_retry(out: &mut Vec<u8>, milliseconds: u64) {
    encode_line(out, "retry: ", milliseconds.to_string().as_bytes());
    out.push(b'\n');
}

/// The name of an event would end its line and begin another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameWithLineBreak;

impl fmt::Display for NameWithLineBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("event name has a line break; one line without CR and LF")
    }
}

impl error::Error for NameWithLineBreak {}

fn encode_line(out: &mut Vec<u8>, prefix: &str, line: &[u8]) {
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(line);
    out.push(b'\n');
}

/// The lines of `text`, between CR LF, LF and CR alike; at least one.
fn lines(text: &str) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text.as_bytes());
    std::iter::from_fn(move || {
        let bytes = rest?;
        let Some(end) = memchr2(b'\n', b'\r', bytes) else {
            rest = None;
            return Some(bytes);
        };
        let width = if bytes[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = Some(&bytes[end + width..]);
        Some(&bytes[..end])
    })
}
