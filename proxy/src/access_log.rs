//! One line of JSON for each exchange, and one for each stream that ended.
//!
//! The line is put together by hand into a shared buffer, and a thread of its own writes the
//! buffer out: a slow reader of the log never holds up a request. It lets lines gather for a
//! moment, so that a busy edge wakes it some tens of times a second and not once for each line.
//! The buffer is bounded; lines beyond it are dropped and counted. Queries, cookies and tokens
//! never get here.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock;
use crate::config::AccessLogTo;

/// The log; cheap to clone.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Shared>>);

struct Shared {
    pending: Mutex<Pending>,
    filled: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Pending {
    lines: Vec<u8>,
    /// Are lines taken out and not written yet?
    writing: bool,
    closed: bool,
}

/// What is known of an exchange when it has ended. What is not known is left out of the line.
#[derive(Clone, Debug, Default)]
pub struct Line<'a> {
    /// The request id.
    pub request_id: &'a str,
    /// The id under which endpoints know a stream.
    pub connection: &'a str,
    /// The client.
    pub client: Option<IpAddr>,
    /// The method.
    pub method: &'a str,
    /// The host that was asked for.
    pub host: &'a str,
    /// The path, without query.
    pub path: &'a str,
    /// The answer's status.
    pub status: Option<u16>,
    /// Body bytes from the client.
    pub received: u64,
    /// Body bytes to the client.
    pub sent: u64,
    /// From the first byte of the request to the last of the answer.
    pub duration: Duration,
    /// The route's name.
    pub route: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
    /// The endpoint that answered.
    pub endpoint: &'a str,
    /// What the client's affinity was worth: none, valid, expired, invalid, down, off.
    pub affinity: &'a str,
    /// How it was carried.
    pub relay: &'a str,
    /// The number of the snapshot that decided.
    pub snapshot: u64,
    /// Endpoints tried after the first.
    pub retries: u32,
    /// Moves of the connection.
    pub moves: u32,
    /// Messages or events from and to the client.
    pub messages: Option<(u64, u64)>,
    /// Why it ended.
    pub ending: &'a str,
    /// The edge's own code, where the edge answered.
    pub code: &'a str,
}

/// Why an exchange ended that no relay took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The endpoint's answer was delivered.
    Done,
    /// The edge answered itself.
    Edge,
    /// The client left before it had the whole answer.
    ClientGone,
    /// The endpoint broke off.
    EndpointBroken,
    /// The endpoint did not answer in time.
    EndpointSilent,
    /// The head did not come in time.
    HeadTimeout,
    /// The body did not come in time.
    BodyTimeout,
    /// The head is too long.
    HeadTooLarge,
    /// What came is no request.
    Malformed,
    /// The address has too many connections.
    ConnectionsPerAddress,
    /// The process has too many connections.
    Connections,
}

impl Ending {
    /// Its name in the log and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Edge => "edge",
            Self::ClientGone => "client_gone",
            Self::EndpointBroken => "endpoint_broken",
            Self::EndpointSilent => "endpoint_silent",
            Self::HeadTimeout => "head_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::HeadTooLarge => "head_too_large",
            Self::Malformed => "malformed",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Connections => "connections",
        }
    }
}

impl AccessLog {
    /// The configured log.
    pub fn open(to: AccessLogTo) -> Self {
        match to {
            AccessLogTo::Off => Self(None),
            AccessLogTo::Stdout => Self::to(io::stdout()),
        }
    }

    /// A log into this writer, written by a thread of its own.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            filled: Condvar::new(),
            dropped: AtomicU64::new(0),
        });
        let own = shared.clone();
        let name = "access-log".to_owned();
        let spawned = thread::Builder::new()
            .name(name)
            .spawn(move || own.write_out(writer));
        match spawned {
            Ok(_) => Self(Some(shared)),
            Err(cause) => {
                tracing::error!(%cause, "no thread for the access log; it is off");
                Self(None)
            }
        }
    }

    /// Write a line.
    pub fn write(&self, line: &Line<'_>) {
        let Some(shared) = &self.0 else { return };
        let mut text = String::with_capacity(LINE);
        line.print(&mut text);
        let mut pending = shared.pending.lock();
        if pending.lines.len() + text.len() > PENDING_MAX {
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = pending.lines.len();
        pending.lines.extend_from_slice(text.as_bytes());
        let is_batch = before < BATCH && pending.lines.len() >= BATCH;
        drop(pending);
        if before == 0 || is_batch {
            shared.filled.notify_all();
        }
    }

    /// Lines that were dropped because nobody took the ones before them.
    pub fn dropped(&self) -> u64 {
        self.0
            .as_ref()
            .map_or(0, |shared| shared.dropped.load(Ordering::Relaxed))
    }

    /// Wait until all lines are out, at most so long. Called once, at the very end.
    pub fn close(&self, at_most: Duration) {
        let Some(shared) = &self.0 else { return };
        let mut pending = shared.pending.lock();
        pending.closed = true;
        shared.filled.notify_all();
        while pending.writing || !pending.lines.is_empty() {
            if shared.filled.wait_for(&mut pending, at_most).timed_out() {
                return;
            }
        }
    }
}

impl Shared {
    fn write_out(&self, mut writer: impl Write) {
        let mut lines = Vec::new();
        loop {
            {
                let mut pending = self.pending.lock();
                pending.writing = false;
                self.filled.notify_all();
                while pending.lines.is_empty() {
                    if pending.closed {
                        return;
                    }
                    self.filled.wait(&mut pending);
                }
                let due = (clock::moment() + GATHER).into_std();
                while pending.lines.len() < BATCH && !pending.closed {
                    if self.filled.wait_until(&mut pending, due).timed_out() {
                        break;
                    }
                }
                pending.writing = true;
                std::mem::swap(&mut pending.lines, &mut lines);
            }
            // a log nobody reads must not stop the edge
            let _ = writer.write_all(&lines).and_then(|()| writer.flush());
            lines.clear();
        }
    }
}

impl Line<'_> {
    fn print(&self, out: &mut String) {
        out.push_str("{\"time\":\"");
        out.push_str(&clock::rfc3339(clock::wall()));
        out.push('"');
        text(out, "request_id", self.request_id);
        text(out, "connection", self.connection);
        if let Some(client) = self.client {
            let _ = write!(out, ",\"client\":\"{client}\"");
        }
        text(out, "method", self.method);
        text(out, "host", self.host);
        text(out, "path", self.path);
        if let Some(status) = self.status {
            number(out, "status", u64::from(status));
        }
        number(out, "received", self.received);
        number(out, "sent", self.sent);
        let micros = self.duration.as_micros();
        let _ = write!(
            out,
            ",\"duration_ms\":{}.{:03}",
            micros / 1000,
            micros % 1000
        );
        text(out, "route", self.route);
        text(out, "cluster", self.cluster);
        text(out, "endpoint", self.endpoint);
        text(out, "affinity", self.affinity);
        text(out, "relay", self.relay);
        if self.snapshot > 0 {
            number(out, "snapshot", self.snapshot);
        }
        number(out, "retries", u64::from(self.retries));
        number(out, "moves", u64::from(self.moves));
        if let Some((received, sent)) = self.messages {
            number(out, "messages_received", received);
            number(out, "messages_sent", sent);
        }
        text(out, "code", self.code);
        text(out, "ending", self.ending);
        out.push_str("}\n");
    }
}

fn number(out: &mut String, key: &str, value: u64) {
    let _ = write!(out, ",\"{key}\":{value}");
}

/// A text that may hold anything a client sent: escaped, so that a line stays one line.
fn text(out: &mut String, key: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    let _ = write!(out, ",\"{key}\":\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Room for a usual line.
const LINE: usize = 512;

/// Bytes that are written without waiting for more.
const BATCH: usize = 64 << 10;

/// How long a line waits for others to be written with.
const GATHER: Duration = Duration::from_millis(20);

/// Bytes that may wait for a slow reader; at full load some seconds' worth.
const PENDING_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_json_whatever_a_client_sends() {
        let line = Line {
            path: "/a\"b\\c\n\u{7}",
            request_id: "r",
            ..Line::default()
        };
        let mut out = String::new();
        line.print(&mut out);
        assert_eq!(out.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(value["path"], "/a\"b\\c\n\u{7}");
        assert!(
            value.get("cluster").is_none(),
            "what is not known is left out"
        );
    }

    #[test]
    fn closing_waits_until_every_line_is_out() {
        let sink = Sink::default();
        let log = AccessLog::to(sink.clone());
        for _ in 0..1000 {
            log.write(&Line {
                ending: Ending::Done.as_str(),
                ..Line::default()
            });
        }
        log.close(Duration::from_secs(10));
        drop(log);
        let written = sink.0.lock();
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1000);
    }
}
