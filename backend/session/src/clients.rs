//! Commands are numbered per client and done once. What each came to is kept,
//! so that a repeated number is answered again and not done again. A session
//! keeps only so many bytes of answers; the oldest of them go first, whosever
//! they are. That their commands were done is still known then.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use serde::{Deserialize, Serialize};

use crate::id::ClientId;
use crate::message::{Answer, Problem};
use crate::view::CommandEntry;

/// How many answers are kept per client.
pub const ANSWERS_MAX: usize = 256;

/// How many bytes of answers one session keeps, all clients together, as JSON. The newest answer
/// is kept whatever its size.
pub const ANSWERS_BYTES_MAX: usize = 64 << 10;

/// How many clients one session remembers.
pub const CLIENTS_MAX: usize = 1_024;

/// What has been done for each client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Clients {
    known: BTreeMap<ClientId, Client>,
    /// Of all answers that are kept.
    #[serde(skip)]
    bytes: usize,
}

#[derive(Deserialize)]
struct Written {
    known: BTreeMap<ClientId, Client>,
}

impl From<Written> for Clients {
    fn from(Written { known }: Written) -> Self {
        let answers = known.values().flat_map(|client| &client.answers);
        let bytes = answers.map(Kept::bytes).sum();
        Self { known, bytes }
    }
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
        let n = answer.n;
        let entry = CommandEntry {
            n,
            kind: kind.into(),
            answer,
        };
        let kept = Kept {
            entry,
            print: Some(print),
            tick,
        };
        let bytes = kept.bytes();
        while self.bytes + bytes > ANSWERS_BYTES_MAX && self.drop_oldest() {}
        let known = self.known.entry(client.clone()).or_default();
        known.last = n;
        known.tick = tick;
        if known.answers.len() == ANSWERS_MAX {
            self.bytes -= known.answers.pop_front().map_or(0, |kept| kept.bytes());
        }
        known.answers.push_back(kept);
        self.bytes += bytes;
    }

    /// Drops the answer that was given first, of those of one tick the one of the first client by
    /// name; says whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let given = |client: &Client| client.answers.front().map(|kept| kept.tick);
        let clients = self.known.values_mut();
        let oldest = clients
            .filter(|client| !client.answers.is_empty())
            .min_by_key(|client| given(client));
        let dropped = oldest.and_then(|client| client.answers.pop_front());
        self.bytes -= dropped.as_ref().map_or(0, Kept::bytes);
        dropped.is_some()
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
        let forgotten = self.known.remove(client);
        let answers = forgotten.iter().flat_map(|client| &client.answers);
        self.bytes -= answers.map(Kept::bytes).sum::<usize>();
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
    /// When it was done; 0 of commands of earlier versions, which makes them the oldest.
    #[serde(default)]
    tick: u64,
}

impl Kept {
    /// How many it takes as JSON.
    fn bytes(&self) -> usize {
        let mut count = Count(0);
        // a value of this type has string keys only and counting cannot fail
        serde_json::to_writer(&mut count, self).map_or(0, |()| count.0)
    }
}

/// Counts what is written to it.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
        format!(
            "command {n} was done and answered, long ago: {ANSWERS_MAX} answers of a client are \
             kept and {} KiB of a session",
            ANSWERS_BYTES_MAX >> 10
        ),
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
        let older = written.replace(r#","print":7,"tick":1"#, "");
        assert_ne!(older, written);
        let clients: Clients = serde_json::from_str(&older).expect("an earlier version's");
        assert_eq!(clients.judge(&client(), 1, 8), Number::Seen(answer(1)));
    }

    #[test]
    fn the_bytes_of_answers_are_bounded_and_the_oldest_go_first() {
        let name = |tab: u64| -> ClientId { format!("tab-{tab}").parse().expect("a name") };
        let refused_answer = |n| Answer {
            ok: false,
            error: Some(Problem::new("price_band", "x".repeat(300))),
            ..answer(n)
        };
        let mut clients = Clients::default();
        for n in 1..=100 {
            for tab in 0..4 {
                clients.answered(&name(tab), ("order.new", 7), refused_answer(n), n);
            }
        }
        assert!(clients.bytes <= ANSWERS_BYTES_MAX, "{}", clients.bytes);
        let kept: Vec<_> = (0..4)
            .map(|tab| clients.answers(&name(tab)).count())
            .collect();
        let all: usize = kept.iter().sum();
        assert!(all * 500 > ANSWERS_BYTES_MAX, "{kept:?} use the room");
        assert!(
            kept.iter().all(|count| count.abs_diff(kept[0]) <= 1),
            "{kept:?}"
        );
        let seen = Number::Seen(refused_answer(100));
        assert_eq!(clients.judge(&name(3), 100, 7), seen);
        let forgotten = refused(clients.judge(&name(3), 1, 7));
        assert_eq!(forgotten, "answer_forgotten", "done, and not done again");
        assert_eq!(clients.judge(&name(3), 101, 7), Number::Next);

        let written = serde_json::to_string(&clients).expect("JSON");
        let mut read: Clients = serde_json::from_str(&written).expect("as written");
        assert_eq!(read, clients, "with the count of its bytes");
        (0..4).for_each(|tab| read.forget(&name(tab)));
        assert_eq!(read, Clients::default());
    }

    #[test]
    fn one_answer_larger_than_the_room_is_kept_until_the_next() {
        let mut clients = Clients::default();
        let large = Answer {
            error: Some(Problem::new("invalid", "x".repeat(ANSWERS_BYTES_MAX))),
            ..answer(2)
        };
        clients.answered(&client(), ("order.new", 7), answer(1), 1);
        clients.answered(&client(), ("order.batch", 7), large.clone(), 2);
        assert_eq!(clients.judge(&client(), 2, 7), Number::Seen(large));
        assert_eq!(refused(clients.judge(&client(), 1, 7)), "answer_forgotten");
        clients.answered(&client(), ("order.new", 7), answer(3), 3);
        assert_eq!(refused(clients.judge(&client(), 2, 7)), "answer_forgotten");
        assert_eq!(clients.judge(&client(), 3, 7), Number::Seen(answer(3)));
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
