//! `conformance URL`: plays the edge towards a backend and names the rules of the handoff
//! contract that it breaks.
//!
//! It speaks to one endpoint, or to two between which a session is handed over, and to nothing
//! else: no proxy is involved. [`rule`] lists what is checked. [`opening`] asks what every leg
//! has to say, [`legs`] breaks and moves connections at one endpoint, [`handoff`] takes the
//! session to another, [`events`] does the same to event streams.
//!
//! - [`connection`] keeps the edge's account of one client's connection and holds every leg
//!   against it; [`leg`] reads frames and events; [`dial`] asks.
//! - [`book`] gathers what was seen and prints it.

mod book;
mod connection;
mod dial;
mod events;
mod handoff;
mod leg;
mod legs;
mod opening;
mod rule;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use http::{HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;

use crate::clock::Instant;
use crate::terminal;
use book::{Asked, Book, Report};
use dial::{BadUrl, Manners, Target};
use rule::{Rule, Transport};

/// Flags of `holdfast-loadtest conformance`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// A WebSocket of a session at one endpoint, without the edge: ws://HOST:PORT/PATH
    url: String,
    /// Another endpoint of the same backend, under the same path: ws://HOST:PORT
    #[arg(long, value_name = "URL")]
    second: Option<String>,
    /// An event stream of the same session at the first endpoint
    #[arg(long, value_name = "URL")]
    sse_url: Option<String>,
    /// A header for every dial, such as a user's name; may be given several times
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The file with the key that the backend believes: 64 hex digits
    #[arg(long, value_name = "FILE")]
    cluster_key: Option<PathBuf>,
    /// Offered to the backend, with commas between
    #[arg(long, value_name = "NAMES")]
    subprotocols: Option<String>,
    /// A message that the application executes. {n} becomes 1, 2, 3, ... of each connection,
    /// {token} a text of its own for each message
    #[arg(long, default_value = "{token}")]
    message: String,
    /// What the one message that answers it has in it, with the same words filled in
    #[arg(long, default_value = "{token}")]
    reply: String,
    /// How long the backend may take for anything, in seconds
    #[arg(long, default_value_t = 5.0)]
    wait: f64,
    /// How long an owner may refuse to hand over a session that it has only just taken, in seconds
    #[arg(long, default_value_t = 10.0)]
    hold: f64,
    /// How often a connection is broken and moved
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(8..=1000))]
    rounds: u32,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Why there is no result, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Url(#[from] BadUrl),
    #[error("--header {text:?}: want NAME: VALUE")]
    Header { text: String },
    #[error("--{name} {seconds}: want {least} to 600 seconds")]
    Span {
        name: &'static str,
        seconds: f64,
        least: f64,
    },
    #[error("--cluster-key {path}")]
    Key { path: PathBuf, source: io::Error },
    #[error("the result as JSON")]
    Json(#[from] serde_json::Error),
    #[error("stopped before the end")]
    Stopped,
    #[error("the contract is not kept, or not shown to be")]
    Broken,
}

/// Checks a backend, prints the result, and fails if a mandatory rule is not kept.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), Error> {
    let kit = Kit::new(&options)?;
    stop.run_until_cancelled(kit.check())
        .await
        .ok_or(Error::Stopped)?;
    let report = kit.report(&options);
    if options.json {
        terminal::say(serde_json::to_string_pretty(&report)?);
    } else {
        terminal::say(&report);
    }
    if report.passed {
        Ok(())
    } else {
        Err(Error::Broken)
    }
}

/// What all checks share.
#[derive(Debug)]
struct Kit {
    first: Target,
    second: Option<Target>,
    events: Option<Target>,
    manners: Manners,
    message: String,
    reply: String,
    rounds: u32,
    wait: Duration,
    hold: Duration,
    book: RefCell<Book>,
    /// Messages have names.
    names: Cell<bool>,
    /// What the first leg of all was given; of the outer option, whether there was one.
    subprotocol: RefCell<Option<Option<HeaderValue>>>,
    /// Marks the connections of this run.
    run: u64,
    connections: Cell<u64>,
}

impl Kit {
    fn new(options: &Options) -> Result<Self, Error> {
        let parse = |url: &Option<String>| url.as_deref().map(Target::parse).transpose();
        let wait = span("wait", options.wait, 0.1)?;
        let mut bits = [0; 8];
        // a run whose connections are not new is refused by the backend, and says so
        let _ = getrandom::fill(&mut bits);
        Ok(Self {
            first: Target::parse(&options.url)?,
            second: parse(&options.second)?,
            events: parse(&options.sse_url)?,
            manners: manners(options, wait)?,
            message: options.message.clone(),
            reply: options.reply.clone(),
            rounds: options.rounds,
            wait,
            hold: span("hold", options.hold, 0.0)?,
            book: RefCell::default(),
            names: Cell::new(false),
            subprotocol: RefCell::default(),
            run: u64::from_ne_bytes(bits),
            connections: Cell::new(0),
        })
    }

    async fn check(&self) {
        let Some(mut connection) = opening::check(self).await else {
            return;
        };
        if !legs::check(&mut connection).await {
            return legs::count_replies(&mut connection).await;
        }
        let mut stream = match &self.events {
            Some(target) => events::check(self, target, &mut connection).await,
            None => None,
        };
        if let Some(second) = &self.second {
            let moved = handoff::check(&mut connection, second).await;
            if let (true, Some(stream), Some(target)) = (moved, &mut stream, &self.events) {
                events::follow(stream, &target.at(second), &mut connection).await;
            }
        }
        legs::count_replies(&mut connection).await;
    }

    fn report(&self, options: &Options) -> Report {
        self.book.borrow().report(Asked {
            url: options.url.clone(),
            events: options.sse_url.clone(),
            second: options.second.clone(),
        })
    }

    /// 128 bits: of this run, and of the connection.
    fn connection_id(&self) -> String {
        let number = self.connections.get() + 1;
        self.connections.set(number);
        format!("{:016x}{number:016x}", self.run)
    }

    /// The nth message of a connection.
    fn message(&self, connection: &str, n: usize) -> String {
        fill(&self.message, connection, n)
    }

    /// What is in the one message that answers the nth.
    fn reply(&self, connection: &str, n: usize) -> String {
        fill(&self.reply, connection, n)
    }

    /// By when the backend should have done what it has to do.
    fn soon(&self) -> Instant {
        Instant::now() + self.wait
    }

    /// By when it should, unless there is no hope.
    fn soon_if(&self, hope: bool) -> Instant {
        if hope { self.soon() } else { Self::quiet() }
    }

    /// Until when nothing more may come.
    fn quiet() -> Instant {
        Instant::now() + QUIET
    }

    async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    fn not_shown(&self, transport: Transport, rule: Rule, why: &str, excused: bool) {
        self.book
            .borrow_mut()
            .not_shown(transport, rule, why, excused);
    }
}

fn span(name: &'static str, seconds: f64, least: f64) -> Result<Duration, Error> {
    if (least..=600.0).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(Error::Span {
        name,
        seconds,
        least,
    })
}

fn manners(options: &Options, wait: Duration) -> Result<Manners, Error> {
    let mut headers = http::HeaderMap::new();
    for text in &options.header {
        let bad = || Error::Header { text: text.clone() };
        let (name, value) = text.split_once(':').ok_or_else(bad)?;
        let name: HeaderName = name.trim().parse().map_err(|_| bad())?;
        let value: HeaderValue = value.trim().parse().map_err(|_| bad())?;
        headers.append(name, value);
    }
    if let Some(path) = &options.cluster_key {
        let at = |source| Error::Key {
            path: path.clone(),
            source,
        };
        let key = fs::read_to_string(path).map_err(at)?;
        let wrong = |_| at(io::Error::other("it is not 64 hex digits"));
        let value: HeaderValue = key.trim().parse().map_err(wrong)?;
        headers.insert("holdfast-cluster-key", value);
    }
    let bad = |text: &String| Error::Header { text: text.clone() };
    let offered = options.subprotocols.as_ref();
    let subprotocols = offered
        .map(|names| names.parse().map_err(|_| bad(names)))
        .transpose()?;
    Ok(Manners {
        headers,
        subprotocols,
        wait,
    })
}

/// The words in braces, filled in. Tokens have one length: none begins another.
fn fill(template: &str, connection: &str, n: usize) -> String {
    let (run, number) = connection.split_at(connection.len() / 2);
    let number = number.trim_start_matches('0');
    let token = format!("{}-{number}-{n:05}", run.get(..8).unwrap_or(run));
    template
        .replace("{n}", &n.to_string())
        .replace("{token}", &token)
}

/// How long nothing more may come after all that was to come.
const QUIET: Duration = Duration::from_millis(300);
/// Between a "not now" and the next dial.
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_begins_another() {
        let connection = "0123456789abcdef0000000000000001";
        assert_eq!(fill("{token}", connection, 7), "01234567-1-00007");
        assert_eq!(fill("{\"n\":{n}}", connection, 12), "{\"n\":12}");
    }
}
