//! Where the exchanges are that `http/*` and `service/*` translate: in this process, or in other
//! backends behind an address. The one place that tells the two apart; in this process a question
//! is a call of [`Sessions`] and nothing besides.

use std::future::Future;

use holdfast_session::id::{ClientId, EntryId, SessionId};
use holdfast_session::message::{Answer, Problem};
use holdfast_session::ownership::Claim;
use holdfast_session::view;

use crate::front::{self, Front, Look, Question};
use crate::handoff::{ReleaseAsk, Released};
use crate::sessions::{
    self, Ask, CommandRequest, Counts, Dial, FillsQuery, ForkRequest, LegEnded, Me, OrdersQuery,
    Outgoing, Present, Refusal, Sessions, SessionsQuery, Tally,
};

/// A cheap handle on the exchanges that this process serves.
#[derive(Clone)]
pub enum Exchanges {
    /// In this process.
    Here(Sessions),
    /// In others.
    Elsewhere(Front),
}

/// A leg that was taken; as [`sessions::Attachment`].
pub struct Attachment {
    /// The place in the log where this leg starts.
    pub position: String,
    /// Under which claim it is served.
    pub claim: Claim,
    /// Data messages of the connection that are durably accepted.
    pub accepted: u64,
    /// What to send.
    pub output: Output,
    /// Where to put what the client says.
    pub input: Input,
}

/// What is to be sent on a leg.
pub enum Output {
    /// By a session of this process.
    Own(sessions::Output),
    /// By one elsewhere.
    Carried(front::Output),
}

/// Where a leg puts what its client says.
#[derive(Clone)]
pub enum Input {
    /// A session of this process.
    Own(sessions::Input),
    /// One elsewhere.
    Carried(front::Input),
}

impl Output {
    /// The next thing to send. Cancel-safe. After [`Outgoing::Ended`] it stays pending for ever.
    pub async fn next(&mut self) -> Outgoing {
        match self {
            Self::Own(output) => output.next().await,
            Self::Carried(output) => output.next().await,
        }
    }
}

impl Input {
    /// One data message; where it is refused, a numbered command is answered so and not done.
    pub async fn send_or_refuse(
        &self,
        text: String,
        refused: Option<Problem>,
    ) -> Result<(), LegEnded> {
        match self {
            Self::Own(input) => input.send_or_refuse(text, refused).await,
            Self::Carried(input) => input.send(text, refused).await,
        }
    }
}

impl From<sessions::Attachment> for Attachment {
    fn from(own: sessions::Attachment) -> Self {
        Self {
            position: own.position,
            claim: own.claim,
            accepted: own.accepted,
            output: Output::Own(own.output),
            input: Input::Own(own.input),
        }
    }
}

/// The process and its leaving.
impl Exchanges {
    /// The sessions of this process; none at a front.
    pub fn here(&self) -> Option<&Sessions> {
        match self {
            Self::Here(sessions) => Some(sessions),
            Self::Elsewhere(_) => None,
        }
    }

    /// This process, as others name it.
    pub fn me(&self) -> &Me {
        match self {
            Self::Here(sessions) => sessions.me(),
            Self::Elsewhere(front) => front.me(),
        }
    }

    /// What is counted, since the start of the process.
    pub fn tally(&self) -> &Tally {
        match self {
            Self::Here(sessions) => sessions.tally(),
            Self::Elsewhere(front) => front.tally(),
        }
    }

    /// How many of everything; at a front, sessions are those with a connection through it.
    pub fn counts(&self) -> Counts {
        match self {
            Self::Here(sessions) => sessions.counts(),
            Self::Elsewhere(front) => front.counts(),
        }
    }

    /// From now on this endpoint says that it leaves, or no longer.
    pub fn set_draining(&self, draining: bool) {
        match self {
            Self::Here(sessions) => sessions.set_draining(draining),
            Self::Elsewhere(front) => front.set_draining(draining),
        }
    }

    /// Whether it leaves.
    pub fn is_draining(&self) -> bool {
        match self {
            Self::Here(sessions) => sessions.is_draining(),
            Self::Elsewhere(front) => front.is_draining(),
        }
    }

    /// Returns when no session runs here, at a front when no connection is left.
    pub async fn emptied(&self) {
        match self {
            Self::Here(sessions) => sessions.emptied().await,
            Self::Elsewhere(front) => front.emptied().await,
        }
    }

    /// Lets every session and every connection go.
    pub async fn shut_down(&self) {
        match self {
            Self::Here(sessions) => sessions.shut_down().await,
            Self::Elsewhere(front) => front.shut_down(),
        }
    }

    /// Another endpoint asks for a session.
    pub async fn release(&self, ask: &ReleaseAsk) -> Released {
        match self {
            Self::Here(sessions) => sessions.release(ask).await,
            Self::Elsewhere(_) => Released::NotOwner { generation: 0 },
        }
    }

    /// Where the store stands; `None` is well, and where there is none.
    pub fn store_trouble(&self) -> Option<String> {
        self.here().and_then(Sessions::store_trouble)
    }

    /// Why exchanges elsewhere do not answer; `None` is well.
    pub fn exchange_trouble(&self) -> Option<String> {
        match self {
            Self::Here(_) => None,
            Self::Elsewhere(front) => front.trouble(),
        }
    }

    /// Looks at what this process leans on, until `stop`.
    pub async fn watch(&self, stop: impl Future<Output = ()>) {
        match self {
            Self::Here(sessions) => sessions.watch_store(stop).await,
            Self::Elsewhere(front) => front.watch(stop).await,
        }
    }
}

/// Sessions come, go, and are told what to do.
impl Exchanges {
    /// Creates a session, once for all who give the key.
    pub async fn create_once(
        &self,
        ask: &Ask,
        request: view::SessionRequest,
        key: Option<&ClientId>,
    ) -> Result<view::Session, Refusal> {
        match self {
            Self::Here(sessions) => sessions.create_once(ask, request, key).await,
            Self::Elsewhere(front) => {
                let key = key.cloned();
                front.ask(ask, Question::Create { request, key }).await
            }
        }
    }

    /// Creates a session from a point of another one.
    pub async fn fork(
        &self,
        id: SessionId,
        ask: &Ask,
        request: ForkRequest,
        key: Option<&ClientId>,
    ) -> Result<view::Session, Refusal> {
        match self {
            Self::Here(sessions) => sessions.fork(id, ask, request, key).await,
            Self::Elsewhere(front) => {
                let key = key.cloned();
                front.ask(ask, Question::Fork { id, request, key }).await
            }
        }
    }

    /// The subject's sessions that match, by pages.
    pub async fn page(
        &self,
        ask: &Ask,
        query: &SessionsQuery,
    ) -> Result<view::SessionPage, Refusal> {
        match self {
            Self::Here(sessions) => sessions.page(ask, query).await,
            Self::Elsewhere(front) => {
                let query = query.clone();
                front.ask(ask, Question::Page { query }).await
            }
        }
    }

    /// Ends a session for good.
    pub async fn end(&self, id: SessionId, ask: &Ask) -> Result<(), Refusal> {
        match self {
            Self::Here(sessions) => sessions.end(id, ask).await,
            Self::Elsewhere(front) => front.ask(ask, Question::End { id }).await,
        }
    }

    /// Attaches a connection.
    pub async fn open(&self, id: SessionId, ask: &Ask, dial: Dial) -> Result<Attachment, Refusal> {
        match self {
            Self::Here(sessions) => sessions.open(id, ask, dial).await.map(Into::into),
            Self::Elsewhere(front) => front.open(id, ask, dial).await,
        }
    }

    /// Executes one command that came without a connection.
    pub async fn command(
        &self,
        id: SessionId,
        ask: &Ask,
        request: CommandRequest,
    ) -> Result<Answer, Refusal> {
        match self {
            Self::Here(sessions) => sessions.command(id, ask, request).await,
            Self::Elsewhere(front) => {
                let question = Question::Command {
                    id,
                    key: request.idempotency_key,
                    command: request.command,
                };
                front.ask(ask, question).await
            }
        }
    }
}

/// What can be asked of a session without changing it; as the methods of [`Sessions`].
#[allow(
    missing_docs,
    reason = "as the methods of `Sessions` of the same names"
)]
impl Exchanges {
    pub async fn read(&self, id: SessionId, ask: &Ask) -> Result<view::Session, Refusal> {
        match self {
            Self::Here(sessions) => sessions.read(id, ask).await,
            Self::Elsewhere(front) => front.look(id, ask, Look::Session {}).await,
        }
    }

    pub async fn snapshot(&self, id: SessionId, ask: &Ask) -> Result<view::Snapshot, Refusal> {
        match self {
            Self::Here(sessions) => sessions.snapshot(id, ask).await,
            Self::Elsewhere(front) => front.look(id, ask, Look::Snapshot {}).await,
        }
    }

    pub async fn presence(&self, id: SessionId, ask: &Ask) -> Result<Vec<Present>, Refusal> {
        match self {
            Self::Here(sessions) => sessions.presence(id, ask).await,
            Self::Elsewhere(front) => front.look(id, ask, Look::Presence {}).await,
        }
    }

    pub async fn simulator(&self, id: SessionId, ask: &Ask) -> Result<view::Simulator, Refusal> {
        match self {
            Self::Here(sessions) => sessions.simulator(id, ask).await,
            Self::Elsewhere(front) => front.look(id, ask, Look::Simulator {}).await,
        }
    }

    pub async fn book(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
        levels: usize,
    ) -> Result<view::Book, Refusal> {
        match self {
            Self::Here(sessions) => sessions.book(id, ask, symbol, levels).await,
            Self::Elsewhere(front) => {
                let symbol = symbol.to_owned();
                front.look(id, ask, Look::Book { symbol, levels }).await
            }
        }
    }

    pub async fn trades(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
    ) -> Result<Vec<view::Trade>, Refusal> {
        match self {
            Self::Here(sessions) => sessions.trades(id, ask, symbol).await,
            Self::Elsewhere(front) => {
                let symbol = symbol.to_owned();
                front.look(id, ask, Look::Trades { symbol }).await
            }
        }
    }

    pub async fn candles(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
        interval: Option<&str>,
    ) -> Result<Vec<view::Candle>, Refusal> {
        match self {
            Self::Here(sessions) => sessions.candles(id, ask, symbol, interval).await,
            Self::Elsewhere(front) => {
                let (symbol, interval) = (symbol.to_owned(), interval.map(str::to_owned));
                let candles = Look::Candles { symbol, interval };
                front.look(id, ask, candles).await
            }
        }
    }

    pub async fn statistics(
        &self,
        id: SessionId,
        ask: &Ask,
        symbol: &str,
    ) -> Result<view::Statistics, Refusal> {
        match self {
            Self::Here(sessions) => sessions.statistics(id, ask, symbol).await,
            Self::Elsewhere(front) => {
                let symbol = symbol.to_owned();
                front.look(id, ask, Look::Statistics { symbol }).await
            }
        }
    }

    pub async fn fingerprint(
        &self,
        id: SessionId,
        ask: &Ask,
    ) -> Result<view::Fingerprint, Refusal> {
        match self {
            Self::Here(sessions) => sessions.fingerprint(id, ask).await,
            Self::Elsewhere(front) => front.look(id, ask, Look::Fingerprint {}).await,
        }
    }

    pub async fn balance(&self, id: SessionId, ask: &Ask) -> Result<view::Balance, Refusal> {
        match self {
            Self::Here(sessions) => sessions.balance(id, ask).await,
            Self::Elsewhere(front) => front.look(id, ask, Look::Balance {}).await,
        }
    }

    pub async fn positions(
        &self,
        id: SessionId,
        ask: &Ask,
    ) -> Result<Vec<view::Position>, Refusal> {
        match self {
            Self::Here(sessions) => sessions.positions(id, ask).await,
            Self::Elsewhere(front) => front.look(id, ask, Look::Positions {}).await,
        }
    }

    pub async fn fills(
        &self,
        id: SessionId,
        ask: &Ask,
        query: FillsQuery,
    ) -> Result<view::FillPage, Refusal> {
        match self {
            Self::Here(sessions) => sessions.fills(id, ask, query).await,
            Self::Elsewhere(front) => front.look(id, ask, Look::Fills { query }).await,
        }
    }

    pub async fn orders(
        &self,
        id: SessionId,
        ask: &Ask,
        query: OrdersQuery,
    ) -> Result<view::OrderPage, Refusal> {
        match self {
            Self::Here(sessions) => sessions.orders(id, ask, query).await,
            Self::Elsewhere(front) => front.look(id, ask, Look::Orders { query }).await,
        }
    }

    pub async fn order(
        &self,
        id: SessionId,
        ask: &Ask,
        order: &str,
    ) -> Result<view::Order, Refusal> {
        match self {
            Self::Here(sessions) => sessions.order(id, ask, order).await,
            Self::Elsewhere(front) => {
                let order = order.to_owned();
                front.look(id, ask, Look::Order { order }).await
            }
        }
    }

    pub async fn log(
        &self,
        id: SessionId,
        ask: &Ask,
        after: Option<EntryId>,
    ) -> Result<view::LogPage, Refusal> {
        match self {
            Self::Here(sessions) => sessions.log(id, ask, after).await,
            Self::Elsewhere(front) => {
                let after = after.map(|after| after.to_string());
                front.look(id, ask, Look::Log { after }).await
            }
        }
    }

    pub async fn answered(
        &self,
        id: SessionId,
        ask: &Ask,
        client: &ClientId,
    ) -> Result<u64, Refusal> {
        match self {
            Self::Here(sessions) => sessions.answered(id, ask, client).await,
            Self::Elsewhere(front) => {
                let client = client.clone();
                front.look(id, ask, Look::Answered { client }).await
            }
        }
    }

    pub async fn commands(
        &self,
        id: SessionId,
        ask: &Ask,
        client: &ClientId,
    ) -> Result<view::CommandPage, Refusal> {
        match self {
            Self::Here(sessions) => sessions.commands(id, ask, client).await,
            Self::Elsewhere(front) => {
                let client = client.clone();
                front.look(id, ask, Look::Commands { client }).await
            }
        }
    }
}
