//! A client that asks for its session again and again, with its cookie, and notes who answers.

use std::rc::Rc;
use std::time::Duration;

use http::HeaderMap;

use super::desk::{Desk, Seat};
use crate::client::Client;

/// Runs until the seat's `quiet`; a request that fails ends it.
pub(super) async fn run(seat: Seat, desk: Rc<Desk>) {
    let asked = seat.quiet.run_until_cancelled(ask(&seat, &desk)).await;
    if let Some(Err(why)) = asked {
        desk.asked.borrow_mut().disconnected(why);
    }
}

async fn ask(seat: &Seat, desk: &Desk) -> Result<(), String> {
    let client = Client::new(ANSWER_MAX);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / seat.requests.max(1));
    loop {
        ticks.tick().await;
        let answer = desk.trader.get(&client, "").await;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("the session was answered {}", answer.status()));
        }
        note(seat, desk, answer.headers());
    }
}

/// Writes down who answered, where the edge says so.
pub(super) fn note(seat: &Seat, desk: &Desk, headers: &HeaderMap) {
    let named = headers
        .get("holdfast-endpoint")
        .and_then(|name| name.to_str().ok());
    let Some(endpoint) = named else { return };
    desk.answered_by(seat.start.elapsed(), endpoint);
    if seat.stays {
        desk.asked.borrow_mut().answered_by(endpoint);
    }
}

const ANSWER_MAX: Duration = Duration::from_secs(30);
