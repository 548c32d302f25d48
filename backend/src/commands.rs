//! What every command passes on its way to its session, whichever way it came in: is it switched
//! on here, and may its user do so much?

use std::future::Future;
use std::time::Duration;

use holdfast_proto::error::Code;
use holdfast_session::id::{ClientId, SessionId};
use holdfast_session::message::{AnswerData, Command};
use holdfast_session::view::Order;

use crate::app::Backend;
use crate::clock;
use crate::failure::{Failure, Hint};
use crate::quota::Stream;
use crate::sessions::{Ask, CommandRequest, Quota, Refusal};

impl Backend {
    /// Executes a command that came without a connection.
    pub(crate) async fn execute(
        &self,
        id: SessionId,
        ask: &Ask,
        idempotency_key: Option<ClientId>,
        command: Command,
    ) -> Result<AnswerData, Failure> {
        self.may(id, ask.subject.as_deref(), &command)?;
        let request = CommandRequest {
            idempotency_key,
            command,
        };
        let answer = self.sessions.command(id, ask, request).await?;
        match answer.error {
            Some(problem) => Err(Failure::of_answer(problem)),
            None => Ok(answer.data.unwrap_or_default()),
        }
    }

    /// Executes a command and then asks what it led to.
    pub(crate) async fn execute_then<T>(
        &self,
        id: SessionId,
        ask: &Ask,
        idempotency_key: Option<ClientId>,
        command: Command,
        look: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Failure> {
        let keyed = idempotency_key.is_some();
        self.execute(id, ask, idempotency_key, command).await?;
        look.await.map_err(|refusal| after(keyed, refusal))
    }

    /// Executes a command about one order and then asks for that order.
    pub(crate) async fn order_command(
        &self,
        id: SessionId,
        ask: &Ask,
        idempotency_key: Option<ClientId>,
        command: Command,
    ) -> Result<Order, Failure> {
        let keyed = idempotency_key.is_some();
        let done = self.execute(id, ask, idempotency_key, command).await?;
        let order = done
            .order_id
            .ok_or_else(|| Failure::internal("an order's answer names no order"))?;
        let order = self.sessions.order(id, ask, &order.to_string()).await;
        order.map_err(|refusal| after(keyed, refusal))
    }

    /// Whether a user may give this command now.
    pub(crate) fn may(
        &self,
        id: SessionId,
        subject: Option<&str>,
        command: &Command,
    ) -> Result<(), Failure> {
        self.is_on(command)?;
        let count = command.orders();
        if count == 0 {
            return Ok(());
        }
        // anonymous users are not told apart, their sessions are
        let session = || format!("session {id}");
        let who = subject.map_or_else(session, |subject| format!("user {subject}"));
        let taken = self.rates.take(&who, count, clock::now());
        taken.map_err(|wait| {
            self.sessions.tally().refused(Quota::Orders);
            slower(self.config.limits.orders_per_second, wait)
        })
    }

    /// Whether a feature is on, by its name in the configuration.
    pub(crate) fn feature(&self, name: &str, on: bool) -> Result<(), Failure> {
        if on {
            return Ok(());
        }
        let detail = format!("{name} is switched off here; see features in the configuration");
        Err(Failure::new(Code::FeatureOff, detail))
    }

    /// Counts a stream of a user, if it may have another.
    pub(crate) fn open_stream(&self, subject: Option<&str>) -> Result<Stream, Failure> {
        self.streams.open(subject).inspect_err(|failure| {
            if failure.class == Code::QuotaExceeded {
                self.sessions.tally().refused(Quota::Streams);
            }
        })
    }

    fn is_on(&self, command: &Command) -> Result<(), Failure> {
        let features = &self.config.features;
        match command {
            Command::OrderBatch(_) => self.feature("batch", features.batch),
            Command::SessionRestart(_) => self.feature("restart", features.restart),
            Command::SimulatorShock(_) => self.feature("shocks", features.shocks),
            Command::SimulatorSpeed(_) | Command::SimulatorStep(_) | Command::SimulatorJump(_) => {
                self.feature("clock", features.clock)
            }
            _ => Ok(()),
        }
    }
}

/// A command was executed, and then its session would not say what it led to. "Not processed"
/// makes proxies and clients repeat it, which only a key makes harmless.
fn after(keyed: bool, refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Owner { .. } | Refusal::Unavailable { .. } if !keyed => Failure {
            retryable: false,
            ..Failure::new(Code::Timeout, EXECUTED)
        },
        refusal => refusal.into(),
    }
}

fn slower(most: u32, wait: Duration) -> Failure {
    let ms = wait.as_millis();
    let detail = format!("more than {most} operations on orders a second; wait {ms} ms");
    Failure::new(Code::QuotaExceeded, detail).with(Hint::RetryAfter(wait))
}

const EXECUTED: &str = "the command was executed, but the session is changing hands and what it \
                        led to could not be read; do not repeat it, read the session instead";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals() -> [Refusal; 2] {
        let owner = Refusal::Owner {
            endpoint: "b".parse().expect("a name"),
            address: "b:1".into(),
        };
        [owner, Refusal::unavailable("the session is changing hands")]
    }

    #[test]
    fn what_was_executed_is_never_called_not_processed_unless_it_has_a_key() {
        for refusal in refusals() {
            let failure = after(false, refusal.clone());
            assert_eq!(failure.class, Code::Timeout, "{refusal:?}");
            assert!(!failure.retryable && failure.hint == Hint::None);
            assert!(failure.detail.contains("was executed"));
            assert_eq!(after(true, refusal.clone()), refusal.into());
        }
    }

    #[test]
    fn other_reasons_are_told_as_they_are() {
        assert_eq!(after(false, Refusal::Ended), Refusal::Ended.into());
    }
}
