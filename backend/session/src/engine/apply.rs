//! What a record does, the first time and at every replay.

use holdfast_exchange::command::Control;
use holdfast_exchange::{Accepted, Command as Order, OrderId, Refusal};

use super::Engine;
use crate::clients::Number;
use crate::journal::{Asked, Change, Message, Record};
use crate::log::{Kind, Log};
use crate::message::{Answer, AnswerData, Command, Problem};
use crate::subscription::Channels;

/// How many changes of generation are remembered.
const CHANGES_MAX: usize = 32;

impl Engine {
    /// Applies a record that is in the journal, and emits.
    pub(super) fn apply(&mut self, log: &mut Log, record: Record) -> Option<Answer> {
        self.walk(log, record.tick.saturating_sub(1));
        if self
            .changes
            .last()
            .is_none_or(|(generation, _)| *generation < record.generation)
        {
            if self.changes.len() == CHANGES_MAX {
                self.changes.remove(0);
            }
            self.changes.push((record.generation, log.top() + 1));
        }
        self.length += 1;
        match record.change {
            Change::Message(message) => self.message(log, record.generation, message),
            Change::Rest { ticks } => {
                self.anchor_ms += ticks * holdfast_exchange::TICK_MS;
                None
            }
            Change::Forget {
                connections,
                clients,
            } => {
                connections
                    .into_iter()
                    .for_each(|id| self.connections.forget(id));
                clients
                    .iter()
                    .for_each(|client| self.clients.forget(client));
                None
            }
        }
    }

    fn message(&mut self, log: &mut Log, generation: u64, message: Message) -> Option<Answer> {
        let Message {
            connection,
            number,
            asked,
        } = message;
        let id = connection.as_ref().map(|(id, _)| *id);
        if let Some((id, stands)) = connection {
            self.connections.recall(id, stands);
        }
        if asked == Asked::Nothing {
            return None;
        }
        let Some((client, n)) = number else {
            let answer = self.execute(0, id, &asked);
            self.note_executed(generation, None, &asked, &answer);
            self.emit(log);
            return Some(answer);
        };
        let answer = match self.clients.judge(&client, n) {
            Number::Next => {
                let answer = self.execute(n, id, &asked);
                self.note_executed(generation, Some((&client, n)), &asked, &answer);
                let tick = self.exchange.tick();
                self.clients
                    .answered(&client, asked.name(), answer.clone(), tick);
                answer
            }
            Number::Seen(answer) => answer,
            Number::Refused(problem) => refused(n, problem),
        };
        // the answer first: it names the order that the entries after it are about
        let at_ms = self.time_ms();
        self.text.clear();
        if !log.pass() && serde_json::to_writer(&mut self.text, &answer).is_ok() {
            let body = String::from_utf8_lossy(&self.text);
            log.push(Kind::Answer, None, Some(client), &body, at_ms);
        }
        self.emit(log);
        Some(answer)
    }

    fn execute(&mut self, n: u64, id: Option<crate::id::ConnectionId>, asked: &Asked) -> Answer {
        let command = match asked {
            Asked::Command(command) => command,
            Asked::Unreadable { problem, .. } => return refused(n, problem.clone()),
            Asked::Nothing => return done(n, AnswerData::default()),
        };
        let order = match command {
            Command::OrderNew(request) => self.exchange.read_order(&request.0),
            Command::OrderAmend(amend) => self
                .exchange
                .read_amend(OrderId(amend.order_id), &amend.changes),
            Command::OrderCancel(cancel) => Ok(Order::Cancel(OrderId(cancel.order_id))),
            Command::SimulatorStart(_) => Ok(Order::Control(Control::Start)),
            Command::SimulatorPause(_) => Ok(Order::Control(Control::Pause)),
            Command::SimulatorResume(_) => Ok(Order::Control(Control::Resume)),
            Command::SimulatorStop(_) => Ok(Order::Control(Control::Stop)),
            Command::SimulatorSpeed(asked) => speed(asked.speed),
            Command::Subscribe(list) => {
                return self.channels(n, id, &list.channels, Channels::union);
            }
            Command::Unsubscribe(list) => {
                return self.channels(n, id, &list.channels, Channels::without);
            }
        };
        let tick = self.exchange.tick();
        let accepted = order.and_then(|order| self.exchange.apply(tick, &order, &mut self.events));
        match accepted {
            Ok(accepted) => done(n, data(&accepted)),
            Err(refusal) => refused(n, problem(&refusal)),
        }
    }

    fn channels(
        &mut self,
        n: u64,
        id: Option<crate::id::ConnectionId>,
        names: &[String],
        change: fn(Channels, Channels) -> Channels,
    ) -> Answer {
        let named = match Channels::named(names.iter().map(String::as_str)) {
            Ok(named) => named,
            Err(error) => {
                return refused(n, Problem::new("unknown_channel", error.to_string()));
            }
        };
        let Some(connection) = id.and_then(|id| self.connections.find_mut(id)) else {
            let problem = "subscriptions belong to a WebSocket; use ?channels= on event streams";
            return refused(n, Problem::new("no_connection", problem));
        };
        connection.channels = change(connection.channels, named);
        done(n, AnswerData::default())
    }
}

fn speed(speed: f64) -> Result<Order, Refusal> {
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

fn data(accepted: &Accepted) -> AnswerData {
    match accepted {
        Accepted::Order(report) => AnswerData {
            order_id: Some(report.id.0),
            status: Some(report.status.as_str().into()),
        },
        Accepted::Simulator(report) => AnswerData {
            order_id: None,
            status: Some(report.state.as_str().into()),
        },
        Accepted::Cancelled(_) | Accepted::Done => AnswerData::default(),
    }
}

fn problem(refusal: &Refusal) -> Problem {
    Problem {
        code: refusal.code().into(),
        message: refusal.to_string(),
        retryable: refusal.retryable(),
    }
}

fn done(n: u64, data: AnswerData) -> Answer {
    Answer {
        n,
        ok: true,
        data: Some(data),
        error: None,
    }
}

fn refused(n: u64, problem: Problem) -> Answer {
    Answer {
        n,
        ok: false,
        data: None,
        error: Some(problem),
    }
}
