//! The block scanner of a relay.

use memchr::{memchr, memchr2};

use super::fields::split_line;
use crate::contract::{EVENT_ID_BYTES_MAX, EventId};

/// Finds blocks in one event stream, fed each byte once.
///
/// It keeps the begun line up to 72 bytes, enough for an id, and nothing else; whoever relays
/// decides which bytes to hold. Make a new one for every leg: only the first block of a stream
/// may be a byte order mark.
#[derive(Clone, Debug)]
pub struct Scanner {
    /// Bytes of one block above which a piece says `over_bound`.
    bound: usize,
    place: Place,
    /// Bytes of the begun block seen, all lines together.
    block_len: u64,
    /// Of the begun block, lines that have ended.
    block: Block,
    line: Line,
}

/// What a block is made of, known when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// What the block is for.
    pub kind: BlockKind,
    /// What it does to the last event id; `None` leaves it. A block without data changes it too.
    pub id: Option<BlockId>,
    /// The reconnection time it sets, in milliseconds.
    pub retry: Option<u64>,
    /// It has a `data` field, so clients dispatch an event.
    pub has_data: bool,
}

/// What a block is for, seen by a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// The byte order mark of a stream. Forward it at most once per client, or never: inside a
    /// stream it would spoil the name of the first field.
    Mark,
    /// A line end alone: an empty line after a block, or the LF of a CR LF cut in two.
    Blank,
    /// One comment line outside an event, whole by itself: heartbeats must not wait.
    Comment,
    /// Lines with at least one field, and the empty line behind them.
    Event,
}

/// What an `id` field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// Empty: the client forgets its last event id.
    Reset,
    /// An id that the contract takes.
    Named(EventId),
    /// One that it does not take (too long, other characters), although clients do.
    Foreign,
}

/// Bytes at the start of a slice that belong to one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes of the slice they are; never 0.
    pub len: usize,
    /// The block begins here.
    pub first: bool,
    /// The block ends here, and what it was.
    pub ended: Option<Block>,
    /// The block has more bytes than the bound, this piece included: too large to hold.
    pub over_bound: bool,
}

impl Scanner {
    /// A scanner at the first byte of a body. A block above `bound` bytes is scanned like any
    /// other, and said to be so.
    pub const fn new(bound: usize) -> Self {
        Self {
            bound,
            place: Place::Mark { seen: 0 },
            block_len: 0,
            block: Block::EMPTY,
            line: Line::EMPTY,
        }
    }

    /// The piece of one block that `bytes` begin with; `None` when they are empty.
    ///
    /// Call it again with the bytes behind [`Piece::len`] until then.
    pub fn scan(&mut self, bytes: &[u8]) -> Option<Piece> {
        let &next = bytes.first()?;
        let first = self.at_boundary();
        match self.place {
            Place::AfterCarriageReturn if next == b'\n' => {
                self.place = Place::Inside;
                if first {
                    let ended = Some(Block::EMPTY);
                    return Some(Piece {
                        len: 1,
                        first,
                        ended,
                        over_bound: false,
                    });
                }
                Some(self.scan_lines(bytes, 1, first))
            }
            Place::Mark { seen } => self.scan_mark(bytes, usize::from(seen)),
            _ => {
                self.place = Place::Inside;
                Some(self.scan_lines(bytes, 0, first))
            }
        }
    }

    /// No block is begun: here a stream may change its endpoint.
    pub const fn at_boundary(&self) -> bool {
        self.block_len == 0
    }

    /// The start of a stream, which may be a byte order mark, possibly cut.
    fn scan_mark(&mut self, bytes: &[u8], seen: usize) -> Option<Piece> {
        let first = seen == 0;
        let expected = &BYTE_ORDER_MARK[seen..];
        let same = bytes
            .iter()
            .zip(expected)
            .take_while(|(byte, mark)| byte == mark)
            .count();
        if same == expected.len() {
            self.place = Place::Inside;
            self.block_len = 0;
            let ended = Some(Block {
                kind: BlockKind::Mark,
                ..Block::EMPTY
            });
            return Some(Piece {
                len: same,
                first,
                ended,
                over_bound: false,
            });
        }
        if same == bytes.len() {
            self.place = Place::Mark {
                seen: (seen + same) as u8,
            };
            self.block_len += same as u64;
            return Some(Piece {
                len: same,
                first,
                ended: None,
                over_bound: self.is_over(),
            });
        }
        // Something else after all: what was seen is the start of a line.
        self.place = Place::Inside;
        self.line.extend(&BYTE_ORDER_MARK[..seen]);
        Some(self.scan_lines(bytes, 0, first))
    }

    /// Lines from `start` on until a block ends or `bytes` do; those before `start` are a line end.
    fn scan_lines(&mut self, bytes: &[u8], start: usize, first: bool) -> Piece {
        let before = self.block_len;
        let mut at = start;
        while let Some(len) = memchr2(b'\n', b'\r', &bytes[at..]) {
            let line = &bytes[at..at + len];
            at += len + 1;
            if bytes[at - 1] == b'\r' {
                match bytes.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.place = Place::AfterCarriageReturn,
                }
            }
            let ended = if self.line.len == 0 {
                self.block.read_line(line, false)
            } else {
                self.line.extend(line);
                let ended = self.block.read_line(self.line.kept(), self.line.has_nul);
                self.line = Line::EMPTY;
                ended
            };
            if ended {
                let block = std::mem::replace(&mut self.block, Block::EMPTY);
                self.block_len = before + at as u64;
                let over_bound = self.is_over();
                self.block_len = 0;
                return Piece {
                    len: at,
                    first,
                    ended: Some(block),
                    over_bound,
                };
            }
        }
        self.line.extend(&bytes[at..]);
        self.block_len = before + bytes.len() as u64;
        Piece {
            len: bytes.len(),
            first,
            ended: None,
            over_bound: self.is_over(),
        }
    }

    const fn is_over(&self) -> bool {
        self.block_len > self.bound as u64
    }
}

impl Block {
    const EMPTY: Self = Self {
        kind: BlockKind::Blank,
        id: None,
        retry: None,
        has_data: false,
    };

    /// Takes a line without its end; true when the block ends with it.
    ///
    /// Of a line that came in parts these are the bytes kept, and `has_nul` speaks for the rest:
    /// whatever is longer than that has a value too long to mean anything.
    fn read_line(&mut self, line: &[u8], has_nul: bool) -> bool {
        if line.is_empty() {
            return true;
        }
        if line[0] == b':' {
            if self.kind == BlockKind::Event {
                return false;
            }
            self.kind = BlockKind::Comment;
            return true;
        }
        self.kind = BlockKind::Event;
        let (name, value) = split_line(line);
        match name {
            b"data" => self.has_data = true,
            b"id" if !has_nul && memchr(0, value).is_none() => {
                self.id = Some(BlockId::new(value));
            }
            b"retry" => self.retry = parse_retry(value).or(self.retry),
            _ => {}
        }
        false
    }
}

impl BlockId {
    fn new(value: &[u8]) -> Self {
        if value.is_empty() {
            return Self::Reset;
        }
        EventId::new(value).map_or(Self::Foreign, Self::Named)
    }
}

/// Where the scanner stands between two slices.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// At the start of the stream, after so many bytes of a byte order mark.
    Mark { seen: u8 },
    /// Behind a CR that ended a line: an LF now belongs to it.
    AfterCarriageReturn,
    /// Anywhere else.
    Inside,
}

/// The begun line: its first bytes and what must be known about the rest.
#[derive(Clone, Debug)]
struct Line {
    kept: [u8; LINE_BYTES_KEPT],
    len: u64,
    has_nul: bool,
}

impl Line {
    const EMPTY: Self = Self {
        kept: [0; LINE_BYTES_KEPT],
        len: 0,
        has_nul: false,
    };

    fn extend(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let filled = self.kept().len();
        let taken = bytes.len().min(LINE_BYTES_KEPT - filled);
        self.kept[filled..filled + taken].copy_from_slice(&bytes[..taken]);
        self.len += bytes.len() as u64;
        // Only an id asks for it; a long line of data need not be searched again.
        if self.kept.starts_with(b"id") {
            self.has_nul |= memchr(0, bytes).is_some();
        }
    }

    fn kept(&self) -> &[u8] {
        &self.kept[..self.len.min(LINE_BYTES_KEPT as u64) as usize]
    }
}

/// "consists of only ASCII digits"; more than 20 of them are nobody's time.
fn parse_retry(value: &[u8]) -> Option<u64> {
    if !(1..=20).contains(&value.len()) || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |ms: u64, byte: &u8| ms.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
    Some(value.iter().fold(0, digit))
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// `id: ` with the longest id, and something behind it that shows that there is more. (The longest
/// `retry:` takes less.)
const LINE_BYTES_KEPT: usize = 4 + EVENT_ID_BYTES_MAX + 4;
