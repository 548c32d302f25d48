//! How this process leaves: readiness first, then the door, then everybody inside, by a deadline.
//!
//! A load balancer learns late that a proxy goes. So `/readyz` fails while connections are still
//! accepted (`shutdown.propagation`); then nobody is let in, and those inside are told to leave
//! one after the other over `shutdown.spread`, so that they do not all come back to another
//! proxy in the same second. The process ends when nobody is left, or at `shutdown.deadline`.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout, timeout_at};
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
    /// Whoever accepts: nobody is let in any more when all of them have ended.
    pub acceptors: TaskTracker,
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
    /// How many of them have not been told to leave.
    fn untold(&self) -> usize;
    /// Tell so many more to leave politely.
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
            acceptors,
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
        acceptors.close();
        connections.close();
        info!(streams = streams.open(), spread = ?times.spread, "no new connections");
        let idle = async {
            acceptors.wait().await;
            // Whoever was let in last has not asked yet, and has nobody else to ask.
            if timeout(FIRST_REQUEST, connections.wait()).await.is_err() {
                streams.close_idle().await;
            }
        };
        let gone = async {
            tokio::join!(idle, spread(&*streams, times.spread));
            connections.wait().await;
            while streams.open() > 0 {
                // A request that was under way may have become a stream since.
                streams.close_some(streams.untold());
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

/// Tells all open streams to leave, evenly over this time; a few leave sooner than it allows, ten
/// a second. Nobody is told twice, however long it takes to leave.
async fn spread(streams: &dyn Streams, over: Duration) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let steps = (over.as_millis() / TICK.as_millis()).max(1);
    for left in (1..=steps).rev() {
        ticks.tick().await;
        if streams.open() == 0 {
            return;
        }
        let untold = streams.untold();
        let share = untold.div_ceil(usize::try_from(left).unwrap_or(usize::MAX));
        streams.close_some(share);
    }
}

const TICK: Duration = Duration::from_millis(100);
/// How long a connection that was just opened is waited for; those between two requests as well.
const FIRST_REQUEST: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// Streams that leave when they are told, or some time after.
    #[derive(Clone, Default)]
    struct Polite {
        untold: Arc<Mutex<usize>>,
        told: Arc<Mutex<Vec<usize>>>,
        /// When those that were told are gone.
        gone: Arc<Mutex<Option<tokio::time::Instant>>>,
    }

    #[async_trait]
    impl Streams for Polite {
        fn open(&self) -> usize {
            let linger = self.gone.lock().is_some_and(|at| clock::moment() < at);
            *self.untold.lock() + usize::from(linger)
        }

        fn untold(&self) -> usize {
            *self.untold.lock()
        }

        fn close_some(&self, count: usize) {
            *self.untold.lock() -= count;
            self.told.lock().push(count);
        }

        async fn close_idle(&self) {}
    }

    fn drain(streams: Polite, times: Shutdown) -> Drain {
        Drain {
            times,
            telemetry: Telemetry::new(),
            closing: CancellationToken::new(),
            acceptors: TaskTracker::new(),
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
        *streams.untold.lock() = 1000;
        // The last one told takes its time: nobody else is told instead.
        let gone = clock::moment() + TIMES.propagation + TIMES.spread + TICK * 5;
        *streams.gone.lock() = Some(gone);
        assert_eq!(drain(streams.clone(), TIMES).run().await, 0);
        assert!(
            clock::moment() - gone <= TICK * 2,
            "and the end does not wait"
        );
        let told = streams.told.lock();
        assert_eq!(told.iter().sum::<usize>(), 1000);
        assert!(
            told.iter().all(|count| *count <= 5),
            "at most 5 in each 100 ms: {told:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_began_after_the_others_were_told_is_told_too() {
        let streams = Polite::default();
        let gone = clock::moment() + TIMES.propagation + TIMES.spread + TICK;
        *streams.gone.lock() = Some(gone + TICK * 20);
        let leaving = tokio::spawn(drain(streams.clone(), TIMES).run());
        timeout_at(gone, std::future::pending::<()>())
            .await
            .expect_err("it is late");
        *streams.untold.lock() = 1;
        assert_eq!(leaving.await.expect("drain"), 0);
        assert_eq!(streams.told.lock().iter().sum::<usize>(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_one_who_was_let_in_is_served_before_the_process_ends() {
        let drain = drain(Polite::default(), TIMES);
        let (closing, connections) = (drain.closing.clone(), drain.connections.clone());
        let (asks, asked) = tokio::sync::oneshot::channel();
        // Somebody comes in at the very moment at which the door closes.
        drain.acceptors.spawn(async move {
            closing.cancelled().await;
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            connections.spawn(async move {
                sleep(FIRST_REQUEST / 2).await;
                let _ = asks.send("answered");
            });
        });
        assert_eq!(drain.run().await, 0);
        assert_eq!(asked.await, Ok("answered"));
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
