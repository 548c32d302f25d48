//! What must hold for any bytes at all: one function per codec, which panics when it does not.
//!
//! Shared between the libFuzzer targets beside this file and `tests/corpus.rs`, which runs them on
//! the committed corpus with a stable compiler.

#![allow(
    dead_code,
    reason = "each libFuzzer target is a binary that uses one of them"
)]

use holdfast_wire::contract::{EventId, Note, is_marked};
use holdfast_wire::cookie::{self, Attributes, SetCookie};
use holdfast_wire::proxy_header::{Checksum, HEADER_BYTES_MAX, Parsed, ProxyHeader};
use holdfast_wire::sse::{self, Block, BlockId, BlockKind};
use holdfast_wire::token_list;
use holdfast_wire::websocket::{self, Control, FrameHead, Piece, Violation};

/// What must hold for one codec.
pub(crate) type Target = fn(&[u8]);

/// Every codec by the name of its target and of its corpus.
pub(crate) const ALL: [(&str, Target); 6] = [
    ("contract", contract),
    ("cookie", cookie),
    ("event_stream", event_stream),
    ("proxy_header", proxy_header),
    ("token_list", token_list),
    ("websocket", websocket),
];

/// Frames are the same however their stream is cut, and heads and masks survive a round trip. The
/// first byte says how to cut.
pub(crate) fn websocket(input: &[u8]) {
    let Some((&cut, stream)) = input.split_first() else {
        return;
    };
    let whole = scan_frames([stream].into_iter());
    let split = scan_frames(slices(stream, cut));
    assert_eq!(whole, split);
    let bytewise = scan_frames(stream.chunks(1));
    assert_eq!(whole, bytewise);
    for frame in &whole.frames {
        let encoded = frame.head.encode();
        let parsed = FrameHead::parse(encoded.as_ref()).expect("an own head has a fair length");
        assert_eq!(parsed, Some((frame.head, encoded.as_ref().len())));
        if let Some(key) = frame.head.mask {
            let mut masked = stream.to_vec();
            let (early, late) = masked.split_at_mut(stream.len() / 3);
            websocket::mask(early, key, 0);
            websocket::mask(late, key, early.len() as u64);
            websocket::mask(&mut masked, key, 0);
            assert_eq!(masked, stream, "masking twice changes nothing");
        }
    }
}

/// Blocks are the same however their stream is cut, and say what the standard's own algorithm,
/// run line by line, says. The first byte says how to cut.
pub(crate) fn event_stream(input: &[u8]) {
    let Some((&cut, stream)) = input.split_first() else {
        return;
    };
    let whole = scan_blocks([stream].into_iter());
    assert_eq!(whole, scan_blocks(slices(stream, cut)));
    assert_eq!(whole, scan_blocks(stream.chunks(1)));
    let (ids, dispatched) = interpret(stream);
    let said: Vec<_> = whole.iter().filter_map(|block| block.id).collect();
    assert_eq!(said, ids);
    assert_eq!(
        whole.iter().filter(|block| block.has_data).count(),
        dispatched
    );
}

/// A note that is taken is spelled in the one way it has.
pub(crate) fn contract(input: &[u8]) {
    if let Ok(note) = Note::parse(input) {
        assert!(is_marked(input));
        assert_eq!(note.to_string().as_bytes(), input);
    }
    if let Some(id) = EventId::new(input) {
        assert_eq!(id.as_bytes(), input);
        assert!(Note::parse(Note::Id(id).to_string().as_bytes()) == Ok(Note::Id(id)));
    }
}

/// A removed cookie is gone and nothing else is. The first line of the input is a name.
pub(crate) fn cookie(input: &[u8]) {
    let mut parts = input.splitn(2, |&byte| byte == b'\n');
    let name = parts
        .next()
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    let field = parts.next().unwrap_or_default();
    let left = cookie::without(field, &name);
    let others = cookie::pairs(field).filter(|(found, _)| *found != name.as_bytes());
    let kept = left.as_deref().unwrap_or_default();
    assert!(cookie::pairs(kept).eq(others));
    assert_eq!(cookie::values([kept], &name).count(), 0);
    assert!(
        kept.len() <= field.len() + 1,
        "a field grows at most by the space behind a ';'"
    );
    let Ok(set) = SetCookie::new(&name, &Attributes::default()) else {
        return;
    };
    let value = String::from_utf8_lossy(field);
    if let Ok(text) = set.with_value_until(&value, field.len() as u64 * 0x1357_9bdf_0246) {
        let first = cookie::pairs(text.as_bytes()).next();
        assert_eq!(first, Some((name.as_bytes(), value.as_bytes())));
        assert!(text.ends_with(" GMT") && !text.contains(['\r', '\n']));
    }
}

/// A header asks for no more than its bound, never for what it has, and comes back when encoded.
pub(crate) fn proxy_header(input: &[u8]) {
    let parsed = ProxyHeader::parse(input);
    let Ok(Parsed::Complete { header, len }) = parsed else {
        if let Ok(Parsed::Incomplete { need }) = parsed {
            assert!(input.len() < need && need <= HEADER_BYTES_MAX);
        }
        return;
    };
    assert!(len <= input.len().min(HEADER_BYTES_MAX));
    for end in 0..len {
        match ProxyHeader::parse(&input[..end]) {
            Ok(Parsed::Incomplete { need }) => assert!(end < need && need <= len),
            other => panic!("{other:?} after {end} of {len} bytes"),
        }
    }
    for encoded in [
        header.encode_v2(Checksum::With),
        header.encode_v2(Checksum::Without),
    ] {
        let len = encoded.len();
        assert_eq!(
            ProxyHeader::parse(&encoded),
            Ok(Parsed::Complete { header, len })
        );
    }
    let line = header.encode_v1();
    let said = if header == ProxyHeader::Local {
        ProxyHeader::Unknown
    } else {
        header
    };
    assert_eq!(
        ProxyHeader::parse(&line),
        Ok(Parsed::Complete {
            header: said,
            len: line.len()
        })
    );
}

/// Elements are neither empty nor padded, and each one is found again.
pub(crate) fn token_list(input: &[u8]) {
    for token in token_list::tokens(input) {
        assert!(!token.is_empty() && !token.contains(&b','));
        assert!(![b' ', b'\t'].contains(&token[0]));
        if let Ok(token) = std::str::from_utf8(token) {
            assert!(token_list::contains([input], token));
        }
    }
    let nominated = token_list::nominated([input]).count();
    assert!(nominated <= token_list::tokens(input).count());
    let (connection, upgrade) = input.split_at(input.len() / 2);
    if token_list::upgrade([connection], [upgrade]) == token_list::Upgrade::WebSocket {
        assert!(token_list::contains([upgrade], "WebSocket"));
    }
}

#[derive(Debug, Default, PartialEq)]
struct Frames {
    frames: Vec<SeenFrame>,
    /// At the end, or at the byte that ended the stream.
    messages: u64,
    at_message_boundary: bool,
    failed: bool,
}

#[derive(Debug, PartialEq)]
struct SeenFrame {
    head: FrameHead,
    violation: Option<Violation>,
    /// Where it ends in the stream; `None` when the stream ends before.
    end: Option<u64>,
    control: Option<(&'static str, Vec<u8>)>,
    ended_message: bool,
}

fn scan_frames<'a>(slices: impl Iterator<Item = &'a [u8]>) -> Frames {
    let mut scanner = websocket::Scanner::new();
    let mut seen = Frames::default();
    let mut at = 0;
    for mut rest in slices {
        loop {
            let piece = match scanner.scan(rest) {
                Ok(None) => break,
                Ok(Some(piece)) => piece,
                Err(_) => {
                    seen.failed = true;
                    return seen;
                }
            };
            check_piece(&piece, rest, &scanner);
            at += piece.len as u64;
            note_piece(&mut seen, &piece, at, &scanner);
            rest = &rest[piece.len..];
        }
    }
    seen.messages = scanner.messages();
    seen.at_message_boundary = scanner.at_message_boundary();
    seen
}

fn check_piece(piece: &Piece, bytes: &[u8], scanner: &websocket::Scanner) {
    assert!((1..=bytes.len()).contains(&piece.len), "{piece:?}");
    assert!(piece.payload_at <= piece.len, "{piece:?}");
    assert_eq!(piece.last, scanner.at_frame_boundary(), "{piece:?}");
    assert_eq!(
        piece.last,
        piece.head.is_some() && piece.remaining == 0,
        "{piece:?}"
    );
    assert!(piece.last || scanner.control().is_none(), "{piece:?}");
    assert!(
        !piece.ends_message() || scanner.at_message_boundary(),
        "{piece:?}"
    );
    if let Some(head) = piece.head {
        let until = piece.offset + piece.payload().len() as u64 + piece.remaining;
        assert_eq!(until, head.payload_len, "{piece:?}");
    }
}

fn note_piece(seen: &mut Frames, piece: &Piece, at: u64, scanner: &websocket::Scanner) {
    let Some(head) = piece.head else { return };
    let is_new = seen.frames.last().is_none_or(|frame| frame.end.is_some());
    if is_new {
        let violation = piece.violation;
        let (end, control, ended_message) = (None, None, false);
        seen.frames.push(SeenFrame {
            head,
            violation,
            end,
            control,
            ended_message,
        });
    }
    let frame = seen.frames.last_mut().expect("a frame was just noted");
    if piece.last {
        frame.end = Some(at);
        frame.ended_message = piece.ends_message();
        frame.control = scanner.control().map(|control| match control {
            Control::Ping(payload) => ("ping", payload.to_vec()),
            Control::Pong(payload) => ("pong", payload.to_vec()),
            Control::Close(close) => {
                let mut text = close
                    .code()
                    .map_or_else(String::new, |code| code.to_string());
                text.push_str(&String::from_utf8_lossy(close.reason()));
                ("close", text.into_bytes())
            }
        });
    }
}

/// Every block that ended and was more than a line end: where CR LF is cut changes those.
fn scan_blocks<'a>(slices: impl Iterator<Item = &'a [u8]>) -> Vec<Block> {
    let mut scanner = sse::Scanner::new(64);
    let mut blocks = Vec::new();
    let mut len = 0;
    for mut rest in slices {
        while let Some(piece) = scanner.scan(rest) {
            assert!((1..=rest.len()).contains(&piece.len), "{piece:?}");
            assert_eq!(piece.first, len == 0, "{piece:?}");
            len += piece.len;
            assert_eq!(piece.over_bound, len > 64, "{piece:?}");
            assert_eq!(piece.ended.is_some(), scanner.at_boundary(), "{piece:?}");
            if let Some(block) = piece.ended {
                len = 0;
                if block.kind != BlockKind::Blank {
                    blocks.push(block);
                }
            }
            rest = &rest[piece.len..];
        }
    }
    blocks
}

/// The standard's algorithm as it is written: the id after each block that changes it, and how
/// many events are dispatched (or would be, were their data not empty).
fn interpret(stream: &[u8]) -> (Vec<BlockId>, usize) {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut normal = Vec::new();
    let mut bytes = stream.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            bytes.next_if_eq(&b'\n');
        }
        normal.push(if byte == b'\r' { b'\n' } else { byte });
    }
    let mut lines: Vec<_> = normal.split(|&byte| byte == b'\n').collect();
    lines.pop(); // not ended by a line end
    let (mut ids, mut dispatched) = (Vec::new(), 0);
    let (mut id, mut has_data) = (None, false);
    for line in lines {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            _ if line.is_empty() => {
                ids.extend(id.take());
                dispatched += usize::from(std::mem::take(&mut has_data));
            }
            b"data" => has_data = true,
            b"id" if value.is_empty() => id = Some(BlockId::Reset),
            b"id" if !value.contains(&0) => {
                id = Some(EventId::new(value).map_or(BlockId::Foreign, BlockId::Named));
            }
            _ => {}
        }
    }
    (ids, dispatched)
}

/// `bytes` cut into slices of 1 to 32 bytes, the same ones for the same `seed`.
fn slices(bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut state = u32::from(seed) << 8 | 0x5b;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let len = rest.len().min(1 + (state % 32) as usize);
        let (now, later) = rest.split_at(len);
        rest = later;
        Some(now)
    })
}
