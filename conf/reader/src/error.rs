//! What is wrong, where, and what would be right.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_saphyr::Error as YamlError;

use crate::position::{Position, Positions};

/// One thing that is wrong, or probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the file.
    pub position: Position,
    /// Which key, as a path such as `clusters.game.drain.deadline`; empty: the file itself.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem of the file as a whole.
    pub fn at_start(message: String) -> Self {
        Self {
            position: Position::START,
            path: String::new(),
            message,
        }
    }

    /// With the file's name in front: `conf/proxy.yaml:14:24 clusters.a: ...`.
    pub fn in_file<'a>(&'a self, file: &'a Path) -> impl fmt::Display + 'a {
        Located {
            file,
            problem: self,
        }
    }
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Everything that is wrong with it, in the order of the file.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// A file with one problem.
    pub fn one(file: &Path, problem: Problem) -> Self {
        Self {
            file: file.to_owned(),
            problems: vec![problem],
        }
    }

    /// A file that is no YAML, or not of the shape we know.
    pub fn yaml(file: &Path, positions: &Positions, error: &YamlError) -> Self {
        let error = error.without_snippet();
        let position = error.location().map_or(Position::START, Position::from);
        let (path, message) = explain(positions, position, error);
        Self::one(
            file,
            Problem {
                position,
                path,
                message,
            },
        )
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.in_file(&self.file).fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The name that was probably meant, if one is near.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &&str| distance(written, name) <= 1 + name.len().min(written.len()) / 4;
    known
        .into_iter()
        .filter(near)
        .min_by_key(|name| distance(written, name))
}

/// `did you mean "deadline"?`, or the list of what there is.
pub fn suggestion(written: &str, known: &[&str]) -> String {
    match nearest(written, known.iter().copied()) {
        Some(name) => format!("did you mean {name:?}?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("known are {}", known.join(", ")),
    }
}

struct Located<'a> {
    file: &'a Path,
    problem: &'a Problem,
}

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            position,
            path,
            message,
        } = self.problem;
        write!(
            f,
            "{}:{}:{}",
            self.file.display(),
            position.line,
            position.column
        )?;
        match path.as_str() {
            "" => write!(f, " {message}"),
            path => write!(f, " {path}: {message}"),
        }
    }
}

fn explain(positions: &Positions, at: Position, error: &YamlError) -> (String, String) {
    let path = positions.path_at(at).to_owned();
    match error {
        YamlError::SerdeUnknownField {
            field, expected, ..
        } => {
            let message = format!("unknown key {field:?}; {}", suggestion(field, expected));
            (path, message)
        }
        YamlError::SerdeMissingField { field, .. } => {
            // the position is that of the first key that is there
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            let path = match parent {
                "" => (*field).to_owned(),
                parent => format!("{parent}.{field}"),
            };
            (path, "is missing".to_owned())
        }
        YamlError::SerdeUnknownVariant {
            variant, expected, ..
        } => (
            path,
            format!(
                "unknown value {variant:?}; {}",
                suggestion(variant, expected)
            ),
        ),
        YamlError::SerdeInvalidType {
            unexpected,
            expected,
            ..
        }
        | YamlError::SerdeInvalidValue {
            unexpected,
            expected,
            ..
        } => (path, format!("{unexpected} where {expected} is expected")),
        YamlError::InvalidScalar { ty, .. } => (path, wanted(ty).to_owned()),
        YamlError::InvalidBooleanStrict { .. } => (path, wanted("bool").to_owned()),
        YamlError::Message { msg, .. } => (path, msg.clone()),
        other => {
            let cause = other.to_string();
            // the parser says the place again; it stands in front already
            let cause = cause.split(" at line ").next().unwrap_or_default();
            let message =
                format!("{cause}: look for an open bracket or quote, or wrong indentation");
            (path, message)
        }
    }
}

/// What a value of a Rust type looks like to people.
fn wanted(ty: &str) -> &'static str {
    match ty {
        "bool" => "must be true or false",
        "u8" => "must be a whole number from 0 to 255",
        "u16" => "must be a whole number from 0 to 65535",
        _ => "must be a whole number, 0 or above, without a unit",
    }
}

/// The number of letters to insert, remove, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(x != y);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                let swapped: &Vec<usize> = &before;
                least = least.min(swapped[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        let known = ["deadline", "rate", "close_timeout"];
        assert_eq!(nearest("deadlin", known), Some("deadline"));
        assert_eq!(nearest("dealdine", known), Some("deadline"));
        assert_eq!(nearest("closetimeout", known), Some("close_timeout"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn a_swap_of_neighbours_is_one_mistake() {
        assert_eq!(distance("rtae", "rate"), 1);
        assert_eq!(distance("", "rate"), 4);
        assert_eq!(distance("rate", "rate"), 0);
    }
}
