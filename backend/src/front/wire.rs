//! Refusals, dials and what a leg carries, as messages of `front.proto` and back.

use std::time::Duration;

use holdfast_proto::exchange::v1 as proto;
use holdfast_proto::exchange::v1::attach_response::Message as Told;
use holdfast_proto::exchange::v1::refused::Why;
use holdfast_session::id::SessionId;
use holdfast_session::log::Kind;
use holdfast_session::message::Problem;
use holdfast_session::ownership::Served;
use holdfast_session::subscription::{Channels, Coalesce};

use crate::failure::Failure;
use crate::sessions::{Delivery, Dial, Ending, Outgoing, Refusal, Transport};

/// A refusal, to a front.
pub(crate) fn refused(refusal: Refusal) -> proto::Refused {
    let why = match refusal {
        Refusal::Owner { endpoint, address } => Why::Elsewhere(proto::Elsewhere {
            endpoint: endpoint.to_string(),
            address,
        }),
        Refusal::Unavailable {
            problem,
            retry_after,
        } => Why::NotNow(proto::NotNow {
            problem: Some(told(problem)),
            retry_after_ms: u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX),
        }),
        Refusal::Unknown(detail) => Why::Unknown(detail.to_owned()),
        Refusal::Missing(what) => Why::Missing(what.to_owned()),
        Refusal::Ended => Why::Ended(true),
        Refusal::Forbidden => Why::Forbidden(true),
        Refusal::Superseded { highest } => Why::Attempt(highest),
        Refusal::Full(problem) => Why::Full(told(problem)),
        Refusal::Invalid(problem) => Why::Invalid(told(problem)),
    };
    proto::Refused { why: Some(why) }
}

/// A refusal, as a front takes it. `None` is one of another version.
pub(super) fn refusal(refused: proto::Refused) -> Option<Refusal> {
    Some(match refused.why? {
        Why::Elsewhere(owner) => Refusal::Owner {
            endpoint: owner.endpoint.parse().ok()?,
            address: owner.address,
        },
        Why::NotNow(not_now) => Refusal::Unavailable {
            problem: problem(not_now.problem?),
            retry_after: Duration::from_millis(not_now.retry_after_ms.into()),
        },
        Why::Unknown(_) => Refusal::Unknown(UNKNOWN),
        Why::Missing(what) => Refusal::Missing(match what.as_str() {
            "session" => "session",
            "symbol" => "symbol",
            "order" => "order",
            _ => "thing",
        }),
        Why::Ended(_) => Refusal::Ended,
        Why::Forbidden(_) => Refusal::Forbidden,
        Why::Attempt(highest) => Refusal::Superseded { highest },
        Why::Full(full) => Refusal::Full(problem(full)),
        Why::Invalid(invalid) => Refusal::Invalid(problem(invalid)),
    })
}

/// What is said where nobody knows whether a command was executed.
pub(super) const UNKNOWN: &str =
    "the exchange did not answer; whether the command was executed is unknown";

/// A dial of a session, to the backend that has it.
pub(super) fn dial(id: SessionId, dial: &Dial) -> proto::Dial {
    let served = |served: Served| match served.claim {
        Some(claim) => format!("{}.{claim}", served.generation),
        None => served.generation.to_string(),
    };
    let client = dial.client.as_ref();
    proto::Dial {
        session_id: id.to_string(),
        connection: dial.connection.to_string(),
        attempt: dial.attempt,
        last_event_id: dial.last_event_id.clone().unwrap_or_default(),
        generation: dial.generation.map(served).unwrap_or_default(),
        client: client.map(ToString::to_string).unwrap_or_default(),
        channels: dial.channels.names().map(str::to_owned).collect(),
        coalesce_ms: u32::try_from(dial.coalesce.interval_ms()).unwrap_or_default(),
        transport: match dial.transport {
            Transport::WebSocket => proto::Transport::Websocket,
            Transport::EventStream => proto::Transport::EventStream,
            Transport::Grpc => proto::Transport::Grpc,
            Transport::GrpcTrade => proto::Transport::GrpcTrade,
        }
        .into(),
    }
}

/// A dial, as the backend takes it that has the session.
pub(crate) fn dialled(dial: &proto::Dial) -> Result<(SessionId, Dial), Failure> {
    let id = dial.session_id.parse();
    let channels = Channels::named(dial.channels.iter().map(String::as_str));
    let coalesce = match dial.coalesce_ms {
        0 => Coalesce::None,
        100 => Coalesce::Tenth,
        1_000 => Coalesce::Second,
        other => {
            let detail = format!("coalesce_ms {other}: there are 0, 100 and 1000");
            return Err(Failure::bad_request(detail));
        }
    };
    let transport = match dial.transport() {
        proto::Transport::Websocket => Transport::WebSocket,
        proto::Transport::EventStream => Transport::EventStream,
        proto::Transport::Grpc => Transport::Grpc,
        proto::Transport::GrpcTrade => Transport::GrpcTrade,
        proto::Transport::Unspecified => {
            return Err(Failure::bad_request("transport: names none"));
        }
    };
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let dial = Dial {
        connection: parsed("connection", &dial.connection)?,
        attempt: dial.attempt,
        last_event_id: given(&dial.last_event_id),
        generation: optional("generation", &dial.generation)?,
        client: optional("client", &dial.client)?,
        channels: channels.map_err(|error| Failure::bad_request(error.to_string()))?,
        coalesce,
        transport,
    };
    Ok((id.map_err(|_| Failure::no_session())?, dial))
}

/// What a leg carries, to a front.
pub(crate) fn carried(outgoing: Outgoing) -> proto::AttachResponse {
    let message = match outgoing {
        Outgoing::Delivery(delivery) => Told::Entry(proto::StreamMarketDataResponse {
            id: delivery.id.to_string(),
            prev: delivery.prev.to_string(),
            r#type: delivery.kind.to_owned(),
            data_json: delivery.body.to_string(),
        }),
        Outgoing::Accepted(count) => Told::Accepted(count),
        Outgoing::Notice(text) => Told::Notice(text),
        Outgoing::Ended(ending) => Told::End(
            match ending {
                Ending::Moved => proto::LegEnd::Moved,
                Ending::Replaced => proto::LegEnd::Replaced,
                Ending::Ended => proto::LegEnd::Ended,
                Ending::Protocol => proto::LegEnd::Protocol,
            }
            .into(),
        ),
    };
    proto::AttachResponse {
        message: Some(message),
    }
}

/// What a leg carries, as a front takes it. `None` is a message of another version: nothing can
/// be left out of a leg, so that it has to end.
pub(super) fn outgoing(message: proto::AttachResponse) -> Option<Outgoing> {
    Some(match message.message? {
        Told::Entry(entry) => Outgoing::Delivery(Delivery {
            id: entry.id.parse().ok()?,
            prev: entry.prev.parse().ok()?,
            kind: kind(&entry.r#type)?,
            body: entry.data_json.into(),
        }),
        Told::Accepted(count) => Outgoing::Accepted(count),
        Told::Notice(text) => Outgoing::Notice(text),
        Told::End(end) => Outgoing::Ended(match proto::LegEnd::try_from(end).ok()? {
            proto::LegEnd::Moved => Ending::Moved,
            proto::LegEnd::Replaced => Ending::Replaced,
            proto::LegEnd::Ended => Ending::Ended,
            proto::LegEnd::Protocol => Ending::Protocol,
            proto::LegEnd::Unspecified => return None,
        }),
        Told::Taken(_) | Told::Refused(_) => return None,
    })
}

fn kind(name: &str) -> Option<&'static str> {
    let kinds = Kind::ALL.into_iter().map(Kind::name);
    let mut kinds = kinds.chain(["snapshot"]);
    kinds.find(|known| *known == name)
}

/// A problem, to a front.
pub(super) fn told(problem: Problem) -> proto::Problem {
    proto::Problem {
        code: problem.code,
        message: problem.message,
        retryable: problem.retryable,
    }
}

/// A problem, back.
pub(crate) fn problem(problem: proto::Problem) -> Problem {
    Problem {
        code: problem.code,
        message: problem.message,
        retryable: problem.retryable,
    }
}

fn optional<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<Option<T>, Failure> {
    match text {
        "" => Ok(None),
        text => parsed(name, text).map(Some),
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<T, Failure> {
    let wrong = |error| Failure::bad_request(format!("{name} {text:?}: {error}"));
    text.parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use holdfast_session::id::{ClaimId, ConnectionId};

    use super::*;

    #[test]
    fn a_refusal_arrives_as_it_was_sent() {
        let problem = Problem::retryable("quota_exceeded", "slower");
        let wait = Duration::from_millis(1_500);
        for sent in [
            Refusal::Owner {
                endpoint: "b".parse().expect("a name"),
                address: "10.0.0.1:9001".into(),
            },
            Refusal::Unavailable {
                problem: problem.clone(),
                retry_after: wait,
            },
            Refusal::Unknown(UNKNOWN),
            Refusal::Missing("session"),
            Refusal::Missing("symbol"),
            Refusal::Missing("order"),
            Refusal::Ended,
            Refusal::Forbidden,
            Refusal::Superseded { highest: 7 },
            Refusal::Full(problem.clone()),
            Refusal::Invalid(problem),
        ] {
            assert_eq!(refusal(refused(sent.clone())), Some(sent));
        }
        assert_eq!(refusal(proto::Refused { why: None }), None);
    }

    #[test]
    fn a_dial_arrives_as_it_was_sent() {
        let served = Served {
            generation: 3,
            claim: Some(ClaimId::new(9)),
        };
        let id = SessionId::new(5);
        let sent = Dial {
            connection: ConnectionId::new(7),
            attempt: 2,
            last_event_id: Some("no id at all".into()),
            generation: Some(served),
            client: Some("tab-1".parse().expect("a name")),
            channels: "book,fill".parse().expect("channels"),
            coalesce: Coalesce::Second,
            transport: Transport::EventStream,
        };
        let first = Dial {
            last_event_id: None,
            generation: None,
            client: None,
            channels: Channels::NONE,
            coalesce: Coalesce::Tenth,
            transport: Transport::GrpcTrade,
            ..sent.clone()
        };
        for sent in [sent, first] {
            let (to, arrived) = dialled(&dial(id, &sent)).expect("readable");
            assert_eq!(to, id);
            assert_eq!(format!("{arrived:?}"), format!("{sent:?}"));
        }
    }

    #[test]
    fn a_dial_that_cannot_be_read_is_refused_by_the_name_of_its_field() {
        let good = proto::Dial {
            session_id: SessionId::new(5).to_string(),
            connection: ConnectionId::new(7).to_string(),
            transport: proto::Transport::Websocket.into(),
            ..proto::Dial::default()
        };
        assert!(dialled(&good).is_ok());
        for (name, wrong) in [
            (
                "connection",
                proto::Dial {
                    connection: "x".into(),
                    ..good.clone()
                },
            ),
            (
                "generation",
                proto::Dial {
                    generation: "x".into(),
                    ..good.clone()
                },
            ),
            (
                "coalesce_ms",
                proto::Dial {
                    coalesce_ms: 7,
                    ..good.clone()
                },
            ),
            (
                "transport",
                proto::Dial {
                    transport: 0,
                    ..good.clone()
                },
            ),
        ] {
            let failure = dialled(&wrong).expect_err(name);
            assert!(failure.detail.starts_with(name), "{}", failure.detail);
        }
    }

    #[test]
    fn what_a_leg_carries_arrives_as_it_was_sent() {
        let delivery = |kind| {
            Outgoing::Delivery(Delivery {
                id: "e.9".parse().expect("an id"),
                prev: "e.7".parse().expect("an id"),
                kind,
                body: r#"{"a":"1"}"#.into(),
            })
        };
        for sent in [
            delivery("snapshot"),
            delivery("reset"),
            delivery("answer"),
            delivery("book"),
            Outgoing::Accepted(12),
            Outgoing::Notice("{}".into()),
            Outgoing::Ended(Ending::Moved),
            Outgoing::Ended(Ending::Replaced),
            Outgoing::Ended(Ending::Ended),
            Outgoing::Ended(Ending::Protocol),
        ] {
            assert_eq!(outgoing(carried(sent.clone())), Some(sent));
        }
        let unknown = carried(delivery("weather"));
        assert_eq!(outgoing(unknown), None, "nothing is left out in silence");
    }
}
