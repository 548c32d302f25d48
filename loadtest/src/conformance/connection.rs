//! One client's connection as the edge keeps it: what was delivered, sent and accepted over all
//! its legs, held against what each leg says.

use std::collections::HashSet;

use holdfast_wire::contract::{EventId, parse_count};
use http::header::{self, HeaderValue};

use super::Kit;
use super::dial::{self, Answer, Ask, Target};
use super::leg::{self, End, Heard, Leg};
use super::rule::{Rule, Transport};
use crate::clock::Instant;

/// A message that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: EventId,
    pub(super) bytes: Vec<u8>,
}

/// Where a dial goes, and with what.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    /// Behind which of the delivered messages it goes on.
    pub(super) behind: Option<usize>,
    /// Another place, in `?last_event_id=`.
    pub(super) path_id: Option<EventId>,
    /// `Holdfast-Moved-From`.
    pub(super) moved_from: Option<String>,
}

/// One client's connection.
#[derive(Debug)]
pub(super) struct Connection<'k> {
    pub(super) kit: &'k Kit,
    pub(super) transport: Transport,
    pub(super) id: String,
    /// Of the last dial, taken or not.
    pub(super) attempt: u32,
    pub(super) generation: Option<String>,
    /// What was delivered with a name, in the order of its first delivery.
    pub(super) log: Vec<Named>,
    seen: HashSet<EventId>,
    /// Which of `log` is due next on this leg; behind its end, anything new.
    due: usize,
    /// The rule by which this leg began where it did.
    begun_by: Rule,
    /// Nothing named has come on this leg yet.
    fresh: bool,
    /// The rule that is broken when a first leg does not begin with 0 accepted.
    pub(super) first_rule: Rule,
    /// The rule that is broken when more is accepted than was sent.
    pub(super) count_rule: Rule,
    /// Every data message, in order.
    pub(super) sent: Vec<String>,
    /// Numbers of messages that were said where nobody may listen.
    pub(super) ghosts: Vec<usize>,
    pub(super) accepted: u64,
    pub(super) pongs: u32,
    pub(super) leg: Option<Leg>,
    pub(super) ended: Option<End>,
}

impl<'k> Connection<'k> {
    pub(super) fn new(kit: &'k Kit, transport: Transport) -> Self {
        Self {
            kit,
            transport,
            id: kit.connection_id(),
            attempt: 0,
            generation: None,
            log: Vec::new(),
            seen: HashSet::new(),
            due: 0,
            begun_by: Rule::Resume,
            fresh: true,
            first_rule: Rule::AcceptedHeader,
            count_rule: Rule::AcceptedCount,
            ghosts: Vec::new(),
            sent: Vec::new(),
            accepted: 0,
            pongs: 0,
            leg: None,
            ended: None,
        }
    }

    pub(super) fn pass(&self, rule: Rule) {
        self.kit.book.borrow_mut().pass(self.transport, rule);
    }

    pub(super) fn fail(&self, rule: Rule, expected: impl Into<String>, came: impl Into<String>) {
        let mut book = self.kit.book.borrow_mut();
        book.fail(self.transport, rule, expected.into(), came.into());
    }

    pub(super) fn has_failed(&self, rule: Rule) -> bool {
        self.kit.book.borrow().has_failed(self.transport, rule)
    }

    /// Passed, or failed with what was expected and what came.
    pub(super) fn hold(&self, rule: Rule, kept: bool, expected: &str, came: impl Into<String>) {
        if kept {
            self.pass(rule);
        } else {
            self.fail(rule, expected, came);
        }
    }

    /// One dial, with the attempt it is to say.
    pub(super) async fn dial(
        &self,
        target: &Target,
        attempt: u32,
        path: &Path,
    ) -> Result<Answer, String> {
        let later = attempt > 1;
        let ask = Ask {
            connection: Some(self.id.clone()),
            attempt,
            last_event_id: path
                .behind
                .and_then(|at| self.log.get(at))
                .map(|named| named.id),
            path_id: path.path_id,
            generation: self.generation.clone().filter(|_| later),
            moved_from: path.moved_from.clone(),
        };
        let answer = dial::dial(target, self.transport, &ask, &self.kit.manners).await?;
        let said = answer.header("holdfast-contract");
        let came = format!("{} with {said:?}", answer.status.as_u16());
        self.hold(
            Rule::ContractHeader,
            said == Some("1"),
            "Holdfast-Contract: 1",
            came,
        );
        Ok(answer)
    }

    /// Dials until somebody takes it, as long as "not now" is the answer, and checks what the
    /// new leg says of itself. False: nobody did, and `rule` is broken.
    pub(super) async fn open(&mut self, target: &Target, path: Path, rule: Rule) -> bool {
        let until = self.kit.soon();
        // an owner may hold on to what it has only just taken
        let hold = Instant::now() + self.kit.wait + self.kit.hold;
        let expected = "a taken dial (101, or 200 with an event stream)";
        loop {
            self.attempt += 1;
            let answer = match self.dial(target, self.attempt, &path).await {
                Ok(answer) => answer,
                Err(came) => {
                    self.fail(rule, expected, came);
                    return false;
                }
            };
            if answer.stream.is_some() {
                self.pass(rule);
                self.begin(answer, &path);
                return true;
            }
            let status = answer.status.as_u16();
            let until = match status {
                503 | 429 => until,
                421 if path.moved_from.is_some() => hold,
                _ => Instant::now(),
            };
            if Instant::now() >= until {
                self.fail(rule, expected, status.to_string());
                return false;
            }
            self.kit.pause().await;
        }
    }

    fn begin(&mut self, answer: Answer, path: &Path) {
        let first = self.generation.is_none() && self.log.is_empty() && self.sent.is_empty();
        self.check_position(&answer, path);
        let generation = answer.header("holdfast-generation");
        let fits = generation.is_some_and(|text| {
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        });
        let expected = "Holdfast-Generation: 1 to 64 visible characters";
        self.hold(Rule::Generation, fits, expected, format!("{generation:?}"));
        let generation = generation.map(str::to_owned);
        if self.transport == Transport::WebSocket {
            self.check_accepted(&answer, first);
        }
        self.check_coding(&answer);
        self.generation = generation;
        self.due = path.behind.map_or(0, |at| at + 1);
        self.begun_by = match path.path_id {
            Some(_) => Rule::PathId,
            None => Rule::Resume,
        };
        self.fresh = true;
        self.ended = None;
        self.leg = answer.stream.map(Leg::new);
    }

    fn check_position(&self, answer: &Answer, path: &Path) {
        let position = answer.header("holdfast-position");
        let asked = path
            .behind
            .and_then(|at| self.log.get(at))
            .map(|named| named.id);
        let kept = match (position.and_then(EventId::new), asked) {
            (None, _) => false,
            (Some(position), Some(asked)) => position == asked,
            (Some(_), None) => true,
        };
        let expected = match asked {
            Some(id) => format!("Holdfast-Position: {id}, as in Last-Event-ID"),
            None => "Holdfast-Position: an id".to_owned(),
        };
        self.hold(Rule::Position, kept, &expected, format!("{position:?}"));
    }

    fn check_accepted(&mut self, answer: &Answer, first: bool) {
        let text = answer.header("holdfast-accepted");
        let count = text.and_then(|text| parse_count(text.as_bytes()));
        let came = format!("{text:?}");
        if first {
            let expected = "Holdfast-Accepted: 0 on a first leg";
            return self.hold(self.first_rule, count == Some(0), expected, came);
        }
        let (least, most) = (self.accepted, self.sent.len() as u64);
        let kept = count.is_some_and(|count| (least..=most).contains(&count));
        let expected = format!("Holdfast-Accepted: {least} (acknowledged before) to {most} (sent)");
        self.hold(Rule::AcceptedAcross, kept, &expected, came);
        self.accepted = count.unwrap_or(least).clamp(least, most);
    }

    fn check_coding(&self, answer: &Answer) {
        let coding = match self.transport {
            Transport::WebSocket => header::SEC_WEBSOCKET_EXTENSIONS,
            Transport::EventStream => header::CONTENT_ENCODING,
        };
        let said = answer.headers.get(&coding);
        let came = format!("{coding}: {said:?}");
        self.hold(
            Rule::NoCompression,
            said.is_none(),
            "no extension and no coding",
            came,
        );
        if self.transport == Transport::EventStream {
            return;
        }
        let said = answer.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
        let mut given = self.kit.subprotocol.borrow_mut();
        let kept = match given.as_ref() {
            Some(given) => given.as_ref() == said,
            None => said.is_none() || self.offers(said),
        };
        let expected = match given.as_ref() {
            Some(given) => format!("the subprotocol of the first leg, {given:?}"),
            None => "a subprotocol that was offered, or none".to_owned(),
        };
        self.hold(Rule::Subprotocol, kept, &expected, format!("{said:?}"));
        given.get_or_insert_with(|| said.cloned());
    }

    fn offers(&self, said: Option<&HeaderValue>) -> bool {
        let offered = self.kit.manners.subprotocols.as_ref();
        let (Some(offered), Some(said)) = (offered, said) else {
            return false;
        };
        let tokens = offered.as_bytes().split(|&byte| byte == b',');
        tokens
            .into_iter()
            .any(|token| token.trim_ascii() == said.as_bytes())
    }

    /// Sends the next message of the client, as the bytes that `frame` makes of it.
    pub(super) async fn say_as(&mut self, frame: impl FnOnce(&str) -> Vec<u8>) {
        let text = self.kit.message(&self.id, self.sent.len() + 1);
        let bytes = frame(&text);
        // counted even if it cannot be written: nobody knows what has arrived
        self.sent.push(text);
        self.write(&bytes).await;
    }

    pub(super) async fn say(&mut self) {
        self.say_as(leg::message).await;
    }

    /// A message that nobody may accept: `leg` is not the connection's any more.
    pub(super) async fn haunt(&mut self, leg: &mut Leg) {
        let n = GHOSTS + self.ghosts.len();
        self.ghosts.push(n);
        // one that takes nothing any more is right too
        let _ = leg
            .write(&leg::message(&self.kit.message(&self.id, n)))
            .await;
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        if let Some(leg) = &mut self.leg {
            // a leg that takes nothing says why when it is heard
            let _ = leg.write(bytes).await;
        }
    }

    /// Says again what is not accepted, as the edge does on a new leg.
    pub(super) async fn replay(&mut self) {
        let from = usize::try_from(self.accepted).unwrap_or(usize::MAX);
        let again: Vec<u8> = self.sent[from.min(self.sent.len())..]
            .iter()
            .flat_map(|text| leg::message(text))
            .collect();
        self.write(&again).await;
    }

    /// Hears until `enough`, the end of the leg, or `until`. Says whether it was enough.
    pub(super) async fn hear(&mut self, until: Instant, enough: impl Fn(&Self) -> bool) -> bool {
        while !enough(self) {
            let Some(leg) = &mut self.leg else {
                return false;
            };
            match leg.hear(until).await {
                None => return false,
                Some(heard) => self.heard(heard).await,
            }
        }
        true
    }

    async fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Message {
                id: Some(id),
                bytes,
            } => self.delivered(Named { id, bytes }),
            // at most once: nothing can be said about it
            Heard::Message { id: None, .. } => {}
            Heard::Accepted(count) => {
                let (least, most) = (self.accepted, self.sent.len() as u64);
                let rule = if count > most {
                    self.count_rule
                } else {
                    Rule::AcceptedCount
                };
                let expected = format!("accepted={least} (said before) to {most} (sent)");
                let came = format!("accepted={count}");
                let kept = (least..=most).contains(&count);
                self.hold(rule, kept, &expected, came);
                self.accepted = count.clamp(least, most);
            }
            Heard::Ping(payload) => self.write(&leg::pong(&payload)).await,
            Heard::Pong => self.pongs += 1,
            Heard::Broke(rule, expected, came) => self.fail(rule, expected, came),
            Heard::Ended(end) => {
                self.leg = None;
                self.ended = Some(end);
            }
        }
    }

    fn delivered(&mut self, named: Named) {
        if let Some(due) = self.log.get(self.due) {
            let expected = told(due);
            self.hold(self.begun_by, *due == named, &expected, told(&named));
            if *due != named {
                // one mistake is enough: from here on, what comes is taken as it is
                for dropped in self.log.drain(self.due..) {
                    self.seen.remove(&dropped.id);
                }
            }
        }
        if self.due == self.log.len() {
            let new = self.seen.insert(named.id);
            // the first of a leg: it began elsewhere than it was told
            let rule = if self.fresh { self.begun_by } else { Rule::Ids };
            let came = format!("one that was delivered before: {}", told(&named));
            if !new {
                self.fail(rule, "a message with an id of its own", came);
            }
            self.log.push(named);
        }
        self.fresh = false;
        self.due += 1;
    }

    /// Rules that only a mistake speaks of.
    pub(super) fn pass_if_never_broken(&self) {
        for rule in [Rule::MarkerForm, Rule::MarkerPlace] {
            self.pass(rule);
        }
        if !self.log.is_empty() {
            self.pass(Rule::Ids);
        }
    }

    /// Everything that earlier legs delivered behind where this one began has come again.
    pub(super) fn is_caught_up(&self) -> bool {
        self.due >= self.log.len()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.accepted == self.sent.len() as u64
    }

    /// How the leg is, for what came instead of something else.
    pub(super) fn state(&self) -> String {
        let mut state = format!(
            "accepted {} of {}, {} named messages",
            self.accepted,
            self.sent.len(),
            self.log.len(),
        );
        if let Some(end) = &self.ended {
            state.push_str(&format!(", then {end}"));
        }
        state
    }
}

fn told(named: &Named) -> String {
    format!("{}: {}", named.id, text(&named.bytes))
}

/// The beginning of a message, to be printed.
fn text(bytes: &[u8]) -> String {
    let shown = bytes.get(..TEXT_MAX).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "..." } else { "" };
    format!("\"{}\"{more}", shown.escape_ascii())
}

const TEXT_MAX: usize = 120;
/// Numbers of messages that count for nothing begin here.
const GHOSTS: usize = 90_001;
