//! What is wrong with accounts, in numbers.

use serde::{Deserialize, Serialize};

/// What is wrong with an account, or with many; all zero is well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    pub received: u64,
    pub commands: u64,
    /// Answered with an error; no finding, a market may refuse an order.
    pub refused: u64,
    /// Plain requests that were answered.
    pub requests: u64,
    /// Messages that were held beside the session's own log.
    pub audited: u64,
    /// Messages of a part of the log that the session no longer had when it was asked. Their
    /// `prev` was checked all the same.
    pub unaudited: u64,
    /// Covered by a coalesced message or by a snapshot for a slow reader: said, not lost.
    pub condensed: u64,

    /// Places where something is missing.
    pub lost: u64,
    pub doubled: u64,
    pub reordered: u64,
    /// The server said that it could not go on: not silent, but a loss.
    pub resets: u64,
    pub unanswered: u64,
    pub answered_twice: u64,
    /// Answered, and later not known to the session any more; it said so with a reset.
    pub taken_back: u64,
    /// Received from an owner that had lost the session, and not in the log; a reset said so.
    pub retracted: u64,
    /// Answers from another endpoint than the first one.
    pub wandered: u64,
    /// Ended before the client wanted it.
    pub disconnected: u64,
    /// Emitted and due, and not received.
    pub missing: u64,
    /// Received, and not emitted.
    pub foreign: u64,
    /// Received with other content than emitted.
    pub altered: u64,
    /// Answered, and not executed as the answer says.
    pub unexecuted: u64,
    /// Orders in the log that no answered command accounts for.
    pub executed_twice: u64,
    /// Sessions that could not be asked at the end.
    pub unread: u64,
}

impl Findings {
    /// Whether anything went wrong.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.without_counts() == Self::default()
    }

    /// Whether anything went wrong that nobody was told of: resets, and what they took back, are
    /// forgiven.
    #[must_use]
    pub fn clean_but_told(&self) -> bool {
        Self {
            resets: 0,
            taken_back: 0,
            retracted: 0,
            ..self.without_counts()
        } == Self::default()
    }

    fn without_counts(&self) -> Self {
        Self {
            received: 0,
            commands: 0,
            refused: 0,
            requests: 0,
            audited: 0,
            unaudited: 0,
            condensed: 0,
            ..*self
        }
    }

    /// The sum of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            commands: self.commands + other.commands,
            refused: self.refused + other.refused,
            requests: self.requests + other.requests,
            audited: self.audited + other.audited,
            unaudited: self.unaudited + other.unaudited,
            condensed: self.condensed + other.condensed,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            reordered: self.reordered + other.reordered,
            resets: self.resets + other.resets,
            unanswered: self.unanswered + other.unanswered,
            answered_twice: self.answered_twice + other.answered_twice,
            taken_back: self.taken_back + other.taken_back,
            retracted: self.retracted + other.retracted,
            wandered: self.wandered + other.wandered,
            disconnected: self.disconnected + other.disconnected,
            missing: self.missing + other.missing,
            foreign: self.foreign + other.foreign,
            altered: self.altered + other.altered,
            unexecuted: self.unexecuted + other.unexecuted,
            executed_twice: self.executed_twice + other.executed_twice,
            unread: self.unread + other.unread,
        }
    }
}

impl std::iter::Sum for Findings {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::and)
    }
}
