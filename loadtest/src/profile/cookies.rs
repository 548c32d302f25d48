//! The cookies of one client.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, header};

/// By name; attributes are the edge's business.
#[derive(Debug, Clone, Default)]
pub(super) struct Cookies(BTreeMap<String, String>);

impl Cookies {
    /// Takes what an answer sets.
    pub(super) fn keep(&mut self, answer: &HeaderMap) {
        let pair = |value: &HeaderValue| {
            let (name, value) = value.to_str().ok()?.split(';').next()?.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        let set = answer.get_all(header::SET_COOKIE);
        self.0.extend(set.iter().filter_map(pair));
    }

    pub(super) fn forget(&mut self, unwanted: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| !unwanted(name));
    }

    /// The value of a request's `Cookie`; `None` without any.
    pub(super) fn header(&self) -> Option<String> {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}
