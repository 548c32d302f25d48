//! What a user has laid down about a session besides its market: labels, and when it ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::message::{Lasting, Problem, SessionUpdate};

/// How many labels a session has at most.
pub const LABELS_MAX: usize = 16;

/// What a user has laid down about a session. Times are milliseconds; those at which something
/// happens count from 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Words for people and filters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// It ends after so long without anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_expires_ms: Option<u64>,
    /// All orders are taken back after so long without a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_on_disconnect_ms: Option<u64>,
    /// The session and the place in its log that this one was forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<String>,
    /// What it was asked to be like when it was created, as a number: the same key must not be
    /// used for another session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<u64>,
}

impl Terms {
    /// Takes a change as of `now_ms`; all of it, or nothing.
    pub fn update(&mut self, update: &SessionUpdate, now_ms: u64) -> Result<(), Problem> {
        let mut next = self.clone();
        for (key, value) in &update.labels {
            match value {
                Some(value) => {
                    check_label(key, value)?;
                    next.labels.insert(key.clone(), value.clone());
                }
                None => {
                    next.labels.remove(key);
                }
            }
        }
        if next.labels.len() > LABELS_MAX {
            let message = format!("labels: {LABELS_MAX} at most");
            return Err(Problem::new("invalid_argument", message));
        }
        if let Some(lasting) = update.expires_in {
            let ms = within("expires_in", lasting, SECOND, YEAR)?;
            next.expires_ms = ms.map(|ms| now_ms + ms);
        }
        if let Some(lasting) = update.idle_expires_in {
            next.idle_expires_ms = within("idle_expires_in", lasting, 10 * SECOND, YEAR)?;
        }
        if let Some(lasting) = update.cancel_on_disconnect {
            let (least, most) = (SECOND, 600 * SECOND);
            next.cancel_on_disconnect_ms = within("cancel_on_disconnect", lasting, least, most)?;
        }
        *self = next;
        Ok(())
    }
}

/// A span that has to lie between two others, in milliseconds.
pub(crate) fn within(
    name: &str,
    lasting: Lasting,
    least: u64,
    most: u64,
) -> Result<Option<u64>, Problem> {
    match lasting.ms() {
        Some(ms) if ms < least || ms > most => {
            let (least, most) = (least / SECOND, most / SECOND);
            let message =
                format!("{name}: {lasting} is out of range; {least}s to {most}s, or never");
            Err(Problem::new("invalid_argument", message))
        }
        ms => Ok(ms),
    }
}

fn check_label(key: &str, value: &str) -> Result<(), Problem> {
    let letter = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !(1..=63).contains(&key.len()) || !key.chars().all(letter) {
        let key: String = key.chars().take(40).collect();
        let right = "1 to 63 letters, digits, '.', '_', '-' and '/'";
        let message = format!("labels: {key:?} is no label; {right}");
        return Err(Problem::new("invalid_argument", message));
    }
    if value.chars().count() > 128 || value.chars().any(char::is_control) {
        let message = format!("labels.{key}: at most 128 characters, none of them a control");
        return Err(Problem::new("invalid_argument", message));
    }
    Ok(())
}

pub(crate) const SECOND: u64 = 1_000;
const YEAR: u64 = 8_760 * 3_600 * SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    fn update(json: serde_json::Value) -> SessionUpdate {
        serde_json::from_value(json).expect("an update")
    }

    #[test]
    fn labels_are_set_and_taken_away_and_times_count_from_now() {
        let mut terms = Terms::default();
        let first = serde_json::json!({ "labels": { "a": "1", "b": "2" }, "expires_in": "1m" });
        terms.update(&update(first), 1_000).expect("it is sound");
        assert_eq!(terms.expires_ms, Some(61_000));
        let second = serde_json::json!({ "labels": { "a": null }, "expires_in": "never" });
        terms.update(&update(second), 2_000).expect("it is sound");
        assert_eq!(terms.expires_ms, None);
        assert_eq!(terms.labels.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_is_not_allowed_changes_nothing() {
        let long = "x".repeat(129);
        let many: BTreeMap<String, &str> = (0..17).map(|i| (i.to_string(), "")).collect();
        for wrong in [
            serde_json::json!({ "labels": { "": "1" } }),
            serde_json::json!({ "labels": { "a b": "1" } }),
            serde_json::json!({ "labels": { "a": long } }),
            serde_json::json!({ "labels": { "a": "\n" } }),
            serde_json::json!({ "labels": many }),
            serde_json::json!({ "labels": { "good": "1" }, "expires_in": "10ms" }),
            serde_json::json!({ "idle_expires_in": "1s" }),
            serde_json::json!({ "cancel_on_disconnect": "11m" }),
        ] {
            let mut terms = Terms::default();
            let told = terms
                .update(&update(wrong.clone()), 0)
                .expect_err("refused");
            assert_eq!(told.code, "invalid_argument", "{wrong}");
            assert_eq!(terms, Terms::default(), "{wrong}");
        }
    }
}
