//! A client that listens to one event stream for the whole run. Only a storm makes it come back.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::desk::{Desk, Seat};
use super::requests;
use super::websocket::parameters;
use crate::ledger::{Content, EntryId, Kind, Record};

/// Runs until the seat's `done`.
pub(super) async fn run(seat: Seat, desk: Rc<Desk>) {
    let mut listener = Listener {
        seat: &seat,
        desk: &desk,
        last: String::new(),
    };
    let listened = seat.done.run_until_cancelled(listener.listen()).await;
    if let Some(why) = listened {
        desk.heard.borrow_mut().disconnected(why);
    }
}

struct Listener<'a> {
    seat: &'a Seat,
    desk: &'a Desk,
    /// The last id received, to come back with.
    last: String,
}

impl Listener<'_> {
    /// Never ends while the stream does not; says why it did.
    async fn listen(&mut self) -> String {
        let mut storms = self.seat.storms.clone();
        storms.mark_unchanged();
        loop {
            let mut body = match tokio::time::timeout(DIAL_MAX, self.open()).await {
                Ok(Ok(body)) => body,
                Ok(Err(why)) => return why,
                Err(_) => return String::from("no stream in time"),
            };
            tokio::select! {
                why = self.read(&mut body) => return why,
                Ok(()) = storms.changed() => {}
            }
        }
    }

    async fn open(&self) -> Result<Incoming, String> {
        let trader = &self.desk.trader;
        let session = &trader.session;
        let mut path = format!("/api/v1/sessions/{session}/events?client=listener");
        path.push_str(&parameters(self.seat, &self.last));
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let request = trader
            .request(Method::GET, &path)
            .header(header::ACCEPT, "text/event-stream")
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(&error))?;
        let edge = self.seat.events_through.unwrap_or(trader.edge);
        let stream = TcpStream::connect(edge).await;
        let stream = TokioIo::new(stream.map_err(|error| failed(&error))?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(|error| failed(&error))?;
        // Ends with the body or the sender; what went wrong is told there.
        tokio::task::spawn_local(async move { drop(connection.await) });
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| failed(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the stream was answered {}", answer.status()));
        }
        requests::note(self.seat, self.desk, answer.headers());
        Ok(answer.into_body())
    }

    async fn read(&mut self, body: &mut Incoming) -> String {
        let mut pending: Vec<u8> = Vec::new();
        loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    pending.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
                }
                Some(Err(error)) => return error.to_string(),
                None => return String::from("the stream ended"),
            }
            while let Some(end) = pending.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = pending.drain(..end + 2).collect();
                self.enter(&String::from_utf8_lossy(&block));
            }
            if pending.len() > EVENT_MAX {
                return format!("an event of more than {EVENT_MAX} bytes");
            }
        }
    }

    /// Writes an event into the books.
    fn enter(&mut self, block: &str) {
        let field = |name: &str| {
            block.lines().find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(':')
                    .map(|value| value.strip_prefix(' ').unwrap_or(value))
            })
        };
        let named = field("id").and_then(|text| Some((EntryId::parse(text)?, text)));
        if let Some((_, text)) = &named {
            self.last = (*text).to_owned();
        }
        // A block without data is no event; it only sets the id to come back with.
        let Some(text) = field("data") else {
            return;
        };
        let mut data: Value = serde_json::from_str(text).unwrap_or_default();
        let prev = data["prev"].as_str().and_then(EntryId::parse);
        if let Some(fields) = data.as_object_mut() {
            fields.remove("prev");
        }
        let kind = Kind::of(field("event").unwrap_or_default());
        // A reset is no place to come back to: the snapshot behind it is.
        let place = prev.filter(|_| kind == Kind::Reset);
        let Some(id) = named.map(|(id, _)| id).or(place) else {
            return;
        };
        let record = Record {
            at: self.seat.start.elapsed(),
            kind,
            id,
            prev,
            content: Content::of(kind, &data),
        };
        self.desk.heard.borrow_mut().received_text(record, text);
    }
}

const DIAL_MAX: Duration = Duration::from_secs(30);
/// In bytes.
const EVENT_MAX: usize = 4 << 20;
