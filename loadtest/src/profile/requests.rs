//! A client that asks for its session again and again, with its cookie, and notes who answers.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::Full;

use super::trader::Trader;
use super::{Seat, Shared};
use crate::client::Client;

/// Runs until the seat's `done`; a request that fails ends it.
pub(super) async fn run(seat: Seat, trader: Rc<Trader>, account: Shared) {
    let asked = seat.done.run_until_cancelled(ask(&seat, &trader)).await;
    if let Some(Err(why)) = asked {
        account.borrow_mut().disconnected(why);
    }
}

async fn ask(seat: &Seat, trader: &Trader) -> Result<(), String> {
    let client = Client::new(ANSWER_MAX);
    let path = format!("/api/v1/sessions/{}", trader.session);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / seat.requests.max(1));
    loop {
        ticks.tick().await;
        let request = trader
            .request(Method::GET, &path)
            .body(Full::<Bytes>::default())
            .map_err(|error| error.to_string())?;
        let answer = client
            .ask(request)
            .await
            .map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("{path} answered {}", answer.status()));
        }
        note(seat, answer.headers());
    }
}

/// Writes down who answered, where the edge says so and the run wants to know.
pub(super) fn note(seat: &Seat, headers: &HeaderMap) {
    let named = headers
        .get("holdfast-endpoint")
        .and_then(|name| name.to_str().ok());
    if let (Some(endpoint), Some(account)) = (named, &seat.answered_by) {
        account.borrow_mut().answered_by(endpoint);
    }
}

const ANSWER_MAX: Duration = Duration::from_secs(10);
