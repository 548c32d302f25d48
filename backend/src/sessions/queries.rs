//! What can be asked of a session without changing it.

use holdfast_session::engine::Engine;
use holdfast_session::id::{ClientId, EntryId, SessionId};
use holdfast_session::log::Log;
use holdfast_session::message::Problem;
use holdfast_session::view;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Ask, Mail, OrdersQuery, Refusal, Sessions};

/// How many entries a page of the log has at most.
const LOG_PAGE: usize = 1_000;

/// How many orders a page has, unless asked otherwise.
const ORDERS_PAGE: usize = 100;

impl Sessions {
    /// One session.
    pub async fn read(&self, id: SessionId, ask: &Ask) -> Result<view::Session, Refusal> {
        Ok(self.snapshot(id, ask).await?.session)
    }

    /// The whole book of a symbol; [`Refusal::Missing`] when there is no such symbol.
    pub async fn book(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
    ) -> Result<view::Book, Refusal> {
        let symbol = symbol.to_owned();
        let book = self
            .query(id, ask, move |engine, _| engine.book(&symbol))
            .await?;
        shown(&book.ok_or(Refusal::Missing("symbol"))?)
    }

    /// The latest trades of a symbol, oldest first.
    pub async fn trades(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
    ) -> Result<Vec<view::Trade>, Refusal> {
        let symbol = symbol.to_owned();
        let trades = self
            .query(id, ask, move |engine, _| engine.trades(&symbol))
            .await?;
        shown(&trades.ok_or(Refusal::Missing("symbol"))?)
    }

    /// What the user holds.
    pub async fn positions(
        &self,
        id: SessionId,
        ask: &Ask,
    ) -> Result<Vec<view::Position>, Refusal> {
        shown(&self.query(id, ask, |engine, _| engine.positions()).await?)
    }

    /// The user's orders, newest first.
    pub async fn orders(
        &self,
        id: SessionId,
        ask: &Ask,
        query: OrdersQuery,
    ) -> Result<view::OrderPage, Refusal> {
        let before = query
            .cursor
            .as_deref()
            .map(str::parse::<u64>)
            .transpose()
            .map_err(|_| {
                Refusal::Invalid(Problem::new(
                    "invalid_cursor",
                    "give next of the page before",
                ))
            })?;
        let orders = self
            .query(id, ask, move |engine, _| engine.orders(query.open_only))
            .await?;
        let mut orders: Vec<view::Order> = shown(&orders)?;
        orders.retain(|order| before.is_none_or(|before| order.order_id < before));
        let limit = query.limit.unwrap_or(ORDERS_PAGE).clamp(1, 500);
        let more = orders.len() > limit;
        orders.truncate(limit);
        let next = orders
            .last()
            .filter(|_| more)
            .map(|order| order.order_id.to_string());
        Ok(view::OrderPage { orders, next })
    }

    /// One of the user's orders.
    pub async fn order(
        &self,
        id: SessionId,
        ask: &Ask,
        order: &str,
    ) -> Result<view::Order, Refusal> {
        let number: u64 = order.parse().map_err(|_| Refusal::Missing("order"))?;
        let order = self
            .query(id, ask, move |engine, _| engine.order(number))
            .await?;
        shown(&order.ok_or(Refusal::Missing("order"))?)
    }

    /// What the simulator is doing.
    pub async fn simulator(&self, id: SessionId, ask: &Ask) -> Result<view::Simulator, Refusal> {
        shown(&self.query(id, ask, |engine, _| engine.simulator()).await?)
    }

    /// Everything at this moment.
    pub async fn snapshot(&self, id: SessionId, ask: &Ask) -> Result<view::Snapshot, Refusal> {
        let asked = |reply| Mail::Snapshot {
            client: None,
            reply,
        };
        let (_, body) = self.inner.mail(id, ask, asked).await?;
        serde_json::from_str(&body).map_err(|error| unshown(&error))
    }

    /// What was emitted after `after` (from the oldest kept when `None`), at
    /// most 1,000 entries. Entries from before the session came here are made
    /// again as for a connection that comes back. An `after` that is too old
    /// for that is [`Refusal::Invalid`] with the code `trimmed`: never a silent gap.
    pub async fn log(
        &self,
        id: SessionId,
        ask: &Ask,
        after: Option<EntryId>,
    ) -> Result<view::LogPage, Refusal> {
        let asked = |reply| Mail::Log { after, reply };
        self.inner.mail(id, ask, asked).await?
    }

    /// What a client's last 256 commands were answered.
    pub async fn commands(
        &self,
        id: SessionId,
        ask: &Ask,
        client: &ClientId,
    ) -> Result<view::CommandPage, Refusal> {
        let client = client.clone();
        let answers =
            move |engine: &Engine, _: &Log| engine.clients().answers(&client).cloned().collect();
        let commands = self.query(id, ask, answers).await?;
        Ok(view::CommandPage {
            commands,
            next: None,
        })
    }

    async fn query<T: Send + 'static>(
        &self,
        id: SessionId,
        ask: &Ask,
        question: impl FnOnce(&Engine, &Log) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let asked = |reply: tokio::sync::oneshot::Sender<T>| {
            Mail::Query(Box::new(move |engine, log| {
                // the asker may have gone meanwhile
                drop(reply.send(question(engine, log)));
            }))
        };
        self.inner.mail(id, ask, asked).await
    }
}

/// One page of what is in the log now.
pub(super) fn page(log: &Log, after: Option<EntryId>) -> Result<view::LogPage, Refusal> {
    let seq = match after {
        Some(after) if after.epoch != *log.epoch() => {
            let message = format!("this log's epoch is {}", log.epoch());
            return Err(Refusal::Invalid(Problem::new("epoch", message)));
        }
        Some(after) => after.seq,
        None => log.bottom(),
    };
    let Some(entries) = log.after(seq) else {
        let message = format!("entries {} to {} are kept", log.bottom() + 1, log.top());
        return Err(Refusal::Invalid(Problem::new("trimmed", message)));
    };
    let more = entries.len() > LOG_PAGE;
    let entries: Vec<view::LogEntry> = entries
        .take(LOG_PAGE)
        .map(|entry| view::LogEntry {
            id: log.id(entry.seq).to_string(),
            kind: entry.kind.name().into(),
            data: serde_json::from_str(&entry.body).unwrap_or_default(),
            client: entry.client.as_ref().map(ToString::to_string),
        })
        .collect();
    let next = entries
        .last()
        .filter(|_| more)
        .map(|entry| entry.id.clone());
    Ok(view::LogPage { entries, next })
}

/// The exchange's own view in the shape that is documented. The two agree
/// field by field; a test holds them together.
fn shown<T: DeserializeOwned>(own: &impl Serialize) -> Result<T, Refusal> {
    let value = serde_json::to_value(own).map_err(|error| unshown(&error))?;
    serde_json::from_value(value).map_err(|error| unshown(&error))
}

fn unshown(error: &serde_json::Error) -> Refusal {
    tracing::error!(%error, "a view does not fit its documented shape");
    Refusal::unavailable("the session cannot be shown")
}
