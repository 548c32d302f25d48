//! How many live sessions a core carries, transport apart: the market, the output log as JSON,
//! and a reader of each session who is sent every entry as the text of a WebSocket message.
//!
//! `cargo run --release -p holdfast-session --example carry -- [sessions] [seconds]`

use holdfast_exchange::Scenario;
use holdfast_session::engine::{Advanced, Engine, Founding};
use holdfast_session::id::Epoch;
use holdfast_session::log::Log;
use holdfast_session::reader::{Delivery, Reader};
use holdfast_session::subscription::{Channels, Coalesce};

struct Live {
    engine: Engine,
    log: Log,
    reader: Reader,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual: u64| {
        let given = arguments.next().and_then(|text| text.parse().ok());
        given.unwrap_or(usual)
    };
    let (sessions, seconds) = (number(2_000), number(20));
    let mut live: Vec<Live> = (0..sessions).map(found).collect();
    // until the logs and the books are as full as they get
    walk(&mut live, 0, 60);
    let (before, rest) = (processor_seconds(), 60);
    let sent = walk(&mut live, rest, rest + seconds);
    let spent = processor_seconds() - before;
    let per_session = sent.messages as f64 / (sessions * seconds) as f64;
    println!(
        "{sessions} sessions for {seconds} s: {per_session:.1} messages a second each, \
         {:.2} cores, {:.1} microseconds a message, {:.1} MB/s of text",
        spent / seconds as f64,
        spent * 1e6 / sent.messages as f64,
        sent.bytes as f64 / 1e6 / seconds as f64
    );
    let state = live[0]
        .engine
        .state(&live[0].log)
        .map_or(0, |bytes| bytes.len());
    println!("a session's snapshot: {} KiB", state / 1_024);
}

fn found(seed: u64) -> Live {
    let founding = Founding {
        scenario: Scenario::default(),
        seed,
        wall_ms: 0,
        catch_up_ms: 120_000,
    };
    let log = Log::new(Epoch::new(1), 0);
    Live {
        engine: Engine::found(&founding).expect("the default scenario is sound"),
        reader: Reader::new(log.id(0), Channels::ALL, Coalesce::None, None),
        log,
    }
}

#[derive(Default)]
struct Sent {
    messages: u64,
    bytes: u64,
}

/// Everybody goes on in steps of 50 ms, in turn, as tasks on a core do.
fn walk(live: &mut [Live], from: u64, to: u64) -> Sent {
    let mut sent = Sent::default();
    let mut out: Vec<Delivery> = Vec::new();
    for step in from * 20..to * 20 {
        let wall_ms = (step + 1) * 50;
        for session in &mut *live {
            while session.engine.advance(&mut session.log, wall_ms) == Advanced::Again {}
            session.reader.turn(&session.log, wall_ms, &mut out);
            for delivery in out.drain(..) {
                sent.messages += 1;
                sent.bytes += delivery.websocket().len() as u64;
            }
        }
    }
    sent
}

/// Processor time of this process, from Linux.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}
