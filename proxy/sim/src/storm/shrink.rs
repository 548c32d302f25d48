//! A seed's run as a scenario, with as few lines as still break the promise.

use super::{Act, Bounds, Chance, Fault, Storm, setup};
use crate::Mutation;
use crate::audit::Broken;
use crate::stage::{Failed, Stage};

/// What a seed does, as the text of a scenario: all of it, or if it breaks a promise, what is
/// needed to break it. Played with the same chances, so to the same end.
pub fn scenario(seed: u64, mutation: Option<Mutation>) -> String {
    let mut storm = Storm::new(seed, mutation);
    let broken = storm.run().err();
    let end = storm.now();
    let mut lines = std::mem::take(&mut storm.done);
    if let Some(broken) = &broken {
        let same = |lines: &Lines| breaks(seed, mutation, lines, end, &kind(broken));
        lines = shrunk(lines, same);
    }
    let mut chance = Chance::new(!seed);
    let faults = Fault::drawn(&mut chance);
    let bounds = Bounds::drawn(&mut chance);
    let (message, unaccepted) = (bounds.message_kib, bounds.unaccepted_kib);
    let aim = broken.map_or_else(
        || "what it keeps".to_owned(),
        |Broken(what)| what.lines().next().unwrap_or_default().to_owned(),
    );
    let mut text = format!("# Aim: seed {seed}: {aim}\n");
    let everysec = if faults.contains(&Fault::Tail) {
        ", store everysec"
    } else {
        ""
    };
    text.push_str(&format!(
        "cluster: a b c, proxies 2, seed {seed}, message {message}, \
         unaccepted {unaccepted}{everysec}\n"
    ));
    for (at, act) in lines {
        text.push_str(&format!("{at}ms {act}\n"));
    }
    text.push_str(&format!("{end}ms end\n"));
    text
}

type Lines = Vec<(u64, Act)>;

/// Leaves out what is not needed: halves first, then ever smaller parts.
fn shrunk(mut lines: Lines, breaks: impl Fn(&Lines) -> bool) -> Lines {
    let mut size = lines.len().div_ceil(2);
    let mut tries = 0;
    while size > 0 {
        let mut at = 0;
        while at < lines.len() && tries < TRIES_MAX {
            let mut fewer = lines.clone();
            fewer.drain(at..(at + size).min(lines.len()));
            tries += 1;
            if breaks(&fewer) {
                lines = fewer;
            } else {
                at += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    lines
}

/// Whether these lines break this promise.
fn breaks(seed: u64, mutation: Option<Mutation>, lines: &Lines, end: u64, kind_of: &str) -> bool {
    let mut chance = Chance::new(!seed);
    let faults = Fault::drawn(&mut chance);
    let mut stage = Stage::new(setup(seed, mutation, &faults, Bounds::drawn(&mut chance)));
    let mut play = || -> Result<(), Failed> {
        for (at, act) in lines {
            stage.until(*at)?;
            stage.act(act)?;
        }
        stage.until(end)?;
        stage.act(&Act::End)?;
        Ok(())
    };
    matches!(play(), Err(Failed::Broken(broken)) if kind(&broken) == kind_of)
}

/// Which promise it is: what is said of it, without names and numbers.
fn kind(broken: &Broken) -> String {
    let line = broken.0.lines().next().unwrap_or_default();
    let words = line
        .split(' ')
        .filter(|word| word.chars().all(char::is_alphabetic));
    words.take(WORDS).collect::<Vec<_>>().join(" ")
}

/// How many runs it may take: some seconds.
const TRIES_MAX: u32 = 2_000;
/// Words by which a promise is known.
const WORDS: usize = 4;
