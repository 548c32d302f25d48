//! What can be asked of a session without changing it.

use holdfast_exchange::Span;
use holdfast_session::engine::Engine;
use holdfast_session::id::{ClientId, EntryId, SessionId};
use holdfast_session::log::Log;
use holdfast_session::message::Problem;
use holdfast_session::view;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Ask, FillsQuery, Mail, OrdersQuery, Present, Refusal, Sessions};

/// How many entries a page of the log has at most.
const LOG_PAGE: usize = 1_000;

/// How many orders or fills a page has, unless asked otherwise.
const PAGE: usize = 100;

impl Sessions {
    /// One session.
    pub async fn read(&self, id: SessionId, ask: &Ask) -> Result<view::Session, Refusal> {
        Ok(self.snapshot(id, ask).await?.session)
    }

    /// The book of a symbol, at most `levels` of each side; [`Refusal::Missing`] when there is no
    /// such symbol.
    pub async fn book(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
        levels: usize,
    ) -> Result<view::Book, Refusal> {
        let symbol = symbol.to_owned();
        let book = self
            .query(id, ask, move |engine, _| engine.book(&symbol, levels))
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

    /// The candles of a symbol that are remembered, oldest first, and the running one; joined into
    /// longer ones where an interval such as `5s` is given.
    pub async fn candles(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
        interval: Option<&str>,
    ) -> Result<Vec<view::Candle>, Refusal> {
        let wrong = |error: &dyn std::fmt::Display| {
            Refusal::Invalid(Problem::new("bad_request", format!("interval: {error}")))
        };
        let interval = interval.map(Span::parse).transpose();
        let interval = interval.map_err(|error| wrong(&error))?;
        let symbol = symbol.to_owned();
        let candles = self
            .query(id, ask, move |engine, _| engine.candles(&symbol, interval))
            .await?;
        let candles = candles.ok_or(Refusal::Missing("symbol"))?;
        shown(&candles.map_err(|error| wrong(&error))?)
    }

    /// What was counted of a symbol.
    pub async fn statistics(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
    ) -> Result<view::Statistics, Refusal> {
        let symbol = symbol.to_owned();
        let counted = self
            .query(id, ask, move |engine, _| engine.statistics(&symbol))
            .await?;
        counted.ok_or(Refusal::Missing("symbol"))
    }

    /// Tells whether two owners have come to the same exchange.
    pub async fn fingerprint(
        &self,
        id: SessionId,
        ask: &Ask,
    ) -> Result<view::Fingerprint, Refusal> {
        self.query(id, ask, Engine::fingerprint).await
    }

    /// The user's money.
    pub async fn balance(&self, id: SessionId, ask: &Ask) -> Result<view::Balance, Refusal> {
        self.query(id, ask, |engine, _| engine.balance()).await
    }

    /// The user's fills that are remembered, newest first.
    pub async fn fills(
        &self,
        id: SessionId,
        ask: &Ask,
        query: FillsQuery,
    ) -> Result<view::FillPage, Refusal> {
        // one trade can fill two orders of the same user
        let before = query.cursor.as_deref().map(fill_place).transpose()?;
        let fills = self.query(id, ask, |engine, _| engine.fills()).await?;
        let mut fills: Vec<view::Fill> = shown(&fills)?;
        fills.retain(|fill| {
            before.is_none_or(|before| (fill.trade_id, fill.order_id) < before)
                && query
                    .symbol
                    .as_ref()
                    .is_none_or(|name| *name == fill.symbol)
                && query.order_id.is_none_or(|order| order == fill.order_id)
        });
        fills.sort_unstable_by_key(|fill| std::cmp::Reverse((fill.trade_id, fill.order_id)));
        let limit = query.limit.unwrap_or(PAGE).clamp(1, 500);
        let more = fills.len() > limit;
        fills.truncate(limit);
        let next = fills.last().filter(|_| more);
        let next = next.map(|fill| format!("{}.{}", fill.trade_id, fill.order_id));
        Ok(view::FillPage { fills, next })
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
        let before = query.cursor.as_deref().map(str::parse::<u64>).transpose();
        let before = before.map_err(|_| bad_cursor())?;
        let orders = self
            .query(id, ask, move |engine, _| engine.orders(query.open_only))
            .await?;
        let mut orders: Vec<view::Order> = shown(&orders)?;
        orders.retain(|order| {
            before.is_none_or(|before| order.order_id < before)
                && query
                    .status
                    .as_ref()
                    .is_none_or(|status| *status == order.status)
                && query
                    .symbol
                    .as_ref()
                    .is_none_or(|name| *name == order.symbol)
                && query.side.is_none_or(|side| side == order.side)
        });
        let limit = query.limit.unwrap_or(PAGE).clamp(1, 500);
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

    /// Who is connected, oldest first.
    pub async fn presence(&self, id: SessionId, ask: &Ask) -> Result<Vec<Present>, Refusal> {
        self.inner
            .mail(id, ask, |reply| Mail::Present { reply })
            .await
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

    /// The highest command number of a client that was answered; 0 for one never heard of.
    pub async fn answered(
        &self,
        id: SessionId,
        ask: &Ask,
        client: &ClientId,
    ) -> Result<u64, Refusal> {
        let client = client.clone();
        let last = move |engine: &Engine, _: &Log| engine.clients().last(&client);
        self.query(id, ask, last).await
    }

    /// What a client's last commands were answered: 256 at most, and as many as a session keeps.
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

fn bad_cursor() -> Refusal {
    let message = "cursor: give next of the page before";
    Refusal::Invalid(Problem::new("bad_request", message))
}

/// Trade and order of the last fill of a page.
fn fill_place(cursor: &str) -> Result<(u64, u64), Refusal> {
    let parts = cursor.split_once('.').ok_or_else(bad_cursor)?;
    match (parts.0.parse(), parts.1.parse()) {
        (Ok(trade), Ok(order)) => Ok((trade, order)),
        _ => Err(bad_cursor()),
    }
}

/// One page of what is in the log now.
pub(super) fn page(log: &Log, after: Option<EntryId>) -> Result<view::LogPage, Refusal> {
    let seq = match after {
        Some(after) if after.epoch != *log.epoch() => {
            let message = format!("this log's epoch is {}", log.epoch());
            return Err(Refusal::Invalid(Problem::new("trimmed", message)));
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
