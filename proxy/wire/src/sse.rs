//! Where does one event of an event stream end, and what is its id? (WHATWG HTML section 9.2)
//!
//! A relay forwards *whole blocks unchanged* and remembers the last id, so that a later leg can go
//! on behind it. [`Scanner`] finds the blocks in a stream of bytes; [`fields`] reads one block;
//! [`Event`], [`encode_comment`] and [`encode_retry`] write.

mod encode;
mod fields;
mod scanner;

pub use encode::{Event, NameWithLineBreak, encode_comment, encode_retry};
pub use fields::{Field, fields};
pub use scanner::{Block, BlockId, BlockKind, Piece, Scanner};
