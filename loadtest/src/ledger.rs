//! The accounts of a load test: what clients received, asked and were answered, and what the
//! session says it emitted and executed.
//!
//! - [`account`] is the book of one connection. Each message is judged as it comes, by a rule that
//!   a client can check by itself: it carries `prev`, the id of the one before it that this
//!   connection was due.
//! - [`command`] counts what was asked, and that each number got exactly one answer.
//! - [`audit`] holds the books beside the session's own word: nothing emitted and due is missing,
//!   nothing received was not emitted, each command was executed once.
//! - [`entry`] is one message as all of them see it; [`findings`] is the sum of what is wrong, and
//!   [`deviation`] one message of it that people can look at.

mod account;
mod audit;
mod command;
mod deviation;
mod entry;
mod findings;

pub use account::Account;
pub use audit::{Audit, Executed, Listener};
pub use command::{Command, Commands};
pub use deviation::{Deviation, Wrong};
pub use entry::{Content, Emitted, EntryId, Kind, Record, print_of};
pub use findings::Findings;
