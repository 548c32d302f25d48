//! Asks the sessions what they emitted and executed, while they run: they keep their log for a
//! while only.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Response;
use serde::Deserialize;
use serde_json::Value;

use super::desk::{CLIENT, Desk, Seat};
use super::requests;
use crate::client::Client;
use crate::clock::Instant;
use crate::ledger::{Content, Emitted, EntryId, Executed, Kind, Listener};

/// The one auditor of a run.
pub(super) struct Auditor {
    client: Client,
    seat: Seat,
    desks: Vec<Rc<Desk>>,
}

#[derive(Debug, Deserialize)]
struct LogPage {
    entries: Vec<LogEntry>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct LogEntry {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Value,
    client: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CommandPage {
    commands: Vec<CommandEntry>,
}

#[derive(Debug, Deserialize)]
struct CommandEntry {
    n: u64,
    answer: Value,
}

impl Auditor {
    pub(super) fn new(seat: Seat, desks: Vec<Rc<Desk>>) -> Self {
        let client = Client::new(ANSWER_MAX);
        Self {
            client,
            seat,
            desks,
        }
    }

    /// Asks every session once in `every`, spread over it, until the seat's `quiet`.
    pub(super) async fn follow(&self, every: Duration) {
        let count = u32::try_from(self.desks.len().max(1)).unwrap_or(u32::MAX);
        let mut ticks = tokio::time::interval((every / count).max(TICK_MIN));
        let mut turns = self.desks.iter().cycle();
        let asked = async {
            let stream =
                futures_util::stream::poll_fn(|context| ticks.poll_tick(context).map(Some));
            stream
                .for_each_concurrent(AT_ONCE, |_| {
                    let desk = turns.next();
                    async move {
                        if let Some(desk) = desk {
                            // Not now is soon enough: the end is asked for until it is known.
                            drop(self.read(desk).await);
                        }
                    }
                })
                .await;
        };
        self.seat.quiet.run_until_cancelled(asked).await;
    }

    /// Reads everything to its end, at least as far as clients have come by now, then waits until
    /// they have what they are due. An owner may be behind for a moment: one that has just taken
    /// the session over, or that has lost it and is about to notice.
    pub(super) async fn finish(&self) {
        let deadline = Instant::now() + FINISH_MAX;
        let by = self.seat.start.elapsed();
        futures_util::stream::iter(&self.desks)
            .for_each_concurrent(AT_ONCE, |desk| async move {
                let mut ticks = tokio::time::interval(AGAIN);
                let mut why = String::from("no time was left");
                while Instant::now() < deadline {
                    ticks.tick().await;
                    match self.read(desk).await {
                        Ok(()) if reached(desk, by) => return,
                        // What is still beyond the end of the log after so long is not in it.
                        Ok(()) if Instant::now() + FINISH_MAX >= deadline + REACH_MAX => return,
                        Ok(()) => {}
                        Err(error) => why = error,
                    }
                }
                desk.unread.replace(Some(why));
            })
            .await;
        let [told, heard] = Desk::listeners(self.seat.channels);
        let deadline = Instant::now() + COVER_MAX;
        let mut ticks = tokio::time::interval(AGAIN);
        // What has not come by then is missing.
        while Instant::now() < deadline
            && !self.desks.iter().all(|desk| covered(desk, &told, &heard))
        {
            ticks.tick().await;
        }
    }

    /// Ends all sessions, so that the next run finds the lab as this one did.
    pub(super) async fn leave(&self) {
        let left = futures_util::stream::iter(&self.desks)
            .for_each_concurrent(AT_ONCE, |desk| desk.trader.end(&self.client));
        // What is not ended by then is laid down by its backend.
        drop(tokio::time::timeout(LEAVE_MAX, left).await);
    }

    /// Asks everybody for who answers now.
    pub(super) async fn call_the_roll(&self) {
        futures_util::stream::iter(&self.desks)
            .for_each_concurrent(AT_ONCE, |desk| async move {
                if let Ok(answer) = desk.trader.get(&self.client, "").await {
                    requests::note(&self.seat, desk, answer.headers());
                }
            })
            .await;
    }

    /// The view of one session.
    pub(super) async fn view(&self, desk: &Desk) -> Result<Value, String> {
        let answer = self.get(desk, "").await?;
        serde_json::from_slice(answer.body()).map_err(|error| error.to_string())
    }

    async fn read(&self, desk: &Desk) -> Result<(), String> {
        self.read_log(desk).await?;
        let path = format!("/commands?client={CLIENT}");
        let answer = self.get(desk, &path).await?;
        let page: CommandPage =
            serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
        for CommandEntry { n, answer } in page.commands {
            let what = Executed {
                ok: answer["ok"] == true,
                order: answer["data"]["order_id"].as_u64(),
            };
            desk.audit.borrow_mut().executed(n, what);
        }
        Ok(())
    }

    async fn read_log(&self, desk: &Desk) -> Result<(), String> {
        for _ in 0..PAGES_MAX {
            let asked = self.seat.start.elapsed();
            let after = desk.audited.borrow().clone();
            let path = after.map_or_else(|| "/log".to_owned(), |id| format!("/log?after={id}"));
            let answer = desk.trader.get(&self.client, &path).await;
            let answer = answer.map_err(|error| error.to_string())?;
            if is_elsewhere(&answer) && desk.audited.take().is_some() {
                // No longer kept, or another log: from the oldest that there is.
                desk.audit.borrow_mut().torn();
                continue;
            }
            let answer = self.expect(desk, answer)?;
            let page: LogPage =
                serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
            enter(desk, &page.entries);
            if page.next.is_none() {
                desk.audit.borrow_mut().read_to_end(asked);
                return Ok(());
            }
        }
        Err(String::from("the log does not end"))
    }

    async fn get(&self, desk: &Desk, rest: &str) -> Result<Response<Bytes>, String> {
        let answer = desk.trader.get(&self.client, rest).await;
        self.expect(desk, answer.map_err(|error| error.to_string())?)
    }

    fn expect(&self, desk: &Desk, answer: Response<Bytes>) -> Result<Response<Bytes>, String> {
        if !answer.status().is_success() {
            let body = String::from_utf8_lossy(answer.body());
            return Err(format!("answered {}: {body}", answer.status()));
        }
        requests::note(&self.seat, desk, answer.headers());
        Ok(answer)
    }
}

/// Whether the place that was asked for is not in the log any more.
fn is_elsewhere(answer: &Response<Bytes>) -> bool {
    let problem: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or_default();
    answer.status().is_client_error() && matches!(code, "trimmed" | "epoch")
}

fn covered(desk: &Desk, told: &Listener, heard: &Listener) -> bool {
    let audit = desk.audit.borrow();
    audit.is_covered_by(&desk.told.borrow(), told)
        && audit.is_covered_by(&desk.heard.borrow(), heard)
}

fn reached(desk: &Desk, by: Duration) -> bool {
    let audit = desk.audit.borrow();
    audit.reaches(&desk.told.borrow(), by) && audit.reaches(&desk.heard.borrow(), by)
}

fn enter(desk: &Desk, entries: &[LogEntry]) {
    let mut audit = desk.audit.borrow_mut();
    for entry in entries {
        let Some(id) = EntryId::parse(&entry.id) else {
            continue;
        };
        let kind = Kind::of(&entry.kind);
        let order = entry.data["order_id"].as_u64();
        let emitted = Emitted {
            id,
            kind,
            content: Content::of(kind, &entry.data),
            client: entry.client.as_deref().map(crate::ledger::print_of),
        };
        audit.emitted_text(emitted, order, &entry.data.to_string());
    }
    if let Some(last) = entries.last() {
        desk.audited.replace(Some(last.id.clone()));
    }
}

const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Sessions asked at a time.
const AT_ONCE: usize = 8;
const TICK_MIN: Duration = Duration::from_millis(1);
const AGAIN: Duration = Duration::from_millis(100);
/// Of 1,000 entries each; a session keeps 4,096.
const PAGES_MAX: usize = 10;
/// For all sessions to answer at the end.
const FINISH_MAX: Duration = Duration::from_secs(60);
/// For an owner to come as far as clients are.
const REACH_MAX: Duration = Duration::from_secs(10);
const LEAVE_MAX: Duration = Duration::from_secs(30);
/// For the clients to receive what was emitted by then.
const COVER_MAX: Duration = Duration::from_secs(30);
