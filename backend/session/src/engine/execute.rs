//! What a command does to the exchange and the session.

use holdfast_exchange::command::Control;
use holdfast_exchange::{
    Accepted, Command as Order, Exchange, OrderId, Refusal, Scenario, TICK_MS,
};

use super::Engine;
use crate::id::ConnectionId;
use crate::journal::Asked;
use crate::message::{
    Answer, AnswerData, BATCH_MAX, Batch, CancelAll, Command, Lasting, Operation, OperationResult,
    Problem, SessionRestart, SimulatorJump, brief,
};
use crate::subscription::Channels;
use crate::terms::{SECOND, within};
use crate::view::Side;

impl Engine {
    pub(super) fn execute(&mut self, n: u64, id: Option<ConnectionId>, asked: &Asked) -> Answer {
        let done = match asked {
            Asked::Command(command) => self.command(id, command),
            Asked::Restart { scenario, seed } => {
                self.restart(scenario, seed.unwrap_or_else(|| self.exchange.seed()))
            }
            Asked::Unreadable { problem, .. } => Err(problem.clone()),
            Asked::Nothing => Ok(AnswerData::default()),
        };
        match done {
            Ok(data) => Answer {
                n,
                ok: true,
                data: Some(data),
                error: None,
            },
            Err(problem) => refused(n, problem),
        }
    }

    fn command(
        &mut self,
        id: Option<ConnectionId>,
        command: &Command,
    ) -> Result<AnswerData, Problem> {
        let order = match command {
            Command::OrderNew(request) => self.exchange.read_order(&request.0),
            Command::OrderAmend(amend) => self
                .exchange
                .read_amend(OrderId(amend.order_id), &amend.changes),
            Command::OrderCancel(cancel) => Ok(Order::Cancel(OrderId(cancel.order_id))),
            Command::OrderCancelAll(all) => self.cancel_all(all),
            Command::OrderCancelAfter(cancel) => Ok(Order::CancelAfter(switch(cancel.after)?)),
            Command::OrderBatch(batch) => return self.batch(batch),
            Command::SimulatorStart(_) => Ok(Order::Control(Control::Start)),
            Command::SimulatorPause(_) => Ok(Order::Control(Control::Pause)),
            Command::SimulatorResume(_) => Ok(Order::Control(Control::Resume)),
            Command::SimulatorStop(_) => Ok(Order::Control(Control::Stop)),
            Command::SimulatorSpeed(asked) => speed(asked.speed),
            Command::SimulatorStep(step) => {
                Ok(Order::Control(Control::Step(step.ticks.unwrap_or(1))))
            }
            Command::SimulatorJump(jump) => self.jump(jump),
            Command::SimulatorShock(shock) => self.exchange.read_shock(&shock.0),
            Command::SessionUpdate(update) => {
                let now_ms = self.time_ms();
                self.terms.update(update, now_ms)?;
                return Ok(AnswerData::default());
            }
            Command::SessionRestart(again) => return self.restart_as_it_was(again),
            Command::Subscribe(list) => return self.channels(id, &list.channels, Channels::union),
            Command::Unsubscribe(list) => {
                return self.channels(id, &list.channels, Channels::without);
            }
        };
        self.trade(order)
    }

    /// Gives the exchange a command, once it could be read.
    pub(super) fn trade(&mut self, order: Result<Order, Refusal>) -> Result<AnswerData, Problem> {
        let tick = self.exchange.tick();
        let accepted = order.and_then(|order| self.exchange.apply(tick, &order, &mut self.events));
        accepted
            .map(|accepted| data(&accepted))
            .map_err(|refusal| problem(&refusal))
    }

    fn batch(&mut self, batch: &Batch) -> Result<AnswerData, Problem> {
        if !(1..=BATCH_MAX).contains(&batch.operations.len()) {
            let message = format!("operations: 1 to {BATCH_MAX} of them");
            return Err(Problem::new("invalid_argument", message));
        }
        let one = |operation: &Operation| {
            let order = match operation {
                Operation::New(request) => self.exchange.read_order(&request.0),
                Operation::Amend(amend) => self
                    .exchange
                    .read_amend(OrderId(amend.order_id), &amend.changes),
                Operation::Cancel(cancel) => Ok(Order::Cancel(OrderId(cancel.order_id))),
            };
            result(self.trade(order))
        };
        Ok(AnswerData {
            results: Some(batch.operations.iter().map(one).collect()),
            ..AnswerData::default()
        })
    }

    fn cancel_all(&self, all: &CancelAll) -> Result<Order, Refusal> {
        let named = |name: &String| {
            let unknown = || Refusal::UnknownSymbol(name.chars().take(40).collect());
            self.exchange.symbol(name).ok_or_else(unknown)
        };
        let symbol = all.symbol.as_ref().map(named).transpose()?;
        let side = all.side.map(|side| match side {
            Side::Buy => holdfast_exchange::Side::Buy,
            Side::Sell => holdfast_exchange::Side::Sell,
        });
        Ok(Order::CancelAll { symbol, side })
    }

    fn jump(&self, jump: &SimulatorJump) -> Result<Order, Refusal> {
        let wrong = |problem: &str| Refusal::InvalidControl(problem.to_owned());
        let ticks = match (jump.by, jump.to) {
            (Some(by), None) => by.ticks(),
            (None, Some(to)) => (to / TICK_MS)
                .checked_sub(self.exchange.market_time())
                .filter(|ticks| *ticks > 0)
                .ok_or_else(|| wrong("to lies behind the market; it never goes back"))?,
            _ => return Err(wrong("give either by or to")),
        };
        let ticks = u32::try_from(ticks).map_err(|_| wrong("a jump goes ten minutes at most"))?;
        Ok(Order::Control(Control::Step(ticks)))
    }

    fn restart_as_it_was(&mut self, again: &SessionRestart) -> Result<AnswerData, Problem> {
        let own = &self.exchange.scenario().name;
        if again.scenario.as_ref().is_some_and(|name| name != own) {
            let message = format!("scenario: only {own:?} is known here");
            return Err(Problem::new("invalid_argument", message));
        }
        let scenario = self.exchange.scenario().clone();
        let seed = again.seed.unwrap_or_else(|| self.exchange.seed());
        self.restart(&scenario, seed)
    }

    /// Another market in the place of this one; the journal's ticks go on.
    fn restart(&mut self, scenario: &Scenario, seed: u64) -> Result<AnswerData, Problem> {
        let wrong = |error: String| Problem::new("invalid_argument", error);
        if seed >= SEED_END {
            return Err(wrong(
                "seed: below 2^53, so that JSON numbers keep it".into(),
            ));
        }
        let fresh = Exchange::new(scenario, seed).map_err(|error| wrong(error.to_string()))?;
        self.exchange = fresh.following(&self.exchange);
        self.events.clear();
        self.began_anew = true;
        Ok(AnswerData {
            status: Some(self.exchange.simulator().state.as_str().into()),
            ..AnswerData::default()
        })
    }

    fn channels(
        &mut self,
        id: Option<ConnectionId>,
        names: &[String],
        change: fn(Channels, Channels) -> Channels,
    ) -> Result<AnswerData, Problem> {
        let named = Channels::named(names.iter().map(String::as_str))
            .map_err(|error| Problem::new("invalid_argument", error.to_string()))?;
        let connection = id.and_then(|id| self.connections.find_mut(id));
        let connection = connection.ok_or_else(|| {
            let message = "subscriptions belong to a WebSocket; use ?channels= on event streams";
            Problem::new("invalid_argument", message)
        })?;
        connection.channels = change(connection.channels, named);
        Ok(AnswerData::default())
    }
}

pub(super) fn speed(speed: f64) -> Result<Order, Refusal> {
    let thousandths = (speed * 1_000.0).round();
    if !(100.0..=1_000_000.0).contains(&thousandths) {
        return Err(Refusal::InvalidControl(
            "speed has to be 0.1 to 1000".into(),
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked"
    )]
    let thousandths = thousandths as u32;
    Ok(Order::Control(Control::Speed(thousandths)))
}

/// The dead man's switch, in ticks.
fn switch(after: Lasting) -> Result<Option<u64>, Problem> {
    let ms = within("after", after, SECOND, 3_600 * SECOND)?;
    Ok(ms.map(|ms| ms / TICK_MS))
}

fn data(accepted: &Accepted) -> AnswerData {
    match accepted {
        Accepted::Order(report) => AnswerData {
            order_id: Some(report.id.0),
            status: Some(report.status.as_str().into()),
            ..AnswerData::default()
        },
        Accepted::Simulator(report) => AnswerData {
            status: Some(report.state.as_str().into()),
            ..AnswerData::default()
        },
        Accepted::Cancelled(count) => AnswerData {
            cancelled: Some(*count),
            ..AnswerData::default()
        },
        Accepted::Done => AnswerData::default(),
    }
}

fn result(done: Result<AnswerData, Problem>) -> OperationResult {
    match done {
        Ok(data) => OperationResult {
            ok: true,
            order_id: data.order_id,
            status: data.status,
            error: None,
        },
        Err(problem) => OperationResult {
            ok: false,
            order_id: None,
            status: None,
            error: Some(problem),
        },
    }
}

fn problem(refusal: &Refusal) -> Problem {
    Problem {
        code: refusal.code().into(),
        message: brief(&refusal.to_string()),
        retryable: refusal.retryable(),
    }
}

pub(super) fn refused(n: u64, problem: Problem) -> Answer {
    Answer {
        n,
        ok: false,
        data: None,
        error: Some(problem),
    }
}

/// Seeds are below this: the numbers of JSON keep them exactly.
pub const SEED_END: u64 = 1 << 53;
