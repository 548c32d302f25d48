//! The proxy's admin listener: what an operator sees, and may order.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{AskError, Client};

/// The admin listener of one proxy.
#[derive(Debug, Clone)]
pub(super) struct Admin {
    address: SocketAddr,
    client: Client,
}

/// Why it did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("the proxy's admin listener")]
    Ask(#[from] AskError),
    #[error("the proxy's admin listener answered {status} to {path}")]
    Refused { path: String, status: StatusCode },
    #[error("the proxy's admin listener answered {path} with something else than JSON")]
    Strange { path: String },
}

/// An endpoint, as the proxy sees it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) sessions: u64,
    pub(super) connections: Connections,
    pub(super) drained: bool,
    #[serde(default)]
    pub(super) drain: Option<Drain>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Connections {
    pub(super) websocket: u64,
    pub(super) sse: u64,
}

/// A drain that goes on.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Drain {
    pub(super) rate: u64,
}

/// What the proxy itself has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) moves: u64,
    pub(super) lost: u64,
}

/// How long moves took by the proxy's own clock: counts by upper bound in seconds, added up.
#[derive(Debug, Clone, Default)]
pub(super) struct MoveTimes(Vec<(f64, u64)>);

impl Admin {
    pub(super) fn new(address: SocketAddr) -> Self {
        let client = Client::new(ANSWER_MAX);
        Self { address, client }
    }

    /// Drains an endpoint, or puts it back.
    pub(super) async fn order(
        &self,
        cluster: &str,
        endpoint: &str,
        what: &str,
    ) -> Result<(), AdminError> {
        let path = format!("/endpoints/{cluster}/{endpoint}/{what}");
        self.call(Method::POST, &path).await.map(drop)
    }

    pub(super) async fn endpoints(&self, cluster: &str) -> Result<Vec<Endpoint>, AdminError> {
        let status = self.status().await?;
        let clusters = status["clusters"].as_array();
        let found = clusters
            .and_then(|clusters| clusters.iter().find(|one| one["name"] == cluster))
            .map(|cluster| cluster["endpoints"].clone());
        serde_json::from_value(found.unwrap_or_default()).map_err(|_| strange("/status"))
    }

    pub(super) async fn totals(&self) -> Result<Totals, AdminError> {
        let status = self.status().await?;
        let total = |name: &str| {
            status["totals"][name]
                .as_f64()
                .map_or(0, |count| count as u64)
        };
        Ok(Totals {
            moves: total("moves"),
            lost: total("lost"),
        })
    }

    pub(super) async fn move_times(&self) -> Result<MoveTimes, AdminError> {
        let text = self.call(Method::GET, "/metrics").await?;
        Ok(MoveTimes::parse(&String::from_utf8_lossy(&text)))
    }

    async fn status(&self) -> Result<Value, AdminError> {
        let body = self.call(Method::GET, "/status").await?;
        serde_json::from_slice(&body).map_err(|_| strange("/status"))
    }

    async fn call(&self, method: Method, path: &str) -> Result<bytes::Bytes, AdminError> {
        let answer = self.client.call(method, self.address, path).await?;
        let status = answer.status();
        if !status.is_success() {
            let path = path.to_owned();
            return Err(AdminError::Refused { path, status });
        }
        Ok(answer.into_body())
    }
}

fn strange(path: &str) -> AdminError {
    let path = path.to_owned();
    AdminError::Strange { path }
}

impl MoveTimes {
    fn parse(text: &str) -> Self {
        let bucket = |line: &str| {
            let (bound, count) = line
                .strip_prefix("holdfast_move_seconds_bucket{le=\"")?
                .split_once("\"} ")?;
            let bound = if bound == "+Inf" {
                f64::INFINITY
            } else {
                bound.parse().ok()?
            };
            Some((bound, count.parse::<f64>().ok()? as u64))
        };
        Self(text.lines().filter_map(bucket).collect())
    }

    /// The smallest bound in milliseconds that this share of the moves since `earlier` stayed
    /// below; `None` without moves.
    pub(super) fn below_ms(&self, earlier: &Self, share: f64) -> Option<f64> {
        let before = |place: usize| earlier.0.get(place).map_or(0, |(_, count)| *count);
        let since = |place: usize| self.0[place].1.saturating_sub(before(place));
        let all = since(self.0.len().checked_sub(1)?);
        let enough = (share * all as f64).ceil() as u64;
        let place = (0..self.0.len()).find(|&place| all > 0 && since(place) >= enough)?;
        Some(self.0[place].0 * 1e3)
    }
}

/// On a machine that does much else.
const ANSWER_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_moves_is_read_from_the_difference_of_two_histograms() {
        let text = |counts: [u64; 3]| {
            let [a, b, c] = counts;
            MoveTimes::parse(&format!(
                "# HELP holdfast_move_seconds x\nholdfast_move_seconds_bucket{{le=\"0.01\"}} {a}\n\
                 holdfast_move_seconds_bucket{{le=\"0.05\"}} {b}\n\
                 holdfast_move_seconds_bucket{{le=\"+Inf\"}} {c}\nholdfast_move_seconds_sum 1\n"
            ))
        };
        let (before, after) = (text([5, 5, 5]), text([13, 15, 15]));
        assert_eq!(after.below_ms(&before, 0.5), Some(10.0));
        assert_eq!(after.below_ms(&before, 0.99), Some(50.0));
        assert_eq!(before.below_ms(&before, 0.5), None);
    }
}
