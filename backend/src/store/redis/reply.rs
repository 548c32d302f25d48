//! What the server says, as values.

use holdfast_session::id::{Incarnation, SessionId};
use holdfast_session::ownership::{Ancestors, Claim, Owner, Record};
use redis::{FromRedisValue, Value};

use crate::store::{Found, Kept, Place, Snapshot, State, StoreError, Waiting};

/// The fields of a record, in the order of [`found`].
pub(super) const FOUND: [&str; 13] = [
    "generation",
    "claim",
    "endpoint",
    "incarnation",
    "address",
    "leaving",
    "laid_down",
    "subject",
    "created_ms",
    "ended",
    "about",
    "length",
    "ancestors",
];

/// A row of fields; those that are not there are `None`.
pub(super) type Fields = Vec<Option<Vec<u8>>>;

/// What a script says first: done, or why not.
pub(super) fn done(reply: Vec<Value>) -> Result<(), StoreError> {
    told(reply).map(drop)
}

/// The same of a write that may have added to the outbox.
pub(super) fn kept(reply: Vec<Value>) -> Result<Kept, StoreError> {
    let numbers = told(reply)?.next().is_some();
    Ok(if numbers { Kept::Numbers } else { Kept::Whole })
}

/// What follows when a script says that it is done.
pub(super) fn told(reply: Vec<Value>) -> Result<impl Iterator<Item = Value>, StoreError> {
    let mut reply = reply.into_iter();
    let status: String = next(&mut reply)?;
    match status.as_str() {
        "ok" => Ok(reply),
        "missing" => Err(StoreError::Missing),
        "exists" => Err(StoreError::Exists),
        "fenced" => Err(StoreError::Fenced {
            generation: next(&mut reply)?,
        }),
        "length" => Err(StoreError::Length {
            actual: next(&mut reply)?,
        }),
        _ => Err(unreadable("a status")),
    }
}

/// The state of a session, as scripts read it; `None` when no snapshot is that old.
pub(super) fn state(reply: Vec<Value>) -> Result<Option<State>, StoreError> {
    if matches!(reply.as_slice(), [Value::BulkString(status)] if status == b"none") {
        return Ok(None);
    }
    let mut reply = told(reply)?;
    let mut head = next::<Fields>(&mut reply)?.into_iter();
    let (first, length): (u64, u64) = (parsed(&mut head)?, parsed(&mut head)?);
    let about = text(&mut head)?;
    let rewound = flag(&mut head)?;
    let mut fields = next::<Fields>(&mut reply)?.into_iter();
    let snapshot = Snapshot {
        length: parsed(&mut fields)?,
        seq: parsed(&mut fields)?,
        at_ms: parsed(&mut fields)?,
        last_act: flag(&mut fields)?,
        state: fields
            .next()
            .flatten()
            .ok_or_else(|| unreadable("a state"))?,
        about,
        post: None,
    };
    let records: Vec<Vec<u8>> = next(&mut reply)?;
    Ok(Some(State {
        snapshot,
        journal: (first..).zip(records).collect(),
        length,
        rewound,
    }))
}

/// One entry of an outbox.
pub(super) fn waiting(entry: Value) -> Result<Waiting, StoreError> {
    let mut fields = next::<Fields>(&mut std::iter::once(entry))?.into_iter();
    Ok(Waiting {
        place: Place(text(&mut fields)?),
        at_ms: parsed(&mut fields)?,
        trail: parsed(&mut fields)?,
        first: parsed(&mut fields)?,
        last: parsed(&mut fields)?,
        body: fields.next().flatten(),
    })
}

/// What is known about a session; `None`: nothing.
pub(super) fn found(id: SessionId, fields: Fields) -> Result<Option<Found>, StoreError> {
    let mut fields = fields.into_iter().peekable();
    if fields.peek().is_none_or(Option::is_none) {
        return Ok(None);
    }
    let claim = Claim {
        generation: parsed(&mut fields)?,
        id: parsed(&mut fields)?,
    };
    let owner = Owner {
        endpoint: parsed(&mut fields)?,
        incarnation: parsed::<Incarnation>(&mut fields)?,
        address: text(&mut fields)?,
    };
    let (leaving, laid_down) = (flag(&mut fields)?, flag(&mut fields)?);
    let subject = fields.next().flatten();
    let subject = subject
        .map(String::from_utf8)
        .transpose()
        .map_err(|_| unreadable("a subject"))?;
    let created_ms = parsed(&mut fields)?;
    let ended = fields.next().flatten().is_some();
    let (about, length) = (text(&mut fields)?, parsed(&mut fields)?);
    // a record that an earlier build wrote has none
    let ancestors = match fields.next().flatten() {
        Some(bytes) => parsed(&mut [Some(bytes)].into_iter())?,
        None => Ancestors::default(),
    };
    Ok(Some(Found {
        id,
        record: Record {
            claim,
            owner,
            leaving,
            laid_down,
            ancestors,
        },
        subject,
        created_ms,
        ended,
        about,
        length,
    }))
}

fn next<T: FromRedisValue>(reply: &mut impl Iterator<Item = Value>) -> Result<T, StoreError> {
    let value = reply.next().ok_or_else(|| unreadable("a reply"))?;
    T::from_redis_value(value).map_err(|error| StoreError::Failed(error.to_string()))
}

type Field = Option<Vec<u8>>;

fn text(fields: &mut impl Iterator<Item = Field>) -> Result<String, StoreError> {
    let bytes = fields.next().flatten();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| unreadable("a text"))
}

/// Anything that is written as text.
fn parsed<T: std::str::FromStr>(fields: &mut impl Iterator<Item = Field>) -> Result<T, StoreError> {
    text(fields)?
        .parse()
        .map_err(|_| unreadable("a number or a name"))
}

fn flag(fields: &mut impl Iterator<Item = Field>) -> Result<bool, StoreError> {
    Ok(text(fields)? == "1")
}

/// Somebody else writes under our keys, or a later version did.
pub(super) fn unreadable(what: &str) -> StoreError {
    StoreError::Failed(format!("{what} of the session cannot be read"))
}
