//! What a check heard lately, for people.

use std::sync::{Arc, Mutex, PoisonError};

use super::ProbeSettings;
use crate::time::Instant;

/// One check of one endpoint. The controller writes it with every answer and whoever shows it
/// reads it. No decision does, so an answer that changes nothing needs no new snapshot.
#[derive(Debug)]
pub struct Record {
    settings: Arc<ProbeSettings>,
    streak: Mutex<Option<Streak>>,
}

/// Answers in a row that said the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streak {
    /// Whether the check is believed to pass, which takes `rise` or `fall` answers to change.
    pub passing: bool,
    /// The last answer: nothing, or what was wrong.
    pub last: Result<(), String>,
    /// How many passed, or failed, in a row.
    pub length: u32,
    /// When the first of them came.
    pub since: Instant,
}

impl Record {
    /// Nothing heard yet.
    pub(crate) fn new(settings: Arc<ProbeSettings>) -> Self {
        Self {
            settings,
            streak: Mutex::default(),
        }
    }

    /// What is asked, and how many answers are believed.
    pub fn settings(&self) -> &Arc<ProbeSettings> {
        &self.settings
    }

    /// What was heard; `None`: nothing yet.
    pub fn streak(&self) -> Option<Streak> {
        let streak = self.streak.lock().unwrap_or_else(PoisonError::into_inner);
        streak.clone()
    }

    /// Notes an answer, and what is believed after it.
    pub(crate) fn note(&self, answer: Result<(), &str>, passing: bool, now: Instant) {
        let mut streak = self.streak.lock().unwrap_or_else(PoisonError::into_inner);
        let before = streak
            .as_ref()
            .filter(|before| before.last.is_ok() == answer.is_ok());
        let (length, since) = before.map_or((1, now), |before| {
            (before.length.saturating_add(1), before.since)
        });
        *streak = Some(Streak {
            passing,
            last: answer.map_err(|why| why.chars().take(WHY_MAX).collect()),
            length,
            since,
        });
    }
}

/// Characters kept of what was wrong; part of it may be the endpoint's own words.
const WHY_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::ProbeKind;

    #[test]
    fn a_streak_counts_answers_of_one_kind_from_the_first_of_them() {
        let record = Record::new(Arc::new(ProbeSettings::new(ProbeKind::Tcp)));
        let at = |seconds| Instant::START + Duration::from_secs(seconds);
        assert_eq!(record.streak(), None);
        record.note(Ok(()), true, at(1));
        record.note(Ok(()), true, at(2));
        let passed = record.streak().expect("two answers");
        assert_eq!((passed.length, passed.since), (2, at(1)));
        record.note(Err("refused"), true, at(3));
        record.note(Err("silent"), true, at(4));
        let failed = Streak {
            passing: true,
            last: Err("silent".to_owned()),
            length: 2,
            since: at(3),
        };
        assert_eq!(record.streak(), Some(failed));
    }

    #[test]
    fn of_a_long_word_only_the_beginning_is_kept() {
        let record = Record::new(Arc::new(ProbeSettings::new(ProbeKind::Tcp)));
        record.note(Err(&"é".repeat(1_000)), false, Instant::START);
        let streak = record.streak().expect("an answer");
        assert_eq!(streak.last, Err("é".repeat(WHY_MAX)));
    }
}
