//! The service levels, and what a run makes of them.

use std::rc::Rc;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};

use super::desk::{Desk, Seat};
use crate::client::Client;

/// One promise and what was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Level {
    pub(super) measure: String,
    pub(super) target: String,
    pub(super) measured: String,
    pub(super) met: bool,
}

/// How often the edge was asked for its health, and answered well.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Health {
    pub(super) asked: u64,
    pub(super) well: u64,
}

impl Health {
    /// Asks through the edge, as a client would, until the seat's `quiet`.
    pub(super) async fn watch(seat: &Seat, edge: std::net::SocketAddr) -> Self {
        let client = Client::new(ANSWER_MAX);
        let mut seen = Self::default();
        let watch = async {
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                ticks.tick().await;
                let answer = client.call(Method::GET, edge, "/health").await;
                seen.asked += 1;
                seen.well += u64::from(answer.is_ok_and(|answer| answer.status().is_success()));
            }
        };
        seat.quiet.run_until_cancelled(watch).await;
        seen
    }
}

/// Judges a run. `lost` counts messages lost, doubled or reordered.
pub(super) fn levels(
    desks: &[Rc<Desk>],
    time: Duration,
    health: Health,
    planned: bool,
    zone: bool,
    lost: u64,
) -> Vec<Level> {
    let ends: Vec<String> = desks
        .iter()
        .flat_map(|desk| [desk.told.borrow(), desk.heard.borrow()])
        .filter_map(|account| account.end().map(str::to_owned))
        .collect();
    let connections = (2 * desks.len()).max(1) as f64;
    let share = ends.len() as f64 / connections;
    let churn = share / (time.as_secs_f64() / 60.0).max(1.0);
    let silent = ends.iter().filter(|end| end.contains("4212")).count() as f64 / connections;
    let available = health.well as f64 / health.asked.max(1) as f64;
    let level = |measure: &str, target: &str, measured: String, met: bool| Level {
        measure: measure.to_owned(),
        target: target.to_owned(),
        measured,
        met,
    };
    let percent = |share: f64| format!("{:.3} %", 100.0 * share);
    let (bound, churn_target) = if zone {
        (0.05, "< 5 % at a zone failure")
    } else {
        (0.01, "< 1 % a minute")
    };
    let mut all = vec![
        level(
            "connection stability",
            "> 99.9 %",
            percent(1.0 - share),
            share < 0.001,
        ),
        level("churn", churn_target, percent(churn), churn < bound),
        level(
            "heartbeat timeouts",
            "< 0.5 %",
            percent(silent),
            silent < 0.005,
        ),
        level(
            "health endpoint availability",
            "> 99.9 %",
            format!("{} of {} requests", health.well, health.asked),
            available > 0.999,
        ),
        level(
            "messages lost, duplicated or reordered",
            "0",
            lost.to_string(),
            lost == 0,
        ),
    ];
    if planned {
        let kept = 1.0 - share;
        all.push(level(
            "planned shutdown without a client-visible disconnect",
            "100 %",
            percent(kept),
            ends.is_empty(),
        ));
    }
    all
}

const EVERY: Duration = Duration::from_millis(250);
const ANSWER_MAX: Duration = Duration::from_secs(5);
