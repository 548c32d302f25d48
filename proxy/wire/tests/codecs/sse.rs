use holdfast_wire::contract::EventId;
use holdfast_wire::sse::{
    Block, BlockId, BlockKind, Event, NameWithLineBreak, Scanner, encode_comment, encode_retry,
    fields,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Blocks with their bytes, the stream cut into slices of `len`.
fn blocks(stream: &[u8], len: usize) -> Vec<(Block, Vec<u8>)> {
    let mut scanner = Scanner::new(usize::MAX);
    let (mut blocks, mut held) = (Vec::new(), Vec::new());
    for mut rest in stream.chunks(len) {
        while let Some(piece) = scanner.scan(rest) {
            let (now, later) = rest.split_at(piece.len);
            held.extend_from_slice(now);
            if let Some(block) = piece.ended {
                blocks.push((block, std::mem::take(&mut held)));
            }
            rest = later;
        }
    }
    blocks
}

fn kinds(stream: &[u8]) -> Vec<(BlockKind, Vec<u8>)> {
    blocks(stream, usize::MAX)
        .into_iter()
        .map(|(block, bytes)| (block.kind, bytes))
        .collect()
}

fn named(text: &str) -> BlockId {
    BlockId::Named(EventId::new(text).expect("an id"))
}

#[test]
fn a_block_ends_behind_an_empty_line_of_any_kind() {
    for line_end in ["\n", "\r\n", "\r"] {
        let one = format!("event: book{line_end}id: e.1{line_end}data: x{line_end}{line_end}");
        let two = format!("data: y{line_end}data{line_end}{line_end}");
        let stream = [one.as_bytes(), two.as_bytes()].concat();
        let expected = [
            (BlockKind::Event, one.into_bytes()),
            (BlockKind::Event, two.into_bytes()),
        ];
        assert_eq!(kinds(&stream), expected, "{line_end:?}");
    }
}

#[test]
fn a_comment_outside_an_event_does_not_wait_for_an_empty_line() {
    let expected = [
        (BlockKind::Comment, b": heartbeat\n".to_vec()),
        (BlockKind::Blank, b"\n".to_vec()),
        (BlockKind::Event, b"data: x\n: inside\nid: 1\n\n".to_vec()),
    ];
    assert_eq!(
        kinds(b": heartbeat\n\ndata: x\n: inside\nid: 1\n\n: begun"),
        expected
    );
}

#[test]
fn a_byte_order_mark_counts_at_the_start_alone() {
    let expected = [
        (BlockKind::Mark, b"\xef\xbb\xbf".to_vec()),
        (BlockKind::Event, b"id: 1\n\n".to_vec()),
        (BlockKind::Event, b"\xef\xbb\xbfid: 2\n\n".to_vec()),
    ];
    let stream = b"\xef\xbb\xbfid: 1\n\n\xef\xbb\xbfid: 2\n\n";
    assert_eq!(kinds(stream), expected);
    let ids: Vec<_> = blocks(stream, 1)
        .into_iter()
        .map(|(block, _)| block.id)
        .collect();
    assert_eq!(ids, [None, Some(named("1")), None]);
    let cut_short = blocks(b"\xef\xbbid: 1\n\nid: 2\n\n", 1);
    assert_eq!(
        cut_short[0].0.id, None,
        "half a mark is the start of a name"
    );
    assert_eq!(cut_short[1].0.id, Some(named("2")));
}

#[test]
fn ids_are_read_as_the_standard_has_it() {
    let long = "x".repeat(65);
    let longest = "x".repeat(64);
    let cases: [(String, Option<BlockId>); 16] = [
        ("id: e.1\n".into(), Some(named("e.1"))),
        ("id:e.1\n".into(), Some(named("e.1"))),
        ("id:  e.1\n".into(), Some(BlockId::Foreign)),
        ("id: 1\nid: 2\n".into(), Some(named("2"))),
        ("id\n".into(), Some(BlockId::Reset)),
        ("id:\n".into(), Some(BlockId::Reset)),
        ("id: \n".into(), Some(BlockId::Reset)),
        ("id: 1\0\n".into(), None),
        ("id: 1\nid: \0\n".into(), Some(named("1"))),
        (format!("id: {long}\0\n"), None),
        (format!("id: {long}\n"), Some(BlockId::Foreign)),
        (format!("id: {longest}\n"), Some(named(&longest))),
        ("ID: 1\n".into(), None),
        ("id : 1\n".into(), None),
        (" id: 1\n".into(), None),
        ("data: id: 1\n".into(), None),
    ];
    for (lines, id) in cases {
        let stream = format!("{lines}data: x\n\n");
        for len in 1..=stream.len() {
            let seen = blocks(stream.as_bytes(), len);
            assert_eq!(seen.len(), 1, "{lines:?} by {len}");
            assert_eq!(seen[0].0.id, id, "{lines:?} by {len}");
        }
    }
}

#[test]
fn an_id_counts_without_data_and_a_cut_block_does_not() {
    let seen = blocks(b"id: 5\n\ndata: x\n\nid: 6\ndata: y\n", 3);
    let ids: Vec<_> = seen
        .iter()
        .map(|(block, _)| (block.id, block.has_data))
        .collect();
    assert_eq!(ids, [(Some(named("5")), false), (None, true)]);
}

#[test]
fn a_retry_has_digits_alone() {
    let cases = [
        ("3000", Some(3000)),
        ("0", Some(0)),
        ("", None),
        ("3s", None),
        ("-3", None),
        ("99999999999999999999", Some(u64::MAX)),
        ("999999999999999999999", None),
    ];
    for (value, retry) in cases {
        let stream = format!("retry: {value}\n\n");
        for len in 1..=stream.len() {
            assert_eq!(
                blocks(stream.as_bytes(), len)[0].0.retry,
                retry,
                "{value:?} by {len}"
            );
        }
    }
}

#[test]
fn a_carriage_return_ends_a_block_without_waiting_for_what_follows() {
    let mut scanner = Scanner::new(100);
    let piece = scanner.scan(b"data: x\r\n\r").expect("a piece");
    assert!(piece.ended.is_some() && scanner.at_boundary());
    let line_feed = scanner.scan(b"\ndata: y").expect("a piece");
    assert_eq!(
        line_feed.len, 1,
        "the line feed belongs to the line end before it"
    );
    assert_eq!(
        line_feed.ended.map(|block| block.kind),
        Some(BlockKind::Blank)
    );
    assert!(scanner.at_boundary());
}

#[test]
fn a_block_above_the_bound_is_said_to_be_so_and_goes_on() {
    const { assert!(!std::mem::needs_drop::<Scanner>()) };
    let mut scanner = Scanner::new(16);
    let begun = scanner.scan(b"id: 1\ndata: 4567").expect("a piece");
    assert!(begun.first && !begun.over_bound && begun.ended.is_none());
    let more = scanner.scan(b"8").expect("a piece");
    assert!(!more.first && more.over_bound && more.ended.is_none() && !scanner.at_boundary());
    let end = scanner.scan(b"\n\ndata: x\n\n").expect("a piece");
    assert_eq!((end.len, end.over_bound), (2, true));
    assert_eq!(end.ended.and_then(|block| block.id), Some(named("1")));
    let next = scanner.scan(b"data: x\n\n").expect("a piece");
    assert!(next.first && !next.over_bound && next.ended.is_some());
}

#[test]
fn fields_of_a_block_are_its_lines() {
    let block = b"event: book\r\nid:1\rdata: {\ndata:  }\n:c\nodd\n\n";
    let seen: Vec<_> = fields(block)
        .map(|field| (field.name, field.value))
        .collect();
    let expected: [(&[u8], &[u8]); 6] = [
        (b"event", b"book"),
        (b"id", b"1"),
        (b"data", b"{"),
        (b"data", b" }"),
        (b"", b"c"),
        (b"odd", b""),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn an_event_is_written_as_a_client_reads_it() {
    let id = EventId::new("e.1").expect("an id");
    let mut out = Vec::new();
    let event = Event {
        id: Some(&id),
        name: Some("book"),
        data: "a\r\nb\rc\n",
    };
    event.encode(&mut out).expect("a fair name");
    assert_eq!(
        out,
        b"event: book\nid: e.1\ndata: a\ndata: b\ndata: c\ndata: \n\n"
    );
    let forged = Event {
        name: Some("a\nid: 9"),
        ..event
    };
    assert_eq!(forged.encode(&mut out), Err(NameWithLineBreak));

    out.clear();
    encode_retry(&mut out, 1_500);
    encode_comment(&mut out, "a\nb");
    assert_eq!(out, b"retry: 1500\n\n: a\n: b\n\n");
}

proptest! {
    /// Whatever is written arrives, in one block each, however the bytes travel.
    #[test]
    fn events_arrive_whole_under_any_cut(
        events in vec(("[a-z]{0,8}", "[A-Za-z0-9._-]{1,64}", "\\PC{0,40}"), 0..8),
        len in 1usize..100,
    ) {
        let mut stream = Vec::new();
        for (name, id, data) in &events {
            let id = EventId::new(id);
            let name = (!name.is_empty()).then_some(name.as_str());
            Event { id: id.as_ref(), name, data }.encode(&mut stream).expect("a fair name");
        }
        let seen = blocks(&stream, len);
        prop_assert_eq!(seen.len(), events.len());
        for ((block, bytes), (_, id, data)) in seen.iter().zip(&events) {
            prop_assert_eq!(block.id, Some(named(id)));
            prop_assert!(block.has_data);
            let lines = fields(bytes).filter(|field| field.name == b"data");
            let text: Vec<&[u8]> = lines.map(|field| field.value).collect();
            prop_assert_eq!(text.join(&b'\n'), data.as_bytes());
        }
        prop_assert_eq!(seen.into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<_>>(), stream);
    }
}
