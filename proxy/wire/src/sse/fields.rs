//! The lines of one block.

use std::iter;

use memchr::{memchr, memchr2};

/// One line of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// `data`, `id`, `event`, `retry` or anything else, which clients ignore. Empty: a comment.
    pub name: &'a [u8],
    /// What follows the colon, without one space before it.
    pub value: &'a [u8],
}

/// The lines of a block, one after the other, comments included and empty lines left out.
///
/// Several `data` fields are one text with LF between them.
pub fn fields(block: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = block;
    let lines = iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(line)
    });
    lines.filter(|line| !line.is_empty()).map(|line| {
        let (name, value) = split_line(line);
        Field { name, value }
    })
}

/// Name and value of a line without its end; a line without a colon is all name.
pub(super) fn split_line(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(at) = memchr(b':', line) else {
        return (line, b"");
    };
    let value = &line[at + 1..];
    (&line[..at], value.strip_prefix(b" ").unwrap_or(value))
}
