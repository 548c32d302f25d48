//! What must hold for any bytes at all that the edge reads by code of its own: one function per
//! parser, which panics when it does not.
//!
//! Shared between the libFuzzer targets beside this file and `tests/edge/parsers.rs`, which runs
//! them on the committed corpus with a stable compiler.

#![allow(
    dead_code,
    reason = "each libFuzzer target is a binary that uses one of them"
)]

use std::path::Path;
use std::time::Duration;

use holdfast_core::ClusterName;
use holdfast_core::affinity::seal::Keyring;
use holdfast_proxy::config::{Config, SecretBytes};
use holdfast_proxy::identity::Tickets;
use holdfast_proxy::upstream::body::{Body, Malformed};
use holdfast_proxy::upstream::dial::parse_head;
use http::{HeaderMap, HeaderValue, header};

/// What must hold for one parser.
pub(crate) type Target = fn(&[u8]);

/// Every parser by the name of its target and of its corpus, and how many mutations a short run
/// has.
pub(crate) const ALL: [(&str, Target, usize); 5] = [
    ("affinity", affinity, 10_000),
    ("answer_body", answer_body, 20_000),
    ("answer_head", answer_head, 20_000),
    ("configuration", configuration, 1_000),
    ("ticket", ticket, 10_000),
];

/// A head is the same whatever is behind it, and no part of it is a head.
pub(crate) fn answer_head(input: &[u8]) {
    let Ok(Some((head, len))) = parse_head(input) else {
        return;
    };
    assert!(len <= input.len());
    let (again, same) = parse_head(&input[..len])
        .expect("the same bytes")
        .expect("a whole head");
    assert_eq!((same, &again.headers), (len, &head.headers));
    for end in [0, len / 3, len / 2, len - 1] {
        let part = parse_head(&input[..end]);
        assert!(matches!(part, Ok(None)), "{end} of {len} bytes");
    }
    let lengths = head.headers.get_all(header::CONTENT_LENGTH).iter().count();
    let coded = head.headers.contains_key(header::TRANSFER_ENCODING);
    assert!(lengths + usize::from(coded) <= 1, "one reading");
}

/// A body is the same however it is cut, and never more than what came. The first byte says how
/// it is framed, the second how to cut.
pub(crate) fn answer_body(input: &[u8]) {
    let [kind, cut, bytes @ ..] = input else {
        return;
    };
    let mut fields = HeaderMap::new();
    match kind % 3 {
        0 => drop(fields.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        )),
        1 => drop(fields.insert(header::CONTENT_LENGTH, HeaderValue::from(u16::from(*kind)))),
        _ => {}
    }
    let whole = read_body(&fields, bytes, bytes.len().max(1));
    let step = usize::from(*cut).max(1);
    assert_eq!(whole, read_body(&fields, bytes, step));
    assert_eq!(whole, read_body(&fields, bytes, 1));
    assert!(whole.content.len() <= bytes.len());
}

/// What is opened was sealed: by whoever has the key, for this cluster, byte for byte.
pub(crate) fn affinity(input: &[u8]) {
    let keys = keys();
    let cluster = ClusterName::parse("backend").expect("a name");
    let text = String::from_utf8_lossy(input);
    if keys.open(&cluster, &text).is_some() {
        assert_eq!(text, SEALED);
        let other = ClusterName::parse("shop").expect("a name");
        assert!(keys.open(&other, &text).is_none(), "for one cluster");
        let old = Keyring::new(&[[9; 32]]).expect("a key");
        assert!(old.open(&cluster, &text).is_none(), "under its key");
    }
}

/// A ticket is good as it was issued, once, and for its time.
pub(crate) fn ticket(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let now = Duration::from_secs(ISSUED);
    let tickets = tickets();
    if let Some(subject) = tickets.take(&text, now) {
        assert_eq!(text, TICKET);
        assert_eq!(subject.as_str(), "ada");
        assert!(tickets.take(&text, now).is_none(), "once");
        let late = now + Duration::from_secs(30);
        assert!(self::tickets().take(&text, late).is_none(), "in time");
    }
}

/// A file is taken, or refused in words that say where.
pub(crate) fn configuration(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Err(refused) = Config::parse(Path::new("edge.yaml"), &text) {
        let said = refused.to_string();
        for line in said.lines() {
            assert!(line.starts_with("edge.yaml"), "{said}");
        }
        assert!(!said.is_empty());
    }
}

/// Whether the samples below are what `affinity` and `ticket` take them for.
pub(crate) fn opens() -> bool {
    let (keys, cluster) = (keys(), ClusterName::parse("backend").expect("a name"));
    let subject = tickets().take(TICKET, Duration::from_secs(ISSUED));
    keys.open(&cluster, SEALED).is_some() && subject.is_some()
}

/// What came of a body.
#[derive(Debug, PartialEq)]
struct Read {
    content: Vec<u8>,
    failed: Option<Malformed>,
    complete: bool,
    may_end: bool,
    /// Bytes behind its end.
    left: usize,
}

fn read_body(fields: &HeaderMap, bytes: &[u8], step: usize) -> Read {
    let mut body = Body::of(200, fields).expect("a framing");
    let mut content = Vec::new();
    let (mut failed, mut left) = (None, 0);
    for mut slice in bytes.chunks(step) {
        while failed.is_none() {
            match body.next(&mut slice) {
                Ok(Some(part)) => content.extend_from_slice(part),
                Ok(None) => break,
                Err(malformed) => failed = Some(malformed),
            }
        }
        left += slice.len();
    }
    Read {
        content,
        complete: body.is_complete(),
        may_end: body.may_end(),
        left: if failed.is_some() { 0 } else { left },
        failed,
    }
}

fn keys() -> Keyring {
    Keyring::new(&[[7; 32], [8; 32]]).expect("two keys")
}

fn tickets() -> Tickets {
    Tickets::new(&[SecretBytes::new([7; 32])])
}

/// What `affinity` is to open: sealed under the first key.
const SEALED: &str =
    "AWf3YFQDAwMDAwMDAwMDAwOmJ_pZdVHC3Bkr4eBYQ1Lc07VeiIAZWkaqDblE00NdqViySZeTd52_5oVp";
/// What `ticket` is to take, issued then.
const TICKET: &str = "JRE71GUXZgXOlx4nKYSvd08fMpr2f8TLr_bpVhGtN68M8yCHyrr7S9-sGnFkKgW9DShQ1t66Cg";
/// Seconds since 1970.
const ISSUED: u64 = 1_800_000_000;
