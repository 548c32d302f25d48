//! Which requests are a route's.

use thiserror::Error;

use super::Fields;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The host asked for.
    pub host: HostMatch,
    /// Where its path begins.
    pub path: PathPrefix,
    /// One of these methods; none: any.
    pub methods: Vec<String>,
    /// All of these header fields.
    pub fields: Vec<FieldMatch>,
}

impl Match {
    /// Whether such a request fulfils all of them. `path` is normal.
    pub(super) fn accepts(
        &self,
        host: &str,
        path: &str,
        method: &str,
        fields: &dyn Fields,
    ) -> bool {
        self.path.accepts(path)
            && self.host.accepts(host)
            && (self.methods.is_empty() || self.methods.iter().any(|m| m == method))
            && self
                .fields
                .iter()
                .all(|condition| condition.accepts(fields))
    }

    /// Sorts by precedence: the greater goes first.
    pub(super) fn specificity(&self) -> (u8, usize, usize, usize) {
        let (kind, host) = match &self.host {
            HostMatch::Any => (0, 0),
            HostMatch::Below(domain) => (1, domain.len()),
            HostMatch::Exact(name) => (2, name.len()),
        };
        let conditions = usize::from(!self.methods.is_empty()) + self.fields.len();
        (kind, host, self.path.0.len(), conditions)
    }
}

/// Which hosts are meant. Hosts are compared without port and case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostMatch {
    /// All of them.
    #[default]
    Any,
    /// This one.
    Exact(String),
    /// Every host below this domain, not the domain itself: `*.example.org`.
    Below(String),
}

impl HostMatch {
    /// Reads `example.org`, `*.example.org` or `*`.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix('*') {
            Some("") => Self::Any,
            Some(domain) => Self::Below(domain.trim_start_matches('.').to_ascii_lowercase()),
            None => Self::Exact(text.to_ascii_lowercase()),
        }
    }

    fn accepts(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => host.eq_ignore_ascii_case(name),
            Self::Below(domain) => {
                let Some(at) = host.len().checked_sub(domain.len() + 1) else {
                    return false;
                };
                let (Some(dot), Some(rest)) = (host.get(at..=at), host.get(at + 1..)) else {
                    return false;
                };
                at > 0 && dot == "." && rest.eq_ignore_ascii_case(domain)
            }
        }
    }
}

/// The beginning of a path. Whole segments count: `/api` is the beginning of `/api` and
/// `/api/x`, not of `/apis`; `/api/` is the beginning of `/api/x`, not of `/api`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Reads a prefix; it must mean what it says (see [`super::path`]).
    pub fn parse(text: &str) -> Result<Self, PathPrefixError> {
        match super::path::normal(text) {
            Some(normal) if normal == text => Ok(Self(text.to_owned())),
            Some(normal) => Err(PathPrefixError::Unusual {
                path: text.to_owned(),
                normal: normal.into(),
            }),
            None => Err(PathPrefixError::Meaningless {
                path: text.to_owned(),
            }),
        }
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn accepts(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(self.0.as_str()) else {
            return false;
        };
        rest.is_empty() || self.0.ends_with('/') || rest.starts_with('/')
    }
}

impl Default for PathPrefix {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

/// A prefix that no request could match.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathPrefixError {
    /// It is not written the way paths are compared.
    #[error("path {path} is compared as {normal}; write it so")]
    Unusual {
        /// As given.
        path: String,
        /// As it would be compared.
        normal: String,
    },
    /// Servers would not agree on what it is.
    #[error(
        "path {path} has no plain meaning; begin with / and leave out dot segments and escapes"
    )]
    Meaningless {
        /// As given.
        path: String,
    },
}

/// One condition on a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMatch {
    /// The field's name, lower case.
    pub name: String,
    /// What its first value must be.
    pub value: FieldValue,
}

impl FieldMatch {
    fn accepts(&self, fields: &dyn Fields) -> bool {
        match (fields.field(&self.name), &self.value) {
            (Some(_), FieldValue::Present) => true,
            (Some(found), FieldValue::Exact(wanted)) => found == wanted,
            (None, _) => false,
        }
    }
}

/// What the value of a field must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// Anything.
    Present,
    /// This, byte for byte.
    Exact(String),
}
