//! The sessions of a user, whichever endpoint runs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_session::message::Problem;
use holdfast_session::view;

use super::settle::trouble;
use super::{Ask, Inner, Refusal, SessionsQuery};
use crate::clock::wall_ms;
use crate::store::Found;

/// So many of a user's newest sessions are looked at.
const LIST_MAX: usize = 1_000;

/// How many a page has, unless asked otherwise.
const PAGE: usize = 100;

impl Inner {
    pub(super) async fn page(
        self: &Arc<Self>,
        ask: &Ask,
        query: &SessionsQuery,
    ) -> Result<view::SessionPage, Refusal> {
        let after = query.cursor.as_deref().map(place).transpose()?;
        let mut sessions = self.list(ask).await?;
        let key = |session: &view::Session| (session.created_ms, session.id.clone());
        sessions.sort_unstable_by_key(|session| std::cmp::Reverse(key(session)));
        sessions.retain(|session| {
            after.as_ref().is_none_or(|after| key(session) < *after)
                && matches(&session.labels, &query.labels)
                && query.state.is_none_or(|state| session.state == state)
        });
        let limit = query.limit.unwrap_or(PAGE);
        let more = sessions.len() > limit;
        sessions.truncate(limit);
        let next = sessions.last().filter(|_| more);
        let next = next.map(|last| format!("{}.{}", last.created_ms, last.id));
        Ok(view::SessionPage { sessions, next })
    }

    /// All of them; those whose time is up are ended instead.
    pub(super) async fn list(self: &Arc<Self>, ask: &Ask) -> Result<Vec<view::Session>, Refusal> {
        let subject = ask.subject.as_deref();
        let found = self.store.list(subject, LIST_MAX).await.map_err(trouble)?;
        let mut shown = Vec::new();
        for found in found {
            if self.running(found.id).is_none() && is_over(&found) {
                let (inner, ask) = (Arc::clone(self), ask.clone());
                self.tasks.spawn(async move {
                    // taken over, it is ended; an owner that runs it ends it by itself
                    drop(inner.settle(found.id, &ask).await);
                });
                continue;
            }
            shown.extend(self.shown(&found));
        }
        Ok(shown)
    }

    /// As of its last snapshot; what its owner knows better, where that is this endpoint.
    fn shown(&self, found: &Found) -> Option<view::Session> {
        let mut session: view::Session = serde_json::from_str(&found.about).ok()?;
        session.endpoint = found.record.owner.endpoint.to_string();
        session.generation = found.record.claim.generation;
        if let Some(handle) = self.running(found.id) {
            session.seq = handle.shared.log.lock().top();
            let terms = handle.shared.terms.lock();
            session.labels.clone_from(&terms.labels);
            session.expires_ms = terms.expires_ms;
            session.idle_expires_ms = terms.idle_expires_ms;
            session.cancel_on_disconnect_ms = terms.cancel_on_disconnect_ms;
        }
        Some(session)
    }
}

/// Whether the time of a session that nobody runs is up.
pub(super) fn is_over(found: &Found) -> bool {
    let Ok(session) = serde_json::from_str::<view::Session>(&found.about) else {
        return false;
    };
    let now_ms = wall_ms();
    let idle = session.idle_expires_ms.map(|span| session.active_ms + span);
    session.expires_ms.is_some_and(|at| at <= now_ms) || idle.is_some_and(|at| at <= now_ms)
}

fn matches(labels: &BTreeMap<String, String>, wanted: &[(String, Option<String>)]) -> bool {
    wanted.iter().all(|(key, value)| {
        let label = labels.get(key);
        label.is_some_and(|label| value.as_ref().is_none_or(|value| value == label))
    })
}

/// What a page's `next` says.
fn place(cursor: &str) -> Result<(u64, String), Refusal> {
    let parts = cursor.split_once('.');
    let place = parts.and_then(|(ms, id)| Some((ms.parse().ok()?, id.to_owned())));
    place.ok_or_else(|| {
        let message = "cursor: give next of the page before";
        Refusal::Invalid(Problem::new("bad_request", message))
    })
}
