//! One leg of a WebSocket: the session's output to the socket, the client's messages to the
//! session, and a heart that says whether anybody is there.
//!
//! Everything with an id is preceded by a Pong that names it where the other side keeps the
//! contract, and both leave in one write. While the session's mailbox is full the socket is not
//! read, so that pressure reaches the client; output goes on meanwhile.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::{FutureExt, SinkExt};
use holdfast_session::id::SessionId;
use holdfast_session::journal::Asked;
use holdfast_session::message::{Problem, Said, read};
use serde::Deserialize;
use tokio::time::{sleep_until, timeout};

use super::heartbeat::{Advice, Beat, Heartbeat};
use crate::app::Backend;
use crate::clock::{self, Instant};
use crate::exchanges::{Attachment, Input, Output};
use crate::http::dial::Contract;
use crate::http::extract::Named;
use crate::random;
use crate::sessions::{Delivery, Ending, LegEnded, Outgoing};

/// One leg of a WebSocket.
pub(super) struct Leg {
    backend: Arc<Backend>,
    socket: WebSocket,
    output: Output,
    input: Input,
    contract: Contract,
    heart: Heartbeat,
    started: Instant,
    /// The newest count of accepted messages that the proxy was not told yet.
    accepted: Option<u64>,
    /// A message on its way into the session's mailbox.
    sending: Option<BoxFuture<'static, Result<(), LegEnded>>>,
    /// The name under which short lives are remembered.
    unlucky: Option<String>,
    /// Whether a client without a moving proxy was told that this endpoint leaves.
    told_to_leave: bool,
    session: SessionId,
    subject: Option<String>,
}

/// Why a leg is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The other side closed, or said so.
    Closed,
    /// The connection broke, or took nothing for too long.
    Broken,
    /// The close code and reason to say.
    Say(u16, &'static str),
}

impl Leg {
    pub(super) fn new(
        backend: Arc<Backend>,
        socket: WebSocket,
        attachment: Attachment,
        contract: Contract,
        (named, unlucky): (&Named, Option<String>),
    ) -> Self {
        let beat = backend.config.heartbeat;
        Self {
            socket,
            output: attachment.output,
            input: attachment.input,
            contract,
            heart: Heartbeat::new(beat.interval, beat.timeout, random::fraction()),
            started: clock::now(),
            accepted: None,
            sending: None,
            unlucky,
            told_to_leave: false,
            session: named.id,
            subject: named.ask.subject.clone(),
            backend,
        }
    }

    /// Carries messages until either side ends, then says why.
    pub(super) async fn run(mut self) {
        self.backend.metrics.stream_began("websocket");
        if self.is_unlucky() {
            let report = self.heart.report(Advice::SwitchTransport, Some(0));
            // a connection that breaks here is noticed by what follows
            let _ = self.tell("quality", &report).await;
        }
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        let reason = match end {
            End::Closed => "client",
            End::Broken => "broken",
            End::Say(_, reason) => reason,
        };
        self.remember(end);
        self.backend.metrics.stream_ended("websocket", reason);
        match end {
            End::Say(code, reason) => self.close(code, reason).await,
            End::Closed => self.answer_close().await,
            End::Broken => {}
        }
    }

    /// Waits for one thing to happen and acts on it.
    async fn step(&mut self) -> Result<(), End> {
        let due = self.started + self.heart.due();
        let idle = self.sending.is_none();
        // every branch is cancel-safe: what was not chosen has taken nothing yet
        tokio::select! {
            outgoing = self.output.next() => self.write(outgoing).await,
            message = self.socket.recv(), if idle => self.read(message).await,
            Some(sent) = OptionFuture::from(self.sending.as_mut()) => {
                self.sending = None;
                // the output says why the leg has ended
                let _: Result<(), LegEnded> = sent;
                Ok(())
            }
            () = sleep_until(due) => self.beat().await,
        }
    }

    /// Writes this and what else is ready, in one go.
    async fn write(&mut self, first: Outgoing) -> Result<(), End> {
        let mut next = Some(first);
        let mut gathered = 0;
        let mut ending = None;
        while let Some(outgoing) = next.take() {
            match outgoing {
                Outgoing::Delivery(delivery) => gathered += self.deliver(&delivery).await?,
                Outgoing::Accepted(count) => self.accepted = Some(count),
                Outgoing::Notice(text) => {
                    gathered += text.len();
                    self.feed(Message::Text(text.into())).await?;
                }
                Outgoing::Ended(why) => {
                    ending = Some(why);
                    break;
                }
            }
            if gathered < GATHERED_MAX {
                next = self.output.next().now_or_never();
            }
        }
        if let Some(count) = self.accepted.take() {
            self.pong(format!("hf1:accepted={count}")).await?;
        }
        self.flush().await?;
        ending.map_or(Ok(()), |why| Err(End::of(why)))
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Result<usize, End> {
        if delivery.is_place() {
            let pong = match self.accepted.take() {
                Some(count) => format!("hf1:id={};accepted={count}", delivery.id),
                None => format!("hf1:id={}", delivery.id),
            };
            self.pong(pong).await?;
        }
        let text = delivery.websocket();
        let length = text.len();
        self.feed(Message::Text(text.into())).await?;
        Ok(length)
    }

    async fn pong(&mut self, payload: String) -> Result<(), End> {
        match self.contract {
            Contract::Kept => self.feed(Message::Pong(payload.into())).await,
            Contract::None => Ok(()),
        }
    }

    async fn read(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let message = match message {
            None => return Err(End::Broken),
            Some(Err(error)) => return Err(unreadable(&error)),
            Some(Ok(message)) => message,
        };
        let now = self.now();
        self.heart.heard(now);
        match message {
            Message::Text(text) => self.said(text.as_str(), now).await,
            Message::Binary(_) => Err(End::Say(1003, "messages are JSON text")),
            // the answer to a ping is only gathered so far
            Message::Ping(_) => self.flush().await,
            Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(End::Closed),
        }
    }

    /// A data message. All of them go to the session, which counts what it accepts; pings and
    /// pongs are acted on here besides.
    async fn said(&mut self, text: &str, now: Duration) -> Result<(), End> {
        let refused = self.refused(text);
        let (input, message) = (self.input.clone(), text.to_owned());
        self.sending = Some(async move { input.send_or_refuse(message, refused).await }.boxed());
        match transient(text) {
            Some(Transient::Ping { t }) => {
                let answer = serde_json::json!({ "t": t });
                self.tell("pong", &answer).await
            }
            Some(Transient::Pong { t }) => match self.heart.answered(t, now) {
                Some(report) => self.tell("quality", &report).await,
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Why a command must not be done here and now, though the session would. It is answered by the
    /// session all the same, under its number.
    fn refused(&self, text: &str) -> Option<Problem> {
        let Said::Command {
            asked: Asked::Command(command),
            ..
        } = read(text)
        else {
            return None;
        };
        let (id, subject) = (self.session, self.subject.as_deref());
        let refused = self.backend.may(id, subject, &command).err()?;
        Some(Problem {
            code: refused.code.into_owned(),
            message: refused.detail,
            retryable: refused.retryable,
        })
    }

    async fn beat(&mut self) -> Result<(), End> {
        let draining = self.backend.sessions.is_draining();
        if draining && self.contract == Contract::None && !self.told_to_leave {
            self.told_to_leave = true;
            let wait = (random::fraction() * LEAVE_MS) as u64;
            let report = self.heart.report(Advice::Reconnect, Some(wait));
            self.tell("quality", &report).await?;
        }
        let now = self.now();
        match self.heart.beat(now) {
            Some(Beat::Ping(t)) => self.tell("ping", &serde_json::json!({ "t": t })).await,
            Some(Beat::Report(report)) => self.tell("quality", &report).await,
            Some(Beat::Dead) => Err(End::Say(4212, "nothing heard for too long")),
            None => Ok(()),
        }
    }

    /// A transient message: no id, delivered at most once.
    async fn tell(&mut self, kind: &str, data: &impl serde::Serialize) -> Result<(), End> {
        let message = serde_json::json!({ "type": kind, "data": data });
        self.feed(Message::Text(message.to_string().into())).await?;
        self.flush().await
    }

    async fn feed(&mut self, message: Message) -> Result<(), End> {
        let fed = timeout(
            self.backend.config.timeouts.write,
            self.socket.feed(message),
        );
        fed.await.map_err(|_| End::Broken)?.map_err(|_| End::Broken)
    }

    async fn flush(&mut self) -> Result<(), End> {
        let flushed = timeout(self.backend.config.timeouts.write, self.socket.flush());
        flushed
            .await
            .map_err(|_| End::Broken)?
            .map_err(|_| End::Broken)
    }

    /// Says why and waits, not for long, until the other side has heard it.
    async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let said = async {
            self.socket.send(Message::Close(Some(frame))).await?;
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<(), axum::Error>(())
        };
        // whoever does not listen is not waited for
        let _ = timeout(CLOSE_WAIT, said).await;
    }

    /// The library has the answer ready; reading on sends it. What was not delivered by now is
    /// for the next leg.
    async fn answer_close(mut self) {
        let answered = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        // whoever does not listen is not waited for
        let _ = timeout(CLOSE_WAIT, answered).await;
    }

    fn now(&self) -> Duration {
        clock::now().duration_since(self.started)
    }

    fn is_unlucky(&self) -> bool {
        let client = self.unlucky.as_deref();
        client.is_some_and(|client| self.backend.unlucky.is(client, clock::now()))
    }

    /// Only ends that nobody wished for count as bad luck.
    fn remember(&self, end: End) {
        if let (Some(client), End::Broken) = (&self.unlucky, end) {
            let lived = self.now();
            self.backend.unlucky.ended(client, lived, clock::now());
        }
    }
}

impl End {
    /// What the client is told: the range of the code carries the verdict.
    const fn of(ending: Ending) -> Self {
        match ending {
            Ending::Moved => Self::Say(1012, "moved"),
            Ending::Replaced => Self::Say(4009, "replaced"),
            Ending::Ended => Self::Say(4010, "ended"),
            Ending::Protocol => Self::Say(4000, "protocol"),
        }
    }
}

/// The library tells by text alone which rule a frame broke; a test holds on to it.
fn unreadable(error: &axum::Error) -> End {
    let text = error.to_string();
    match () {
        () if text.contains("too long") || text.contains("too big") => {
            End::Say(1009, "message too large")
        }
        () if text.contains("protocol") => End::Say(1002, "not by RFC 6455"),
        () if text.contains("UTF-8") => End::Say(1007, "text is not UTF-8"),
        () => End::Broken,
    }
}

/// Messages that are about the connection alone.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "lowercase")]
enum Transient {
    Ping { t: serde_json::Value },
    Pong { t: u64 },
}

/// Reads a ping or pong; anything else is for the session. They are short, so longer messages are
/// not looked at.
fn transient(text: &str) -> Option<Transient> {
    let short = text.len() <= TRANSIENT_MAX;
    let named = short && (text.contains("\"ping\"") || text.contains("\"pong\""));
    named.then(|| serde_json::from_str(text).ok()).flatten()
}

/// Bytes of output gathered before they are written.
const GATHERED_MAX: usize = 64 << 10;
const TRANSIENT_MAX: usize = 128;
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// Clients of an endpoint that leaves are spread over this, in milliseconds.
const LEAVE_MS: f64 = 5_000.0;
