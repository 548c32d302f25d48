//! Who is the client behind the load balancer? The PROXY protocol, versions 1 and 2.
//!
//! Read it only from peers that the configuration trusts: it is the sender's word. It comes before
//! anything else on a connection, once, and has a bounded size ([`HEADER_BYTES_MAX`]); the time for
//! it is the caller's to bound.

mod crc32c;
mod v1;
mod v2;

use std::{error, fmt, net::SocketAddr};

pub use v2::Checksum;

/// What a PROXY header says about the connection behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The balancer itself speaks, usually a health check: the connection's own addresses hold.
    Local,
    /// Somebody speaks of whom no TCP address is known: the connection's own addresses hold.
    Unknown,
    /// A client connected from `source` to `destination`.
    Proxied {
        /// The client's address.
        source: SocketAddr,
        /// The address it connected to.
        destination: SocketAddr,
    },
}

/// How far a header has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// It goes on behind these bytes.
    Incomplete {
        /// It takes at least so many bytes in all; never above [`HEADER_BYTES_MAX`].
        need: usize,
    },
    /// It is whole.
    Complete {
        /// What it says.
        header: ProxyHeader,
        /// How many bytes it takes; what follows is the client's.
        len: usize,
    },
}

impl ProxyHeader {
    /// Reads a header from the start of `bytes`, which must begin with the connection's first byte.
    ///
    /// Nothing is remembered in between: call it again with the same bytes and more.
    pub fn parse(bytes: &[u8]) -> Result<Parsed, MalformedHeader> {
        if bytes.is_empty() {
            return Ok(Parsed::Incomplete {
                need: HEADER_BYTES_MIN,
            });
        }
        let is_begun = |start: &[u8]| {
            let common = bytes.len().min(start.len());
            bytes[..common] == start[..common]
        };
        if is_begun(v2::SIGNATURE) {
            v2::parse(bytes)
        } else if is_begun(v1::START) {
            v1::parse(bytes)
        } else {
            Err(MalformedHeader::NoHeader)
        }
    }

    /// The header in version 1. Two families are one line of IPv6; [`Self::Local`] has no word of
    /// its own there and is said as unknown.
    pub fn encode_v1(&self) -> Vec<u8> {
        v1::encode(self)
    }

    /// The header in version 2.
    pub fn encode_v2(&self, checksum: Checksum) -> Vec<u8> {
        v2::encode(self, checksum)
    }
}

/// Why the first bytes of a connection are no PROXY header; nothing behind them can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedHeader {
    /// Neither version's first bytes.
    NoHeader,
    /// No line end within the 107 bytes of version 1, or a header above what is taken of version 2.
    TooLong,
    /// A line of version 1 that is not `PROXY <family> <addresses> <ports>`.
    Line,
    /// A version, command, family or transport that version 2 does not have.
    Kind,
    /// A length of version 2 that does not hold the addresses or the fields behind them.
    Length,
    /// The CRC32c of version 2 is another.
    Checksum,
}

impl fmt::Display for MalformedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHeader => "connection does not begin with a PROXY header",
            Self::TooLong => "PROXY header too long; 107 bytes in version 1, 4096 in version 2",
            Self::Line => "malformed PROXY line; want PROXY TCP4|TCP6|UNKNOWN <addresses> <ports>",
            Self::Kind => "PROXY header has a reserved version, command, family or transport",
            Self::Length => "PROXY header is too short for the addresses or fields it announces",
            Self::Checksum => "PROXY header does not have the checksum it announces",
        })
    }
}

impl error::Error for MalformedHeader {}

/// The shortest header there is, `PROXY UNKNOWN` and its line end.
const HEADER_BYTES_MIN: usize = 15;

/// The most bytes taken of a header. Version 2 could announce 64 KiB; addresses, a checksum and
/// the fields that cloud balancers add take a few hundred.
pub const HEADER_BYTES_MAX: usize = 4_096;
