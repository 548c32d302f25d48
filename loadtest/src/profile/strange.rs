//! Messages that a session does not own up to, with all that helps to find out why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::desk::Desk;
use crate::ledger::Deviation;

/// One message that a session's log does not have, or not so.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Strange {
    session: String,
    /// `websocket` or `events`.
    connection: String,
    #[serde(flatten)]
    deviation: Deviation,
    /// Who answered for the session, and from when on, in seconds after the start of the run.
    homes: Vec<(f64, String)>,
}

impl Strange {
    /// The first of them, of all sessions.
    pub(super) fn of<'a>(
        desks: impl Iterator<Item = &'a Desk>,
        channels: Option<&str>,
    ) -> Vec<Self> {
        let listeners = Desk::listeners(channels);
        let of = |desk: &Desk| {
            let books = [
                ("websocket", desk.told.borrow()),
                ("events", desk.heard.borrow()),
            ];
            let audit = desk.audit.borrow();
            let mut all = Vec::new();
            for ((connection, account), listener) in books.iter().zip(&listeners) {
                let (_, wrong) = audit.examine(account, listener);
                all.extend(wrong.into_iter().map(|deviation| Self {
                    session: desk.trader.session.clone(),
                    connection: (*connection).to_owned(),
                    deviation,
                    homes: desk.known_homes(),
                }));
            }
            all
        };
        desks.flat_map(of).take(SHOWN_MAX).collect()
    }
}

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            session,
            connection,
            deviation,
            homes,
        } = self;
        write!(f, "{session} {connection}: {deviation}; answered by")?;
        for (since, home) in homes {
            write!(f, " {home} from {since:.1} s")?;
        }
        Ok(())
    }
}

const SHOWN_MAX: usize = 100;
