//! What is to outlast the session, for the ledger: facts, numbered from 1.
//!
//! A trail belongs to a session's engine. Its facts follow from the snapshot and
//! the journal like everything else, so an owner that dies loses none: the next
//! one comes to the same facts under the same numbers. They leave in parcels, each
//! written together with the snapshot that includes them; whoever keeps the number
//! of the last fact it has recorded can tell a repetition from a gap.
//!
//! A trail ends where the same numbers could come to mean other facts: with the
//! epoch of the output log, or when a build or an owner without a ledger has run
//! the session meanwhile. What follows is another trail, and says why it began.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::id::{ClientId, Epoch};
use crate::message::Problem;

/// From here on a snapshot should be written soon, in bytes of facts.
pub const BYTES_SOON: usize = 128 << 10;

/// From here on the session waits until a snapshot is written.
pub const BYTES_MAX: usize = 4 << 20;

/// Of a command whose data is larger nothing but its size is recorded, in bytes.
pub const DATA_MAX: usize = 4 << 10;

/// Something that has happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fact {
    /// Its place in the trail; the first is 1.
    pub number: u64,
    /// When, in milliseconds since 1970; of what the market did: at the tick it did it.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What has happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The trail begins.
    Began(Began),
    /// The session has an owner.
    Owner(Owner),
    /// A client's command was executed or refused.
    Command(Executed),
    /// An execution report of one of the user's orders.
    Order(Entry),
    /// One of the user's orders traded.
    Fill(Entry),
    /// The session was ended for good.
    Ended(Ended),
}

/// Where and why a trail begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// Why.
    pub why: Why,
    /// The market it simulates.
    pub scenario: String,
    /// The seed of that market.
    pub seed: u64,
    /// The output log that its entries are numbered in.
    pub epoch: Epoch,
    /// The last entry before it.
    pub seq: u64,
}

/// Why a trail begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The session was created.
    Created,
    /// The store may have lost the session's last moments, or another version of the
    /// engine goes on after a crash: what the trail before says last may not have been so.
    Epoch,
    /// The session was run without a ledger before.
    NoTrail,
}

impl Why {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Epoch => "epoch",
            Self::NoTrail => "no_trail",
        }
    }
}

/// Who owns the session from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The endpoint.
    pub endpoint: String,
    /// Its process.
    pub incarnation: String,
    /// Under which generation.
    pub generation: u64,
    /// Whose the session is; none: anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the session was created, in milliseconds since 1970.
    pub created_ms: u64,
}

/// A command and what it came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Executed {
    /// Its record in the journal.
    pub record: u64,
    /// Under which generation it was journaled.
    pub generation: u64,
    /// Whose it is and its number; none without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<(ClientId, u64)>,
    /// Its name, such as `order.new`.
    pub kind: String,
    /// As it was sent; of too large ones `{"bytes":<how many>}`.
    pub data: Box<RawValue>,
    /// Whether it was done.
    pub ok: bool,
    /// The order it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<u64>,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// An entry of the output log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Of which log.
    pub epoch: Epoch,
    /// Its number there.
    pub seq: u64,
    /// Its body, as it was sent.
    pub body: Box<RawValue>,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The last entry of its output log.
    pub seq: u64,
}

/// A session's facts: how many there were, and those that are not yet certain to be kept.
#[derive(Debug, Clone)]
pub struct Trail {
    id: Epoch,
    count: u64,
    facts: VecDeque<(Fact, usize)>,
    /// Of the facts after `kept`.
    bytes: usize,
    /// Facts up to here are in the store.
    kept: u64,
}

/// Where a trail stands; part of the session's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    id: Epoch,
    count: u64,
}

/// Facts on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Of which trail.
    pub trail: Epoch,
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// All of them, encoded.
    pub body: Vec<u8>,
}

impl Trail {
    /// An empty one.
    pub const fn new(id: Epoch) -> Self {
        Self {
            id,
            count: 0,
            facts: VecDeque::new(),
            bytes: 0,
            kept: 0,
        }
    }

    pub(crate) fn at(place: Place) -> Self {
        Self {
            count: place.count,
            kept: place.count,
            ..Self::new(place.id)
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            id: self.id.clone(),
            count: self.count,
        }
    }

    /// Notes what has happened.
    pub fn note(&mut self, at_ms: u64, what: What) {
        self.count += 1;
        let bytes = SIZE + what.size();
        self.bytes += bytes;
        let number = self.count;
        let fact = Fact {
            number,
            at_ms,
            what,
        };
        self.facts.push_back((fact, bytes));
    }

    /// How many facts there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// About how much is to go with the next snapshot.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is to go with the next snapshot; none when nothing has happened.
    pub fn parcel(&self) -> Option<Parcel> {
        let news: Vec<&Fact> = self.news().collect();
        let (first, last) = (news.first()?.number, news.last()?.number);
        let mut body = vec![VERSION];
        // values of these types have string keys only and writing to memory cannot fail
        let written = serde_json::to_writer(&mut body, &news);
        debug_assert!(written.is_ok(), "facts are always JSON");
        Some(Parcel {
            trail: self.id.clone(),
            first,
            last,
            body,
        })
    }

    /// Facts up to `last` are in the store. They are held on to until those after them
    /// are there too: a store that syncs now and then may lose what it has only just said.
    /// Says how many they are.
    pub fn kept(&mut self, last: u64) -> u64 {
        if last <= self.kept {
            return 0;
        }
        let news = last - self.kept;
        self.facts.retain(|(fact, _)| fact.number > self.kept);
        self.kept = last;
        self.weigh();
        news
    }

    /// The store may have lost what it said it had: what is still held goes again.
    pub fn again(&mut self) {
        if let Some((oldest, _)) = self.facts.front() {
            self.kept = self.kept.min(oldest.number - 1);
        }
        self.weigh();
    }

    /// What was to go with the next snapshot, when another trail begins.
    pub(crate) fn into_news(self) -> impl Iterator<Item = (u64, What)> {
        let news = self.facts.into_iter().map(|(fact, _)| fact);
        news.filter(move |fact| fact.number > self.kept)
            .map(|fact| (fact.at_ms, fact.what))
    }

    fn weigh(&mut self) {
        let news = self
            .facts
            .iter()
            .filter(|(fact, _)| fact.number > self.kept);
        self.bytes = news.map(|(_, bytes)| bytes).sum();
    }

    fn news(&self) -> impl Iterator<Item = &Fact> {
        let facts = self.facts.iter().map(|(fact, _)| fact);
        facts.filter(|fact| fact.number > self.kept)
    }
}

/// What a fact takes besides its texts.
const SIZE: usize = size_of::<(Fact, usize)>() + 96;

impl What {
    fn size(&self) -> usize {
        match self {
            Self::Order(entry) | Self::Fill(entry) => entry.body.get().len(),
            Self::Command(executed) => {
                let error = executed.error.as_ref();
                executed.data.get().len() + error.map_or(0, |error| error.message.len())
            }
            Self::Began(_) | Self::Owner(_) | Self::Ended(_) => 0,
        }
    }
}

/// The version of the encoding: the first byte of each parcel.
const VERSION: u8 = 1;

/// Bytes that are no facts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParcelError {
    /// A later version wrote it.
    #[error("facts of version {0}; this build reads {VERSION}")]
    Version(u8),
    /// Cut short or altered.
    #[error("damaged facts: {0}")]
    Damaged(String),
}

/// Reads the facts of a parcel.
pub fn facts(body: &[u8]) -> Result<Vec<Fact>, ParcelError> {
    match body.split_first() {
        Some((&VERSION, json)) => {
            serde_json::from_slice(json).map_err(|error| ParcelError::Damaged(error.to_string()))
        }
        Some((&other, _)) => Err(ParcelError::Version(other)),
        None => Err(ParcelError::Damaged("empty".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(count: u64) -> Trail {
        let mut trail = Trail::new(Epoch::new(1));
        grow(&mut trail, count);
        trail
    }

    fn grow(trail: &mut Trail, count: u64) {
        for seq in 0..count {
            trail.note(seq, What::Ended(Ended { seq }));
        }
    }

    fn numbers(trail: &Trail) -> Vec<u64> {
        let parcel = trail.parcel();
        let facts = parcel.map(|parcel| facts(&parcel.body).expect("as written"));
        let facts = facts.into_iter().flatten();
        facts.map(|fact| fact.number).collect()
    }

    #[test]
    fn what_is_kept_does_not_go_again_unless_it_was_lost() {
        let mut trail = trail(3);
        assert_eq!(numbers(&trail), [1, 2, 3]);
        assert_eq!(
            numbers(&trail),
            [1, 2, 3],
            "nobody has said that it is kept"
        );
        trail.kept(2);
        assert_eq!(numbers(&trail), [3]);
        trail.again();
        assert_eq!(numbers(&trail), [1, 2, 3]);
        trail.kept(3);
        grow(&mut trail, 1);
        trail.kept(4);
        trail.again();
        assert_eq!(numbers(&trail), [4], "3 had been kept when 4 was");
    }

    #[test]
    fn a_trail_goes_on_where_it_was_and_holds_little() {
        let mut first = trail(2);
        let mut next = Trail::at(first.place());
        assert_eq!(numbers(&next), [0; 0]);
        grow(&mut next, 1);
        assert_eq!(numbers(&next), [3]);
        assert_eq!(next.parcel().map(|parcel| parcel.first), Some(3));
        let one = next.bytes();
        first.kept(2);
        grow(&mut first, 1);
        assert_eq!((first.bytes(), first.facts.len()), (one, 3));
        first.kept(3);
        assert_eq!((first.bytes(), first.facts.len()), (0, 1));
    }

    #[test]
    fn what_is_no_parcel_of_this_version_is_refused() {
        assert_eq!(facts(&[9, b'{']).map(|_| ()), Err(ParcelError::Version(9)));
        for damaged in [&b""[..], &b"\x01["[..]] {
            let refused = facts(damaged);
            assert!(matches!(refused, Err(ParcelError::Damaged(_))));
        }
    }
}
