//! Version 1: one line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str;

use super::{HEADER_BYTES_MIN, MalformedHeader, Parsed, ProxyHeader};

/// Reads a line that begins with as much of [`START`] as there is.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, MalformedHeader> {
    let Some(at) = memchr::memchr(b'\n', &bytes[..bytes.len().min(LINE_BYTES_MAX)]) else {
        if bytes.len() >= LINE_BYTES_MAX {
            return Err(MalformedHeader::TooLong);
        }
        return Ok(Parsed::Incomplete {
            need: HEADER_BYTES_MIN.max(bytes.len() + 1),
        });
    };
    let line = bytes[..at]
        .strip_suffix(b"\r")
        .ok_or(MalformedHeader::Line)?;
    let line = str::from_utf8(line).map_err(|_| MalformedHeader::Line)?;
    let header = parse_line(line).ok_or(MalformedHeader::Line)?;
    Ok(Parsed::Complete {
        header,
        len: at + 1,
    })
}

pub(super) fn encode(header: &ProxyHeader) -> Vec<u8> {
    let ProxyHeader::Proxied {
        source,
        destination,
    } = header
    else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let (family, from, to) = match (source.ip(), destination.ip()) {
        (from @ IpAddr::V4(_), to @ IpAddr::V4(_)) => ("TCP4", from, to),
        (from, to) => ("TCP6", mapped(from), mapped(to)),
    };
    let (from_port, to_port) = (source.port(), destination.port());
    format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n").into_bytes()
}

fn parse_line(line: &str) -> Option<ProxyHeader> {
    let mut words = line.split(' ');
    if words.next() != Some("PROXY") {
        return None;
    }
    let family = words.next()?;
    if family == "UNKNOWN" {
        // "the receiver must ignore anything presented before the CRLF"
        return Some(ProxyHeader::Unknown);
    }
    let (source, destination) = (words.next()?, words.next()?);
    let (source, destination): (IpAddr, IpAddr) = match family {
        "TCP4" => (
            source.parse::<Ipv4Addr>().ok()?.into(),
            destination.parse::<Ipv4Addr>().ok()?.into(),
        ),
        "TCP6" => (
            source.parse::<Ipv6Addr>().ok()?.into(),
            destination.parse::<Ipv6Addr>().ok()?.into(),
        ),
        _ => return None,
    };
    let (source_port, destination_port) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    Some(ProxyHeader::Proxied {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// Decimal without sign and leading zeros: one spelling per port.
fn port(text: &str) -> Option<u16> {
    u16::try_from(crate::contract::parse_count(text.as_bytes())?).ok()
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(_) => address,
    }
}

pub(super) const START: &[u8] = b"PROXY ";

/// The longest line the specification knows, its line end included.
const LINE_BYTES_MAX: usize = 107;
