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
    /// Judges the number of a command; `print` tells what was asked from anything else.
    pub fn judge(&self, client: &ClientId, n: u64, print: u64) -> Number {
        let Some(known) = self.known.get(client) else {
            return match n {
                1 if self.known.len() >= CLIENTS_MAX => Number::Refused(Problem::retryable(
                    "quota_exceeded",
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
            match known.kept(n) {
                None => Number::Refused(forgotten(n)),
                Some(kept) if kept.print.is_some_and(|before| before != print) => {
                    Number::Refused(reused())
                }
                Some(kept) => Number::Seen(kept.entry.answer.clone()),
            }
        }
    }

    /// Keeps what the next command of the client came to.
    pub fn answered(
        &mut self,
        client: &ClientId,
        (kind, print): (&str, u64),
        answer: Answer,
        tick: u64,
    ) {
        let known = self.known.entry(client.clone()).or_default();
        known.last = answer.n;
        known.tick = tick;
        if known.answers.len() == ANSWERS_MAX {
            known.answers.pop_front();
        }
        let entry = CommandEntry {
            n: answer.n,
            kind: kind.into(),
            answer,
        };
        known.answers.push_back(Kept {
            entry,
            print: Some(print),
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
            .map(|kept| &kept.entry)
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
    answers: VecDeque<Kept>,
}

/// A command that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    entry: CommandEntry,
    /// Tells what was asked from anything else; not known of commands of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    print: Option<u64>,
}

impl Client {
    fn kept(&self, n: u64) -> Option<&Kept> {
        let first = self.answers.front()?.entry.n;
        let place = usize::try_from(n.checked_sub(first)?).ok()?;
        self.answers.get(place)
    }
}

fn reused() -> Problem {
    let message = "this number or key was used for another command; take a new one";
    Problem::new("key_reused", message)
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
        assert_eq!(refused(clients.judge(&client(), 2, 7)), "gap");
        assert_eq!(refused(clients.judge(&client(), 0, 7)), "gap");
        assert_eq!(clients.judge(&client(), 1, 7), Number::Next);
        clients.answered(&client(), ("order.new", 7), answer(1), 10);
        assert_eq!(clients.judge(&client(), 2, 7), Number::Next);
        assert_eq!(refused(clients.judge(&client(), 3, 7)), "gap");
        assert_eq!(refused(clients.judge(&client(), 0, 7)), "gap");
    }

    #[test]
    fn a_number_seen_before_is_answered_as_before() {
        let mut clients = Clients::default();
        for n in 1..=300 {
            clients.answered(&client(), ("order.new", 7), answer(n), n);
        }
        assert_eq!(clients.judge(&client(), 300, 7), Number::Seen(answer(300)));
        assert_eq!(clients.judge(&client(), 45, 7), Number::Seen(answer(45)));
        assert_eq!(refused(clients.judge(&client(), 44, 7)), "answer_forgotten");
        assert_eq!(clients.answers(&client()).count(), ANSWERS_MAX);
    }

    #[test]
    fn a_number_that_comes_again_for_something_else_is_refused() {
        let mut clients = Clients::default();
        clients.answered(&client(), ("order.new", 7), answer(1), 1);
        assert_eq!(clients.judge(&client(), 1, 7), Number::Seen(answer(1)));
        assert_eq!(refused(clients.judge(&client(), 1, 8)), "key_reused");
        let written = serde_json::to_string(&clients).expect("JSON");
        let older = written.replace(r#","print":7"#, "");
        assert_ne!(older, written);
        let clients: Clients = serde_json::from_str(&older).expect("an earlier version's");
        assert_eq!(clients.judge(&client(), 1, 8), Number::Seen(answer(1)));
    }

    #[test]
    fn the_number_of_clients_is_bounded_and_room_comes_back() {
        let mut clients = Clients::default();
        for i in 0..CLIENTS_MAX {
            let name: ClientId = format!("c{i}").parse().expect("a name");
            clients.answered(&name, ("order.new", 7), answer(1), i as u64);
        }
        assert_eq!(refused(clients.judge(&client(), 1, 7)), "quota_exceeded");
        let silent: Vec<_> = clients.silent_since(0).cloned().collect();
        assert_eq!(silent.len(), 1);
        clients.forget(&silent[0]);
        assert_eq!(clients.judge(&client(), 1, 7), Number::Next);
    }
}
