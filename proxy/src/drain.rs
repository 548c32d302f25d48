//! How this process leaves: readiness first, then the door, then everybody inside, by a deadline.
//!
//! A load balancer learns late that a proxy goes. So `/readyz` fails while connections are still
//! accepted (`shutdown.propagation`); then nobody is let in, and those inside are told to leave
//! one after the other over `shutdown.spread`, so that they do not all come back to another
//! proxy in the same second. The process ends when nobody is left, or at `shutdown.deadline`.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::clock;
use crate::config::Shutdown;
use crate::telemetry::Telemetry;

/// Everything that has to leave, and how it is told.
pub struct Drain {
    /// How long each step takes.
    pub times: Shutdown,
    /// Says that we are not ready any more.
    pub telemetry: Telemetry,
    /// Accepting ends when this is cancelled.
    pub closing: CancellationToken,
    /// Connections are not kept after their request when this says true.
    pub leaving: watch::Sender<bool>,
    /// The connections of clients.
    pub connections: TaskTracker,
    /// Open streams.
    pub streams: Box<dyn Streams>,
}

/// The open WebSockets and event streams.
#[async_trait]
pub trait Streams: Send + Sync {
    /// How many there are.
    fn open(&self) -> usize;
    /// Tell so many to leave politely.
    fn close_some(&self, count: usize);
    /// Connections between two requests are closed.
    async fn close_idle(&self);
}

impl Drain {
    /// Leave. Returns when nobody is left, or when it is time; says how many were cut off.
    pub async fn run(self) -> usize {
        let Self {
            times,
            telemetry,
            closing,
            leaving,
            connections,
            streams,
        } = self;
        telemetry.set_draining();
        info!(propagation = ?times.propagation, "leaving: not ready, still accepting");
        sleep(times.propagation).await;
        let deadline = clock::moment() + times.deadline;
        closing.cancel();
        leaving.send_replace(true);
        connections.close();
        info!(streams = streams.open(), spread = ?times.spread, "no new connections");
        streams.close_idle().await;
        let gone = async {
            spread(&*streams, times.spread).await;
            connections.wait().await;
            while streams.open() > 0 {
                sleep(TICK).await;
            }
        };
        if timeout_at(deadline, gone).await.is_ok() {
            info!("everybody has left");
            return 0;
        }
        let left = connections.len().max(streams.open());
        warn!(left, "the deadline has come; the rest is cut off");
        left
    }
}

/// Tells all open streams to leave, evenly over this time.
async fn spread(streams: &dyn Streams, over: Duration) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let steps = (over.as_millis() / TICK.as_millis()).max(1);
    for left in (1..=steps).rev() {
        ticks.tick().await;
        let open = streams.open();
        if open == 0 {
            return;
        }
        let share = open.div_ceil(usize::try_from(left).unwrap_or(usize::MAX));
        streams.close_some(share);
    }
}

const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// Streams that leave when they are told.
    #[derive(Clone, Default)]
    struct Polite {
        open: Arc<Mutex<usize>>,
        told: Arc<Mutex<Vec<usize>>>,
    }

    #[async_trait]
    impl Streams for Polite {
        fn open(&self) -> usize {
            *self.open.lock()
        }

        fn close_some(&self, count: usize) {
            *self.open.lock() -= count;
            self.told.lock().push(count);
        }

        async fn close_idle(&self) {}
    }

    fn drain(streams: Polite, times: Shutdown) -> Drain {
        Drain {
            times,
            telemetry: Telemetry::new(),
            closing: CancellationToken::new(),
            leaving: watch::Sender::new(false),
            connections: TaskTracker::new(),
            streams: Box::new(streams),
        }
    }

    const TIMES: Shutdown = Shutdown {
        propagation: Duration::from_secs(10),
        spread: Duration::from_secs(20),
        deadline: Duration::from_secs(40),
    };

    #[tokio::test(start_paused = true)]
    async fn accepting_ends_only_after_the_load_balancer_had_time_to_notice() {
        let drain = drain(Polite::default(), TIMES);
        let (closing, telemetry) = (drain.closing.clone(), drain.telemetry.clone());
        let began = clock::moment();
        let running = tokio::spawn(drain.run());
        tokio::task::yield_now().await;
        assert!(telemetry.is_draining(), "not ready from the first moment");
        closing.cancelled().await;
        assert_eq!(clock::moment() - began, TIMES.propagation);
        assert_eq!(running.await.expect("drain"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn streams_are_told_evenly_over_the_spread() {
        let streams = Polite::default();
        *streams.open.lock() = 1000;
        assert_eq!(drain(streams.clone(), TIMES).run().await, 0);
        let told = streams.told.lock();
        assert_eq!(told.iter().sum::<usize>(), 1000);
        assert!(
            told.iter().all(|count| *count <= 5),
            "at most 5 in each 100 ms: {told:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stays_is_cut_off_at_the_deadline() {
        let drain = drain(Polite::default(), TIMES);
        let stuck = drain.connections.spawn(std::future::pending::<()>());
        let began = clock::moment();
        assert_eq!(drain.run().await, 1);
        assert_eq!(clock::moment() - began, TIMES.propagation + TIMES.deadline);
        stuck.abort();
    }
}
