//! What a front asks, as it travels, and how the backend that runs the session answers.

use holdfast_session::id::{ClientId, SessionId};
use holdfast_session::message::Command;
use holdfast_session::view::SessionRequest;
use serde::{Deserialize, Serialize};

use crate::sessions::{
    Ask, CommandRequest, FillsQuery, ForkRequest, OrdersQuery, Refusal, Sessions, SessionsQuery,
};

/// One question, or one command. Each is the method of [`Sessions`] that it is named after, and is
/// answered with what that returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "they are parameters of methods documented there"
)]
pub enum Question {
    /// Whether the backend answers at all: with its name.
    Endpoint {},
    /// Makes a session there.
    Create {
        request: SessionRequest,
        key: Option<ClientId>,
    },
    /// Lists sessions, whoever runs them.
    Page { query: SessionsQuery },
    /// Makes a session from another one.
    Fork {
        id: SessionId,
        request: ForkRequest,
        key: Option<ClientId>,
    },
    /// Ends a session.
    End { id: SessionId },
    /// Gives a command.
    Command {
        id: SessionId,
        key: Option<ClientId>,
        command: Command,
    },
    /// Looks at something of a session.
    Look { id: SessionId, at: Look },
}

/// What can be looked at without changing it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "they are parameters of methods documented there"
)]
pub enum Look {
    /// The session itself.
    Session {},
    /// Everything at this moment.
    Snapshot {},
    /// Who is connected.
    Presence {},
    /// What the simulator is doing.
    Simulator {},
    /// A book.
    Book { symbol: String, levels: usize },
    /// Trades of a symbol.
    Trades { symbol: String },
    /// Candles of a symbol.
    Candles {
        symbol: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interval: Option<String>,
    },
    /// What was counted of a symbol.
    Statistics { symbol: String },
    /// Which state the exchange has come to.
    Fingerprint {},
    /// Money.
    Balance {},
    /// What the user holds.
    Positions {},
    /// The user's fills.
    Fills { query: FillsQuery },
    /// The user's orders.
    Orders { query: OrdersQuery },
    /// One of them.
    Order { order: String },
    /// The output log behind an entry.
    Log { after: Option<String> },
    /// The last number of a client that was answered.
    Answered { client: ClientId },
    /// What a client's commands were answered.
    Commands { client: ClientId },
}

impl Question {
    /// The session whose owner answers it; any backend answers the rest.
    pub(super) const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Endpoint {} | Self::Create { .. } | Self::Page { .. } => None,
            Self::Fork { id, .. }
            | Self::End { id }
            | Self::Command { id, .. }
            | Self::Look { id, .. } => Some(*id),
        }
    }

    /// Whether it may be asked again when nobody knows what became of it.
    pub(super) const fn is_repeatable(&self) -> bool {
        match self {
            Self::Create { key, .. } | Self::Fork { key, .. } | Self::Command { key, .. } => {
                key.is_some()
            }
            Self::End { .. } => false,
            Self::Endpoint {} | Self::Page { .. } | Self::Look { .. } => true,
        }
    }

    /// Its answer, as JSON.
    pub(crate) async fn answer(self, sessions: &Sessions, ask: &Ask) -> Result<String, Refusal> {
        match self {
            Self::Endpoint {} => text(&sessions.me().endpoint),
            Self::Create { request, key } => {
                text(&sessions.create_once(ask, request, key.as_ref()).await?)
            }
            Self::Page { query } => text(&sessions.page(ask, &query).await?),
            Self::Fork { id, request, key } => {
                text(&sessions.fork(id, ask, request, key.as_ref()).await?)
            }
            Self::End { id } => text(&sessions.end(id, ask).await?),
            Self::Command { id, key, command } => {
                let request = CommandRequest {
                    idempotency_key: key,
                    command,
                };
                text(&sessions.command(id, ask, request).await?)
            }
            Self::Look { id, at } => at.answer(sessions, id, ask).await,
        }
    }
}

impl Look {
    async fn answer(
        self,
        sessions: &Sessions,
        id: SessionId,
        ask: &Ask,
    ) -> Result<String, Refusal> {
        match self {
            Self::Session {} => text(&sessions.read(id, ask).await?),
            Self::Snapshot {} => text(&sessions.snapshot(id, ask).await?),
            Self::Presence {} => text(&sessions.presence(id, ask).await?),
            Self::Simulator {} => text(&sessions.simulator(id, ask).await?),
            Self::Book { symbol, levels } => text(&sessions.book(id, ask, &symbol, levels).await?),
            Self::Trades { symbol } => text(&sessions.trades(id, ask, &symbol).await?),
            Self::Candles { symbol, interval } => {
                let candles = sessions.candles(id, ask, &symbol, interval.as_deref());
                text(&candles.await?)
            }
            Self::Statistics { symbol } => text(&sessions.statistics(id, ask, &symbol).await?),
            Self::Fingerprint {} => text(&sessions.fingerprint(id, ask).await?),
            Self::Balance {} => text(&sessions.balance(id, ask).await?),
            Self::Positions {} => text(&sessions.positions(id, ask).await?),
            Self::Fills { query } => text(&sessions.fills(id, ask, query).await?),
            Self::Orders { query } => text(&sessions.orders(id, ask, query).await?),
            Self::Order { order } => text(&sessions.order(id, ask, &order).await?),
            Self::Log { after } => {
                // the front has read it, and wrote it again
                let after = after.and_then(|after| after.parse().ok());
                text(&sessions.log(id, ask, after).await?)
            }
            Self::Answered { client } => text(&sessions.answered(id, ask, &client).await?),
            Self::Commands { client } => text(&sessions.commands(id, ask, &client).await?),
        }
    }
}

fn text(view: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(view).map_err(|error| {
        tracing::error!(%error, "a view is no JSON");
        Refusal::Unknown("what came of it cannot be shown")
    })
}
