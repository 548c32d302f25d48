//! One task per WebSocket: both legs, orders and timers in one poll.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use holdfast_core::cluster::Open;
use holdfast_core::connection::{Answer, Command, Ending, Order, Placed, WebSocket};
use holdfast_core::health::Kind;
use holdfast_core::{Endpoint, Forward, Instant, Relay};
use pingora_core::protocols::Stream;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant as Moment, Sleep, sleep_until, timeout};

use super::super::Shared;
use super::super::leg::{Dial, Dials};
use super::super::record::Ended;
use super::super::registry::Registered;
use super::super::scratch::with_scratch;
use crate::upstream::dial::{DialError, Dialled};

/// The relay of one WebSocket.
pub(super) struct Task {
    shared: Arc<Shared>,
    machine: WebSocket,
    dials: Dials,
    traffic: Traffic,
    registered: Registered,
    /// Where it is, and its count there.
    endpoint: Arc<Endpoint>,
    open: Open,
    /// The endpoint knows that this client was told to come back elsewhere.
    told: bool,
    dial: Option<Dial>,
    timer: Pin<Box<Sleep>>,
}

/// Both legs and what went over them.
pub(super) struct Traffic {
    client: Stream,
    /// Bytes were given to the client's stream that it has not sent yet.
    unflushed: bool,
    endpoint: Option<TcpStream>,
    /// The client's FIN was passed on.
    shut: bool,
    /// The endpoint takes no more. What it said before is still to be read: an endpoint that
    /// closes in the middle of a message has its reason on the way.
    deaf: bool,
    /// What came with the last answer's head.
    early: Vec<u8>,
    from_client: u64,
    to_client: u64,
}

/// What the log says that is known from the start.
pub(super) struct About {
    pub(super) request_id: Box<str>,
    pub(super) route: Box<str>,
    pub(super) client: IpAddr,
    pub(super) why: holdfast_core::Why,
    pub(super) snapshot: u64,
}

impl Traffic {
    pub(super) fn new(client: Stream, dialled: Dialled) -> Self {
        let Dialled { stream, early, .. } = dialled;
        Self {
            client,
            unflushed: false,
            endpoint: Some(stream),
            shut: false,
            deaf: false,
            early,
            from_client: 0,
            to_client: 0,
        }
    }
}

impl Task {
    pub(super) fn new(
        shared: Arc<Shared>,
        machine: WebSocket,
        dials: Dials,
        traffic: Traffic,
        forward: &Forward,
    ) -> Self {
        let now = shared.now();
        let at = machine.endpoint().unwrap_or(&forward.endpoint.id);
        // A 421 may have led elsewhere than the verdict said.
        let endpoint = shared
            .snapshots
            .load()
            .endpoint(&dials.cluster, at)
            .cloned();
        let endpoint = endpoint.unwrap_or_else(|| forward.endpoint.clone());
        let open = endpoint.load.open(Relay::WebSocket);
        let registered = shared.registry.open(
            (dials.id, Relay::WebSocket, forward.key),
            (dials.cluster.clone(), endpoint.id.clone()),
            now,
        );
        shared
            .observer
            .opened(Relay::WebSocket, &dials.cluster, &endpoint.id);
        let timer = Box::pin(sleep_until(Moment::now()));
        Self {
            shared,
            machine,
            dials,
            traffic,
            registered,
            endpoint,
            open,
            told: false,
            dial: None,
            timer,
        }
    }

    /// Relays until the connection ends, then tells how it did.
    pub(super) async fn run(mut self, early: Bytes, about: About) {
        let now = self.shared.now();
        if !early.is_empty() {
            self.traffic.from_client += early.len() as u64;
            self.machine.handle_downstream(&early, now);
        }
        drop(early);
        self.hear_early(now);
        let ending = loop {
            if let Some(ending) = self.obey() {
                break ending;
            }
            // Cancel-safe: all state is in `self`.
            poll_fn(|cx| self.poll(cx)).await;
        };
        self.finish(ending, about).await;
    }

    /// Does what the machine wants; says how it ended, once it did.
    fn obey(&mut self) -> Option<Ending> {
        while let Some(command) = self.machine.poll_command() {
            match command {
                Command::Dial => self.begin_dial(),
                Command::HangUp => {
                    self.traffic.endpoint = None;
                    self.traffic.early = Vec::new();
                    self.dial = None;
                }
                Command::Report(moved) => {
                    let (id, cluster) = (self.dials.id, &self.dials.cluster);
                    self.shared
                        .observer
                        .moved(id, Relay::WebSocket, cluster, &moved);
                    self.registered.moved_to(&moved.to);
                }
                Command::End(ending) => return Some(ending),
                Command::Accept | Command::Decline => {}
            }
        }
        None
    }

    fn begin_dial(&mut self) {
        let now = self.shared.now();
        let placed = self.machine.place(&self.shared.snapshots.load(), now);
        self.dial = placed.map(|placed| self.dials.begin(&self.shared, placed, true));
    }

    /// Resolves when the machine wants something done.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.shared.now();
        if let Poll::Ready(order) = self.registered.line.poll_order(cx) {
            self.ordered(order, now);
            return Poll::Ready(());
        }
        if let Some(dial) = &mut self.dial
            && let Poll::Ready((placed, dialled)) = dial.as_mut().poll(cx)
        {
            self.dial = None;
            self.dialled(placed, dialled, now);
            return Poll::Ready(());
        }
        let mut rounds = 0;
        while self.exchange(cx, now) {
            if self.machine.has_command() {
                return Poll::Ready(());
            }
            rounds += 1;
            if rounds == ROUNDS_MAX {
                // Others want to run too.
                cx.waker().wake_by_ref();
                break;
            }
        }
        if rounds > 0 {
            self.registered.line.active(now);
        }
        if self.machine.has_command() {
            return Poll::Ready(());
        }
        self.poll_timer(cx, now)
    }

    fn ordered(&mut self, order: Order, now: Instant) {
        match (order, self.machine.held_until()) {
            (Order::Move(_), Some(until)) if now < until => self.registered.line.hold(until),
            _ => self.machine.handle_order(order, now),
        }
        self.open.set_departing(self.machine.is_leaving());
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let Some(due) = self.machine.poll_timeout() else {
            return Poll::Pending;
        };
        if due <= now {
            self.machine.handle_timeout(now);
            self.open.set_departing(self.machine.is_leaving());
            // It may want anything now, also to read again.
            return Poll::Ready(());
        }
        // Most wakes put the timeout off: a timer that rings too early is set anew then,
        // which is rarer than with each message.
        let due = Moment::now() + due.since(now);
        let slack = Duration::from_millis(2);
        if self.timer.is_elapsed() || self.timer.deadline() > due + slack {
            self.timer.as_mut().reset(due);
        }
        self.timer.as_mut().poll(cx)
    }

    /// One round of writes and reads on both legs, each at most once so that no direction
    /// starves another. Says whether any byte moved.
    fn exchange(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let written_up = self.write_up(cx, now);
        let written_down = self.write_down(cx, now);
        let read_down = self.machine.wants_downstream() && self.read_down(cx, now);
        let read_up = self.machine.wants_upstream() && self.read_up(cx, now);
        written_up || written_down || read_down || read_up
    }

    fn write_up(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(endpoint) = self
            .traffic
            .endpoint
            .as_mut()
            .filter(|_| !self.traffic.deaf)
        else {
            return false;
        };
        let bytes = self.machine.to_upstream();
        if bytes.is_empty() {
            if self.machine.upstream_finished() && !self.traffic.shut {
                self.traffic.shut = Pin::new(endpoint).poll_shutdown(cx).is_ready();
            }
            return false;
        }
        match Pin::new(endpoint).poll_write(cx, bytes) {
            Poll::Pending => false,
            Poll::Ready(Ok(count)) if count > 0 => {
                self.machine.upstream_written(count, now);
                true
            }
            Poll::Ready(_) => {
                self.traffic.deaf = true;
                true
            }
        }
    }

    fn write_down(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.machine.is_drained() && !self.told {
            // Before it hears of it: it may be back before this connection has ended.
            self.told = true;
            self.endpoint.load.tell(self.registered.line.key());
        }
        let bytes = self.machine.to_downstream();
        let mut moved = false;
        if !bytes.is_empty() {
            match Pin::new(&mut self.traffic.client).poll_write(cx, bytes) {
                Poll::Pending => {}
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.traffic.to_client += count as u64;
                    self.traffic.unflushed = true;
                    self.machine.downstream_written(count, now);
                    moved = true;
                }
                Poll::Ready(_) => return self.downstream_ended(true, now),
            }
        }
        // Pingora's stream buffers small writes.
        if self.traffic.unflushed {
            match Pin::new(&mut self.traffic.client).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.traffic.unflushed = false,
                Poll::Ready(Err(_)) => return self.downstream_ended(true, now),
            }
        }
        moved
    }

    fn read_down(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Self {
            machine, traffic, ..
        } = self;
        let max = machine.read_max();
        let read = with_scratch(&mut traffic.client, cx, max, |bytes| {
            traffic.from_client += bytes.len() as u64;
            machine.handle_downstream(bytes, now);
        });
        match read {
            Poll::Pending => false,
            Poll::Ready(Ok(true)) => true,
            Poll::Ready(Ok(false)) => self.downstream_ended(false, now),
            Poll::Ready(Err(_)) => self.downstream_ended(true, now),
        }
    }

    fn read_up(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Self {
            machine, traffic, ..
        } = self;
        let Some(endpoint) = &mut traffic.endpoint else {
            return false;
        };
        let max = machine.read_max();
        let read = with_scratch(endpoint, cx, max, |bytes| {
            machine.handle_upstream(bytes, now);
        });
        match read {
            Poll::Pending => false,
            Poll::Ready(Ok(true)) => true,
            Poll::Ready(_) => self.upstream_ended(now),
        }
    }

    fn downstream_ended(&mut self, torn: bool, now: Instant) -> bool {
        self.machine.handle_downstream_end(torn, now);
        true
    }

    fn upstream_ended(&mut self, now: Instant) -> bool {
        self.traffic.endpoint = None;
        self.machine.handle_upstream_end(now);
        true
    }

    /// A later endpoint answered, or did not.
    fn dialled(&mut self, placed: Placed, dialled: Result<Dialled, DialError>, now: Instant) {
        self.dials.tell(&self.shared, &placed, &dialled);
        let Ok(dialled) = dialled else {
            return self.machine.handle_answer(Answer::Failed, now);
        };
        let answer = self.dials.read(&dialled.head, true);
        if matches!(answer, Answer::Taken(_)) {
            self.open = placed.endpoint.load.open(Relay::WebSocket);
            self.endpoint = placed.endpoint;
            self.traffic.endpoint = Some(dialled.stream);
            self.traffic.early = dialled.early;
            self.traffic.shut = false;
            self.traffic.deaf = false;
        }
        self.machine.handle_answer(answer, now);
        self.hear_early(now);
    }

    /// Frames that came with the head of the answer.
    fn hear_early(&mut self, now: Instant) {
        let early = std::mem::take(&mut self.traffic.early);
        if !early.is_empty() && self.traffic.endpoint.is_some() {
            self.machine.handle_upstream(&early, now);
        }
    }

    /// Ends the client's leg and tells how the connection ended.
    async fn finish(mut self, ending: Ending, about: About) {
        self.traffic.endpoint = None;
        // What was written is flushed with the FIN; a client that takes neither is left.
        let _ = timeout(FAREWELL, self.traffic.client.shutdown()).await;
        let now = self.shared.now();
        let line = &self.registered.line;
        let code = match ending {
            Ending::EndpointClosed(code) => Some(Some(code.0)),
            Ending::EndpointGone => Some(None),
            _ => None,
        };
        if let Some(code) = code {
            let kind = Kind::Closed { code };
            self.shared
                .observer
                .outcome(&self.dials.cluster, &self.endpoint, kind);
        }
        let (host, path) = self.dials.asked_for();
        self.shared.observer.ended(&Ended {
            relay: Relay::WebSocket,
            connection: self.dials.id.to_string().into(),
            request_id: about.request_id,
            host,
            path,
            status: Some(101),
            snapshot: about.snapshot,
            route: about.route,
            cluster: self.dials.cluster.clone(),
            endpoint: self.machine.endpoint().cloned(),
            why: about.why,
            client: about.client,
            lived: line.age(now),
            moves: line.moves(),
            messages: self.machine.messages(),
            bytes: (self.traffic.from_client, self.traffic.to_client),
            ending,
            because: line.because(),
            moving: self.machine.moving(),
        });
    }
}

/// Rounds of reads and writes before another task may run.
const ROUNDS_MAX: usize = 8;
/// For the last bytes and the FIN.
const FAREWELL: Duration = Duration::from_secs(2);
