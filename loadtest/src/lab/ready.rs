//! When does the lab answer? Asked at its start, with a deadline; a process that dies meanwhile
//! fails the start at once, with the end of its log.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::files::Files;
use super::plan::Plan;
use super::record::{Lab, MemberId};
use crate::client::Client;

/// What did not come up.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("{id} ended before it was ready ({how}); the end of {log}:\n{tail}")]
    Ended {
        id: MemberId,
        how: String,
        log: PathBuf,
        tail: String,
    },
    #[error(
        "{what} at http://{address}{path} did not answer 200 within {START_MAX:?}: {last}; \
             logs are in {logs}"
    )]
    Late {
        what: String,
        address: SocketAddr,
        path: &'static str,
        last: String,
        logs: PathBuf,
    },
    #[error("the Redis server at {address} did not answer within {START_MAX:?}; its log is {log}")]
    LateStore { address: SocketAddr, log: PathBuf },
}

/// Waits until the store answers, or `stop`.
pub(super) async fn redis(
    address: SocketAddr,
    record: &watch::Sender<Lab>,
    files: &Files,
    stop: &CancellationToken,
) -> Result<(), NotReady> {
    let late = || NotReady::LateStore {
        address,
        log: files.log(&MemberId::Redis),
    };
    let answers = tokio::time::timeout(START_MAX, async {
        let mut ticks = tokio::time::interval(ASK_EVERY);
        loop {
            ticks.tick().await;
            if super::redis::answers(address).await {
                return;
            }
        }
    });
    tokio::select! {
        in_time = answers => in_time.map_err(|_| late()),
        ended = first_end(record.subscribe(), files) => Err(ended),
        () = stop.cancelled() => Ok(()),
    }
}

/// Waits until every backend and sticky application is ready, or `stop`.
pub(super) async fn servers(
    plan: &Plan,
    record: &watch::Sender<Lab>,
    files: &Files,
    stop: &CancellationToken,
) -> Result<(), NotReady> {
    let backends = plan.backends.iter().chain(&plan.reference);
    let backends = backends.map(|seat| (seat, "backend", "/health/ready"));
    let sticky = plan
        .sticky_apps
        .iter()
        .map(|seat| (seat, "sticky-app", "/health"));
    let doors = backends.chain(sticky).map(|(seat, kind, path)| Door {
        what: format!("{kind} {}", seat.id),
        address: seat.address,
        path,
    });
    all(doors.collect(), record, files, stop).await
}

/// Waits until the proxy is ready and the page comes through it, or `stop`.
pub(super) async fn proxy(
    plan: &Plan,
    record: &watch::Sender<Lab>,
    files: &Files,
    stop: &CancellationToken,
) -> Result<(), NotReady> {
    let door = |what: &str, address, path| Door {
        what: what.to_owned(),
        address,
        path,
    };
    let doors = vec![
        door("the proxy's admin listener", plan.admin, "/readyz"),
        door("the page", plan.proxy, "/"),
    ];
    all(doors, record, files, stop).await
}

struct Door {
    what: String,
    address: SocketAddr,
    path: &'static str,
}

async fn all(
    doors: Vec<Door>,
    record: &watch::Sender<Lab>,
    files: &Files,
    stop: &CancellationToken,
) -> Result<(), NotReady> {
    let open = async {
        for door in &doors {
            wait(door, files).await?;
        }
        Ok(())
    };
    tokio::select! {
        outcome = open => outcome,
        ended = first_end(record.subscribe(), files) => Err(ended),
        () = stop.cancelled() => Ok(()),
    }
}

async fn wait(door: &Door, files: &Files) -> Result<(), NotReady> {
    let client = Client::new(Duration::from_secs(2));
    let mut last = String::from("no attempt");
    let attempts = async {
        let mut ticks = tokio::time::interval(ASK_EVERY);
        loop {
            ticks.tick().await;
            match client.call(Method::GET, door.address, door.path).await {
                Ok(answer) if answer.status() == http::StatusCode::OK => return,
                Ok(answer) => last = format!("it answered {}", answer.status()),
                Err(error) => last = error.to_string(),
            }
        }
    };
    if tokio::time::timeout(START_MAX, attempts).await.is_ok() {
        return Ok(());
    }
    let Door {
        what,
        address,
        path,
    } = door;
    let (what, address) = (what.clone(), *address);
    Err(NotReady::Late {
        what,
        address,
        path,
        last,
        logs: files.logs.clone(),
    })
}

/// The first process that had to be started a second time.
async fn first_end(mut record: watch::Receiver<Lab>, files: &Files) -> NotReady {
    loop {
        let ended = record
            .borrow_and_update()
            .processes()
            .find_map(|(id, process)| process.last_exit.clone().map(|how| (id, how)));
        if let Some((id, how)) = ended {
            let log = files.log(&id);
            let tail = tail(&fs::read_to_string(&log).unwrap_or_default());
            return NotReady::Ended { id, how, log, tail };
        }
        if record.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

const ASK_EVERY: Duration = Duration::from_millis(50);
const START_MAX: Duration = Duration::from_secs(30);
const TAIL_LINES: usize = 20;
