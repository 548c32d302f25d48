//! The whole edge in one thread: proxies, endpoints, clients and a store, on a fake clock, with
//! every chance decided by a seed.
//!
//! What decides is the code that ships: `holdfast_core` (the controller, `decide`, the relayed
//! connections) and `holdfast_session` (engine, ownership, acceptance, log and readers). What is
//! here is glue: it carries bytes, mail and writes, and can fail at every step of it.
//!
//! | module | what it is |
//! |---|---|
//! | `chance`, `hub` | numbers of a seed; time, what is under way, the tasks of endpoints |
//! | `wire` | one network connection: bytes take time, and are lost when it is cut |
//! | `store` | all sessions, written by compare-and-set |
//! | `client` | says commands, keeps account of what it is told |
//! | `endpoint` | a process that runs sessions; `endpoint/*` mirrors the backend's tasks |
//! | `proxy` | control plane and relays of one proxy |
//! | [`world`] | all of them, and what can be done to them |
//! | [`audit`] | what must hold: after each step, and at the end |
//! | [`storm`] | a run that a seed decides |
//! | [`scenario`] | a run that a file describes |

#![warn(missing_docs)]

mod act;
pub mod audit;
mod chance;
mod client;
mod endpoint;
mod frames;
mod hub;
mod proxy;
pub mod scenario;
mod stage;
mod store;
pub mod storm;
mod wire;
pub mod world;

use std::fmt;

use holdfast_core::connection::{Answer, Ending, Moved};
use holdfast_core::control::Report;
use holdfast_core::{EndpointId, Reject, Why};
use holdfast_session::view::ResetReason;

/// A fault in the glue, to show that the audit can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The store takes writes under any claim.
    SkipGeneration,
    /// A proxy forgets the first message it would say again.
    DropReplayed,
    /// An owner acknowledges before the append stands.
    AcknowledgeFirst,
    /// An owner lets the market go on while an append is open.
    EmitWhileOpen,
    /// An owner lets a session go that it has just taken.
    ForgetHold,
}

/// Something that was seen to happen.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    /// What a controller tells people.
    Report { proxy: usize, report: Report },
    /// What became of a client.
    Told(Told),
    /// An endpoint answered a dial.
    Answered {
        client: String,
        at: String,
        answer: Answer,
    },
    /// A session has a new owner.
    Claimed {
        session: usize,
        at: String,
        generation: u64,
    },
    /// A resume was not possible.
    Reset(ResetReason),
    /// Something was done to an endpoint or the store.
    Done(String),
}

/// What became of a client.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Sent {
        client: String,
        endpoint: EndpointId,
        why: Why,
    },
    Rejected(String, Reject),
    Declined(String),
    Moved {
        client: String,
        moved: Moved,
    },
    Ended(String, Ending),
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report { proxy, report } => {
                let proxy = proxy + 1;
                match &report.endpoint {
                    Some(endpoint) => write!(f, "{endpoint} {} (proxy {proxy})", report.what),
                    None => write!(f, "{} (proxy {proxy})", report.what),
                }
            }
            Self::Told(told) => write!(f, "{told}"),
            Self::Answered {
                client, at, answer, ..
            } => match answer {
                Answer::Taken(terms) => {
                    // Its number: the claim beside it is drawn at random.
                    let generation = terms.generation.as_deref().unwrap_or("-");
                    let generation = generation.split('.').next().unwrap_or("-");
                    write!(f, "{at} takes {client}, generation {generation}")
                }
                Answer::Elsewhere {
                    owner: Some(owner), ..
                } => write!(f, "{at} sends {client} to {owner}"),
                Answer::Elsewhere { .. } => write!(f, "{at} does not take {client} now"),
                Answer::Conflict { seen } => write!(f, "{at} has seen attempt {seen} of {client}"),
                other => write!(f, "{at} answers {client} {other:?}"),
            },
            Self::Claimed {
                session,
                at,
                generation,
            } => write!(f, "{at} owns session {session}, generation {generation}"),
            Self::Reset(reason) => write!(f, "a resume is reset, {reason:?}"),
            Self::Done(what) => write!(f, "{what}"),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent {
                client,
                endpoint,
                why,
            } => write!(f, "{client} -> {endpoint}, {}", why.as_str()),
            Self::Rejected(client, reject) => write!(f, "{client} rejected, {}", reject.as_str()),
            Self::Declined(client) => write!(f, "{client} declined"),
            Self::Moved { client, moved } => {
                let (from, to, cause) = (&moved.from, &moved.to, moved.cause);
                write!(f, "{client} moved {from} => {to}, {cause:?}")
            }
            Self::Ended(client, ending @ Ending::Lost(lost)) => {
                write!(f, "{client} lost, {lost:?}, {}", ending.code().0)
            }
            Self::Ended(client, ending) => {
                write!(f, "{client} ended, {} {}", ending.as_str(), ending.code().0)
            }
        }
    }
}
