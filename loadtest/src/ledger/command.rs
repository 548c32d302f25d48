//! What one client asked, and what it was answered.

use std::time::Duration;

use super::findings::Findings;

/// The commands of one client, numbered from 1.
#[derive(Debug, Clone, Default)]
pub struct Commands {
    sent: Vec<Command>,
    strange_answers: u64,
    taken_back: u64,
}

/// One command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Command {
    /// After the start of the run; of the first time it was sent.
    pub at: Duration,
    /// How often it was sent, and answered.
    pub sent: u32,
    pub answers: u32,
    /// When the first answer came.
    pub answered: Option<Duration>,
    pub ok: bool,
    /// The order it made.
    pub order: Option<u64>,
}

impl Command {
    /// From the first sending to the first answer.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        Some(self.answered?.saturating_sub(self.at))
    }
}

impl Commands {
    /// Numbers the next command, which is sent now.
    pub fn next(&mut self, at: Duration) -> u64 {
        self.sent.push(Command {
            at,
            sent: 1,
            ..Command::default()
        });
        self.sent.len() as u64
    }

    /// A command is sent once more, after its connection broke.
    pub fn again(&mut self, number: u64) {
        if let Some(command) = self.find(number) {
            command.sent += 1;
        }
    }

    /// Numbers without an answer.
    #[must_use]
    pub fn open(&self) -> Vec<u64> {
        let open = |(place, command): (usize, &Command)| {
            (command.answers == 0).then_some(place as u64 + 1)
        };
        self.sent.iter().enumerate().filter_map(open).collect()
    }

    pub fn answered(&mut self, number: u64, at: Duration, ok: bool, order: Option<u64>) {
        let Some(command) = self.find(number) else {
            self.strange_answers += 1;
            return;
        };
        command.answers += 1;
        if command.answered.is_none() {
            (command.answered, command.ok, command.order) = (Some(at), ok, order);
        }
    }

    /// After a reset, the session says which number it answered last. Where later ones had been
    /// answered, they are gone and the client was told: it goes on from there. What is merely
    /// open stays open.
    pub fn known_up_to(&mut self, number: u64) {
        let kept = usize::try_from(number).unwrap_or(usize::MAX);
        let later = self.sent.get(kept..).unwrap_or_default();
        let gone = later.iter().filter(|command| command.answers > 0).count();
        if gone > 0 {
            self.sent.truncate(kept);
            self.taken_back += gone as u64;
        }
    }

    /// Whether every command has its answer.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.sent.iter().all(|command| command.answers > 0)
    }

    /// With their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Command)> {
        (1..).zip(&self.sent)
    }

    #[must_use]
    pub fn findings(&self) -> Findings {
        let count = |wrong: fn(&Command) -> bool| {
            self.sent.iter().filter(|command| wrong(command)).count() as u64
        };
        Findings {
            commands: self.sent.len() as u64 + self.taken_back,
            refused: count(|command| command.answers > 0 && !command.ok),
            unanswered: count(|command| command.answers == 0),
            // Who asks twice may be answered twice.
            answered_twice: count(|command| command.answers > command.sent) + self.strange_answers,
            taken_back: self.taken_back,
            ..Findings::default()
        }
    }

    /// The same without the answer to one of them: it must be missed. `None` if none was answered.
    #[must_use]
    pub fn with_one_unanswered(&self) -> Option<Self> {
        let mut damaged = self.clone();
        let one = damaged
            .sent
            .iter_mut()
            .find(|command| command.answers > 0)?;
        (one.answers, one.answered) = (0, None);
        Some(damaged)
    }

    fn find(&mut self, number: u64) -> Option<&mut Command> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.sent.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn every_command_needs_exactly_one_answer() {
        let mut commands = Commands::default();
        let numbers: Vec<u64> = (0..3).map(|_| commands.next(NOW)).collect();
        assert_eq!(numbers, [1, 2, 3]);
        commands.answered(1, NOW, true, Some(7));
        assert!(!commands.settled());
        commands.answered(2, NOW, true, Some(8));
        commands.answered(2, NOW, true, Some(8));
        commands.answered(99, NOW, true, None);
        let findings = commands.findings();
        assert_eq!((findings.commands, findings.unanswered), (3, 1));
        assert_eq!(
            findings.answered_twice, 2,
            "one twice, one that nobody asked for"
        );
        assert_eq!(commands.open(), [3]);
        let damaged = commands.with_one_unanswered().expect("one was answered");
        assert_eq!(damaged.findings().unanswered, 2);
    }

    #[test]
    fn a_command_sent_twice_may_be_answered_twice() {
        let mut commands = Commands::default();
        let one = commands.next(NOW);
        commands.again(one);
        commands.answered(one, NOW, true, None);
        commands.answered(one, NOW, true, None);
        assert!(commands.findings().clean());
    }

    #[test]
    fn what_a_reset_took_back_is_counted_and_numbered_anew() {
        let mut commands = Commands::default();
        for _ in 0..4 {
            let number = commands.next(NOW);
            commands.answered(number, NOW, true, None);
        }
        commands.next(NOW);
        commands.known_up_to(2);
        assert_eq!(commands.findings().taken_back, 2, "the fifth was open");
        assert_eq!(commands.next(NOW), 3);
        commands.known_up_to(3);
        assert_eq!(commands.findings().taken_back, 2);
    }
}
