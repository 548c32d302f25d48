//! What happens when nobody is there, or a session's time is up.

use std::time::Duration;

use holdfast_session::engine::Incoming;
use holdfast_session::journal::Asked;
use holdfast_session::message::{CancelAll, Command};

use super::{Goes, Over, Running};
use crate::clock::{Instant, wall_ms};

/// Between tries to end a session while the store does not take it.
const AGAIN: Duration = Duration::from_secs(2);

/// What is remembered of a session that nobody is connected to.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::sessions) struct Alone {
    /// Since when.
    since: Option<Instant>,
    /// Its orders were taken back.
    taken_back: bool,
    /// It could not be ended; when that is tried again.
    again: Option<Instant>,
}

impl Running {
    /// Ends the session when its time is up, and takes its orders back when nobody is connected for
    /// as long as its user has laid down.
    pub(super) async fn mind_the_end(&mut self, now: Instant) -> Goes {
        let terms = self.engine.terms();
        let (expires_ms, idle_ms) = (terms.expires_ms, terms.idle_expires_ms);
        let cancel_ms = terms.cancel_on_disconnect_ms;
        if expires_ms.or(idle_ms).or(cancel_ms).is_none() || !self.holder.serves() {
            return Goes::Continue(());
        }
        let alone = self.legs.values().all(|leg| leg.is_over());
        let since = match alone {
            true => *self.alone.since.get_or_insert(now),
            false => {
                self.alone = Alone::default();
                now
            }
        };
        if cancel_ms.is_some_and(|ms| now >= since + Duration::from_millis(ms))
            && alone
            && !self.alone.taken_back
        {
            self.cancel_all();
        }
        let quiet_since = since.max(self.times.asked);
        let idle = idle_ms.is_some_and(|ms| now >= quiet_since + Duration::from_millis(ms));
        let over = expires_ms.is_some_and(|at| wall_ms() >= at) || (alone && idle);
        if !over || self.alone.again.is_some_and(|again| now < again) {
            return Goes::Continue(());
        }
        match self.store.end(self.fence(), self.last_post()).await {
            Ok(()) => {
                self.tell_of_the_end();
                Goes::Break(Over::Ended)
            }
            Err(error) if Self::is_lost(&error) => self.refused(error).await,
            Err(error) => {
                tracing::warn!(session = %self.shared.id, %error, "its time is up; not ended");
                self.alone.again = Some(now + AGAIN);
                Goes::Continue(())
            }
        }
    }

    /// Whether orders are still to be taken back: until then it has to run.
    pub(super) fn owes_cancel(&self) -> bool {
        self.engine.terms().cancel_on_disconnect_ms.is_some() && !self.alone.taken_back
    }

    /// When somebody was last connected or asked for something, in milliseconds since 1970.
    pub(super) fn active_ms(&self) -> u64 {
        let quiet = crate::clock::now().duration_since(self.times.asked);
        match self.legs.values().all(|leg| leg.is_over()) {
            true => wall_ms().saturating_sub(u64::try_from(quiet.as_millis()).unwrap_or(0)),
            false => wall_ms(),
        }
    }

    fn cancel_all(&mut self) {
        let incoming = Incoming {
            connection: None,
            number: None,
            asked: Asked::Command(Command::OrderCancelAll(CancelAll::default())),
            ticket: None,
        };
        // a full queue has room again soon
        self.alone.taken_back = self.engine.submit(incoming).is_ok();
    }
}
