//! The event-stream relay: keeps Pingora's session, so that HTTP/2 clients are served as well.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use holdfast_core::cluster::Open;
use holdfast_core::connection::{Answer, Command, Ending, EventStream, Order, Placed};
use holdfast_core::health::Kind;
use holdfast_core::{Endpoint, Instant, Relay};
use http::header;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tokio::net::TcpStream;
use tokio::time::{Instant as Moment, sleep_until, timeout};

use super::leg::{Dial, Dials};
use super::record::Ended;
use super::registry::Registered;
use super::scratch::with_scratch;
use super::{Admitted, AnswerFields, Relayed, Shared, answer};
use crate::upstream::body::Body;
use crate::upstream::dial::{DialError, Dialled};

/// Dials, answers and relays until the stream ends, all inside the request.
pub(super) async fn relay(
    shared: &Arc<Shared>,
    session: &mut Session,
    mut admitted: Admitted,
) -> pingora_core::Result<Relayed> {
    let (dials, last_event_id) = Dials::new(&mut admitted, None);
    let opening = shared.opening(&admitted.forward, last_event_id);
    let relay = Box::new(Stream {
        machine: EventStream::open(opening, shared.now()),
        shared: shared.clone(),
        dials,
        fields: Some(admitted.fields),
        refused: None,
        leg: None,
        dial: None,
        dialling_later: false,
        attached: None,
        registered: None,
        bytes: 0,
    });
    let token = shared.registry.tracker().token();
    let about = About {
        request_id: admitted.request_id,
        route: admitted.forward.route.name.as_str().into(),
        client: admitted.client,
        snapshot: admitted.snapshot,
        why: admitted.forward.why,
        key: admitted.forward.key,
    };
    drop((admitted.head, admitted.forward));
    let relayed = relay.run(session, &about).await;
    drop(token);
    relayed
}

/// One event stream.
struct Stream {
    shared: Arc<Shared>,
    machine: EventStream,
    dials: Dials,
    /// Until the client has its answer.
    fields: Option<AnswerFields>,
    /// What an endpoint answered instead of a stream, while the client has none.
    refused: Option<(Arc<Endpoint>, Dialled)>,
    leg: Option<Leg>,
    dial: Option<Dial>,
    dialling_later: bool,
    attached: Option<(Arc<Endpoint>, Open)>,
    registered: Option<Registered>,
    bytes: u64,
}

/// The upstream leg.
struct Leg {
    stream: TcpStream,
    body: Body,
    /// Read, with the framing still on.
    read: BytesMut,
    head: Option<Box<ResponseHeader>>,
}

struct About {
    request_id: Box<str>,
    route: Box<str>,
    client: std::net::IpAddr,
    snapshot: u64,
    why: holdfast_core::Why,
    key: holdfast_core::AffinityKey,
}

/// What happened first.
enum Wake {
    Dialled(Box<(Placed, Result<Dialled, DialError>)>),
    /// Bytes of the leg are in its buffer; false: it ended.
    Read(io::Result<bool>),
    ClientGone,
    Order(Order),
    Timeout,
}

impl Stream {
    async fn run(
        mut self: Box<Self>,
        session: &mut Session,
        about: &About,
    ) -> pingora_core::Result<Relayed> {
        loop {
            while let Some(command) = self.machine.poll_command() {
                match command {
                    Command::Dial => self.begin_dial(),
                    Command::HangUp => {
                        self.leg = None;
                        self.dial = None;
                    }
                    Command::Accept => self.accept(session, about).await?,
                    Command::Decline => return self.decline(session).await,
                    Command::Report(moved) => {
                        let (id, cluster) = (self.dials.id, &self.dials.cluster);
                        self.shared.observer.moved(id, Relay::Sse, cluster, &moved);
                        if let Some(registered) = &mut self.registered {
                            registered.moved_to(&moved.to);
                        }
                    }
                    Command::End(ending) => {
                        return self.end(session, ending, about).await;
                    }
                }
            }
            if !self.machine.to_downstream().is_empty() {
                self.tell_drained(about);
                self.write(session).await;
                continue;
            }
            let wake = self.wait(session).await;
            self.handle(wake);
        }
    }

    fn begin_dial(&mut self) {
        let now = self.shared.now();
        self.dialling_later = self.machine.endpoint().is_some();
        let placed = self.machine.place(&self.shared.snapshots.load(), now);
        self.dial =
            placed.map(|placed| self.dials.begin(&self.shared, placed, self.dialling_later));
    }

    /// Waits for whatever comes first. Cancel-safe: reads go into a buffer of the leg, a dial
    /// stays where it is, and looking for the client's end reads nothing.
    async fn wait(&mut self, session: &mut Session) -> Wake {
        let now = self.shared.now();
        let due = self.machine.poll_timeout().unwrap_or(now);
        let due = Moment::now() + due.since(now);
        let wants = self.machine.wants_upstream();
        let max = self.machine.read_max();
        let Self {
            leg,
            dial,
            registered,
            ..
        } = self;
        let line = registered
            .as_ref()
            .map(|registered| registered.line.clone());
        tokio::select! {
            dialled = poll_fn(|cx| match dial {
                Some(dial) => dial.as_mut().poll(cx),
                None => Poll::Pending,
            }) => Wake::Dialled(Box::new(dialled)),
            read = poll_fn(|cx| match leg {
                Some(Leg { stream, read, .. }) if wants => {
                    with_scratch(stream, cx, max, |bytes| read.extend_from_slice(bytes))
                }
                _ => Poll::Pending,
            }) => Wake::Read(read),
            order = poll_fn(|cx| match &line {
                Some(line) => line.poll_order(cx),
                None => Poll::Pending,
            }) => Wake::Order(order),
            _ = session.downstream_session.read_body_or_idle(true) => Wake::ClientGone,
            () = sleep_until(due) => Wake::Timeout,
        }
    }

    fn handle(&mut self, wake: Wake) {
        let now = self.shared.now();
        match wake {
            Wake::Dialled(dialled) => {
                self.dial = None;
                self.dialled(dialled.0, dialled.1, now);
            }
            Wake::Read(Ok(true)) => self.hear(now),
            Wake::Read(_) => {
                let whole = self.leg.as_ref().is_some_and(|leg| leg.body.may_end());
                self.leg_ended(whole, now);
            }
            Wake::ClientGone => self.machine.handle_downstream_end(),
            Wake::Order(order) => self.ordered(order, now),
            Wake::Timeout => self.machine.handle_timeout(now),
        }
        if let Some((_, open)) = &mut self.attached {
            open.set_departing(self.machine.is_leaving());
        }
    }

    fn ordered(&mut self, order: Order, now: Instant) {
        match (order, self.machine.held_until(), &self.registered) {
            (Order::Move(_), Some(until), Some(registered)) if now < until => {
                registered.line.hold(until);
            }
            _ => self.machine.handle_order(order, now),
        }
    }

    /// Before it hears of it: it may be back before this stream has ended.
    fn tell_drained(&mut self, about: &About) {
        if let Some((endpoint, _)) = self.attached.as_ref().filter(|_| self.machine.is_drained()) {
            endpoint.load.tell(about.key);
        }
    }

    fn dialled(&mut self, placed: Placed, dialled: Result<Dialled, DialError>, now: Instant) {
        self.dials.tell(&self.shared, &placed, &dialled);
        let answer = match dialled {
            Err(_) => Answer::Failed,
            Ok(dialled) => self.read_answer(placed, dialled),
        };
        self.machine.handle_answer(answer, now);
        if self.fields.is_none() {
            // Events that came with the head. On the first leg the client's head goes first.
            self.hear(now);
        }
    }

    fn read_answer(&mut self, placed: Placed, dialled: Dialled) -> Answer {
        let answer = self.dials.read(&dialled.head, self.dialling_later);
        if !matches!(answer, Answer::Taken(_)) {
            self.refused = self.fields.is_some().then_some((placed.endpoint, dialled));
            return answer;
        }
        let Ok(body) = Body::of(dialled.head.status.as_u16(), &dialled.head.headers) else {
            return Answer::Unsuitable;
        };
        let open = placed.endpoint.load.open(Relay::Sse);
        self.attached = Some((placed.endpoint, open));
        let head = self.fields.is_some().then_some(dialled.head);
        let read = BytesMut::from(&dialled.early[..]);
        self.leg = Some(Leg {
            stream: dialled.stream,
            body,
            read,
            head,
        });
        answer
    }

    /// Gives the client its answer; from now on there is only the stream.
    async fn accept(&mut self, session: &mut Session, about: &About) -> pingora_core::Result<()> {
        let now = self.shared.now();
        let head = self.leg.as_mut().and_then(|leg| leg.head.take());
        let (Some(head), Some(fields)) = (head, self.fields.take()) else {
            return Ok(());
        };
        self.refused = None;
        self.dials.settle(&head);
        let mut answer = answer::for_client(&head, fields(self.machine.endpoint()))?;
        answer.remove_header(&header::CONTENT_LENGTH);
        session.set_keepalive(None);
        // Nobody on the way may collect events.
        answer.insert_header("x-accel-buffering", "no")?;
        answer::frame(session, &mut answer)?;
        session
            .downstream_session
            .write_response_header(Box::new(answer))
            .await?;
        if let Some((endpoint, _)) = &self.attached {
            let place = (self.dials.cluster.clone(), endpoint.id.clone());
            self.shared.observer.opened(Relay::Sse, &place.0, &place.1);
            let who = (self.dials.id, Relay::Sse, about.key);
            self.registered = Some(self.shared.registry.open(who, place, now));
        }
        self.hear(now);
        if self.machine.to_downstream().is_empty() && !self.is_ending() {
            // The head is not sent before there is a body: a client waits for it.
            self.machine.greet();
        }
        Ok(())
    }

    fn is_ending(&self) -> bool {
        self.machine.poll_timeout().is_none()
    }

    async fn decline(mut self: Box<Self>, session: &mut Session) -> pingora_core::Result<Relayed> {
        let fields = self
            .fields
            .take()
            .unwrap_or_else(|| Box::new(|_| Vec::new()));
        match self.refused.take() {
            Some((endpoint, dialled)) => answer::pass_on(session, endpoint, dialled, fields).await,
            None => answer::nobody(session, fields(None)).await,
        }
    }

    /// Takes the framing off what was read and tells the machine.
    fn hear(&mut self, now: Instant) {
        let Some(leg) = &mut self.leg else { return };
        let mut input = &leg.read[..];
        let broken = loop {
            match leg.body.next(&mut input) {
                Ok(Some(content)) => self.machine.handle_upstream(content, now),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        leg.read.clear();
        if leg.read.capacity() > KEPT_BYTES {
            leg.read = BytesMut::new();
        }
        let complete = leg.body.is_complete();
        if let Some(registered) = &self.registered {
            registered.line.active(now);
        }
        if broken || complete {
            self.leg_ended(complete, now);
        }
    }

    fn leg_ended(&mut self, whole: bool, now: Instant) {
        self.leg = None;
        if let Some((endpoint, _)) = &self.attached {
            let kind = if whole {
                Kind::StreamEnded
            } else {
                Kind::Broken
            };
            self.shared
                .observer
                .outcome(&self.dials.cluster, endpoint, kind);
        }
        self.machine.handle_upstream_end(whole, now);
    }

    /// Writes what there is. A client that takes nothing is found by the machine's own time.
    async fn write(&mut self, session: &mut Session) {
        let bytes = Bytes::copy_from_slice(self.machine.to_downstream());
        let count = bytes.len();
        let writing = session.downstream_session.write_response_body(bytes, false);
        // A write that was given up is never resumed: the connection ends with it.
        match timeout(self.shared.pulse.write_stall, writing).await {
            Ok(Ok(())) => {
                self.bytes += count as u64;
                self.machine.downstream_written(count, self.shared.now());
            }
            Ok(Err(_)) => self.machine.handle_downstream_end(),
            Err(_) => self.machine.handle_downstream_stalled(),
        }
    }

    async fn end(
        self: Box<Self>,
        session: &mut Session,
        ending: Ending,
        about: &About,
    ) -> pingora_core::Result<Relayed> {
        if let (Ending::Drained, Some((endpoint, _))) = (ending, &self.attached) {
            endpoint.load.tell(about.key);
        }
        let complete = ending.completes_stream() && ending != Ending::ClientGone;
        let ended = complete
            && matches!(
                timeout(FAREWELL, session.downstream_session.finish_body()).await,
                Ok(Ok(()))
            );
        if !ended {
            session.downstream_session.shutdown().await;
        }
        let now = self.shared.now();
        let line = self.registered.as_ref().map(|registered| &registered.line);
        let (host, path) = self.dials.asked_for();
        self.shared.observer.ended(&Ended {
            relay: Relay::Sse,
            connection: self.dials.id.to_string().into(),
            request_id: about.request_id.clone(),
            host,
            path,
            status: self.fields.is_none().then_some(200),
            snapshot: about.snapshot,
            route: about.route.clone(),
            cluster: self.dials.cluster.clone(),
            endpoint: self.machine.endpoint().cloned(),
            why: about.why,
            client: about.client,
            lived: line.map(|line| line.age(now)).unwrap_or_default(),
            moves: line.map(|line| line.moves()).unwrap_or_default(),
            messages: (0, self.machine.events()),
            bytes: (0, self.bytes),
            ending,
            because: line.map(|line| line.because()).unwrap_or_default(),
            moving: self.machine.moving(),
        });
        Ok(Relayed::Taken)
    }
}

/// Memory a leg may keep between two events.
const KEPT_BYTES: usize = 1 << 10;
/// For the last bytes.
const FAREWELL: Duration = Duration::from_secs(2);
