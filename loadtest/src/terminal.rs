//! What a person at the terminal reads. A closed terminal is no reason to stop a lab, so
//! failures to write are ignored here and nowhere else.

use std::fmt::Display;
use std::io::Write as _;

/// The result, on stdout.
pub fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Progress and trouble, on stderr, so that stdout can be piped.
pub fn warn(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
