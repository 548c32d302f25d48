//! One leg, frame by frame or event by event, as the edge reads it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use holdfast_wire::contract::{self, EventId, Note};
use holdfast_wire::sse::{BlockId, BlockKind, Scanner};
use holdfast_wire::websocket::{CloseCode, ControlFrame, FrameHead, MaskKey, Opcode, encode_data};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::dial::Stream;
use super::rule::Rule;
use crate::clock::Instant;

/// What a leg says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A whole data message or event.
    Message { id: Option<EventId>, bytes: Vec<u8> },
    /// `hf1:accepted=`.
    Accepted(u64),
    /// To be answered with a Pong.
    Ping(Bytes),
    /// An answer to a Ping.
    Pong,
    /// A rule was broken: what was expected, what came.
    Broke(Rule, String, String),
    /// Nothing more comes.
    Ended(End),
}

/// How a leg ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Close(CloseCode),
    /// Without a Close, or an event stream's end.
    Cut,
}

impl End {
    /// The client of an edge would not notice.
    pub(super) fn is_silent(self) -> bool {
        matches!(
            self,
            Self::Cut | Self::Close(CloseCode::RESTART | CloseCode::GOING_AWAY)
        )
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Close(code) => write!(f, "Close {}", code.0),
            Self::Cut => f.write_str("the end of the connection"),
        }
    }
}

/// A leg of either kind.
#[derive(Debug)]
pub(super) enum Leg {
    Socket(Socket),
    Events(Events),
}

impl Leg {
    pub(super) fn new(stream: Stream) -> Self {
        match stream {
            Stream::Socket(stream, read) => Self::Socket(Socket {
                stream,
                inbox: BytesMut::from(&read[..]),
                begun: None,
                named: None,
                ready: VecDeque::new(),
            }),
            Stream::Events(body) => Self::Events(Events {
                body,
                scanner: Scanner::new(usize::MAX),
                held: Vec::new(),
                ready: VecDeque::new(),
            }),
        }
    }

    /// The next thing said; `None` if there is nothing by then.
    pub(super) async fn hear(&mut self, until: Instant) -> Option<Heard> {
        let heard = async {
            match self {
                Self::Socket(socket) => socket.hear().await,
                Self::Events(events) => events.hear().await,
            }
        };
        timeout_at(until, heard).await.ok()
    }

    /// Waits for the end, whatever is said before it.
    pub(super) async fn end(mut self, until: Instant) -> Option<End> {
        loop {
            if let Heard::Ended(end) = self.hear(until).await? {
                return Some(end);
            }
        }
    }

    /// Writes what is meant for a WebSocket. False: the other side takes nothing any more.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> bool {
        let Self::Socket(socket) = self else {
            return false;
        };
        let written = timeout(WRITE_MAX, socket.stream.write_all(bytes)).await;
        matches!(written, Ok(Ok(())))
    }

    /// Breaks it as a machine that dies does: nothing more is said or heard.
    pub(super) fn cut(self) {
        if let Self::Socket(socket) = self {
            // if it cannot be reset, it is at least closed
            let _ = socket.stream.set_zero_linger();
        }
    }
}

/// One data message in one frame.
pub(super) fn message(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_data(&mut bytes, Opcode::Text, true, text.as_bytes(), Some(MASK));
    bytes
}

/// One data message in two frames with `between` between them. It is cut between characters.
pub(super) fn fragmented(text: &str, between: &[u8]) -> Vec<u8> {
    let (first, last) = text.split_at(text.floor_char_boundary(text.len() / 2));
    let mut bytes = Vec::new();
    encode_data(
        &mut bytes,
        Opcode::Text,
        false,
        first.as_bytes(),
        Some(MASK),
    );
    bytes.extend_from_slice(between);
    encode_data(
        &mut bytes,
        Opcode::Continuation,
        true,
        last.as_bytes(),
        Some(MASK),
    );
    bytes
}

/// A Ping; nothing if it is too long for one.
pub(super) fn ping(payload: &str) -> Vec<u8> {
    let frame = ControlFrame::ping(payload.as_bytes(), Some(MASK));
    frame
        .map(|frame| frame.as_ref().to_vec())
        .unwrap_or_default()
}

/// A Pong, asked for or not; nothing if it is too long for one.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    let frame = ControlFrame::pong(payload, Some(MASK));
    frame
        .map(|frame| frame.as_ref().to_vec())
        .unwrap_or_default()
}

/// The edge's wish to move.
pub(super) fn farewell() -> Vec<u8> {
    let close = ControlFrame::close(CloseCode::RESTART, contract::MOVE_REASON, Some(MASK));
    close.as_ref().to_vec()
}

/// A WebSocket, read frame by frame: a library would hide where a Pong stood.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    inbox: BytesMut,
    /// The message under way.
    begun: Option<Vec<u8>>,
    /// What the next message is called.
    named: Option<EventId>,
    ready: VecDeque<Heard>,
}

impl Socket {
    /// Cancel-safe: all that was read is kept.
    async fn hear(&mut self) -> Heard {
        loop {
            while self.ready.is_empty() && self.take_frame() {}
            if let Some(heard) = self.ready.pop_front() {
                return heard;
            }
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(count) if count > 0 => {}
                _ => return Heard::Ended(End::Cut),
            }
        }
    }

    /// Takes the next whole frame out of what was read. False: there is none yet.
    fn take_frame(&mut self) -> bool {
        let head = match FrameHead::parse(&self.inbox) {
            Ok(Some(head)) => head,
            Ok(None) => return false,
            Err(error) => {
                self.broke(Rule::Taken, "frames of RFC 6455", error.to_string());
                self.ready.push_back(Heard::Ended(End::Cut));
                return true;
            }
        };
        let (head, length) = head;
        let payload_len = usize::try_from(head.payload_len).unwrap_or(usize::MAX);
        if payload_len > MESSAGE_MAX {
            self.broke(
                Rule::Taken,
                "messages below 16 MiB",
                format!("{payload_len} bytes"),
            );
            self.ready.push_back(Heard::Ended(End::Cut));
            self.inbox.clear();
            return true;
        }
        if self.inbox.len() < length + payload_len {
            return false;
        }
        self.inbox.advance(length);
        let payload = self.inbox.split_to(payload_len).freeze();
        self.judge(head);
        self.take(head, payload);
        true
    }

    fn judge(&mut self, head: FrameHead) {
        if head.rsv != 0 {
            let came = format!("RSV bits {:03b}", head.rsv);
            self.broke(Rule::NoCompression, "frames without RSV bits", came);
        }
        if head.mask.is_some() {
            self.broke(
                Rule::Taken,
                "frames without mask",
                "a masked frame".to_owned(),
            );
        }
    }

    fn take(&mut self, head: FrameHead, payload: Bytes) {
        match head.opcode {
            Opcode::Text | Opcode::Binary => {
                if self.begun.is_some() {
                    let came = "a message inside a message".to_owned();
                    self.broke(Rule::Taken, "frames of RFC 6455", came);
                }
                self.part(Vec::new(), head.fin, &payload);
            }
            Opcode::Continuation => {
                let begun = self.begun.take().unwrap_or_default();
                self.part(begun, head.fin, &payload);
            }
            Opcode::Pong if contract::is_marked(&payload) => self.marker(&payload),
            Opcode::Pong => self.ready.push_back(Heard::Pong),
            Opcode::Ping => self.ready.push_back(Heard::Ping(payload)),
            Opcode::Close => {
                let code = payload
                    .first_chunk()
                    .map(|code| CloseCode(u16::from_be_bytes(*code)));
                let code = code.unwrap_or(CloseCode::NO_STATUS);
                self.ready.push_back(Heard::Ended(End::Close(code)));
            }
            _ => {}
        }
    }

    fn part(&mut self, mut message: Vec<u8>, ends: bool, payload: &[u8]) {
        message.extend_from_slice(payload);
        if ends {
            let id = self.named.take();
            self.ready.push_back(Heard::Message { id, bytes: message });
        } else {
            self.begun = Some(message);
        }
    }

    fn marker(&mut self, payload: &[u8]) {
        if self.begun.is_some() {
            let came = format!("{} between two of them", payload.escape_ascii());
            self.broke(
                Rule::MarkerPlace,
                "the frames of a message without a marker",
                came,
            );
        }
        let Ok(note) = Note::parse(payload) else {
            let expected = "hf1:id=<id>, hf1:accepted=<count> or hf1:id=<id>;accepted=<count>";
            return self.broke(
                Rule::MarkerForm,
                expected,
                payload.escape_ascii().to_string(),
            );
        };
        if let Some(id) = note.id() {
            self.named = Some(*id);
        }
        if let Some(count) = note.accepted() {
            self.ready.push_back(Heard::Accepted(count));
        }
    }

    fn broke(&mut self, rule: Rule, expected: &str, came: String) {
        self.ready
            .push_back(Heard::Broke(rule, expected.to_owned(), came));
    }
}

/// An event stream, read event by event.
#[derive(Debug)]
pub(super) struct Events {
    body: Incoming,
    scanner: Scanner,
    /// The event under way.
    held: Vec<u8>,
    ready: VecDeque<Heard>,
}

impl Events {
    /// Cancel-safe: all that was read is kept.
    async fn hear(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.ready.pop_front() {
                return heard;
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.take(&data);
                    }
                }
                _ => return Heard::Ended(End::Cut),
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(piece) = self.scanner.scan(bytes) {
            let (now, later) = bytes.split_at(piece.len);
            bytes = later;
            self.held.extend_from_slice(now);
            let Some(block) = piece.ended else { continue };
            let whole = std::mem::take(&mut self.held);
            if block.kind != BlockKind::Event {
                continue;
            }
            let id = match block.id {
                Some(BlockId::Named(id)) => Some(id),
                Some(BlockId::Foreign) => {
                    let expected = "1 to 64 letters, digits, '.', '_', '-' behind id:".to_owned();
                    let came = whole.escape_ascii().to_string();
                    self.ready
                        .push_back(Heard::Broke(Rule::Ids, expected, came));
                    None
                }
                Some(BlockId::Reset) | None => None,
            };
            if block.has_data {
                self.ready.push_back(Heard::Message { id, bytes: whole });
            }
        }
    }
}

/// A mask is there to confuse caches in the middle, of which there are none here.
const MASK: MaskKey = [0x48; 4];
const WRITE_MAX: Duration = Duration::from_secs(10);
const MESSAGE_MAX: usize = 16 << 20;
