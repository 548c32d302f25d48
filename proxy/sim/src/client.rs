//! A client: says numbered commands, and keeps account of all that it is told.

use holdfast_session::id::ClientId;
use holdfast_wire::sse;
use holdfast_wire::websocket::{CloseCode, ControlFrame, Opcode, encode_data};
use serde::Deserialize;

use crate::frames::Frames;

/// One client with one connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) session: usize,
    pub(crate) id: ClientId,
    pub(crate) sse: bool,
    pub(crate) cookie: Option<String>,
    /// It said so much that nobody read yet.
    pub(crate) out: Vec<u8>,
    /// It takes nothing of what is sent to it.
    pub(crate) stalled: bool,
    frames: Frames,
    scanner: sse::Scanner,
    block: Vec<u8>,
    /// Data messages said, in order.
    pub(crate) said: Vec<String>,
    /// Commands said, and answers got; both count from 1.
    pub(crate) commands: u64,
    pub(crate) answers: u64,
    /// The texts of all messages with an id, in order.
    pub(crate) heard: Vec<Heard>,
    /// How many of them before the store last lost something.
    pub(crate) heard_before_loss: usize,
    pub(crate) echoes: u64,
    pub(crate) closed: Option<u16>,
    pub(crate) resets: u64,
    pub(crate) ended: bool,
    /// What was wrong with what it was told.
    pub(crate) complaint: Option<String>,
}

/// A message with an id.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) id: String,
    pub(crate) prev: String,
    pub(crate) kind: String,
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    prev: Option<String>,
    #[serde(rename = "type", default)]
    kind: String,
    n: Option<u64>,
    #[serde(default)]
    data: Brought,
}

/// What a snapshot says of the client's commands: all up to this number are done.
#[derive(Default, Deserialize)]
struct Brought {
    #[serde(default)]
    n: Option<u64>,
}

impl Client {
    pub(crate) fn new(name: &str, session: usize, sse: bool) -> Self {
        Self {
            name: name.to_owned(),
            session,
            id: name.parse().expect("a client's name"),
            sse,
            cookie: None,
            out: Vec::new(),
            stalled: false,
            frames: Frames::default(),
            scanner: sse::Scanner::new(1 << 20),
            block: Vec::new(),
            said: Vec::new(),
            commands: 0,
            answers: 0,
            heard: Vec::new(),
            heard_before_loss: 0,
            echoes: 0,
            closed: None,
            resets: 0,
            ended: false,
            complaint: None,
        }
    }

    /// Says the next command: an order that finds nobody and is over at once.
    pub(crate) fn command(&mut self) {
        self.commands += 1;
        let n = self.commands;
        let order = r#"{"symbol":"ACME","side":"buy","quantity":"1","price":"60""#;
        let order = format!(r#"{order},"time_in_force":"ioc"}}"#);
        self.say(format!(r#"{{"type":"order.new","n":{n},"data":{order}}}"#));
    }

    /// Says something that only counts as accepted.
    pub(crate) fn pong(&mut self) {
        let t = self.said.len();
        self.say(format!(r#"{{"type":"pong","data":{{"t":{t}}}}}"#));
    }

    /// Says something long that is no command.
    pub(crate) fn novel(&mut self) {
        let chapter = format!("chapter {}: ", self.said.len());
        self.say(format!("{chapter}{}", "x".repeat(NOVEL)));
    }

    pub(crate) fn say(&mut self, text: String) {
        encode_data(
            &mut self.out,
            Opcode::Text,
            true,
            text.as_bytes(),
            Some(MASK),
        );
        self.said.push(text);
    }

    pub(crate) fn close(&mut self) {
        let close = ControlFrame::close(CloseCode::NORMAL, "", Some(MASK));
        self.out.extend_from_slice(close.as_ref());
    }

    /// Bytes came from the proxy.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        if self.sse {
            return self.hear_events(bytes);
        }
        self.frames.push(bytes);
        while let Some((opcode, payload)) = self.frames.next() {
            match opcode {
                Opcode::Text => {
                    let text = String::from_utf8(payload).expect("text is UTF-8");
                    self.message(text);
                }
                Opcode::Ping => {
                    let pong = ControlFrame::pong(&payload, Some(MASK)).expect("short");
                    self.out.extend_from_slice(pong.as_ref());
                }
                Opcode::Close => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.closed = Some(code.unwrap_or(CloseCode::NO_STATUS.0));
                    self.close();
                }
                other => self.complain(format!("heard {other:?}")),
            }
        }
    }

    fn hear_events(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(piece) = self.scanner.scan(rest) {
            let (now, later) = rest.split_at(piece.len);
            rest = later;
            self.block.extend_from_slice(now);
            let Some(block) = piece.ended else { continue };
            let bytes = std::mem::take(&mut self.block);
            if !block.has_data {
                continue;
            }
            let field = |name: &[u8]| {
                let found = sse::fields(&bytes).find(|field| field.name == name);
                let value = found.map(|field| field.value).unwrap_or_default();
                String::from_utf8(value.to_vec()).expect("events are text")
            };
            let (id, kind, text) = (field(b"id"), field(b"event"), field(b"data"));
            let prev = match text
                .strip_prefix(r#"{"prev":""#)
                .and_then(|t| t.split_once('"'))
            {
                Some((prev, _)) => prev.to_owned(),
                None => return self.complain(format!("no place in {text}")),
            };
            self.numbered(Heard {
                id,
                prev,
                kind,
                text,
            });
        }
    }

    fn message(&mut self, text: String) {
        // Most of what comes: it needs no reading, for it is compared as it is in the end.
        if let Some((id, prev, kind)) = entry(&text) {
            let (id, prev, kind) = (id.to_owned(), prev.to_owned(), kind.to_owned());
            return self.numbered(Heard {
                id,
                prev,
                kind,
                text,
            });
        }
        let Ok(message) = serde_json::from_str::<Message>(&text) else {
            return self.complain(format!("not JSON: {text}"));
        };
        if let Some(n) = message.data.n.filter(|_| message.kind == "snapshot") {
            if n < self.answers {
                self.complain(format!(
                    "a snapshot of {n} commands after answer {}",
                    self.answers
                ));
            }
            self.answers = n;
        }
        if let Some(n) = message.n.filter(|_| message.kind == "answer") {
            self.answers += 1;
            if n != self.answers {
                self.complain(format!("answer {n} where {} is next", self.answers));
            }
        }
        match (message.id, message.prev) {
            (Some(id), Some(prev)) => self.numbered(Heard {
                id,
                prev,
                kind: message.kind,
                text,
            }),
            _ => self.echoes += 1,
        }
    }

    fn numbered(&mut self, heard: Heard) {
        if let Some(last) = self.heard.last()
            && last.id != heard.prev
        {
            self.complain(format!(
                "{} follows {}, but {} was last",
                heard.id, heard.prev, last.id
            ));
        }
        self.resets += u64::from(heard.kind == "reset");
        self.heard.push(heard);
    }

    fn complain(&mut self, what: String) {
        self.complaint.get_or_insert(what);
    }
}

/// Id, place and kind of a message that is an entry of the log, but for answers.
fn entry(text: &str) -> Option<(&str, &str, &str)> {
    let (id, rest) = text
        .strip_prefix(r#"{"id":""#)?
        .split_once(r#"","prev":""#)?;
    let (prev, rest) = rest.split_once(r#"","type":""#)?;
    let (kind, _) = rest.split_once(r#"","data":"#)?;
    (kind != "snapshot" && kind.len() < 16).then_some((id, prev, kind))
}

/// Bytes of something long.
const NOVEL: usize = 6_000;
const MASK: [u8; 4] = [7, 1, 9, 3];
