//! What the ledger has of a user: over all of their sessions, those that ended long ago, too.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use holdfast_proto::error::Code;
use holdfast_session::id::SessionId;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Parameters, ask};
use super::problem::OfLedger;
use crate::app::Backend;
use crate::failure::{Failure, Hint};
use crate::ledger::read::{self, Key, Listing, Question};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Of this session alone. Needed by who has not signed in.
    session: Option<String>,
    /// At most so many: 1 to 500, 100 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LedgerPage<T> {
    /// Newest first.
    rows: Vec<T>,
    /// What to give as `cursor` for the next page; null at the end.
    next: Option<String>,
}

/// A session, as it is remembered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct PastSession {
    /// Its id.
    id: String,
    /// When it was created, in milliseconds since 1970; null: that is missing.
    created_ms: Option<i64>,
    /// When it was ended; null: it was not.
    ended_ms: Option<i64>,
    /// The market it simulates.
    scenario: Option<String>,
    /// The seed of that market.
    seed: Option<i64>,
    /// Its last owner.
    endpoint: Option<String>,
    /// How often its ownership has changed, plus one.
    generation: Option<i64>,
}

/// An order, as its last report left it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct PastOrder {
    /// Of which session.
    session: String,
    /// Of which trail of it: the same order id means another order in another trail.
    trail: String,
    /// Its id.
    order_id: i64,
    /// When that was, in milliseconds since 1970.
    at_ms: i64,
    /// Of which symbol.
    symbol: String,
    /// `buy` or `sell`.
    side: String,
    /// How it is priced.
    #[serde(rename = "type")]
    kind: String,
    /// Where it stands.
    status: String,
    /// What happened last.
    execution: String,
    /// Why it was rejected.
    code: Option<String>,
    /// What it is for in all.
    quantity: String,
    /// What has traded.
    filled: String,
    /// What still can.
    remaining: String,
    /// Its limit.
    price: Option<String>,
    /// What wakes it.
    stop_price: Option<String>,
    /// What it traded at on average.
    average_price: Option<String>,
    /// How long it rests.
    time_in_force: String,
}

/// A fill.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct PastFill {
    /// Of which session.
    session: String,
    /// Of which trail of it.
    trail: String,
    /// Its number there.
    number: i64,
    /// When, in milliseconds since 1970.
    at_ms: i64,
    /// In which trade.
    trade_id: i64,
    /// Which of the user's orders.
    order_id: i64,
    /// Of which symbol.
    symbol: String,
    /// The side of the user's order.
    side: String,
    /// At which price.
    price: String,
    /// How much.
    quantity: String,
    /// What it cost; below zero: brought.
    fee: String,
    /// `maker` or `taker`.
    liquidity: String,
}

/// A command, or something else that happened to a session.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct PastAct {
    /// Of which session.
    session: String,
    /// Of which trail of it.
    trail: String,
    /// Its number there.
    number: i64,
    /// When, in milliseconds since 1970.
    at_ms: i64,
    /// The command, such as `order.new`; or `began`, `owner`, `ended`, `gap`.
    kind: String,
    /// Under which generation.
    generation: Option<i64>,
    /// The client that sent it.
    client: Option<String>,
    /// Its number of that client.
    n: Option<i64>,
    /// Whether it was done.
    ok: Option<bool>,
    /// Why not.
    code: Option<String>,
    /// The order it was about.
    order_id: Option<i64>,
    /// As it was sent.
    data: serde_json::Value,
}

/// A row of a listing.
trait Row: DeserializeOwned {
    const LISTING: &'static Listing;

    fn key(&self) -> (i64, &str, &str, i64);
}

macro_rules! rows {
    ($($row:ty, $listing:ident, |$it:ident| $key:expr;)+) => {
        $(impl Row for $row {
            const LISTING: &'static Listing = &read::$listing;

            fn key(&self) -> (i64, &str, &str, i64) {
                let $it = self;
                $key
            }
        })+
    };
}

rows! {
    PastSession, SESSIONS, |it| (it.created_ms.unwrap_or(0), &it.id, "", 0);
    PastOrder, ORDERS, |it| (it.at_ms, &it.session, &it.trail, it.order_id);
    PastFill, FILLS, |it| (it.at_ms, &it.session, &it.trail, it.number);
    PastAct, AUDIT, |it| (it.at_ms, &it.session, &it.trail, it.number);
}

/// Lists the caller's sessions, those that have ended, too.
#[utoipa::path(
    get, path = "/api/v1/ledger/sessions", tag = "ledger", operation_id = "list_past_sessions",
    params(Query),
    responses((status = 200, description = "A page", body = LedgerPage<PastSession>), OfLedger)
)]
pub(super) async fn sessions(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
    Parameters(query): Parameters<Query>,
) -> Result<Json<LedgerPage<PastSession>>, Failure> {
    page(&backend, &headers, query).await
}

/// Lists the caller's orders over all sessions, those that changed last first.
#[utoipa::path(
    get, path = "/api/v1/ledger/orders", tag = "ledger", operation_id = "list_past_orders",
    params(Query),
    responses((status = 200, description = "A page", body = LedgerPage<PastOrder>), OfLedger)
)]
pub(super) async fn orders(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
    Parameters(query): Parameters<Query>,
) -> Result<Json<LedgerPage<PastOrder>>, Failure> {
    page(&backend, &headers, query).await
}

/// Lists the caller's fills over all sessions.
#[utoipa::path(
    get, path = "/api/v1/ledger/fills", tag = "ledger", operation_id = "list_past_fills",
    params(Query),
    responses((status = 200, description = "A page", body = LedgerPage<PastFill>), OfLedger)
)]
pub(super) async fn fills(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
    Parameters(query): Parameters<Query>,
) -> Result<Json<LedgerPage<PastFill>>, Failure> {
    page(&backend, &headers, query).await
}

/// Lists what was asked of the caller's sessions, and what else happened to them.
#[utoipa::path(
    get, path = "/api/v1/ledger/audit", tag = "ledger", operation_id = "list_past_acts",
    params(Query),
    responses((status = 200, description = "A page", body = LedgerPage<PastAct>), OfLedger)
)]
pub(super) async fn audit(
    State(backend): State<Arc<Backend>>,
    headers: HeaderMap,
    Parameters(query): Parameters<Query>,
) -> Result<Json<LedgerPage<PastAct>>, Failure> {
    page(&backend, &headers, query).await
}

async fn page<T: Row>(
    backend: &Backend,
    headers: &HeaderMap,
    query: Query,
) -> Result<Json<LedgerPage<T>>, Failure> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=500).contains(&limit) {
        return Err(Failure::bad_request("limit is out of range; 1 to 500"));
    }
    let subject = ask(headers)?.subject;
    let session = query.session.as_deref().map(session).transpose()?;
    if subject.is_none() && session.is_none() {
        let detail = "who has not signed in says which session: ?session=";
        return Err(Failure::bad_request(detail));
    }
    let after = query.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let question = Question {
        listing: T::LISTING,
        subject,
        session,
        after: after.map(cursor).transpose()?,
        limit: limit + 1,
    };
    let Some(ledger) = &backend.ledger else {
        return Err(Failure::new(Code::NotFound, "no ledger is kept here"));
    };
    let rows = ledger.read(&question).await.map_err(|error| {
        tracing::warn!(%error, "the ledger cannot be read");
        let again = Hint::RetryAfter(std::time::Duration::from_secs(5));
        Failure::new(Code::Unavailable, "the ledger does not answer").with(again)
    })?;
    let read = rows.iter().map(|row| serde_json::from_str(row));
    let mut rows: Vec<T> = read.collect::<Result<_, _>>().map_err(Failure::internal)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| {
        let (at_ms, session, trail, number) = row.key();
        format!("{at_ms}.{session}.{trail}.{number}")
    });
    Ok(Json(LedgerPage { rows, next }))
}

fn session(text: &str) -> Result<SessionId, Failure> {
    let wrong = |error| Failure::bad_request(format!("session {text:?}: {error}"));
    text.parse().map_err(wrong)
}

fn cursor(text: &str) -> Result<Key, Failure> {
    let parsed = || {
        let mut parts = text.split('.');
        let key = Key {
            at_ms: parts.next()?.parse().ok()?,
            session: parts.next()?.parse::<SessionId>().ok()?.to_string(),
            trail: parts.next().map(str::to_owned)?,
            number: parts.next()?.parse().ok()?,
        };
        let is_plain = key.trail.chars().all(|c| c.is_ascii_alphanumeric());
        (is_plain && parts.next().is_none()).then_some(key)
    };
    parsed().ok_or_else(|| {
        Failure::bad_request(format!("cursor {text:?} is no `next` of a page before"))
    })
}
