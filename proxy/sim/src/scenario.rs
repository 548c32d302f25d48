//! A run that a file describes: prose with times.
//!
//! The first lines begin with `#` and say the aim, and what to remove to see it fail. Then comes
//! the cluster, then what is done when. Behind `->` stands what is seen from that moment until
//! the next line's, in order; `BLESS=1` writes it anew.
//!
//! ```text
//! # Aim: a killed endpoint is not noticed.
//! # Remove `Cause::Crash` from `legs.rs` and this fails at 3s.
//! cluster: a b, contract required, probes off
//! 0s    session at a
//! 0s    ann opens websocket   -> ann -> a, none; a takes ann, generation 1
//! 3s    kill a                -> ...
//! ```

mod cast;
mod play;
mod script;

use std::fmt;
use std::path::Path;

pub use script::{Script, ScriptError};

/// A line that was not kept.
#[derive(Debug)]
pub struct Unkept {
    /// Its number, from 1.
    pub line: usize,
    /// What the file expects, and what was seen.
    pub expected: String,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            expected,
            seen,
        } = self;
        write!(f, "line {line}\n  expected: {expected}\n  seen:     {seen}")
    }
}

/// Plays it, whatever it expects, and says what promise it breaks; else how many deeds still
/// wait for their step.
pub fn trial(script: &Script) -> Result<usize, ScriptError> {
    play::played(script).map(|(_, waiting)| waiting)
}

/// Plays a file. With `bless` the file is rewritten with what was seen instead.
pub fn play(path: &Path, bless: bool) -> Result<(), String> {
    let at = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{at}: {error}"))?;
    let script = Script::read(&text).map_err(|error| format!("{at}:{error}"))?;
    let (seen, _) = play::played(&script).map_err(|error| format!("{at}:{error}"))?;
    if bless {
        let blessed = script.with(&seen);
        return std::fs::write(path, blessed).map_err(|error| format!("{at}: {error}"));
    }
    for (line, seen) in script.lines.iter().zip(seen) {
        if line.expected != seen {
            let (line, expected) = (line.number, line.expected.clone());
            let unkept = Unkept {
                line,
                expected,
                seen,
            };
            return Err(format!("{at}: {unkept}"));
        }
    }
    Ok(())
}
