//! Names that appear in configuration, cookies, headers and metrics.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The name of a cluster: 1 to 63 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(Arc<str>);

impl ClusterName {
    /// Reads a name; the only way to make one.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(
            text,
            63,
            |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'),
            "_ -",
        )?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What names an endpoint for as long as it lives, over new addresses and weights: a pod's
/// name or UID, a configured name, or for want of one its address. 1 to 64 of
/// `A-Z a-z 0-9 . _ : -`, so that it fits a cookie, a header's list and a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(Arc<str>);

impl EndpointId {
    /// The most bytes an id may have.
    pub const LEN_MAX: usize = 64;

    /// Reads an id; the only way to make one.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        check(text, Self::LEN_MAX, allowed, ". _ : -")?;
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that cannot be used, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// It has no characters, or too many.
    #[error("a name of {len} bytes; 1 to {max} are allowed")]
    Length {
        /// What it has.
        len: usize,
        /// What it may have.
        max: usize,
    },
    /// It has a character that would not survive a header, a path or a label.
    #[error("character {found:?} in a name; letters, digits and {allowed} are allowed")]
    Character {
        /// The first offending character.
        found: char,
        /// What is allowed beside letters and digits.
        allowed: &'static str,
    },
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(
    text: &str,
    max: usize,
    fits: impl Fn(u8) -> bool,
    allowed: &'static str,
) -> Result<(), NameError> {
    if text.is_empty() || text.len() > max {
        return Err(NameError::Length {
            len: text.len(),
            max,
        });
    }
    match text.chars().find(|&c| !u8::try_from(c).is_ok_and(&fits)) {
        Some(found) => Err(NameError::Character { found, allowed }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_are_kept_as_they_are() {
        for text in ["a", "backend-6d5f_2", &"x".repeat(63)] {
            assert_eq!(
                ClusterName::parse(text).expect("a good name").as_str(),
                text
            );
        }
        for text in [
            "a",
            "10.0.0.7:9001",
            "fe80::1",
            "pod-0.svc_x",
            &"x".repeat(64),
        ] {
            assert_eq!(EndpointId::parse(text).expect("a good id").as_str(), text);
        }
    }

    #[test]
    fn names_that_would_break_a_header_or_a_path_are_refused() {
        for text in [
            "",
            "a,b",
            "a b",
            "a/b",
            "a\nb",
            "a\"b",
            "ä",
            "a;b",
            &"x".repeat(65),
        ] {
            assert!(EndpointId::parse(text).is_err(), "{text:?}");
            assert!(ClusterName::parse(text).is_err(), "{text:?}");
        }
        let error = EndpointId::parse("a,b").expect_err("a comma ends a list item");
        assert_eq!(
            error.to_string(),
            "character ',' in a name; letters, digits and . _ : - are allowed"
        );
    }
}
