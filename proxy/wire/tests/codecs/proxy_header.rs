use std::net::{IpAddr, SocketAddr};

use holdfast_wire::proxy_header::{
    Checksum, HEADER_BYTES_MAX, MalformedHeader, Parsed, ProxyHeader,
};
use proptest::prelude::*;

fn proxied(source: &str, destination: &str) -> ProxyHeader {
    let address = |text: &str| text.parse().expect("an address");
    ProxyHeader::Proxied {
        source: address(source),
        destination: address(destination),
    }
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 from the bytes behind the signature, without their length.
fn v2(version_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = (rest.len() as u16).to_be_bytes();
    [SIGNATURE, &[version_command, family], &len, rest].concat()
}

const ADDRESSES_IPV4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

#[test]
fn lines_of_version_1_are_read_and_written() {
    let cases = [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
            proxied("192.0.2.1:56324", "198.51.100.7:443"),
        ),
        (
            "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
            proxied("[2001:db8::1]:1", "[2001:db8::2]:65535"),
        ),
        ("PROXY UNKNOWN\r\n", ProxyHeader::Unknown),
    ];
    for (line, header) in cases {
        let bytes = [line.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
        let len = line.len();
        assert_eq!(
            ProxyHeader::parse(&bytes),
            Ok(Parsed::Complete { header, len })
        );
        assert_eq!(header.encode_v1(), line.as_bytes());
    }
    let ignored = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
    let header = ProxyHeader::Unknown;
    assert_eq!(
        ProxyHeader::parse(ignored),
        Ok(Parsed::Complete {
            header,
            len: ignored.len()
        })
    );
}

#[test]
fn malformed_lines_of_version_1_are_refused() {
    let lines = [
        "PROXY UNKNOWN\n",
        "PROXY \r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 01.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
    ];
    for line in lines {
        let seen = ProxyHeader::parse(line.as_bytes());
        assert_eq!(seen, Err(MalformedHeader::Line), "{line:?}");
    }
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(93));
    assert_eq!(
        ProxyHeader::parse(endless.as_bytes()),
        Err(MalformedHeader::TooLong)
    );
    let need = 107;
    assert_eq!(
        ProxyHeader::parse(&endless.as_bytes()[..106]),
        Ok(Parsed::Incomplete { need })
    );
}

#[test]
fn headers_of_version_2_are_read() {
    let header = proxied("192.0.2.1:56324", "198.51.100.7:443");
    let fields: [&[u8]; 3] = [b"", b"\xea\0\x03\x01vp", b"\x04\0\x02\0\0\x05\0\0"];
    for fields in fields {
        let whole = v2(0x21, 0x11, &[ADDRESSES_IPV4, fields].concat());
        let len = whole.len();
        let bytes = [&whole[..], b"GET"].concat();
        assert_eq!(
            ProxyHeader::parse(&bytes),
            Ok(Parsed::Complete { header, len })
        );
    }
    let unknown = [
        v2(0x21, 0x00, b""),
        v2(0x21, 0x12, ADDRESSES_IPV4),
        v2(0x21, 0x31, &[0; 216]),
    ];
    for bytes in unknown {
        let header = ProxyHeader::Unknown;
        assert_eq!(
            ProxyHeader::parse(&bytes),
            Ok(Parsed::Complete {
                header,
                len: bytes.len()
            })
        );
    }
    for rest in [&b""[..], ADDRESSES_IPV4, b"junk"] {
        let bytes = v2(0x20, 0x11, rest);
        let header = ProxyHeader::Local;
        assert_eq!(
            ProxyHeader::parse(&bytes),
            Ok(Parsed::Complete {
                header,
                len: bytes.len()
            })
        );
    }
}

#[test]
fn malformed_headers_of_version_2_are_refused() {
    let with = |fields: &[u8]| v2(0x21, 0x11, &[ADDRESSES_IPV4, fields].concat());
    let cases = [
        (v2(0x11, 0x11, ADDRESSES_IPV4), MalformedHeader::Kind),
        (v2(0x22, 0x11, ADDRESSES_IPV4), MalformedHeader::Kind),
        (v2(0x21, 0x41, ADDRESSES_IPV4), MalformedHeader::Kind),
        (v2(0x21, 0x13, ADDRESSES_IPV4), MalformedHeader::Kind),
        (
            v2(0x21, 0x11, &ADDRESSES_IPV4[1..]),
            MalformedHeader::Length,
        ),
        (v2(0x21, 0x21, ADDRESSES_IPV4), MalformedHeader::Length),
        (with(b"\x04"), MalformedHeader::Length),
        (with(b"\x04\0"), MalformedHeader::Length),
        (with(b"\x04\0\x02x"), MalformedHeader::Length),
        (with(b"\x03\0\x03abc"), MalformedHeader::Length),
        (with(b"\x03\0\x04abcd"), MalformedHeader::Checksum),
        (
            [SIGNATURE, b"\x21\x11\xff\xff"].concat(),
            MalformedHeader::TooLong,
        ),
    ];
    for (bytes, error) in cases {
        assert_eq!(
            ProxyHeader::parse(&bytes),
            Err(error),
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn a_checksum_covers_every_byte() {
    let header = proxied("192.0.2.1:56324", "198.51.100.7:443");
    let sound = header.encode_v2(Checksum::With);
    assert_eq!(
        ProxyHeader::parse(&sound),
        Ok(Parsed::Complete {
            header,
            len: sound.len()
        })
    );
    for at in 16..sound.len() {
        for bit in 0..8 {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << bit;
            let seen = ProxyHeader::parse(&bytes);
            // Another type in place of the checksum's turns the check off; nothing can help that.
            let is_type = at == 28;
            assert_eq!(seen.is_err(), !is_type, "byte {at} bit {bit}: {seen:?}");
        }
    }
}

#[test]
fn other_protocols_are_told_apart_from_their_first_byte() {
    let starts: [&[u8]; 6] = [
        b"G",
        b"PROXY\t",
        b"\r\n\r\n\0\r\nQUIt",
        b"\x16\x03",
        b"PRI * HTTP/2.0",
        b"proxy ",
    ];
    for start in starts {
        let seen = ProxyHeader::parse(start);
        assert_eq!(
            seen,
            Err(MalformedHeader::NoHeader),
            "{}",
            start.escape_ascii()
        );
    }
    assert_eq!(ProxyHeader::parse(b""), Ok(Parsed::Incomplete { need: 15 }));
    assert_eq!(
        ProxyHeader::parse(b"\r"),
        Ok(Parsed::Incomplete { need: 16 })
    );
    assert_eq!(
        ProxyHeader::parse(b"PRO"),
        Ok(Parsed::Incomplete { need: 15 })
    );
}

proptest! {
    #[test]
    fn headers_survive_a_round_trip_and_never_ask_for_too_much(
        source in any::<(IpAddr, u16)>(),
        destination in any::<(IpAddr, u16)>(),
    ) {
        let header = ProxyHeader::Proxied {
            source: SocketAddr::from(source),
            destination: SocketAddr::from(destination),
        };
        let same_family = source.0.is_ipv4() == destination.0.is_ipv4();
        let encodings = [
            header.encode_v1(),
            header.encode_v2(Checksum::With),
            header.encode_v2(Checksum::Without),
        ];
        for bytes in encodings {
            for end in 0..bytes.len() {
                let Ok(Parsed::Incomplete { need }) = ProxyHeader::parse(&bytes[..end]) else {
                    panic!("cut at {end}");
                };
                prop_assert!(end < need && need <= bytes.len().min(HEADER_BYTES_MAX));
            }
            let Ok(Parsed::Complete { header: seen, len }) = ProxyHeader::parse(&bytes) else {
                panic!("a header");
            };
            prop_assert_eq!(len, bytes.len());
            let ProxyHeader::Proxied { source: from, destination: to } = seen else {
                panic!("addresses");
            };
            prop_assert_eq!((from.port(), to.port()), (source.1, destination.1));
            prop_assert_eq!(from.ip().to_canonical(), source.0.to_canonical());
            prop_assert_eq!(to.ip().to_canonical(), destination.0.to_canonical());
            prop_assert!(!same_family || seen == header);
        }
    }
}
