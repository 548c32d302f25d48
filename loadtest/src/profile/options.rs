//! What can be asked of a run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum as _;
use serde::{Deserialize, Serialize};

/// Flags of `holdfast-loadtest run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What happens meanwhile
    #[arg(value_enum)]
    pub(super) profile: Profile,
    /// The lab that is loaded
    #[arg(long, default_value = "target/lab/lab.json")]
    pub(super) lab: PathBuf,
    /// Sessions, each with one WebSocket and one event stream; in `opaque-drain` WebSockets
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(super) sessions: u32,
    /// Sessions on the endpoint that nobody touches, where the lab has one (`lab --reference`)
    /// [default: a tenth, at least 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=5000))]
    reference_sessions: Option<u32>,
    /// Orders a second of each session; 0 for none
    #[arg(long, default_value_t = 1.0, value_parser = rate)]
    orders: f64,
    /// Speed of the simulated markets; at 1 each emits about 40 messages a second
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub(super) speed: f64,
    /// The scenario of the simulated markets
    #[arg(long)]
    pub(super) scenario: Option<String>,
    /// Plain requests a second of each session, in the profile `affinity`
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) requests: u32,
    /// Undisturbed seconds before and after; all of the time of a quiet profile
    #[arg(long)]
    seconds: Option<u64>,
    /// How often the disturbance happens [default: 3; kill 10, rolling-deploy 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: Option<u32>,
    /// Seconds between two disturbances
    #[arg(long, default_value_t = 5.0, value_parser = rate)]
    interval: f64,
    /// Seconds for which an endpoint is stopped, a zone is away, an endpoint stays drained
    /// [default: 20, 10, 10]
    #[arg(long, value_parser = rate)]
    hold: Option<f64>,
    /// Commands that must be sent while their pod dies, in the profile `commands`
    #[arg(long, default_value_t = 10_000)]
    pub(super) commands: u32,
    /// Seconds in which each session is asked once for what it emitted and executed
    #[arg(long, default_value_t = 5.0, value_parser = rate)]
    audit: f64,
    /// Open the event streams through another proxy of the same backends
    #[arg(long, value_name = "ADDRESS")]
    pub(super) events_through: Option<SocketAddr>,
    /// Losses that clients were told of with a reset do not fail the run: for stores that may
    /// lose what they have confirmed
    #[arg(long)]
    pub(super) forgive_resets: bool,
    /// Where the report goes
    #[arg(long, default_value = "target/run")]
    pub(super) dir: PathBuf,
}

/// The named tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Profile {
    /// Nothing happens: everybody stays where they are
    Affinity,
    /// Nothing is said for five minutes: heartbeats alone keep connections open
    IdleTimeout,
    /// One backend is drained by the operator and put back
    GracefulShutdown,
    /// Each backend in turn gets SIGTERM and comes back
    RollingDeploy,
    /// A backend gets SIGKILL, again and again
    Kill,
    /// The backend with the most sessions gets SIGSTOP, and SIGCONT when others have taken them
    Pause,
    /// The store of a `lab --store redis` gets SIGKILL and comes back
    RedisRestart,
    /// Every third backend gets SIGKILL at once and stays away for a while
    ZoneFailover,
    /// Every client breaks off and comes back at the same moment
    ReconnectStorm,
    /// Each session sends orders while its backend gets SIGKILL
    Commands,
    /// Applications without the contract are drained: their clients are told, and come back
    OpaqueDrain,
}

impl Options {
    pub(super) fn orders(&self) -> f64 {
        match self.profile {
            Profile::IdleTimeout => 0.0,
            _ => self.orders,
        }
    }

    pub(super) fn reference_sessions(&self) -> u32 {
        self.reference_sessions
            .unwrap_or_else(|| (self.sessions / 10).max(5))
    }

    pub(super) fn quiet(&self) -> Duration {
        let usual = match self.profile {
            Profile::IdleTimeout => 300,
            Profile::Affinity => 30,
            _ => 5,
        };
        Duration::from_secs(self.seconds.unwrap_or(usual))
    }

    pub(super) fn times(&self) -> u32 {
        self.times.unwrap_or(match self.profile {
            Profile::Kill => 10,
            Profile::RollingDeploy | Profile::OpaqueDrain => 2,
            Profile::Pause | Profile::ZoneFailover => 1,
            // Bounded by the number of commands.
            Profile::Commands => 200,
            _ => 3,
        })
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.interval)
    }

    pub(super) fn hold(&self) -> Duration {
        let usual = match self.profile {
            Profile::Pause => 20.0,
            _ => 10.0,
        };
        Duration::from_secs_f64(self.hold.unwrap_or(usual))
    }

    pub(super) fn audit(&self) -> Duration {
        Duration::from_secs_f64(self.audit.max(0.1))
    }
}

impl Profile {
    /// As on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Without orders of its own, a stream of orders is silent.
    pub(super) fn channels(self) -> Option<&'static str> {
        (self == Self::IdleTimeout).then_some("order")
    }

    pub(super) fn disturbs(self) -> bool {
        !matches!(self, Self::Affinity | Self::IdleTimeout)
    }

    /// Disturbances that are planned: no client may be disconnected by them.
    pub(super) fn is_planned(self) -> bool {
        matches!(self, Self::GracefulShutdown | Self::RollingDeploy)
    }
}

fn rate(text: &str) -> Result<f64, String> {
    within(text, 0.0..=10_000.0)
}

fn speed(text: &str) -> Result<f64, String> {
    within(text, 0.1..=1_000.0)
}

fn within(text: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let wrong = || format!("a number from {} to {}", range.start(), range.end());
    let number: f64 = text.parse().map_err(|_| wrong())?;
    range.contains(&number).then_some(number).ok_or_else(wrong)
}
