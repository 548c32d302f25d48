//! How fast things go in a lab: small enough to watch by default, and movable for large loads.

/// Flags of `lab` about pace.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Pace {
    /// Connections a second that a draining backend loses
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    drain_rate: u32,
    /// Connections a second that a draining sticky application loses
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sticky_drain_rate: u32,
    /// Seconds by which a drained endpoint is empty; the rate is raised where it would be missed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    drain_deadline: u32,
    /// Seconds that a backend waits after SIGTERM for its sessions to be taken over
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    leave_deadline: u32,
    /// Milliseconds between two steps of a simulated market
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(10..=1000))]
    pulse: u32,
}

impl Pace {
    /// The words that the templates of the lab are filled in with.
    pub(super) fn words(self) -> [(&'static str, String); 5] {
        [
            ("drain_rate", self.drain_rate.to_string()),
            ("sticky_drain_rate", self.sticky_drain_rate.to_string()),
            ("drain_deadline", format!("{}s", self.drain_deadline)),
            ("leave_deadline", format!("{}s", self.leave_deadline)),
            ("pulse", format!("{}ms", self.pulse)),
        ]
    }
}
