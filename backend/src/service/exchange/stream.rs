//! Streams by gRPC: market data to the client, and order entry both ways.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use holdfast_proto::error::Code;
use holdfast_proto::exchange::v1::trade_request::Message as Asked;
use holdfast_proto::exchange::v1::trade_response::Message as Told;
use holdfast_proto::exchange::v1::{
    self as exchange, StreamMarketDataRequest, StreamMarketDataResponse, TradeOpen, TradeRequest,
    TradeResponse,
};
use holdfast_session::id::{ConnectionId, SessionId};
use holdfast_session::message::{Answer, Command, Problem};
use holdfast_session::subscription::{Channels, Coalesce};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use crate::app::Backend;
use crate::exchanges::{Attachment, Input, Output};
use crate::failure::Failure;
use crate::random;
use crate::service::translate::orders::{
    amendment, batch, cancel, cancel_after, cancel_all, order_request, results,
};
use crate::service::translate::{given, missing, problem, session_id};
use crate::sessions::{Ask, Delivery, Dial, Ending, Outgoing, Transport};

/// What follows a session.
pub(super) type Events =
    Pin<Box<dyn Stream<Item = Result<StreamMarketDataResponse, Status>> + Send>>;
/// What a trader is told.
pub(super) type Trades = Pin<Box<dyn Stream<Item = Result<TradeResponse, Status>> + Send>>;

/// Opens a stream of market data.
pub(super) async fn market_data(
    backend: &Arc<Backend>,
    ask: &Ask,
    request: StreamMarketDataRequest,
) -> Result<Response<Events>, Status> {
    let id = session_id(&request.session_id)?;
    let dial = Dial {
        channels: channels(&request.channels)?,
        coalesce: coalesce(&request.coalesce)?,
        last_event_id: given(request.last_event_id),
        ..dial(Transport::Grpc)
    };
    let counted = backend.open_stream(ask.subject.as_deref())?;
    let attachment = backend.sessions.open(id, ask, dial).await;
    let attachment = attachment.map_err(Failure::from)?;
    let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
    let pump = Pump {
        backend: Arc::clone(backend),
        output: attachment.output,
        sender,
        shape: |outgoing| match outgoing {
            Outgoing::Delivery(delivery) => Some(event(&delivery)),
            _ => None,
        },
    };
    backend.tracker.spawn(async move {
        pump.run().await;
        drop((counted, attachment.input));
    });
    Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// Opens a stream of order entry: its first message says whose and where.
pub(super) async fn trade(
    backend: &Arc<Backend>,
    ask: Ask,
    mut messages: Streaming<TradeRequest>,
) -> Result<Response<Trades>, Status> {
    let limit = backend.config.timeouts.request;
    let first = timeout(limit, messages.message()).await.map_err(|_| {
        Failure::new(
            Code::BodyTimeout,
            "the message that opens the stream did not come",
        )
    })??;
    let Some(Asked::Open(open)) = first.and_then(|first| first.message) else {
        return Err(missing("open", "the first message opens the stream").into());
    };
    let id = session_id(&open.session_id)?;
    let counted = backend.open_stream(ask.subject.as_deref())?;
    let opened = backend.sessions.open(id, &ask, opening(open)?).await;
    let Attachment { output, input, .. } = opened.map_err(Failure::from)?;
    let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
    let pump = Pump {
        backend: Arc::clone(backend),
        output,
        sender,
        shape: told,
    };
    let listener = Listener {
        backend: Arc::clone(backend),
        id,
        subject: ask.subject,
        input,
    };
    backend.tracker.spawn(async move {
        // a trader that says no more is still told what happens, until it goes
        tokio::join!(pump.run(), listener.run(messages));
        drop(counted);
    });
    Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// From the session to a stream, until either ends.
struct Pump<T> {
    backend: Arc<Backend>,
    output: Output,
    sender: mpsc::Sender<Result<T, Status>>,
    /// What of it the stream carries, and how.
    shape: fn(Outgoing) -> Option<T>,
}

impl<T> Pump<T> {
    async fn run(mut self) {
        self.backend.metrics.stream_began("grpc");
        let reason = loop {
            if let Err(reason) = self.step().await {
                break reason;
            }
        };
        self.backend.metrics.stream_ended("grpc", reason);
    }

    async fn step(&mut self) -> Result<(), &'static str> {
        // both are cancel-safe: what was not chosen has taken nothing yet
        let outgoing = tokio::select! {
            outgoing = self.output.next() => outgoing,
            () = self.sender.closed() => return Err("client"),
        };
        let message = match outgoing {
            Outgoing::Ended(ending) => Err(ended(ending)),
            outgoing => match (self.shape)(outgoing) {
                Some(message) => Ok(message),
                None => return Ok(()),
            },
        };
        let last = message.is_err();
        let limit = self.backend.config.timeouts.write;
        match timeout(limit, self.sender.send(message)).await {
            Ok(Ok(())) if !last => Ok(()),
            Ok(Ok(())) => Err("ended"),
            Ok(Err(_)) => Err("client"),
            Err(_) => Err("slow"),
        }
    }
}

/// From a trader to the session.
struct Listener {
    backend: Arc<Backend>,
    id: SessionId,
    subject: Option<String>,
    input: Input,
}

impl Listener {
    /// Listens until the trader says no more, or its stream has ended.
    async fn run(self, mut messages: Streaming<TradeRequest>) {
        while let Ok(Some(message)) = messages.message().await {
            let (text, refused) = self.read(message);
            if self.input.send_or_refuse(text, refused).await.is_err() {
                return;
            }
        }
    }

    /// The message of a WebSocket that it stands for, and why it must not be done.
    fn read(&self, message: TradeRequest) -> (String, Option<Problem>) {
        let n = message.n;
        let read = match message.message {
            Some(Asked::CommandJson(text)) => return self.other(n, &text),
            Some(asked) => command(asked),
            None => Err(missing("message", "a command")),
        };
        match read {
            Ok(command) => {
                let refused = self.may(&command);
                let mut text = serde_json::to_value(&command).unwrap_or_default();
                text["n"] = n.into();
                (text.to_string(), refused)
            }
            Err(failure) => {
                let text = serde_json::json!({ "type": "order", "n": n });
                (text.to_string(), Some(refusal(failure)))
            }
        }
    }

    fn other(&self, n: u64, text: &str) -> (String, Option<Problem>) {
        let read: Result<serde_json::Value, _> = serde_json::from_str(text);
        let Ok(serde_json::Value::Object(mut fields)) = read else {
            let failure = Failure::bad_request("command_json is no JSON object");
            let text = serde_json::json!({ "type": "command_json", "n": n });
            return (text.to_string(), Some(refusal(failure)));
        };
        fields.insert("n".into(), n.into());
        let whole = serde_json::Value::Object(fields);
        let command = Command::of_message(&whole);
        let refused = command.and_then(|command| self.may(&command));
        (whole.to_string(), refused)
    }

    fn may(&self, command: &Command) -> Option<Problem> {
        let subject = self.subject.as_deref();
        self.backend
            .may(self.id, subject, command)
            .err()
            .map(refusal)
    }
}

fn command(asked: Asked) -> Result<Command, Failure> {
    Ok(match asked {
        Asked::Place(request) => Command::OrderNew(order_request(request)?),
        Asked::Amend(request) => Command::OrderAmend(amendment(request)),
        Asked::Cancel(request) => Command::OrderCancel(cancel(&request)),
        Asked::CancelAll(request) => Command::OrderCancelAll(cancel_all(request)),
        Asked::CancelAfter(request) => Command::OrderCancelAfter(cancel_after(&request.after)?),
        Asked::Batch(request) => Command::OrderBatch(batch(request.operations)?),
        Asked::Open(_) | Asked::CommandJson(_) => {
            return Err(Failure::bad_request("the stream is open already"));
        }
    })
}

fn refusal(failure: Failure) -> Problem {
    Problem {
        code: failure.code.into_owned(),
        message: failure.detail,
        retryable: failure.retryable,
    }
}

fn told(outgoing: Outgoing) -> Option<TradeResponse> {
    let message = match outgoing {
        Outgoing::Delivery(delivery) if delivery.kind == "answer" => {
            Told::Answer(answer(&delivery)?)
        }
        Outgoing::Delivery(delivery) => Told::Event(event(&delivery)),
        Outgoing::Notice(text) => {
            let notice: serde_json::Value = serde_json::from_str(&text).ok()?;
            Told::Notice(problem(
                serde_json::from_value(notice["data"].clone()).ok()?,
            ))
        }
        Outgoing::Accepted(_) | Outgoing::Ended(_) => return None,
    };
    Some(TradeResponse {
        message: Some(message),
    })
}

fn answer(delivery: &Delivery) -> Option<exchange::Answer> {
    let answer: Answer = serde_json::from_str(&delivery.body).ok()?;
    let data = answer.data.unwrap_or_default();
    Some(exchange::Answer {
        n: answer.n,
        ok: answer.ok,
        order_id: data.order_id.unwrap_or_default(),
        status: data.status.clone().unwrap_or_default(),
        cancelled: data.cancelled.unwrap_or_default(),
        results: results(data),
        problem: answer.error.map(problem),
        id: delivery.id.to_string(),
    })
}

fn event(delivery: &Delivery) -> StreamMarketDataResponse {
    StreamMarketDataResponse {
        id: delivery.id.to_string(),
        prev: delivery.prev.to_string(),
        r#type: delivery.kind.to_owned(),
        data_json: delivery.body.to_string(),
    }
}

fn opening(open: TradeOpen) -> Result<Dial, Failure> {
    let client = given(open.client);
    let client = client.map(|client| {
        let wrong = |error| Failure::bad_request(format!("client {client:?}: {error}"));
        client.parse().map_err(wrong)
    });
    Ok(Dial {
        client: client.transpose()?,
        channels: channels(&open.channels)?,
        coalesce: coalesce(&open.coalesce)?,
        last_event_id: given(open.last_event_id),
        ..dial(Transport::GrpcTrade)
    })
}

/// A first dial of everything.
fn dial(transport: Transport) -> Dial {
    Dial {
        connection: ConnectionId::new(random::bits128()),
        attempt: 1,
        last_event_id: None,
        generation: None,
        client: None,
        channels: Channels::ALL,
        coalesce: Coalesce::None,
        transport,
    }
}

fn channels(names: &[String]) -> Result<Channels, Failure> {
    match names {
        [] => Ok(Channels::ALL),
        names => Channels::named(names.iter().map(String::as_str))
            .map_err(|error| Failure::bad_request(error.to_string())),
    }
}

fn coalesce(text: &str) -> Result<Coalesce, Failure> {
    match text {
        "" => Ok(Coalesce::None),
        text => text
            .parse()
            .map_err(|error| Failure::bad_request(format!("coalesce: {error}"))),
    }
}

fn ended(ending: Ending) -> Status {
    let (code, detail) = match ending {
        Ending::Ended => (Code::SessionEnded, "the session was ended"),
        Ending::Moved => (
            Code::Unavailable,
            "the session goes on elsewhere; come again",
        ),
        Ending::Replaced | Ending::Protocol => (Code::StaleAttempt, "another stream took over"),
    };
    Failure::new(code, detail).into()
}

/// Messages that wait for the stream's window; beyond, the session coalesces.
const MESSAGES_MAX: usize = 16;
