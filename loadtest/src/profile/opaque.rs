//! `opaque-drain`: applications that do not keep the contract are drained. Their clients cannot be
//! moved; they are told, at the configured pace, and come back to another endpoint.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use http::header;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::sync::CancellationToken;

use super::admin::Admin;
use super::cookies::Cookies;
use super::disturb::{self, Course, Event};
use super::options::Options;
use crate::clock::Instant;
use crate::terminal;

/// How clients of drained applications were told to go, and where they went.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Pace {
    pub(super) connections: usize,
    pub(super) drains: Vec<Drained>,
    /// Connections that ended with something else than 1012, or could not come back.
    pub(super) otherwise: Vec<String>,
    /// Whether the return of a client was missed that was taken out of the record.
    pub(super) sees_a_loss: Option<bool>,
}

/// One drain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Drained {
    pub(super) endpoint: String,
    /// Connections that were closed with 1012.
    pub(super) closed: usize,
    /// From the order to the last Close.
    pub(super) seconds: f64,
    /// A second, as configured, and the most that there were in any second.
    pub(super) rate: u64,
    pub(super) most_in_a_second: usize,
    /// Of those who came back, how many found another endpoint.
    pub(super) elsewhere: usize,
}

/// What one client went through.
#[derive(Debug, Clone, Default)]
struct Visit {
    endpoint: String,
    /// When it was told to go.
    closed: Option<Duration>,
}

type Visits = Rc<RefCell<Vec<Visit>>>;

/// Loads the applications of the lab and drains them in turn.
pub(super) async fn run(
    options: &Options,
    edge: SocketAddr,
    admin: &Admin,
    endpoints: &[String],
) -> Result<(Pace, Course), disturb::Error> {
    let (start, done) = (Instant::now(), CancellationToken::new());
    let mut clients = JoinSet::new();
    let (mut all, mut course): (Vec<Visits>, Course) = Default::default();
    let ends = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..options.sessions {
        let visits = Visits::default();
        let (seat, ends) = ((edge, start, done.clone()), Rc::clone(&ends));
        all.push(Rc::clone(&visits));
        clients.spawn_local(async move {
            let (edge, start, done) = seat;
            let stay = stay(edge, start, &visits);
            if let Some(Err(why)) = done.run_until_cancelled(stay).await {
                ends.borrow_mut().push(why);
            }
        });
    }
    settled(&all).await;
    let mut pace = Pace {
        connections: all.len(),
        ..Pace::default()
    };
    for time in 0..options.times() as usize {
        let Some(one) = endpoints.get(time % endpoints.len().max(1)) else {
            break;
        };
        let (drained, noticed) = drain(admin, one, start, &all, &mut course).await?;
        pace.drains.push(drained);
        pace.sees_a_loss = pace.sees_a_loss.or(noticed);
        tokio::time::sleep(options.interval()).await;
    }
    done.cancel();
    while clients.join_next().await.is_some() {}
    pace.otherwise = ends.take();
    course.wrong.extend(pace.wrong());
    Ok((pace, course))
}

/// Drains one endpoint, waits until it is empty, and puts it back.
async fn drain(
    admin: &Admin,
    endpoint: &str,
    start: Instant,
    all: &[Visits],
    course: &mut Course,
) -> Result<(Drained, Option<bool>), disturb::Error> {
    let mut note = |what: String| {
        let at = start.elapsed().as_secs_f64();
        terminal::warn(format_args!("{at:7.2} s  {what}"));
        let endpoint = Some(endpoint.to_owned());
        course.events.push(Event { at, what, endpoint });
    };
    let ordered = start.elapsed();
    admin.order(CLUSTER, endpoint, "drain").await?;
    note(format!("drain {endpoint}"));
    let mut rate = 0;
    let mut ticks = tokio::time::interval(LOOK);
    let deadline = Instant::now() + DRAINED_MAX;
    while Instant::now() < deadline {
        ticks.tick().await;
        let endpoints = admin.endpoints(CLUSTER).await?;
        let Some(now) = endpoints.iter().find(|now| now.id == endpoint) else {
            break;
        };
        rate = now.drain.map_or(rate, |drain| drain.rate);
        if now.drained || now.connections.websocket == 0 {
            break;
        }
    }
    settled(all).await;
    admin.order(CLUSTER, endpoint, "ready").await?;
    note(format!("ready {endpoint}"));
    let visits: Vec<Vec<Visit>> = all.iter().map(|visits| visits.borrow().clone()).collect();
    let drained = Drained::of(endpoint, ordered, rate, &visits);
    let noticed = sees_a_loss(&drained, ordered, &visits);
    Ok((drained, noticed))
}

impl Drained {
    /// From what clients went through since the drain was ordered.
    fn of(endpoint: &str, ordered: Duration, rate: u64, all: &[Vec<Visit>]) -> Self {
        let mut closes: Vec<Duration> = Vec::new();
        let mut elsewhere = 0;
        for visits in all {
            for (place, visit) in visits.iter().enumerate() {
                let closed = visit.closed.filter(|closed| *closed >= ordered);
                let Some(closed) = closed.filter(|_| visit.endpoint == endpoint) else {
                    continue;
                };
                closes.push(closed);
                let next = visits.get(place + 1);
                elsewhere += usize::from(next.is_some_and(|next| next.endpoint != endpoint));
            }
        }
        closes.sort_unstable();
        let last = closes.last().copied().unwrap_or(ordered);
        Self {
            endpoint: endpoint.to_owned(),
            closed: closes.len(),
            seconds: (last - ordered).as_secs_f64(),
            rate,
            most_in_a_second: most_within(&closes, Duration::from_secs(1)),
            elsewhere,
        }
    }

    /// What should not be.
    fn wrong(&self) -> Vec<String> {
        let Self {
            endpoint,
            closed,
            rate,
            most_in_a_second: most,
            elsewhere,
            ..
        } = self;
        let mut wrong = Vec::new();
        if *most as u64 > *rate {
            wrong.push(format!(
                "{endpoint}: {most} closed within a second, at most {rate} wanted"
            ));
        }
        if elsewhere < closed {
            let lost = closed - elsewhere;
            wrong.push(format!("{endpoint}: {lost} did not find another endpoint"));
        }
        if *closed == 0 {
            wrong.push(format!("{endpoint}: nobody was told to go"));
        }
        wrong
    }
}

/// Takes the return of one client out of the record: it must be missed. `None` if nobody had to
/// return.
fn sees_a_loss(drained: &Drained, ordered: Duration, all: &[Vec<Visit>]) -> Option<bool> {
    let gone = |visits: &Vec<Visit>| {
        let here = |visit: &Visit| visit.closed.is_some_and(|closed| closed >= ordered);
        visits.iter().position(here)
    };
    let (client, place) = all.iter().enumerate().find_map(|(client, visits)| {
        let place = gone(visits)?;
        Some((client, place))
    })?;
    let mut damaged = all.to_vec();
    damaged[client].truncate(place + 1);
    let without = Drained::of(&drained.endpoint, ordered, drained.rate, &damaged);
    Some(without.wrong().len() > drained.wrong().len())
}

/// The most moments that lie within a span.
fn most_within(sorted: &[Duration], span: Duration) -> usize {
    let until = |first: Duration| sorted.partition_point(|moment| *moment < first + span);
    let counts = sorted
        .iter()
        .enumerate()
        .map(|(place, first)| until(*first) - place);
    counts.max().unwrap_or_default()
}

/// Waits until everybody has an endpoint.
async fn settled(all: &[Visits]) {
    let mut ticks = tokio::time::interval(LOOK);
    let deadline = Instant::now() + SETTLE_MAX;
    let here = |visits: &Visits| {
        let visits = visits.borrow();
        visits.last().is_some_and(|visit| visit.closed.is_none())
    };
    while Instant::now() < deadline && !all.iter().all(here) {
        ticks.tick().await;
    }
}

/// One client: connected until it is told to go, and then again.
async fn stay(edge: SocketAddr, start: Instant, visits: &Visits) -> Result<(), String> {
    let failed = |error: &dyn fmt::Display| error.to_string();
    let mut cookies = Cookies::default();
    loop {
        let mut request = format!("ws://{edge}/sticky/ws")
            .into_client_request()
            .map_err(|error| failed(&error))?;
        if let Some(cookies) = cookies.header() {
            let value = cookies.parse().map_err(|_| "cookie")?;
            request.headers_mut().insert(header::COOKIE, value);
        }
        let stream = TcpStream::connect(edge)
            .await
            .map_err(|error| failed(&error))?;
        let dial = tokio_tungstenite::client_async(request, stream);
        let dialled = tokio::time::timeout(DIAL_MAX, dial).await;
        let (mut socket, answer) = dialled
            .map_err(|_| "no upgrade in time")?
            .map_err(|error| failed(&error))?;
        cookies.keep(answer.headers());
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let sight: Value = serde_json::from_str(&text).unwrap_or_default();
                    let endpoint = sight["endpoint"].as_str().unwrap_or_default().to_owned();
                    let visit = Visit {
                        endpoint,
                        closed: None,
                    };
                    visits.borrow_mut().push(visit);
                }
                Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1012 => {
                    if let Some(visit) = visits.borrow_mut().last_mut() {
                        visit.closed = Some(start.elapsed());
                    }
                    break;
                }
                Some(Ok(Message::Close(frame))) => return Err(format!("closed: {frame:?}")),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
                None => return Err(String::from("ended without a close")),
            }
        }
    }
}

impl Pace {
    /// What should not be.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = self.otherwise.clone();
        wrong.truncate(WRONG_MAX);
        wrong.extend(self.drains.iter().flat_map(Drained::wrong));
        wrong
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.connections;
        let closed: usize = self.drains.iter().map(|drained| drained.closed).sum();
        write!(
            f,
            "  opaque            {count} connections, {closed} told to go (1012)"
        )?;
        for drained in &self.drains {
            let Drained {
                endpoint,
                closed,
                seconds,
                rate,
                most_in_a_second: most,
                elsewhere,
            } = drained;
            write!(
                f,
                "\n  drain {endpoint:<11} {closed} closed over {seconds:.1} s; configured {rate} a \
                 second, most in any second {most}; {elsewhere} found another endpoint"
            )?;
        }
        Ok(())
    }
}

const CLUSTER: &str = "sticky-app";
const LOOK: Duration = Duration::from_millis(50);
const DIAL_MAX: Duration = Duration::from_secs(30);
const DRAINED_MAX: Duration = Duration::from_secs(120);
const SETTLE_MAX: Duration = Duration::from_secs(30);
const WRONG_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_second_is_found_wherever_it_begins() {
        let moments: Vec<Duration> = [0, 600, 1_100, 1_500, 1_599, 3_000]
            .map(Duration::from_millis)
            .to_vec();
        assert_eq!(most_within(&moments, Duration::from_secs(1)), 4);
        assert_eq!(most_within(&[], Duration::from_secs(1)), 0);
    }
}
