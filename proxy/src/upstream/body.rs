//! The body of an answer to a dial of our own.

use http::HeaderMap;
use http::header;
use thiserror::Error;

/// Takes the framing off a body, RFC 9112 sections 6 and 7. Fed bytes as they come, it hands
/// on the content and says when it is complete.
#[derive(Debug)]
pub struct Body {
    state: State,
}

/// The framing cannot be understood; what follows belongs to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed chunked body")]
pub struct Malformed;

#[derive(Debug)]
enum State {
    /// So much content is to come.
    Sized(u64),
    /// Content until the connection ends.
    UntilEnd,
    /// The line before a chunk, up to its line end.
    Size {
        line: Vec<u8>,
    },
    /// Inside a chunk.
    Chunk(u64),
    /// The line end behind a chunk; so many of its bytes were seen.
    ChunkEnd(u8),
    /// Lines behind the last chunk, until an empty one.
    Trailers {
        line_len: usize,
        total: usize,
    },
    Complete,
}

impl Body {
    /// The body behind a head with this status and these fields.
    pub fn of(status: u16, fields: &HeaderMap) -> Result<Self, Malformed> {
        let state = if matches!(status, 100..200 | 204 | 304) {
            State::Complete
        } else if let Some(coding) = fields.get(header::TRANSFER_ENCODING) {
            let only = fields.get_all(header::TRANSFER_ENCODING).iter().count() == 1;
            if !only || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed);
            }
            State::Size { line: Vec::new() }
        } else if let Some(length) = fields.get(header::CONTENT_LENGTH) {
            let length = holdfast_wire::contract::parse_count(length.as_bytes());
            match length.ok_or(Malformed)? {
                0 => State::Complete,
                length => State::Sized(length),
            }
        } else {
            State::UntilEnd
        };
        Ok(Self { state })
    }

    /// All content was seen.
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Whether a connection that ends here ends a whole body.
    pub const fn may_end(&self) -> bool {
        matches!(self.state, State::Complete | State::UntilEnd)
    }

    /// The next content in `input`, which is moved behind what was read; `None` when there is
    /// no more in it.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        while !input.is_empty() {
            match &mut self.state {
                State::Complete => return Ok(None),
                State::UntilEnd => return Ok(Some(std::mem::take(input))),
                State::Sized(left) => {
                    let content = take(input, left);
                    if *left == 0 {
                        self.state = State::Complete;
                    }
                    return Ok(Some(content));
                }
                State::Chunk(left) => {
                    let content = take(input, left);
                    if *left == 0 {
                        self.state = State::ChunkEnd(0);
                    }
                    return Ok(Some(content));
                }
                State::ChunkEnd(seen) => {
                    if input[0] != b"\r\n"[usize::from(*seen)] {
                        return Err(Malformed);
                    }
                    *input = &input[1..];
                    self.state = match *seen {
                        0 => State::ChunkEnd(1),
                        _ => State::Size { line: Vec::new() },
                    };
                }
                State::Size { line } => {
                    line.push(input[0]);
                    *input = &input[1..];
                    if let Some(text) = line.strip_suffix(b"\r\n") {
                        self.state = match chunk_size(text)? {
                            0 => State::Trailers {
                                line_len: 0,
                                total: 0,
                            },
                            size => State::Chunk(size),
                        };
                    } else if line.len() > LINE_BYTES_MAX || line.last() == Some(&b'\n') {
                        return Err(Malformed);
                    }
                }
                State::Trailers { line_len, total } => {
                    let byte = input[0];
                    *input = &input[1..];
                    *total += 1;
                    match byte {
                        b'\n' if *line_len == 0 => self.state = State::Complete,
                        b'\n' => *line_len = 0,
                        b'\r' => {}
                        _ => *line_len += 1,
                    }
                    if let State::Trailers { total, .. } = self.state
                        && total > TRAILER_BYTES_MAX
                    {
                        return Err(Malformed);
                    }
                }
            }
        }
        Ok(None)
    }
}

/// The size in a chunk's first line; its extensions are dropped.
fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    u64::from_str_radix(text, 16).map_err(|_| Malformed)
}

fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let count = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    let (content, rest) = input.split_at(count);
    *input = rest;
    *left -= count as u64;
    content
}

/// The longest line before a chunk, extensions included.
const LINE_BYTES_MAX: usize = 256;
/// All trailers together.
const TRAILER_BYTES_MAX: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, http::HeaderValue::from_static(value))
            })
            .collect()
    }

    fn read(body: &mut Body, bytes: &[u8], step: usize) -> Result<Vec<u8>, Malformed> {
        let mut content = Vec::new();
        for mut slice in bytes.chunks(step) {
            while let Some(part) = body.next(&mut slice)? {
                content.extend_from_slice(part);
            }
        }
        Ok(content)
    }

    #[test]
    fn a_chunked_body_is_the_same_however_it_is_cut() {
        let bytes = b"5;name=x\r\nhello\r\nA\r\n, world 12\r\n0\r\nX-Trailer: 1\r\n\r\n";
        for step in 1..=bytes.len() {
            let framing = fields(&[("transfer-encoding", "chunked")]);
            let mut body = Body::of(200, &framing).expect("a framing");
            let content = read(&mut body, bytes, step).expect("well-formed");
            assert_eq!(content, b"hello, world 12");
            assert!(body.is_complete());
        }
    }

    #[test]
    fn a_sized_body_ends_with_its_last_byte() {
        let mut body = Body::of(200, &fields(&[("content-length", "5")])).expect("a framing");
        assert_eq!(read(&mut body, b"hello and more", 4), Ok(b"hello".to_vec()));
        assert!(body.is_complete());
    }

    #[test]
    fn a_body_without_length_ends_with_its_connection() {
        let mut body = Body::of(200, &fields(&[])).expect("a framing");
        assert_eq!(read(&mut body, b"all of it", 2), Ok(b"all of it".to_vec()));
        assert!(!body.is_complete());
        assert!(body.may_end());
    }

    #[test]
    fn framing_that_has_two_readings_is_refused() {
        for coding in ["gzip, chunked", "xchunked", "identity"] {
            let mut framing = HeaderMap::new();
            let value = http::HeaderValue::from_str(coding).expect("a value");
            framing.insert(header::TRANSFER_ENCODING, value);
            assert!(Body::of(200, &framing).is_err(), "{coding}");
        }
        for length in ["+5", "05", "5 5", "0x5", "18446744073709551616"] {
            let mut framing = HeaderMap::new();
            let value = http::HeaderValue::from_str(length).expect("a value");
            framing.insert(header::CONTENT_LENGTH, value);
            assert!(Body::of(200, &framing).is_err(), "{length}");
        }
        for bytes in [
            &b"5\nhello\r\n"[..],
            b"-1\r\n",
            b"5\r\nhelloXX",
            b"ffffffffffffffff\r\n",
        ] {
            let framing = fields(&[("transfer-encoding", "chunked")]);
            let mut body = Body::of(200, &framing).expect("a framing");
            assert_eq!(
                read(&mut body, bytes, 1),
                Err(Malformed),
                "{}",
                bytes.escape_ascii()
            );
        }
    }
}
