//! Commands are numbered per client and done once. What each came to is kept,
//! so that a repeated number is answered again and not done again.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::id::ClientId;
use crate::message::{Answer, Problem};
use crate::view::CommandEntry;

/// How many answers are kept per client.
pub const ANSWERS_MAX: usize = 256;

/// How many clients one session remembers.
pub const CLIENTS_MAX: usize = 1_024;

/// What has been done for each client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Clients {
    known: BTreeMap<ClientId, Client>,
}

/// What to do about a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    /// It is the next one: do it.
    Next,
    /// It was seen: say this again.
    Seen(Answer),
    /// It cannot be done; the count does not change.
    Refused(Problem),
}

impl Clients {
    /// Judges the number of a command.
    pub fn judge(&self, client: &ClientId, n: u64) -> Number {
        let Some(known) = self.known.get(client) else {
            return match n {
                1 if self.known.len() >= CLIENTS_MAX => Number::Refused(Problem::retryable(
                    "too_many_clients",
                    format!("the session remembers {CLIENTS_MAX} clients; come again later"),
                )),
                1 => Number::Next,
                _ => Number::Refused(gap(1, n)),
            };
        };
        let next = known.last + 1;
        if n == next {
            Number::Next
        } else if n > next || n == 0 {
            Number::Refused(gap(next, n))
        } else {
            known
                .answer(n)
                .cloned()
                .map_or_else(|| Number::Refused(forgotten(n)), Number::Seen)
        }
    }

    /// Keeps what the next command of the client came to.
    pub fn answered(&mut self, client: &ClientId, kind: &str, answer: Answer, tick: u64) {
        let known = self.known.entry(client.clone()).or_default();
        known.last = answer.n;
        known.tick = tick;
        if known.answers.len() == ANSWERS_MAX {
            known.answers.pop_front();
        }
        known.answers.push_back(CommandEntry {
            n: answer.n,
            kind: kind.into(),
            answer,
        });
    }

    /// The highest number answered; 0 for a client never heard of.
    pub fn last(&self, client: &ClientId) -> u64 {
        self.known.get(client).map_or(0, |known| known.last)
    }

    /// What the client's last commands came to, in order.
    pub fn answers(&self, client: &ClientId) -> impl Iterator<Item = &CommandEntry> {
        self.known
            .get(client)
            .into_iter()
            .flat_map(|known| &known.answers)
    }

    /// Clients whose last command was at or before `tick`.
    pub fn silent_since(&self, tick: u64) -> impl Iterator<Item = &ClientId> {
        self.known
            .iter()
            .filter(move |(_, known)| known.tick <= tick)
            .map(|(client, _)| client)
    }

    /// Forgets a client: its next command is number 1 again.
    pub fn forget(&mut self, client: &ClientId) {
        self.known.remove(client);
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Client {
    last: u64,
    /// When its last command was done; decides when it may be forgotten.
    tick: u64,
    answers: VecDeque<CommandEntry>,
}

impl Client {
    fn answer(&self, n: u64) -> Option<&Answer> {
        let first = self.answers.front()?.n;
        let place = usize::try_from(n.checked_sub(first)?).ok()?;
        self.answers.get(place).map(|kept| &kept.answer)
    }
}

fn gap(next: u64, n: u64) -> Problem {
    Problem::retryable(
        "gap",
        format!("n is {n} where {next} is next; send again from {next}"),
    )
}

fn forgotten(n: u64) -> Problem {
    Problem::new(
        "answer_forgotten",
        format!("command {n} was answered; only the last {ANSWERS_MAX} answers are kept"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> ClientId {
        "tab-1".parse().expect("a name")
    }

    fn answer(n: u64) -> Answer {
        Answer {
            n,
            ok: true,
            data: None,
            error: None,
        }
    }

    fn refused(number: Number) -> String {
        match number {
            Number::Refused(problem) => problem.code,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn numbers_count_from_one_without_gaps() {
        let mut clients = Clients::default();
        assert_eq!(refused(clients.judge(&client(), 2)), "gap");
        assert_eq!(refused(clients.judge(&client(), 0)), "gap");
        assert_eq!(clients.judge(&client(), 1), Number::Next);
        clients.answered(&client(), "order.new", answer(1), 10);
        assert_eq!(clients.judge(&client(), 2), Number::Next);
        assert_eq!(refused(clients.judge(&client(), 3)), "gap");
        assert_eq!(refused(clients.judge(&client(), 0)), "gap");
    }

    #[test]
    fn a_number_seen_before_is_answered_as_before() {
        let mut clients = Clients::default();
        for n in 1..=300 {
            clients.answered(&client(), "order.new", answer(n), n);
        }
        assert_eq!(clients.judge(&client(), 300), Number::Seen(answer(300)));
        assert_eq!(clients.judge(&client(), 45), Number::Seen(answer(45)));
        assert_eq!(refused(clients.judge(&client(), 44)), "answer_forgotten");
        assert_eq!(clients.answers(&client()).count(), ANSWERS_MAX);
    }

    #[test]
    fn the_number_of_clients_is_bounded_and_room_comes_back() {
        let mut clients = Clients::default();
        for i in 0..CLIENTS_MAX {
            let name: ClientId = format!("c{i}").parse().expect("a name");
            clients.answered(&name, "order.new", answer(1), i as u64);
        }
        assert_eq!(refused(clients.judge(&client(), 1)), "too_many_clients");
        let silent: Vec<_> = clients.silent_since(0).cloned().collect();
        assert_eq!(silent.len(), 1);
        clients.forget(&silent[0]);
        assert_eq!(clients.judge(&client(), 1), Number::Next);
    }
}
