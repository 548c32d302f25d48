//! What a record does, the first time and at every replay.

use super::Engine;
use super::execute::refused;
use crate::clients::Number;
use crate::journal::{Asked, Change, Message, Record};
use crate::log::{Kind, Log};
use crate::message::Answer;

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
        let print = asked.print();
        let answer = match self.clients.judge(&client, n, print) {
            Number::Next => {
                let answer = self.execute(n, id, &asked);
                self.note_executed(generation, Some((&client, n)), &asked, &answer);
                let (what, tick) = ((asked.name(), print), self.exchange.tick());
                self.clients.answered(&client, what, answer.clone(), tick);
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
}
