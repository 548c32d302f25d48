//! Noticing that the server has lost something: it was emptied, or started again.

use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::ConnectionManager;
use redis::{RedisResult, pipe};

use crate::clock::{self, Instant};
use crate::random;

/// For how long after such a loss a session that is not there may be written anew by its owner,
/// which looks every 2 s.
const SUSPICION: Duration = Duration::from_secs(5);

/// What the server was when it was last looked at.
#[derive(Default)]
pub(super) struct Memory {
    seen: Mutex<Option<Identity>>,
    lost: Mutex<Option<Instant>>,
}

/// A server that lost nothing has the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    marker: Option<String>,
    /// Drawn by the server at its start.
    run: Option<String>,
}

impl Memory {
    /// Takes down what the server is now; whether it may have lost sessions a moment ago.
    pub(super) fn note(&self, now: Identity) -> bool {
        let before = self.seen.lock().replace(now.clone());
        let mut lost = self.lost.lock();
        if let Some(before) = before
            && before != now
        {
            tracing::warn!(
                emptied = before.marker != now.marker,
                "the store was emptied or started again: owners write anew what it lost"
            );
            *lost = Some(clock::now());
        }
        lost.is_some_and(|at| clock::now().duration_since(at) < SUSPICION)
    }
}

/// What the server is now. A server without a marker is given one.
pub(super) async fn identity(mut server: ConnectionManager, key: String) -> RedisResult<Identity> {
    let mut look = pipe();
    look.cmd("GET").arg(&key).cmd("INFO").arg("server");
    let (mut marker, info): (Option<String>, String) = look.query_async(&mut server).await?;
    if marker.is_none() {
        let drawn = format!("{:032x}", random::bits128());
        let mut mark = pipe();
        mark.cmd("SETNX").arg(&key).arg(drawn).ignore();
        mark.cmd("GET").arg(&key);
        (marker,) = mark.query_async(&mut server).await?;
    }
    let run = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    Ok(Identity {
        marker,
        run: run.map(str::to_owned),
    })
}
