//! One message that was received and that the session does not own up to, for people to look at.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::entry::{EntryId, Kind};

/// How what was received differs from what the session says that it emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Beyond the end of the log, although it came before the log was asked for.
    Beyond,
    /// In the log, but for somebody else.
    NotDue,
    /// In the log with other content.
    Altered,
    /// In the log and due, and not received.
    Missing,
}

/// One such message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    pub wrong: Wrong,
    pub kind: Kind,
    /// Its number in the log.
    pub seq: u64,
    /// When it came, in seconds after the start of the run; of a missing one, when the next did.
    pub at: Option<f64>,
    /// The last number of the log, and when the log was read to it.
    pub log_end: Option<u64>,
    pub log_read_at: Option<f64>,
    /// Both as they came, where they are still kept.
    pub received: Option<String>,
    pub logged: Option<String>,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            wrong, kind, seq, ..
        } = self;
        write!(f, "{wrong:?} {kind:?} {seq}")?;
        if let Some(at) = self.at {
            write!(f, " at {at:.3} s")?;
        }
        if let (Some(end), Some(at)) = (self.log_end, self.log_read_at) {
            write!(f, "; the log ended with {end} at {at:.3} s")?;
        }
        for (name, text) in [("received", &self.received), ("logged", &self.logged)] {
            if let Some(text) = text {
                write!(f, "; {name} {text}")?;
            }
        }
        Ok(())
    }
}

/// The latest messages as they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    kept: VecDeque<(EntryId, Box<str>)>,
    bytes: usize,
}

impl Texts {
    pub(super) fn keep(&mut self, id: EntryId, text: &str) {
        self.bytes += text.len();
        self.kept.push_back((id, text.into()));
        while self.bytes > BYTES_MAX
            && let Some((_, oldest)) = self.kept.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    pub(super) fn find(&self, id: EntryId) -> Option<String> {
        let found = self.kept.iter().rev().find(|(kept, _)| *kept == id);
        found.map(|(_, text)| String::from(&**text))
    }
}

/// Of each connection and each log; a message has a few hundred.
const BYTES_MAX: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_up_to_a_bound_and_the_oldest_go_first() {
        let id = |seq| EntryId { epoch: 1, seq };
        let mut texts = Texts::default();
        for seq in 1..=3 {
            texts.keep(id(seq), &"x".repeat(BYTES_MAX / 2));
        }
        assert_eq!(texts.find(id(1)), None);
        assert!(texts.find(id(2)).is_some() && texts.find(id(3)).is_some());
    }
}
