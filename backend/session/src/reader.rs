//! One connection's way through the output log.

use std::fmt::Write;
use std::sync::Arc;

use crate::id::EntryId;

/// A message with an id, ready to be written in the shape of its transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id: of the entry, or of the last entry a snapshot includes.
    pub id: EntryId,
    /// The number of the entry before it that this connection was due.
    pub prev: EntryId,
    /// `snapshot`, `reset`, or the name of an entry's kind.
    pub kind: &'static str,
    /// A JSON object, shared with everybody who is sent the same.
    pub body: Arc<str>,
}

impl Delivery {
    /// The text message of a WebSocket.
    pub fn websocket(&self) -> String {
        let Self {
            id,
            prev,
            kind,
            body,
        } = self;
        let mut text = String::with_capacity(body.len() + 128);
        // writing to a String cannot fail
        let _ = write!(text, r#"{{"id":"{id}","prev":"{prev}","type":"{kind}","#);
        match *kind {
            "answer" => text.push_str(&body[1..]),
            _ => {
                text.push_str(r#""data":"#);
                text.push_str(body);
                text.push('}');
            }
        }
        text
    }

    /// The `data` of a server-sent event; its `id` and `event` are
    /// [`Self::id`] and [`Self::kind`].
    pub fn event_data(&self) -> String {
        let Self { prev, body, .. } = self;
        let comma = if body.len() > 2 { "," } else { "" };
        format!(r#"{{"prev":"{prev}"{comma}{}"#, &body[1..])
    }
}
