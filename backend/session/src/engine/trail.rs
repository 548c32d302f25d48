//! What the engine notes for the ledger.

use serde_json::value::{RawValue, to_raw_value};

use super::Engine;
use crate::id::{ClientId, Epoch};
use crate::journal::Asked;
use crate::log::{Kind, Log};
use crate::message::{Answer, Command, Problem, SessionRestart};
use crate::trail::{Began, DATA_MAX, Entry, Executed, Trail, What, Why};

impl Engine {
    /// From here on facts are noted in a trail called `id`, after those that no snapshot
    /// has taken along yet.
    pub fn begin_trail(&mut self, log: &Log, id: Epoch, why: Why) {
        let began = Began {
            why,
            scenario: self.scenario().into(),
            seed: self.seed(),
            epoch: log.epoch().clone(),
            seq: log.top(),
        };
        let before = self.trail.take();
        let mut trail = Trail::new(id);
        trail.note(self.time_ms(), What::Began(began));
        for (at_ms, what) in before.into_iter().flat_map(Trail::into_news) {
            trail.note(at_ms, what);
        }
        self.trail = Some(trail);
    }

    /// From here on none are.
    pub fn end_trail(&mut self) {
        self.trail = None;
    }

    /// What has been noted; none without a ledger.
    pub const fn trail(&self) -> Option<&Trail> {
        self.trail.as_ref()
    }

    /// The same, to add to and to take from.
    pub const fn trail_mut(&mut self) -> Option<&mut Trail> {
        self.trail.as_mut()
    }

    pub(super) fn note_executed(
        &mut self,
        generation: u64,
        number: Option<(&ClientId, u64)>,
        asked: &Asked,
        answer: &Answer,
    ) {
        let (at_ms, record) = (self.time_ms(), self.length - 1);
        let Some(trail) = &mut self.trail else { return };
        if concerns_one_connection(asked) {
            return;
        }
        let executed = Executed {
            record,
            generation,
            number: number.map(|(client, n)| (client.clone(), n)),
            kind: asked.name().into(),
            data: data(asked),
            ok: answer.ok,
            order_id: answer.data.as_ref().and_then(|data| data.order_id),
            error: answer.error.clone().map(clipped),
        };
        trail.note(at_ms, What::Command(executed));
    }
}

/// Orders and fills last; the rest of the log is market data, or follows from them.
pub(super) fn emitted(trail: &mut Trail, log: &Log, kind: Kind, body: &str, at_ms: u64) {
    let what = match kind {
        Kind::Order => What::Order,
        Kind::Fill => What::Fill,
        _ => return,
    };
    let Ok(body) = RawValue::from_string(body.into()) else {
        debug_assert!(false, "an entry is always JSON");
        return;
    };
    let entry = Entry {
        epoch: log.epoch().clone(),
        seq: log.top(),
        body,
    };
    trail.note(at_ms, what(entry));
}

/// What cannot be read is quoted in the message, whole.
fn clipped(mut problem: Problem) -> Problem {
    const CHARS_MAX: usize = 500;
    if let Some((at, _)) = problem.message.char_indices().nth(CHARS_MAX) {
        problem.message.truncate(at);
    }
    problem
}

fn concerns_one_connection(asked: &Asked) -> bool {
    let subscribes =
        |command: &Command| matches!(command, Command::Subscribe(_) | Command::Unsubscribe(_));
    match asked {
        Asked::Command(command) => subscribes(command),
        Asked::Nothing => true,
        Asked::Restart { .. } | Asked::Unreadable { .. } => false,
    }
}

/// The command's data as it was sent. Of what could not be read there is none.
fn data(asked: &Asked) -> Box<RawValue> {
    #[derive(serde::Deserialize)]
    struct Sent {
        data: Box<RawValue>,
    }
    let restart;
    let command = match asked {
        Asked::Command(command) => command,
        Asked::Restart { scenario, seed } => {
            restart = Command::SessionRestart(SessionRestart {
                scenario: Some(scenario.name.clone()),
                seed: *seed,
            });
            &restart
        }
        Asked::Nothing | Asked::Unreadable { .. } => return RawValue::NULL.to_owned(),
    };
    let text = serde_json::to_string(command).unwrap_or_default();
    let sent = serde_json::from_str(&text).map(|sent: Sent| sent.data);
    let bytes = text.len();
    match sent {
        Ok(data) if bytes <= DATA_MAX => data,
        _ => to_raw_value(&serde_json::json!({ "bytes": bytes }))
            .unwrap_or_else(|_| RawValue::NULL.to_owned()),
    }
}
