//! The result of a run, against the service levels.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::admin::Totals;
use super::disturb::Event;
use super::group::{Percentiles, Sight};
use super::levels::Level;
use super::opaque::Pace;
use super::options::Profile;
use super::strange::Strange;
use crate::ledger::Findings;

/// What came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) profile: Profile,
    pub(super) seconds: f64,
    pub(super) connections: usize,
    /// Orders a second of each session, and the speed of the markets.
    pub(super) orders: f64,
    pub(super) speed: f64,
    pub(super) findings: Findings,
    /// Whether a reset, which tells of a loss, was allowed to happen.
    pub(super) resets_forgiven: bool,
    pub(super) self_check: SelfCheck,
    pub(super) moved: Option<Sight>,
    pub(super) reference: Option<Sight>,
    pub(super) pace: Option<Pace>,
    pub(super) levels: Vec<Level>,
    pub(super) machine: Load,
    pub(super) proxy: ProxyWord,
    pub(super) events: Vec<Event>,
    pub(super) seen: Vec<String>,
    pub(super) wrong: Vec<String>,
    /// The first few connections that ended, and why.
    pub(super) ends: Vec<String>,
    /// The first messages that were received and are not so in the log of their session.
    #[serde(default)]
    pub(super) strange: Vec<Strange>,
}

/// Whether the ledger noticed what was taken out of it afterwards; `None` where there was nothing
/// to take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SelfCheck {
    /// By the chain of ids that a client can check.
    pub(super) by_chain: Option<bool>,
    /// By the log of the session.
    pub(super) by_audit: Option<bool>,
    /// A missing answer.
    pub(super) by_answers: Option<bool>,
}

/// How busy the machine was while things happened.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Load {
    pub(super) cores: usize,
    pub(super) idle: f64,
}

/// What the proxy says of itself.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct ProxyWord {
    pub(super) totals: Totals,
    /// Bounds of its histogram that half, and 99 of 100, of the moves stayed below, in
    /// milliseconds.
    pub(super) move_p50_below_ms: Option<f64>,
    pub(super) move_p99_below_ms: Option<f64>,
}

impl Load {
    /// Below a fifth of idle time, pauses are the machine's.
    pub(super) fn is_void(&self) -> bool {
        self.idle < 0.2
    }
}

impl SelfCheck {
    /// Whether everything that was taken out was missed, and something was.
    pub(super) fn passed(&self) -> bool {
        let all = [self.by_chain, self.by_audit, self.by_answers];
        all.iter().all(|noticed| *noticed != Some(false)) && all.contains(&Some(true))
    }
}

impl Report {
    pub(super) fn name(&self) -> String {
        self.profile.name()
    }

    /// Whether every account is clean and something was received at all.
    pub(super) fn balanced(&self) -> bool {
        let clean = if self.resets_forgiven {
            self.findings.clean_but_told()
        } else {
            self.findings.clean()
        };
        let something = self.findings.received > 0 || self.pace.is_some();
        clean && something && self.wrong.is_empty()
    }

    fn counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.findings;
        let line = |f: &mut fmt::Formatter<'_>, what: &str, text: String| {
            writeln!(f, "  {what:<17} {text}")
        };
        let Findings {
            received,
            lost,
            doubled,
            reordered,
            resets,
            ..
        } = found;
        let text = format!(
            "{received} received, {lost} lost, {doubled} doubled, {reordered} reordered, {resets} \
             resets"
        );
        line(f, "messages", text)?;
        let text = format!(
            "{} held beside the session's log: {} missing, {} foreign, {} altered, {} \
             retracted; {} condensed, {} no longer in the log",
            found.audited,
            found.missing,
            found.foreign,
            found.altered,
            found.retracted,
            found.condensed,
            found.unaudited
        );
        line(f, "audit", text)?;
        let text = format!(
            "{} sent, {} refused, {} unanswered, {} answered twice, {} not executed as answered, \
             {} executed twice, {} taken back",
            found.commands,
            found.refused,
            found.unanswered,
            found.answered_twice,
            found.unexecuted,
            found.executed_twice,
            found.taken_back
        );
        line(f, "commands", text)?;
        if found.unread > 0 {
            let text = format!("{} could not be asked at the end", found.unread);
            line(f, "sessions", text)?;
        }
        if self.profile == Profile::Affinity {
            let (requests, wandered) = (found.requests, found.wandered);
            let text =
                format!("{requests} answered, {wandered} by another endpoint than the first");
            line(f, "requests", text)?;
        }
        line(f, "disconnects", found.disconnected.to_string())
    }

    fn pauses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { cores, idle } = self.machine;
        let void = if self.machine.is_void() {
            "; below 20 %: pauses are VOID, counts still judge"
        } else {
            ""
        };
        let idle = 100.0 * idle;
        writeln!(
            f,
            "  machine           {cores} cores, {idle:.0} % idle{void}"
        )?;
        let Some(moved) = &self.moved else {
            return Ok(());
        };
        let unmoved = self.reference.as_ref().map(Sight::rows);
        for (place, (name, own)) in moved.rows().into_iter().enumerate() {
            writeln!(f, "  {name:<17} {} (moved)", row(own))?;
            if let Some((_, other)) = unmoved.map(|rows| rows[place]) {
                let above = own.p99 - other.p99;
                let other = row(other);
                let indent = "";
                writeln!(f, "{indent:20}{other} (unmoved); p99 {above:+.0} ms")?;
            }
        }
        let ProxyWord {
            totals,
            move_p50_below_ms: p50,
            move_p99_below_ms: p99,
        } = self.proxy;
        let bound = |bound: Option<f64>| bound.map_or_else(|| "-".into(), |ms| format!("{ms:.0}"));
        writeln!(
            f,
            "  the proxy says    {} moves, {} lost; half of them below {} ms, 99 % below {} ms",
            totals.moves,
            totals.lost,
            bound(p50),
            bound(p99)
        )
    }
}

/// The rest is in the JSON.
const STRANGE_SHOWN: usize = 10;

fn row(of: Percentiles) -> String {
    let Percentiles {
        p50,
        p90,
        p99,
        most,
    } = of;
    format!("p50 {p50:.0}, p90 {p90:.0}, p99 {p99:.0}, most {most:.0} ms")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, time, count) = (self.name(), self.seconds, self.connections);
        writeln!(f, "profile {name}: {time:.0} s, {count} connections")?;
        if self.pace.is_none() {
            let rate = self.findings.received as f64 / time.max(1.0);
            let (speed, orders) = (self.speed, self.orders);
            writeln!(
                f,
                "  load              {rate:.0} messages a second; markets at speed {speed}, \
                 {orders} orders a second of each session"
            )?;
        }
        let happened: Vec<&str> = self.events.iter().map(|event| &*event.what).collect();
        writeln!(f, "  happened          {}", happened.join(", "))?;
        if let Some(pace) = &self.pace {
            writeln!(f, "{pace}")?;
        } else {
            self.counts(f)?;
        }
        self.pauses(f)?;
        for level in &self.levels {
            let met = if level.met { "met" } else { "MISSED" };
            let (measure, measured, target) = (&level.measure, &level.measured, &level.target);
            writeln!(
                f,
                "  level             {measure}: {measured} (wanted {target}): {met}"
            )?;
        }
        let lines = [
            ("seen", &self.seen),
            ("WRONG", &self.wrong),
            ("ended", &self.ends),
        ];
        for (name, lines) in lines {
            for text in lines {
                writeln!(f, "  {name:<17} {text}")?;
            }
        }
        for one in self.strange.iter().take(STRANGE_SHOWN) {
            writeln!(f, "  STRANGE           {one}")?;
        }
        let hidden = self.strange.len().saturating_sub(STRANGE_SHOWN);
        if hidden > 0 {
            writeln!(f, "  STRANGE           and {hidden} more in the JSON")?;
        }
        let sight = if self.self_check.passed() {
            "passed: what was taken out of the record was missed"
        } else {
            "FAILED: the ledger does not see a loss"
        };
        writeln!(f, "  self-check        {sight}")?;
        let verdict = if self.balanced() {
            "balanced"
        } else {
            "NOT balanced"
        };
        write!(f, "  accounts          {verdict}")
    }
}
