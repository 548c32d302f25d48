//! Version 2: binary.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::crc32c::crc32c;
use super::{HEADER_BYTES_MAX, MalformedHeader, Parsed, ProxyHeader};

/// Whether an encoded header carries its CRC32c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It does.
    With,
    /// It does not.
    Without,
}

/// Reads a header that begins with as much of [`SIGNATURE`] as there is.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, MalformedHeader> {
    let Some((fixed, _)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(Parsed::Incomplete { need: FIXED_BYTES });
    };
    let &[.., version_command, family_transport, len_high, len_low] = fixed;
    let len = FIXED_BYTES + usize::from(u16::from_be_bytes([len_high, len_low]));
    let command = match version_command {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        _ => return Err(MalformedHeader::Kind),
    };
    if !matches!(
        family_transport,
        UNSPECIFIED | 0x11 | 0x12 | 0x21 | 0x22 | 0x31 | 0x32
    ) {
        return Err(MalformedHeader::Kind);
    }
    if len > HEADER_BYTES_MAX {
        return Err(MalformedHeader::TooLong);
    }
    if bytes.len() < len {
        return Ok(Parsed::Incomplete { need: len });
    }
    let header = match command {
        Command::Local => ProxyHeader::Local,
        Command::Proxy => parse_proxied(&bytes[..len], family_transport)?,
    };
    Ok(Parsed::Complete { header, len })
}

pub(super) fn encode(header: &ProxyHeader, checksum: Checksum) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    match header {
        ProxyHeader::Local => bytes.extend([0x20, UNSPECIFIED, 0, 0]),
        ProxyHeader::Unknown => bytes.extend([0x21, UNSPECIFIED, 0, 0]),
        ProxyHeader::Proxied {
            source,
            destination,
        } => {
            let ports = [
                source.port().to_be_bytes(),
                destination.port().to_be_bytes(),
            ];
            match (source.ip(), destination.ip()) {
                (IpAddr::V4(from), IpAddr::V4(to)) => {
                    bytes.extend([0x21, TCP_OVER_IPV4, 0, 0]);
                    bytes.extend(from.octets());
                    bytes.extend(to.octets());
                }
                (from, to) => {
                    bytes.extend([0x21, TCP_OVER_IPV6, 0, 0]);
                    bytes.extend(octets(from));
                    bytes.extend(octets(to));
                }
            }
            bytes.extend(ports.as_flattened());
        }
    }
    // A reader of UNSPECIFIED skips everything, so only headers with addresses are summed.
    let is_summed = checksum == Checksum::With && matches!(header, ProxyHeader::Proxied { .. });
    if is_summed {
        bytes.extend([FIELD_CRC32C, 0, 4, 0, 0, 0, 0]);
    }
    let len = (bytes.len() - FIXED_BYTES) as u16;
    bytes[FIXED_BYTES - 2..FIXED_BYTES].copy_from_slice(&len.to_be_bytes());
    if is_summed {
        let sum = crc32c(&[&bytes]);
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

/// The addresses of a whole header, once the fields behind them are sound.
fn parse_proxied(header: &[u8], family_transport: u8) -> Result<ProxyHeader, MalformedHeader> {
    let rest = &header[FIXED_BYTES..];
    let addresses_len = match family_transport >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        // Without a family nobody knows where addresses end and fields begin: all is skipped.
        _ => return Ok(ProxyHeader::Unknown),
    };
    let (addresses, _) = rest
        .split_at_checked(addresses_len)
        .ok_or(MalformedHeader::Length)?;
    check_fields(header, FIXED_BYTES + addresses_len)?;
    Ok(match (family_transport, addresses) {
        (TCP_OVER_IPV4, &[a, b, c, d, e, f, g, h, ref ports @ ..]) => proxied(
            Ipv4Addr::new(a, b, c, d).into(),
            Ipv4Addr::new(e, f, g, h).into(),
            ports,
        ),
        (TCP_OVER_IPV6, addresses) => {
            let (pair, ports) = addresses.as_chunks::<16>();
            let address = |at: usize| Ipv6Addr::from(pair[at]).into();
            proxied(address(0), address(1), ports)
        }
        // Datagrams and Unix sockets: not what a TCP listener accepted.
        _ => ProxyHeader::Unknown,
    })
}

fn proxied(source: IpAddr, destination: IpAddr, ports: &[u8]) -> ProxyHeader {
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    ProxyHeader::Proxied {
        source: SocketAddr::new(source, port(0)),
        destination: SocketAddr::new(destination, port(2)),
    }
}

/// Walks the type-length-value fields from `at` on; checks the checksum, skips the rest.
fn check_fields(header: &[u8], mut at: usize) -> Result<(), MalformedHeader> {
    while let Some(field) = header.get(at..).filter(|rest| !rest.is_empty()) {
        let &[kind, high, low, ref rest @ ..] = field else {
            return Err(MalformedHeader::Length);
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let value = rest.get(..len).ok_or(MalformedHeader::Length)?;
        let value_at = at + FIELD_HEAD_BYTES;
        at = value_at + len;
        if kind == FIELD_CRC32C {
            let sum: [u8; 4] = value.try_into().map_err(|_| MalformedHeader::Length)?;
            // The sum is that of the whole header with zeros in its own place.
            let actual = crc32c(&[&header[..value_at], &[0; 4], &header[at..]]);
            if actual != u32::from_be_bytes(sum) {
                return Err(MalformedHeader::Checksum);
            }
        }
    }
    Ok(())
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

enum Command {
    Local,
    Proxy,
}

pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;

/// One byte of type, two of length.
const FIELD_HEAD_BYTES: usize = 3;
const FIELD_CRC32C: u8 = 0x03;

const UNSPECIFIED: u8 = 0x00;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
