//! `GET /api/v1/sessions/{id}/events`: a live connection to the client alone, as server-sent
//! events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval_at, timeout};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::describe::SessionPath;
use super::dial::{self, DialQuery};
use super::extract::{Named, Parameters};
use super::problem::Live;
use crate::app::Backend;
use crate::exchanges::Output;
use crate::failure::Failure;
use crate::sessions::{Delivery, Ending, Outgoing, Refusal, Transport};
use crate::{clock, random};

/// Opens an event stream: `id`, `event` (the type) and `data` (JSON); see /schemas.json. A client
/// that comes back sends `Last-Event-ID` or `?last_event_id=`.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/events", tag = "live",
    operation_id = "open_events",
    params(
        SessionPath,
        ("Last-Event-ID" = Option<String>, Header, description = "The last id received"),
        DialQuery,
    ),
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream", body = String),
        (status = 204, description = "The session has ended: do not come again"),
        Live,
    )
)]
pub(super) async fn open(
    State(backend): State<Arc<Backend>>,
    named: Named,
    headers: HeaderMap,
    Parameters(query): Parameters<DialQuery>,
) -> Result<Response, Failure> {
    let (dial, contract) = dial::read(&headers, query, Transport::EventStream)?;
    let counted = backend.open_stream(named.ask.subject.as_deref())?;
    let attachment = match backend.sessions.open(named.id, &named.ask, dial).await {
        // an EventSource comes again after any other answer
        Err(Refusal::Ended) => return Ok(StatusCode::NO_CONTENT.into_response()),
        opened => opened?,
    };

    let mut told = HeaderMap::new();
    dial::answer(contract, &attachment, &mut told);
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    let leg = Leg {
        beat: every(backend.config.heartbeat.interval, random::fraction()),
        comment: every(backend.config.heartbeat.comment, 1.0),
        output: attachment.output,
        sender,
        backend: Arc::clone(&backend),
    };
    let position = attachment.position;
    backend.tracker.spawn(async move {
        leg.run(&position).await;
        drop((counted, attachment.input));
    });
    let body = ReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, told, Body::from_stream(body)).into_response())
}

/// One leg of an event stream. It writes into a short queue that the connection empties, so that
/// a client that takes nothing is noticed by the clock.
struct Leg {
    backend: Arc<Backend>,
    output: Output,
    sender: mpsc::Sender<Bytes>,
    beat: Interval,
    comment: Interval,
}

impl Leg {
    async fn run(mut self, position: &str) {
        self.backend.metrics.stream_began("sse");
        // the id alone lets a client that breaks before the first event resume from here
        let hello = format!(": holdfast\nretry: {RETRY_MS}\n\nid: {position}\n\n");
        let mut reason = self.send(hello).await.err();
        while reason.is_none() {
            reason = self.step().await.err();
        }
        let reason = reason.unwrap_or("client");
        self.backend.metrics.stream_ended("sse", reason);
    }

    /// Waits for one thing to happen and writes what it leads to.
    async fn step(&mut self) -> Result<(), &'static str> {
        // every branch is cancel-safe: what was not chosen has taken nothing yet
        tokio::select! {
            outgoing = self.output.next() => self.write(outgoing).await,
            _ = self.beat.tick() => {
                let now_ms = clock::wall().as_millis();
                self.send(format!("event: ping\ndata: {{\"t\":{now_ms}}}\n\n")).await
            }
            _ = self.comment.tick() => self.send(":\n\n".to_owned()).await,
            () = self.sender.closed() => Err("client"),
        }
    }

    /// Writes this and what else is ready, in one chunk of whole events.
    async fn write(&mut self, first: Outgoing) -> Result<(), &'static str> {
        let mut text = String::new();
        let mut next = Some(first);
        let mut ending = None;
        while let Some(outgoing) = next.take() {
            match outgoing {
                Outgoing::Delivery(delivery) => event(&mut text, &delivery),
                // transient messages and acceptance are for WebSockets
                Outgoing::Accepted(_) | Outgoing::Notice(_) => {}
                Outgoing::Ended(why) => {
                    ending = Some(why);
                    break;
                }
            }
            if text.len() < GATHERED_MAX {
                next = self.output.next().now_or_never();
            }
        }
        if ending == Some(Ending::Moved) {
            let wait = RETRY_MS + (random::fraction() * RETRY_SPREAD_MS) as u64;
            text.push_str(&format!("retry: {wait}\n\n"));
        }
        if !text.is_empty() {
            self.send(text).await?;
        }
        match ending {
            None => Ok(()),
            Some(Ending::Moved) => Err("moved"),
            Some(Ending::Replaced) => Err("replaced"),
            Some(Ending::Ended) => Err("ended"),
            Some(Ending::Protocol) => Err("protocol"),
        }
    }

    async fn send(&mut self, text: String) -> Result<(), &'static str> {
        self.comment.reset();
        let sent = self.sender.send(Bytes::from(text));
        match timeout(self.backend.config.timeouts.write, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err("client"),
            Err(_) => Err("slow"),
        }
    }
}

/// One event. JSON text has no line ends, so that its data is one line.
fn event(text: &mut String, delivery: &Delivery) {
    let (id, kind) = (&delivery.id, delivery.kind);
    let data = delivery.event_data();
    if delivery.is_place() {
        text.push_str(&format!("id: {id}\n"));
    }
    text.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
}

/// A tick for every span; the first one after a part of it.
fn every(span: std::time::Duration, part: f64) -> Interval {
    let mut interval = interval_at(clock::now() + span.mul_f64(part), span);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// How long an EventSource waits before it comes again, in milliseconds.
const RETRY_MS: u64 = 3_000;
/// Clients of an endpoint that leaves are spread over this besides, in milliseconds.
const RETRY_SPREAD_MS: f64 = 2_000.0;
/// Bytes of events gathered into one chunk.
const GATHERED_MAX: usize = 32 << 10;
/// Chunks that wait for the connection to take them.
const CHUNKS_MAX: usize = 2;
