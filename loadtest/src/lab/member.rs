//! Keeps one process running: when it dies, another one is started under the same id.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::record::{Lab, MemberId, Process};
use crate::clock::Instant;
use crate::process::{Child, Program, StartError};
use crate::terminal;

/// What a member can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// SIGKILL, as a machine that loses power would
    Kill,
}

/// One place in the lab and the process that fills it at the moment.
#[derive(Debug)]
pub struct Member {
    id: MemberId,
    program: Program,
    orders: mpsc::Receiver<Order>,
    record: watch::Sender<Lab>,
    stop: CancellationToken,
}

impl Member {
    #[must_use]
    pub fn new(
        id: MemberId,
        program: Program,
        orders: mpsc::Receiver<Order>,
        record: watch::Sender<Lab>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            id,
            program,
            orders,
            record,
            stop,
        }
    }

    /// Runs until the lab stops. Fails only if a process cannot be started at all.
    pub async fn run(mut self) -> Result<(), StartError> {
        let mut early_ends = 0;
        loop {
            let mut child = self.program.start()?;
            let started = Instant::now();
            self.note(|process| {
                process.pid = child.pid();
                process.running = true;
            });
            let Some(ended) = self.watch(&mut child).await else {
                return Ok(());
            };
            early_ends = if started.elapsed() < EARLY {
                early_ends + 1
            } else {
                0
            };
            terminal::warn(format_args!(
                "{} ended: {ended}; starting it again",
                self.id
            ));
            self.note(|process| {
                process.running = false;
                process.restarts += 1;
                process.last_exit = Some(ended);
            });
            if self
                .stop
                .run_until_cancelled(tokio::time::sleep(pause(early_ends)))
                .await
                .is_none()
            {
                return Ok(());
            }
        }
    }

    /// Waits for the end of `child`, carrying out orders; `None` once the lab stops.
    async fn watch(&mut self, child: &mut Child) -> Option<String> {
        loop {
            tokio::select! {
                ended = child.wait() => {
                    let told = ended.map(|how| how.to_string());
                    return Some(told.unwrap_or_else(|error| error.to_string()));
                }
                Some(Order::Kill) = self.orders.recv() => {
                    if let Err(error) = child.kill() {
                        terminal::warn(format_args!("{} cannot be killed: {error}", self.id));
                    }
                }
                () = self.stop.cancelled() => {
                    if !child.terminate(TERMINATION_MAX).await.unwrap_or(false) {
                        terminal::warn(format_args!(
                            "{} was still there {TERMINATION_MAX:?} after SIGTERM: killed", self.id
                        ));
                    }
                    self.note(|process| process.running = false);
                    return None;
                }
            }
        }
    }

    fn note(&self, change: impl FnOnce(&mut Process)) {
        self.record.send_modify(|lab| {
            if let Some(process) = lab.process(&self.id) {
                change(process);
            }
        });
    }
}

/// A process that keeps dying at its start is tried less and less often.
fn pause(early_ends: u32) -> Duration {
    let doubled = RESTART_MIN.saturating_mul(1 << early_ends.saturating_sub(1).min(10));
    doubled.min(RESTART_MAX)
}

/// An end this soon after the start counts as a failed start.
const EARLY: Duration = Duration::from_secs(5);
const RESTART_MIN: Duration = Duration::from_millis(100);
const RESTART_MAX: Duration = Duration::from_secs(5);
/// Between SIGTERM and SIGKILL; longer than the shutdown deadlines of the lab's configuration.
const TERMINATION_MAX: Duration = Duration::from_secs(12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_dies_at_its_start_is_tried_less_and_less_often() {
        assert_eq!(pause(0), Duration::from_millis(100));
        assert_eq!(pause(1), Duration::from_millis(100));
        assert_eq!(pause(2), Duration::from_millis(200));
        assert_eq!(pause(5), Duration::from_millis(1600));
        assert_eq!(pause(7), RESTART_MAX);
        assert_eq!(pause(u32::MAX), RESTART_MAX);
    }
}
