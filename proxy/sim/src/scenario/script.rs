//! The text of a scenario.

use std::fmt;

use crate::act::span;

/// A scenario as it is written.
#[derive(Debug)]
pub struct Script {
    /// The lines before the first with a time, as they are.
    head: Vec<String>,
    /// `cluster: ...`: the words behind the colon, between commas.
    pub(super) cluster: Vec<String>,
    /// What is done when.
    pub(super) lines: Vec<Line>,
}

/// One line with a time.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number in the file, from 1.
    pub(super) number: usize,
    /// Milliseconds from the start.
    pub(super) at: u64,
    /// Time and action, as they are written.
    written: String,
    pub(super) action: String,
    pub(super) expected: String,
}

/// A line that cannot be read.
#[derive(Debug)]
pub struct ScriptError {
    /// Its number, from 1.
    pub line: usize,
    /// What would be right.
    pub problem: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.problem)
    }
}

impl Script {
    /// Reads a scenario.
    pub fn read(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self {
            head: Vec::new(),
            cluster: Vec::new(),
            lines: Vec::new(),
        };
        for (line, number) in text.lines().zip(1..) {
            let error = |problem: String| ScriptError {
                line: number,
                problem,
            };
            if number == 1 && !line.starts_with("# Aim: ") {
                return Err(error("the first line says the aim: # Aim: ...".into()));
            }
            if let Some(cluster) = line.strip_prefix("cluster:") {
                script.cluster = cluster.split(',').map(|word| word.trim().into()).collect();
                script.head.push(line.into());
            } else if line.starts_with('#') || line.trim().is_empty() {
                script.head.push(line.into());
            } else {
                let line = Line::read(line, number).map_err(error)?;
                script.lines.push(line);
            }
        }
        Ok(script)
    }

    /// The same text with other expectations.
    pub(super) fn with(&self, seen: &[String]) -> String {
        let width = self.lines.iter().map(|line| line.written.len()).max();
        let width = width.unwrap_or(0);
        let mut text = self.head.join("\n");
        text.push('\n');
        for (line, seen) in self.lines.iter().zip(seen) {
            let written = &line.written;
            if seen.is_empty() {
                text.push_str(written);
            } else {
                text.push_str(&format!("{written:width$}  -> {seen}"));
            }
            text.push('\n');
        }
        text
    }
}

impl Line {
    fn read(line: &str, number: usize) -> Result<Self, String> {
        let (written, expected) = line.split_once("-> ").unwrap_or((line, ""));
        let written = written.trim_end().to_owned();
        let (time, action) = written
            .split_once(char::is_whitespace)
            .unwrap_or((&written, ""));
        let at = span(time)
            .ok_or_else(|| format!("{time} is no time; a line begins with one, such as 2.5s"))?;
        Ok(Self {
            number,
            at,
            action: action.split_whitespace().collect::<Vec<_>>().join(" "),
            expected: expected.trim_end().to_owned(),
            written,
        })
    }
}
