//! One leg of a connection, as the session serves it.

use std::collections::VecDeque;
use std::sync::Arc;

use holdfast_session::id::{ClientId, ConnectionId, EntryId};
use holdfast_session::message::Problem;
use holdfast_session::ownership::Claim;
use holdfast_session::reader::{Next, Reader};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Duration, sleep_until};
use utoipa::ToSchema;

use super::running::{Mail, Shared};
use super::{Dial, Transport};
use crate::clock::{self, Instant, wall_ms};

pub use holdfast_session::reader::Delivery;

/// A leg that was taken. Dropping both halves ends it; the connection's state
/// is kept for ten minutes for its next leg.
pub struct Attachment {
    /// `Holdfast-Position`: the place in the log where this leg starts.
    pub position: String,
    /// `Holdfast-Generation`: under which claim it is served.
    pub claim: Claim,
    /// `Holdfast-Accepted`: data messages of this connection that are durably
    /// accepted, over all its legs.
    pub accepted: u64,
    /// What to send.
    pub output: Output,
    /// Where to put what the client says; unused on event streams.
    pub input: Input,
}

/// One thing to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A message with an id.
    Delivery(Delivery),
    /// So many data messages are accepted by now (`hf1:accepted=<n>`).
    Accepted(u64),
    /// A transient message without an id: the whole text of it.
    Notice(String),
    /// Nothing more comes; close accordingly.
    Ended(Ending),
}

/// Why a leg ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The session goes on elsewhere: Close 1012 or the end of the event stream.
    Moved,
    /// A later leg of the same connection took its place.
    Replaced,
    /// The session was ended: Close 4010.
    Ended,
    /// The client broke the protocol: Close 4000.
    Protocol,
}

/// What the session and a leg's two halves share.
pub(super) struct Leg {
    pub(super) connection: ConnectionId,
    pub(super) attempt: u32,
    pub(super) client: ClientId,
    transport: Transport,
    /// In milliseconds since 1970.
    since_ms: u64,
    state: Mutex<LegState>,
    changed: Notify,
}

/// Somebody who is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Present {
    /// As it named itself with `?client=`; else its connection.
    pub client: String,
    /// What carries it: `websocket`, `sse` or `grpc`.
    pub transport: String,
    /// Which leg of its connection this is: 1 for the first dial.
    pub attempt: u32,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
}

#[derive(Default)]
struct LegState {
    accepted: u64,
    channels: Option<holdfast_session::subscription::Channels>,
    notices: VecDeque<String>,
    ending: Option<Ending>,
    gone: bool,
}

/// Notices that wait for a slow reader at most; more are dropped, as they are
/// delivered at most once anyway.
const NOTICES_MAX: usize = 16;

impl Leg {
    pub(super) fn new(dial: &Dial, client: ClientId, accepted: u64) -> Self {
        let state = Mutex::new(LegState {
            accepted,
            ..LegState::default()
        });
        Self {
            connection: dial.connection,
            attempt: dial.attempt,
            client,
            transport: dial.transport,
            since_ms: wall_ms(),
            state,
            changed: Notify::new(),
        }
    }

    /// Who is on the other side.
    pub(super) fn present(&self) -> Present {
        Present {
            client: self.client.to_string(),
            transport: match self.transport {
                Transport::WebSocket => "websocket",
                Transport::EventStream => "sse",
                Transport::Grpc | Transport::GrpcTrade => "grpc",
            }
            .to_owned(),
            attempt: self.attempt,
            since_ms: self.since_ms,
        }
    }

    /// The log has grown.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    pub(super) fn accept(&self, accepted: u64, channels: holdfast_session::subscription::Channels) {
        let mut state = self.state.lock();
        state.channels = Some(channels);
        if state.accepted != accepted {
            state.accepted = accepted;
            drop(state);
            self.wake();
        }
    }

    pub(super) fn notice(&self, text: String) {
        let mut state = self.state.lock();
        if state.notices.len() < NOTICES_MAX {
            state.notices.push_back(text);
        }
        drop(state);
        self.wake();
    }

    pub(super) fn end(&self, ending: Ending) {
        self.state.lock().ending.get_or_insert(ending);
        self.wake();
    }

    /// Whether both halves were dropped, or it was told to end.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state.lock();
        state.gone || state.ending.is_some()
    }
}

/// Says that a leg is gone when its last half is dropped.
pub(super) struct Presence {
    leg: Arc<Leg>,
    shared: Arc<Shared>,
}

impl Presence {
    pub(super) fn new(leg: Arc<Leg>, shared: Arc<Shared>) -> Self {
        shared.joined(&leg.client);
        Self { leg, shared }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.leg.state.lock().gone = true;
        self.shared.left(&self.leg.client);
    }
}

/// What is to be sent on a leg.
pub struct Output {
    presence: Arc<Presence>,
    mail: mpsc::Sender<Mail>,
    reader: Reader,
    /// Found but not yet handed out.
    found: VecDeque<Outgoing>,
    deliveries: Vec<Delivery>,
    /// The last count said.
    accepted: u64,
    /// A snapshot that was asked for.
    awaited: Option<oneshot::Receiver<(EntryId, Arc<str>)>>,
    started: Instant,
    ended: bool,
}

impl Output {
    pub(super) fn new(
        presence: Arc<Presence>,
        mail: mpsc::Sender<Mail>,
        mut reader: Reader,
        opening: Vec<(&'static str, EntryId, Arc<str>)>,
        accepted: u64,
    ) -> Self {
        let stand_in = |(kind, id, body)| Outgoing::Delivery(reader.stand_in(kind, id, body));
        let found = opening.into_iter().map(stand_in).collect();
        Self {
            presence,
            mail,
            reader,
            found,
            deliveries: Vec::new(),
            accepted,
            awaited: None,
            started: clock::now(),
            ended: false,
        }
    }

    /// The next thing to send. Cancel-safe. After [`Outgoing::Ended`] it stays
    /// pending for ever.
    pub async fn next(&mut self) -> Outgoing {
        loop {
            if let Some(outgoing) = self.found.pop_front() {
                return outgoing;
            }
            if self.ended {
                return std::future::pending().await;
            }
            if self.awaited.is_some() {
                self.catch_up().await;
                continue;
            }
            // in this order: what was logged before the end is sent before it, and
            // what an entry rests on is told before the entry
            let ending = self.ordered();
            let next = self.look();
            self.hear();
            self.found
                .extend(self.deliveries.drain(..).map(Outgoing::Delivery));
            if !self.found.is_empty() {
                continue;
            }
            match (next, ending) {
                (Next::Again, _) => {}
                (Next::Wait | Next::WaitUntil(_) | Next::Snapshot, Some(ending)) => {
                    self.ended = true;
                    self.found.push_back(Outgoing::Ended(ending));
                }
                (Next::Snapshot, None) => self.ask_for_snapshot().await,
                (Next::Wait, None) => self.presence.leg.changed.notified().await,
                (Next::WaitUntil(at_ms), None) => {
                    let due = self.started + Duration::from_millis(at_ms);
                    // both are cancel-safe: neither takes anything with it
                    tokio::select! {
                        () = self.presence.leg.changed.notified() => {}
                        () = sleep_until(due) => {}
                    }
                }
            }
        }
    }

    /// Takes how the session wants the leg to go on.
    fn ordered(&mut self) -> Option<Ending> {
        let mut state = self.presence.leg.state.lock();
        if let Some(channels) = state.channels.take() {
            self.reader.subscribe(channels);
        }
        state.ending
    }

    /// Takes what the session says beside the log.
    fn hear(&mut self) {
        let mut state = self.presence.leg.state.lock();
        self.found
            .extend(state.notices.drain(..).map(Outgoing::Notice));
        if state.accepted != self.accepted {
            self.accepted = state.accepted;
            self.found.push_back(Outgoing::Accepted(self.accepted));
        }
    }

    /// Takes what has come into the log.
    fn look(&mut self) -> Next {
        let now_ms = clock::now().duration_since(self.started).as_millis();
        let now_ms = u64::try_from(now_ms).unwrap_or(u64::MAX);
        let log = self.presence.shared.log.lock();
        self.reader.turn(&log, now_ms, &mut self.deliveries)
    }

    /// A slow reader is brought up to date.
    async fn ask_for_snapshot(&mut self) {
        let (reply, answer) = oneshot::channel();
        let client = self.presence.leg.client.clone();
        let mail = Mail::Snapshot {
            client: Some(client),
            reply,
        };
        if self.mail.send(mail).await.is_ok() {
            self.awaited = Some(answer);
        } else {
            // the session has stopped without a word: it goes on elsewhere
            self.presence.leg.end(Ending::Moved);
        }
    }

    async fn catch_up(&mut self) {
        let Some(awaited) = self.awaited.as_mut() else {
            return;
        };
        let answer = awaited.await;
        self.awaited = None;
        match answer {
            Ok((id, body)) => {
                let snapshot = self.reader.stand_in("snapshot", id, body);
                self.found.push_back(Outgoing::Delivery(snapshot));
            }
            Err(_) => self.presence.leg.end(Ending::Moved),
        }
    }
}

/// Where a leg puts what its client says.
#[derive(Clone)]
pub struct Input {
    presence: Arc<Presence>,
    mail: mpsc::Sender<Mail>,
}

impl Input {
    pub(super) const fn new(presence: Arc<Presence>, mail: mpsc::Sender<Mail>) -> Self {
        Self { presence, mail }
    }

    /// One data message. Waits while the session's mailbox is full, so that
    /// pressure reaches the socket; an error means that the leg has ended.
    pub async fn send(&self, text: String) -> Result<(), LegEnded> {
        self.send_or_refuse(text, None).await
    }

    /// The same; where it is refused, a numbered command is answered so and not done.
    pub async fn send_or_refuse(
        &self,
        text: String,
        refused: Option<Problem>,
    ) -> Result<(), LegEnded> {
        let leg = &self.presence.leg;
        if leg.state.lock().ending.is_some() {
            return Err(LegEnded);
        }
        let say = Mail::Say {
            connection: leg.connection,
            attempt: leg.attempt,
            text,
            refused,
        };
        self.mail.send(say).await.map_err(|_| LegEnded)
    }
}

/// The leg has ended; [`Output::next`] says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the leg has ended")]
pub struct LegEnded;
