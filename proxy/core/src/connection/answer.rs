//! What an endpoint's answer to a dial means.

use holdfast_wire::contract::parse_count;

use super::Settings;
use crate::cluster::{Contract, EndpointId};

/// What came of a dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It takes the connection on these terms.
    Taken(Terms),
    /// `421`, `503`, `429` or another 5xx: not here; there, if it says where.
    Elsewhere {
        /// Who has the session (`Holdfast-Owner`).
        owner: Option<EndpointId>,
        /// It said so under the contract: the request was not processed.
        contract: bool,
    },
    /// `409`: it has seen an attempt as high as this one.
    Conflict {
        /// The highest it has seen (`Holdfast-Attempt`).
        seen: u32,
    },
    /// `204` to an event stream: ended for good.
    Finished,
    /// `401`, `403`, `404`, `410`: never again.
    Refused(u16),
    /// It took the connection without the contract, with another subprotocol, or answered
    /// something that is no answer to this request.
    Unsuitable,
    /// It could not be dialled, or broke off before it answered.
    Failed,
}

/// What a leg starts with, from the contract's response headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// It keeps the contract (`Holdfast-Contract: 1`).
    pub contract: bool,
    /// Where in the log the leg starts (`Holdfast-Position`).
    pub position: Option<holdfast_wire::contract::EventId>,
    /// The generation of its ownership (`Holdfast-Generation`).
    pub generation: Option<Box<str>>,
    /// Data messages accepted so far (`Holdfast-Accepted`).
    pub accepted: Option<u64>,
}

/// The head of an endpoint's answer, as far as the contract reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// The status code.
    pub status: u16,
    /// It is what was asked for: a 101 whose fields were checked and whose subprotocol is the
    /// client's, or a 200 with `text/event-stream`.
    pub fits: bool,
    /// `Holdfast-Contract`.
    pub contract: Option<&'a [u8]>,
    /// `Holdfast-Owner`.
    pub owner: Option<&'a [u8]>,
    /// `Holdfast-Attempt`.
    pub attempt: Option<&'a [u8]>,
    /// `Holdfast-Position`.
    pub position: Option<&'a [u8]>,
    /// `Holdfast-Generation`.
    pub generation: Option<&'a [u8]>,
    /// `Holdfast-Accepted`.
    pub accepted: Option<&'a [u8]>,
}

impl Answer {
    /// Reads an answer. Header values that are malformed count as absent.
    pub fn of(head: &Head<'_>) -> Self {
        match head.status {
            _ if head.fits => Self::Taken(Terms {
                contract: head.contract == Some(b"1"),
                position: head
                    .position
                    .and_then(holdfast_wire::contract::EventId::new),
                generation: head.generation.and_then(generation),
                accepted: head.accepted.and_then(parse_count),
            }),
            421 | 429 | 500.. => Self::Elsewhere {
                owner: head.owner.and_then(endpoint),
                contract: head.contract == Some(b"1"),
            },
            409 => match head
                .attempt
                .and_then(parse_count)
                .and_then(|n| u32::try_from(n).ok())
            {
                Some(seen) => Self::Conflict { seen },
                None => Self::Unsuitable,
            },
            204 => Self::Finished,
            status @ (401 | 403 | 404 | 410) => Self::Refused(status),
            _ => Self::Unsuitable,
        }
    }
}

impl Terms {
    /// The terms as the configuration lets them count, or nothing if it demands more.
    pub(super) fn under(self, settings: &Settings) -> Option<Self> {
        match settings.contract() {
            Contract::Off => Some(Self::default()),
            Contract::Required if !self.contract => None,
            Contract::Required | Contract::Auto => Some(self),
        }
    }
}

fn endpoint(text: &[u8]) -> Option<EndpointId> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| EndpointId::parse(text).ok())
}

/// Opaque to the edge; bounded, and safe to be said again in a header.
fn generation(text: &[u8]) -> Option<Box<str>> {
    let fits = !text.is_empty() && text.len() <= 64 && text.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(text).ok().filter(|_| fits)?;
    Some(text.into())
}
