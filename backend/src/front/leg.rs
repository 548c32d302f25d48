//! One leg of a connection whose session runs in another backend.
//!
//! Each has a connection of its own to that backend, so that a client that takes nothing holds up
//! no other: what it leaves unread stays with the session, which gathers or replaces it.

use std::sync::Arc;

use holdfast_proto::exchange::v1::attach_request::Message as Asked;
use holdfast_proto::exchange::v1::attach_response::Message as Told;
use holdfast_proto::exchange::v1::fronts_client::FrontsClient;
use holdfast_proto::exchange::v1::{AttachRequest, AttachResponse, Say, Taken};
use holdfast_session::id::{ClientId, SessionId};
use holdfast_session::message::Problem;
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::call::{chain, lost, other_version};
use super::channels::endpoint_of_leg;
use super::route::Route;
use super::{Front, Inner, Lost, wire};
use crate::exchanges;
use crate::sessions::{Ask, Dial, Ending, LegEnded, Outgoing, Refusal};

impl Front {
    /// Dials once, where the route leads.
    pub(super) async fn dial(
        &self,
        route: &Route,
        ask: &Ask,
        id: SessionId,
        dial: &Dial,
    ) -> Result<Result<exchanges::Attachment, Refusal>, Lost> {
        let address = route.address(&self.inner.home);
        // an owner that stands still must leave time to take the session over
        let limit = if route.is_home() {
            OPENED
        } else {
            OWNER_OPENED
        };
        let dialled = timeout(limit, self.dial_at(address, route, ask, id, dial)).await;
        dialled.unwrap_or_else(|_| {
            Err(Lost::Unknown(format!(
                "{address}: no answer within {limit:?}"
            )))
        })
    }

    async fn dial_at(
        &self,
        address: &str,
        route: &Route,
        ask: &Ask,
        id: SessionId,
        dial: &Dial,
    ) -> Result<Result<exchanges::Attachment, Refusal>, Lost> {
        let channel = endpoint_of_leg(address)?.connect().await;
        let channel =
            channel.map_err(|error| Lost::Unreached(format!("{address}: {}", chain(&error))))?;
        let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
        let first = message(Asked::Dial(wire::dial(id, dial)));
        // there is room, and the receiver is here
        drop(sender.try_send(first));
        let request = self.request(route, ask, ReceiverStream::new(receiver))?;
        let mut client = FrontsClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        let opened = client.attach(request).await;
        let mut stream = opened
            .map_err(|status| lost(address, &status))?
            .into_inner();
        let first = stream
            .message()
            .await
            .map_err(|status| lost(address, &status))?;
        match first.and_then(|first| first.message) {
            Some(Told::Taken(taken)) => self.taken(taken, (id, dial), stream, sender),
            Some(Told::Refused(refused)) => {
                wire::refusal(refused).map(Err).ok_or_else(other_version)
            }
            _ => Err(other_version()),
        }
    }

    fn taken(
        &self,
        taken: Taken,
        (id, dial): (SessionId, &Dial),
        stream: Streaming<AttachResponse>,
        sender: mpsc::Sender<AttachRequest>,
    ) -> Result<Result<exchanges::Attachment, Refusal>, Lost> {
        let client = dial.client.clone();
        let client = client.unwrap_or_else(|| ClientId::of_connection(dial.connection));
        let presence = Arc::new(Presence::new(&self.inner, id, client));
        let output = Output {
            stream,
            over: false,
            presence: Arc::clone(&presence),
        };
        Ok(Ok(exchanges::Attachment {
            position: taken.position,
            claim: taken.generation.parse().map_err(|_| other_version())?,
            accepted: taken.accepted,
            output: exchanges::Output::Carried(output),
            input: exchanges::Input::Carried(Input {
                sender,
                _presence: presence,
            }),
        }))
    }
}

/// What is to be sent on a leg.
pub struct Output {
    stream: Streaming<AttachResponse>,
    over: bool,
    presence: Arc<Presence>,
}

impl Output {
    /// The next thing to send. Cancel-safe. After [`Outgoing::Ended`] it stays pending for ever.
    pub(crate) async fn next(&mut self) -> Outgoing {
        if self.over {
            return std::future::pending().await;
        }
        // both are cancel-safe: a message that is not whole yet stays where it is
        let outgoing = tokio::select! {
            message = self.stream.message() => match message {
                Ok(Some(message)) => wire::outgoing(message).unwrap_or_else(|| {
                    tracing::error!("an exchange of another version sent what is not understood");
                    Outgoing::Ended(Ending::Moved)
                }),
                Ok(None) => Outgoing::Ended(Ending::Moved),
                Err(status) => {
                    tracing::debug!(%status, "an exchange broke off");
                    Outgoing::Ended(Ending::Moved)
                }
            },
            () = self.presence.front.stop.cancelled() => Outgoing::Ended(Ending::Moved),
        };
        self.over = matches!(outgoing, Outgoing::Ended(_));
        outgoing
    }
}

/// Where a leg puts what its client says.
#[derive(Clone)]
pub struct Input {
    sender: mpsc::Sender<AttachRequest>,
    _presence: Arc<Presence>,
}

impl Input {
    /// One data message. Waits while the session does not take more, so that pressure reaches the
    /// socket; an error means that the leg has ended.
    pub(crate) async fn send(
        &self,
        text: String,
        refused: Option<Problem>,
    ) -> Result<(), LegEnded> {
        let refused = refused.map(wire::told);
        let said = message(Asked::Say(Say { text, refused }));
        self.sender.send(said).await.map_err(|_| LegEnded)
    }
}

fn message(message: Asked) -> AttachRequest {
    AttachRequest {
        message: Some(message),
    }
}

/// Counts a leg until both halves are dropped.
struct Presence {
    front: Arc<Inner>,
    number: u64,
}

impl Presence {
    fn new(front: &Arc<Inner>, id: SessionId, client: ClientId) -> Self {
        let number = front.legs.lock().enter(id, client);
        Self {
            front: Arc::clone(front),
            number,
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.front.legs.lock().leave(self.number);
        self.front.left.notify_waiters();
    }
}

/// The edge gives a dial 3 s.
const OPENED: Duration = Duration::from_millis(2_500);
const OWNER_OPENED: Duration = Duration::from_secs(1);
/// Messages of a client that wait for the session's window.
const MESSAGES_MAX: usize = 16;
/// Bytes of one message: a snapshot is the longest.
const MESSAGE_MAX: usize = 64 << 20;
