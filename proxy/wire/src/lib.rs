//! Bytes <-> values: what the edge reads from and writes to the wire.
//!
//! No I/O, no clock, no knowledge of Holdfast's policy. Nothing here allocates because a peer
//! announced a length: scanners keep a fixed number of bytes, whatever comes in, and everything
//! that reads foreign input takes any bytes at all without panicking.
//!
//! - [`websocket`]: finds frames and messages in a relayed stream ([`websocket::Scanner`]), builds
//!   frames, sorts close codes, answers handshakes.
//! - [`contract`]: the handoff contract inside that stream: `hf1:` notes and [`contract::EventId`].
//! - [`sse`]: finds blocks and their ids in a relayed event stream ([`sse::Scanner`]), reads and
//!   writes events.
//! - [`cookie`]: looks one cookie up, removes one from a request, writes `Set-Cookie`.
//! - [`proxy_header`]: the PROXY protocol, versions 1 and 2.
//! - [`token_list`]: comma lists such as `Connection` and `Upgrade`, hop-by-hop fields.
//!
//! # How the scanners are used
//!
//! Both stream scanners share one shape. They are fed each byte of a stream once, in slices cut
//! anywhere, and answer with the *piece* of the one frame (or block) at the slice's start:
//!
//! ```
//! use holdfast_wire::websocket::Scanner;
//!
//! let mut scanner = Scanner::new();
//! let mut held = Vec::new(); // the begun frame, until it is whole
//! let mut out = Vec::new(); // whole frames alone
//! for slice in [&b"\x81\x02h"[..], b"i\x89\x00\x81"] {
//!     let mut rest = slice;
//!     while let Some(piece) = scanner.scan(rest)? {
//!         let (now, later) = rest.split_at(piece.len);
//!         held.extend_from_slice(now);
//!         if piece.last {
//!             out.append(&mut held);
//!         }
//!         rest = later;
//!     }
//! }
//! assert_eq!(out, b"\x81\x02hi\x89\x00");
//! assert_eq!(scanner.messages(), 1);
//! # Ok::<(), holdfast_wire::websocket::ScanError>(())
//! ```
//!
//! A piece with `first` and `last` is a whole frame inside the slice: the usual case, and the one
//! that needs no holding. [`websocket::Piece::remaining`] and [`sse::Piece::over_bound`] say when
//! holding would cost more than the caller's bound, so that it streams instead.

#![warn(missing_docs)]

pub mod contract;
pub mod cookie;
pub mod proxy_header;
pub mod sse;
pub mod token_list;
pub mod websocket;
