//! Answers fronts: backends that serve the sessions of this one over HTTP.

use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::Stream;
use holdfast_proto::error::Code;
use holdfast_proto::exchange::v1::ask_response::Answer;
use holdfast_proto::exchange::v1::attach_request::Message as Asked;
use holdfast_proto::exchange::v1::attach_response::Message as Told;
use holdfast_proto::exchange::v1::fronts_server::Fronts;
use holdfast_proto::exchange::v1::{AskRequest, AskResponse, AttachRequest, AttachResponse, Taken};
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::translate::{missing, taken};
use super::{Service, is_backend};
use crate::app::Backend;
use crate::failure::Failure;
use crate::front::{Question, wire};
use crate::random;
use crate::sessions::{Attachment, Ending, Input, Outgoing, Output, Refusal, Sessions};

#[tonic::async_trait]
impl Fronts for Service {
    type AttachStream = Legs;

    async fn ask(&self, request: Request<AskRequest>) -> Result<Response<AskResponse>, Status> {
        let sessions = self.for_fronts()?;
        let (ask, request) = taken(request)?;
        let question: Question = serde_json::from_str(&request.question_json)
            .map_err(|error| Failure::bad_request(format!("question_json: {error}")))?;
        let answer = match self.stays() {
            Ok(()) => question.answer(sessions, &ask).await,
            Err(leaving) => Err(leaving),
        };
        let answer = match answer {
            Ok(view) => Answer::ViewJson(view),
            Err(refusal) => Answer::Refused(wire::refused(refusal)),
        };
        Ok(Response::new(AskResponse {
            answer: Some(answer),
        }))
    }

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Legs>, Status> {
        let sessions = self.for_fronts()?;
        let (ask, mut messages) = taken(request)?;
        let limit = self.0.config.timeouts.request;
        let first = timeout(limit, messages.message()).await.map_err(|_| {
            let detail = "the message that opens the leg did not come";
            Failure::new(Code::BodyTimeout, detail)
        })??;
        let Some(Asked::Dial(dial)) = first.and_then(|first| first.message) else {
            return Err(missing("dial", "the first message opens the leg").into());
        };
        let (id, dial) = wire::dialled(&dial)?;
        let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
        let leg = Leg {
            backend: Arc::clone(&self.0),
            sender,
        };
        let opened = match self.stays() {
            Ok(()) => sessions.open(id, &ask, dial).await,
            Err(leaving) => Err(leaving),
        };
        leg.begin(opened, messages);
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// Lets backends in that may be fronts of this one, before anything of theirs is read.
#[allow(clippy::result_large_err, reason = "the shape that interceptors have")]
pub(super) fn admit(request: Request<()>) -> Result<Request<()>, Status> {
    if is_backend(&request) {
        return Ok(request);
    }
    let detail = "only backends that know the cluster's key may be fronts of this one";
    Err(Failure::new(Code::Forbidden, detail).into())
}

impl Service {
    /// The sessions that a front may ask about.
    fn for_fronts(&self) -> Result<&Sessions, Failure> {
        self.0.sessions.here().ok_or_else(|| {
            let detail = "this backend is a front itself; ask the one that runs the exchanges";
            Failure::new(Code::MethodNotAllowed, detail)
        })
    }
}

impl Service {
    /// No front is answered once the process is about to end: others take its sessions.
    fn stays(&self) -> Result<(), Refusal> {
        match self.0.leaving.is_cancelled() {
            true => Err(Refusal::unavailable("this endpoint is leaving")),
            false => Ok(()),
        }
    }
}

/// What a front is told on a leg.
type Legs = Pin<Box<dyn Stream<Item = Result<AttachResponse, Status>> + Send>>;

/// One leg of a connection that a front holds.
struct Leg {
    backend: Arc<Backend>,
    sender: mpsc::Sender<Result<AttachResponse, Status>>,
}

impl Leg {
    /// Says whether it is taken, and carries it until either side ends.
    fn begin(self, opened: Result<Attachment, Refusal>, messages: Streaming<AttachRequest>) {
        let first = match &opened {
            Ok(leg) => Told::Taken(Taken {
                position: leg.position.clone(),
                generation: leg.claim.to_string(),
                accepted: leg.accepted,
            }),
            Err(refusal) => Told::Refused(wire::refused(refusal.clone())),
        };
        let first = AttachResponse {
            message: Some(first),
        };
        // there is room for it, and the receiver is at hand
        drop(self.sender.try_send(Ok(first)));
        let Ok(Attachment { output, input, .. }) = opened else {
            return;
        };
        let backend = Arc::clone(&self.backend);
        self.backend.tracker.clone().spawn(async move {
            backend.metrics.stream_began("front");
            let mut telling = pin!(self.tell(output));
            let reason = tokio::select! {
                reason = telling.as_mut() => reason,
                // a client that says no more is still told what happens, until it goes
                () = listen(input.clone(), messages) => telling.await,
            };
            drop(input);
            backend.metrics.stream_ended("front", reason);
        });
    }

    /// Until the leg ends, on whichever side; the stream ends with it.
    async fn tell(self, mut output: Output) -> &'static str {
        let mut leaving = pin!(async {
            self.backend.leaving.cancelled().await;
            sleep(LEAVE_SPREAD.mul_f64(random::fraction())).await;
        });
        loop {
            // all are cancel-safe: what was not chosen has taken nothing yet
            let outgoing = tokio::select! {
                outgoing = output.next() => outgoing,
                () = leaving.as_mut() => Outgoing::Ended(Ending::Moved),
                () = self.sender.closed() => return "client",
            };
            let last = matches!(outgoing, Outgoing::Ended(_));
            let sent = self.sender.send(Ok(wire::carried(outgoing)));
            match timeout(self.backend.config.timeouts.write, sent).await {
                Ok(Ok(())) if !last => {}
                Ok(Ok(())) => return "ended",
                Ok(Err(_)) => return "client",
                Err(_) => return "slow",
            }
        }
    }
}

/// From the front's client to the session, until it says no more or the leg has ended.
async fn listen(input: Input, mut messages: Streaming<AttachRequest>) {
    while let Ok(Some(message)) = messages.message().await {
        let Some(Asked::Say(say)) = message.message else {
            tracing::warn!("a front said what is not understood; its leg is not heard any more");
            return;
        };
        let refused = say.refused.map(wire::problem);
        if input.send_or_refuse(say.text, refused).await.is_err() {
            return;
        }
    }
}

/// Messages that wait for the stream's window; beyond, the session coalesces.
const MESSAGES_MAX: usize = 16;
/// Legs of an endpoint that leaves end over this span.
const LEAVE_SPREAD: Duration = Duration::from_secs(2);
