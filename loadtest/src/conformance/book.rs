//! What was seen of each rule, and how it is told.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::rule::{Rule, Transport};

/// What was seen of every rule so far. A rule that was broken once stays broken.
#[derive(Debug, Default)]
pub(super) struct Book {
    seen: BTreeMap<(Transport, Rule), Outcome>,
}

/// What is known of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It was kept each time it mattered.
    Passed,
    /// It was broken; this was the first time.
    Failed {
        /// What would have been right.
        expected: String,
        /// What was seen instead.
        came: String,
    },
    /// There was no occasion to see it.
    NotShown {
        /// Why not.
        why: String,
        /// The backend need not show it, built as it is.
        excused: bool,
    },
}

impl Book {
    pub(super) fn pass(&mut self, transport: Transport, rule: Rule) {
        let entry = self.seen.entry((transport, rule));
        let outcome = entry.or_insert(Outcome::Passed);
        if matches!(outcome, Outcome::NotShown { .. }) {
            *outcome = Outcome::Passed;
        }
    }

    pub(super) fn fail(
        &mut self,
        transport: Transport,
        rule: Rule,
        expected: String,
        came: String,
    ) {
        let outcome = self
            .seen
            .entry((transport, rule))
            .or_insert(Outcome::Passed);
        if !matches!(outcome, Outcome::Failed { .. }) {
            *outcome = Outcome::Failed { expected, came };
        }
    }

    pub(super) fn has_failed(&self, transport: Transport, rule: Rule) -> bool {
        let outcome = self.seen.get(&(transport, rule));
        matches!(outcome, Some(Outcome::Failed { .. }))
    }

    pub(super) fn not_shown(&mut self, transport: Transport, rule: Rule, why: &str, excused: bool) {
        let why = why.to_owned();
        let entry = self.seen.entry((transport, rule));
        entry.or_insert(Outcome::NotShown { why, excused });
    }

    /// The result for all rules of what was asked for.
    pub(super) fn report(&self, asked: Asked) -> Report {
        let two = asked.second.is_some();
        let transports = [Transport::WebSocket, Transport::EventStream];
        let transports = transports
            .into_iter()
            .filter(|&transport| transport == Transport::WebSocket || asked.events.is_some());
        let rules = transports.flat_map(|transport| {
            let wanted = move |rule: &Rule| rule.is_of(transport) && (two || !rule.takes_two());
            Rule::ALL
                .into_iter()
                .filter(wanted)
                .map(move |rule| (transport, rule))
        });
        let lines: Vec<Line> = rules
            .map(|(transport, rule)| {
                let blank = || Outcome::NotShown {
                    why: "what comes before it failed".to_owned(),
                    excused: false,
                };
                let outcome = self.seen.get(&(transport, rule)).cloned();
                Line::new(transport, rule, outcome.unwrap_or_else(blank))
            })
            .collect();
        let passed = lines.iter().all(Line::is_fine);
        Report {
            contract: 1,
            asked,
            passed,
            lines,
        }
    }
}

/// What was checked.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asked {
    /// The WebSocket.
    pub(super) url: String,
    /// The event stream.
    pub(super) events: Option<String>,
    /// The second endpoint.
    pub(super) second: Option<String>,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// The version of the contract.
    pub(super) contract: u8,
    #[serde(flatten)]
    asked: Asked,
    /// Every mandatory rule was kept, and shown to be.
    pub(super) passed: bool,
    #[serde(rename = "rules")]
    lines: Vec<Line>,
}

/// One rule in it.
#[derive(Clone, Debug, Serialize)]
struct Line {
    rule: &'static str,
    transport: Transport,
    section: u8,
    says: &'static str,
    mandatory: bool,
    #[serde(flatten)]
    outcome: Outcome,
}

impl Line {
    fn new(transport: Transport, rule: Rule, outcome: Outcome) -> Self {
        let about = rule.about();
        Self {
            rule: about.name,
            transport,
            section: about.section,
            says: about.says,
            mandatory: rule.is_mandatory(),
            outcome,
        }
    }

    fn is_fine(&self) -> bool {
        match self.outcome {
            Outcome::Passed | Outcome::NotShown { excused: true, .. } => true,
            Outcome::Failed { .. } | Outcome::NotShown { .. } => !self.mandatory,
        }
    }
}

/// The table: a line for each rule, and what is wrong below it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: the handoff contract, version {}",
            self.asked.url, self.contract
        )?;
        let mut counts = [0; 3];
        for line in &self.lines {
            let (at, word) = match &line.outcome {
                Outcome::Passed => (0, "passed"),
                Outcome::Failed { .. } => (1, "FAILED"),
                Outcome::NotShown { .. } => (2, "not shown"),
            };
            counts[at] += 1;
            let carrier = match line.transport {
                Transport::WebSocket => "ws",
                Transport::EventStream => "sse",
            };
            writeln!(
                f,
                "  {word:<9}  {carrier:<3}  {:<20} {}",
                line.rule, line.says
            )?;
            match &line.outcome {
                Outcome::Passed => {}
                Outcome::Failed { expected, came } => {
                    writeln!(f, "             expected: {expected}")?;
                    writeln!(f, "             came:     {came}")?;
                    let section = line.section;
                    writeln!(
                        f,
                        "             see docs/handoff-contract.md, section {section}"
                    )?;
                }
                Outcome::NotShown { why, .. } => writeln!(f, "             {why}")?,
            }
        }
        let [passed, failed, hidden] = counts;
        write!(
            f,
            "{passed} rules passed, {failed} failed, {hidden} not shown"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WS: Transport = Transport::WebSocket;

    fn asked() -> Asked {
        Asked {
            url: "ws://a".into(),
            events: None,
            second: None,
        }
    }

    #[test]
    fn a_rule_that_was_broken_once_stays_broken() {
        let mut book = Book::default();
        for rule in Rule::ALL {
            book.pass(WS, rule);
        }
        assert!(book.report(asked()).passed);
        book.fail(WS, Rule::Resume, "e.2".into(), "e.3".into());
        book.fail(WS, Rule::Resume, "e.4".into(), "e.5".into());
        book.pass(WS, Rule::Resume);
        let report = book.report(asked());
        assert!(!report.passed);
        let text = report.to_string();
        assert!(text.contains("expected: e.2\n"), "{text}");
        assert!(text.contains("handoff-contract.md, section 3"), "{text}");
    }

    #[test]
    fn what_was_not_shown_is_not_passed_unless_it_is_excused() {
        let mut book = Book::default();
        for rule in Rule::ALL.into_iter().filter(|rule| *rule != Rule::Once) {
            book.pass(WS, rule);
        }
        assert!(!book.report(asked()).passed, "nothing is known of `once`");
        book.not_shown(WS, Rule::Once, "nothing to count", false);
        assert!(!book.report(asked()).passed);
        let mut excused = Book::default();
        for rule in Rule::ALL {
            excused.not_shown(WS, rule, "no owner", true);
        }
        assert!(excused.report(asked()).passed);
    }

    #[test]
    fn a_rule_that_is_not_mandatory_does_not_fail_the_run() {
        let mut book = Book::default();
        for rule in Rule::ALL {
            book.pass(WS, rule);
        }
        book.fail(WS, Rule::WithoutEdge, "no marker".into(), "hf1:id=1".into());
        assert!(book.report(asked()).passed);
    }
}
