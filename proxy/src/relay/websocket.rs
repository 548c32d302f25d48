//! The WebSocket relay: takes a connection over, then moves bytes as the state machine decides.

mod task;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use holdfast_core::Endpoint;
use holdfast_core::connection::{Answer, Command, WebSocket};
use http::header::{self, HeaderValue};
use pingora_core::protocols::http::ServerSession;
use pingora_proxy::Session;
use tokio::time::{Instant as Moment, sleep_until};

use self::task::{About, Task, Traffic};
use super::handshake::Asked;
use super::leg::{Dial, Dials};
use super::{Admitted, AnswerFields, Relayed, Shared, answer};
use crate::upstream::dial::Dialled;

/// Dials the first endpoint, gives the client its 101, takes its stream and spawns the relay.
pub(super) async fn open(
    shared: &Arc<Shared>,
    session: &mut Session,
    mut admitted: Admitted,
) -> pingora_core::Result<Relayed> {
    let asked = match Asked::read(session.req_header()) {
        Ok(asked) if session.as_http1().is_some() => asked,
        Ok(_) => return answer::refuse(session, Asked::NOT_HERE, (admitted.fields)(None)).await,
        Err(bad) => return answer::refuse(session, bad, (admitted.fields)(None)).await,
    };
    let (dials, last_event_id) = Dials::new(&mut admitted, Some(asked));
    let opening = shared.opening(&admitted.forward, last_event_id);
    // Boxed: else the size of this future is paid by every idle connection.
    let first = Box::pin(
        FirstLeg {
            shared,
            dials,
            dialled: None,
        }
        .dial(opening),
    )
    .await;
    let FirstLeg {
        mut dials, dialled, ..
    } = first.leg;
    let Some(machine) = first.taken else {
        return match dialled {
            Some((endpoint, dialled)) => {
                answer::pass_on(session, endpoint, dialled, admitted.fields).await
            }
            None => answer::nobody(session, (admitted.fields)(None)).await,
        };
    };
    let Some((_, dialled)) = dialled else {
        return answer::nobody(session, (admitted.fields)(None)).await;
    };
    dials.settle(&dialled.head);
    accept(session, &dialled, admitted.fields, machine.endpoint()).await?;
    let early = early_bytes(session);
    let Some(client) = take_stream(session) else {
        return Ok(Relayed::Taken);
    };
    let traffic = Traffic::new(client, dialled);
    let task = Task::new(shared.clone(), *machine, dials, traffic, &admitted.forward);
    let about = About {
        request_id: admitted.request_id,
        route: admitted.forward.route.name.as_str().into(),
        client: admitted.client,
        why: admitted.forward.why,
        snapshot: admitted.snapshot,
    };
    drop(admitted.forward);
    shared.registry.tracker().spawn(task.run(early, about));
    Ok(Relayed::Taken)
}

/// The search for the first endpoint; the client waits.
struct FirstLeg<'a> {
    shared: &'a Arc<Shared>,
    dials: Dials,
    /// What the last endpoint answered.
    dialled: Option<(Arc<Endpoint>, Dialled)>,
}

struct First<'a> {
    leg: FirstLeg<'a>,
    taken: Option<Box<WebSocket>>,
}

impl<'a> FirstLeg<'a> {
    async fn dial(mut self, opening: holdfast_core::connection::Opening) -> First<'a> {
        let mut machine = Box::new(WebSocket::open(opening, self.shared.now()));
        loop {
            match machine.poll_command() {
                Some(Command::Dial) => {
                    let now = self.shared.now();
                    let placed = machine.place(&self.shared.snapshots.load(), now);
                    let Some(placed) = placed else { continue };
                    self.dialled = None;
                    let dial = self.dials.begin(self.shared, placed, false);
                    let answer = self.finish(dial, &machine).await;
                    machine.handle_answer(answer, self.shared.now());
                }
                Some(Command::HangUp) => self.dialled = None,
                Some(Command::Accept) => {
                    return First {
                        leg: self,
                        taken: Some(machine),
                    };
                }
                Some(Command::Decline | Command::End(_)) => {
                    return First {
                        leg: self,
                        taken: None,
                    };
                }
                Some(Command::Report(_)) => {}
                None => {
                    let due = machine.poll_timeout().unwrap_or_else(|| self.shared.now());
                    sleep_until(moment(due, self.shared)).await;
                    machine.handle_timeout(self.shared.now());
                }
            }
        }
    }

    /// Waits for the answer, no longer than the machine does.
    async fn finish(&mut self, dial: Dial, machine: &WebSocket) -> Answer {
        let due = machine.poll_timeout().unwrap_or_else(|| self.shared.now());
        let due = moment(due, self.shared);
        let Ok((placed, dialled)) = tokio::time::timeout_at(due, dial).await else {
            return Answer::Failed;
        };
        self.dials.tell(self.shared, &placed, &dialled);
        let Ok(dialled) = dialled else {
            return Answer::Failed;
        };
        let answer = self.dials.read(&dialled.head, false);
        self.dialled = Some((placed.endpoint, dialled));
        answer
    }
}

/// The client's one and only 101.
async fn accept(
    session: &mut Session,
    dialled: &Dialled,
    fields: AnswerFields,
    endpoint: Option<&holdfast_core::EndpointId>,
) -> pingora_core::Result<()> {
    let mut head = answer::for_client(&dialled.head, fields(endpoint))?;
    head.insert_header(header::CONNECTION, HeaderValue::from_static("Upgrade"))?;
    head.insert_header(header::UPGRADE, HeaderValue::from_static("websocket"))?;
    session
        .downstream_session
        .write_response_header(Box::new(head))
        .await
}

/// Frames that came in one packet with the request wait in Pingora's body reader: they have to
/// be fetched before the stream is taken from it. One look without waiting gets all of them.
fn early_bytes(session: &mut Session) -> Bytes {
    let read = pin!(session.downstream_session.read_request_body());
    match read.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(Some(bytes))) => bytes,
        _ => Bytes::new(),
    }
}

/// Takes the client's stream out of Pingora, which is left with a dead one.
fn take_stream(session: &mut Session) -> Option<pingora_core::protocols::Stream> {
    let (dead, _) = tokio::io::duplex(1);
    let dead = ServerSession::new_http1(Box::new(dead));
    match std::mem::replace(&mut *session.downstream_session, dead) {
        ServerSession::H1(session) => Some(session.into_inner()),
        _ => None,
    }
}

/// An instant of the core on the runtime's clock.
fn moment(due: holdfast_core::Instant, shared: &Shared) -> Moment {
    Moment::now() + due.since(shared.now())
}
