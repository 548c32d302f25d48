use holdfast_wire::contract::{EventId, MOVE_REASON, Note};
use holdfast_wire::websocket::{
    CloseClass, CloseCode, Control, ControlFrame, FrameHead, LengthOutOfRange, MaskKey, Opcode,
    PayloadTooLong, Piece, Scanner, Violation, encode_data, mask,
};
use proptest::collection::vec;
use proptest::prelude::*;

const KEY: MaskKey = [0x37, 0xfa, 0x21, 0x3d];

#[test]
fn heads_are_those_of_rfc_6455_section_5_7() {
    let head = |fin, opcode, mask, payload_len| FrameHead {
        fin,
        rsv: 0,
        opcode,
        mask,
        payload_len,
    };
    let cases: [(&[u8], FrameHead); 8] = [
        (b"\x81\x05", head(true, Opcode::Text, None, 5)),
        (
            b"\x81\x85\x37\xfa\x21\x3d",
            head(true, Opcode::Text, Some(KEY), 5),
        ),
        (b"\x01\x03", head(false, Opcode::Text, None, 3)),
        (b"\x80\x02", head(true, Opcode::Continuation, None, 2)),
        (b"\x89\x05", head(true, Opcode::Ping, None, 5)),
        (
            b"\x8a\x85\x37\xfa\x21\x3d",
            head(true, Opcode::Pong, Some(KEY), 5),
        ),
        (b"\x82\x7e\x01\x00", head(true, Opcode::Binary, None, 256)),
        (
            b"\x82\x7f\0\0\0\0\0\x01\0\0",
            head(true, Opcode::Binary, None, 65_536),
        ),
    ];
    for (bytes, head) in cases {
        assert_eq!(FrameHead::parse(bytes), Ok(Some((head, bytes.len()))));
        assert_eq!(head.encode().as_ref(), bytes);
        for end in 0..bytes.len() {
            assert_eq!(
                FrameHead::parse(&bytes[..end]),
                Ok(None),
                "{head:?} cut at {end}"
            );
        }
    }
}

#[test]
fn a_length_with_its_top_bit_set_has_no_end() {
    let bytes = b"\x82\x7f\x80\0\0\0\0\0\0\0rest";
    assert_eq!(FrameHead::parse(bytes), Err(LengthOutOfRange));
    assert_eq!(Scanner::new().scan(bytes), Err(LengthOutOfRange));
    let mut scanner = Scanner::new();
    assert!(matches!(
        scanner.scan(&bytes[..7]),
        Ok(Some(Piece {
            len: 7,
            head: None,
            ..
        }))
    ));
    assert_eq!(scanner.scan(&bytes[7..]), Err(LengthOutOfRange));
    assert_eq!(
        scanner.scan(b"\x81\x00"),
        Err(LengthOutOfRange),
        "it stays broken"
    );
}

#[test]
fn an_announced_length_costs_nothing() {
    // What owns memory needs drop: a scanner cannot, however large the frame.
    const { assert!(!std::mem::needs_drop::<Scanner>()) };
    let mut scanner = Scanner::new();
    let piece = scan_one(&mut scanner, b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffab");
    assert_eq!(piece.remaining, i64::MAX as u64 - 2);
    assert!(!piece.last && piece.first && piece.payload() == (10..12));
}

#[test]
fn a_whole_frame_is_one_piece() {
    let mut scanner = Scanner::new();
    let piece = scan_one(
        &mut scanner,
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x81",
    );
    assert_eq!((piece.len, piece.payload_at, piece.remaining), (11, 6, 0));
    assert!(piece.first && piece.last && piece.ends_message());
    assert_eq!(piece.violation, None);
    assert!(scanner.at_message_boundary());
    assert_eq!(scanner.messages(), 1);
}

#[test]
fn control_frames_between_fragments_are_seen_and_are_no_boundary() {
    let mut scanner = Scanner::new();
    assert!(scanner.at_message_boundary());
    let first = scan_one(&mut scanner, b"\x01\x03Hel");
    assert!(first.last && !first.ends_message());
    assert!(scanner.at_frame_boundary() && scanner.in_message());
    assert!(!scanner.at_message_boundary());

    let ping = scan_one(&mut scanner, b"\x89\x01p");
    assert!(ping.is_control() && ping.last && !ping.ends_message());
    assert_eq!(scanner.control(), Some(Control::Ping(b"p")));
    assert!(!scanner.at_message_boundary());

    let second = scan_one(&mut scanner, b"\x80\x02lo");
    assert!(second.ends_message());
    assert_eq!(scanner.control(), None, "a later frame puts the ping away");
    assert!(scanner.at_message_boundary());
    assert_eq!(scanner.messages(), 1);
}

#[test]
fn a_control_frame_is_said_once_although_the_next_head_is_cut() {
    let mut scanner = Scanner::new();
    scan_one(&mut scanner, b"\x89\x01p");
    assert_eq!(scanner.control(), Some(Control::Ping(b"p")));
    let cut = scan_one(&mut scanner, b"\x81");
    assert!(cut.first && cut.head.is_none());
    assert_eq!(scanner.control(), None);
}

#[test]
fn a_masked_close_is_read_across_every_cut() {
    let close = ControlFrame::close(CloseCode::RESTART, MOVE_REASON, Some(KEY));
    for at in 1..close.as_ref().len() {
        let (early, late) = close.as_ref().split_at(at);
        let mut scanner = Scanner::new();
        let begun = scan_one(&mut scanner, early);
        assert!(begun.first && !begun.last && scanner.control().is_none());
        let ended = scan_one(&mut scanner, late);
        assert!(!ended.first && ended.last, "cut at {at}");
        let Some(Control::Close(close)) = scanner.control() else {
            panic!("no close, cut at {at}")
        };
        assert_eq!(close.code(), Some(CloseCode::RESTART));
        assert_eq!(close.reason(), MOVE_REASON.as_bytes());
    }
}

#[test]
fn a_close_may_be_empty_and_one_byte_says_nothing() {
    for bytes in [&b"\x88\x00"[..], b"\x88\x01\x03"] {
        let mut scanner = Scanner::new();
        scan_one(&mut scanner, bytes);
        let Some(Control::Close(close)) = scanner.control() else {
            panic!("a close")
        };
        assert_eq!((close.code(), close.reason()), (None, &b""[..]));
    }
}

#[test]
fn a_broken_rule_is_reported_once_and_the_next_frame_is_still_found() {
    let long_ping = [b"\x89\x7e\x00\x7e".as_slice(), &[b'x'; 126]].concat();
    let cases: [(&[u8], Violation); 7] = [
        (&long_ping, Violation::ControlTooLong),
        (b"\x89\x7f\0\0\0\0\0\0\0\x7ecut", Violation::ControlTooLong),
        (b"\x09\x01x", Violation::ControlFragmented),
        (b"\x08\x00", Violation::ControlFragmented),
        (b"\x83\x01x", Violation::ReservedOpcode),
        (b"\x8b\x01x", Violation::ReservedOpcode),
        (b"\x80\x01x", Violation::NothingToContinue),
    ];
    for (bytes, violation) in cases {
        let mut scanner = Scanner::new();
        let piece = scan_one(&mut scanner, bytes);
        assert_eq!(piece.violation, Some(violation));
        assert_eq!(scanner.control(), None, "{violation}");
        if piece.last {
            let next = scan_one(&mut scanner, b"\x81\x00");
            assert!(next.last && next.violation.is_none(), "{violation}");
        } else {
            let rest = scan_one(&mut scanner, &[b'x'; 200]);
            assert!(
                rest.last && rest.violation.is_none() && rest.len == 123,
                "{violation}"
            );
        }
    }
}

#[test]
fn a_message_inside_a_message_is_reported() {
    let mut scanner = Scanner::new();
    scan_one(&mut scanner, b"\x01\x00");
    let piece = scan_one(&mut scanner, b"\x82\x00");
    assert_eq!(piece.violation, Some(Violation::MessageInterrupted));
    assert_eq!(scanner.messages(), 1);
}

#[test]
fn close_codes_fall_into_classes() {
    let cases = [
        (CloseClass::Normal, &[1000, 1001][..]),
        (CloseClass::Failure, &[1006, 1011, 1013]),
        (CloseClass::Restart, &[1012]),
        (CloseClass::Application, &[3000, 4000, 4404, 4999]),
        (
            CloseClass::Other,
            &[
                0, 999, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1015, 2999, 5000,
            ],
        ),
    ];
    for (class, codes) in cases {
        for &code in codes {
            assert_eq!(CloseCode(code).class(), class, "{code}");
        }
    }
    for code in [999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
        assert!(!CloseCode(code).is_sendable(), "{code}");
    }
    for code in [1000, 1003, 1007, 1012, 1014, 3000, 4999] {
        assert!(CloseCode(code).is_sendable(), "{code}");
    }
}

#[test]
fn a_close_reason_is_cut_at_a_character_and_a_ping_is_refused() {
    let reason = "ä".repeat(62);
    let close = ControlFrame::close(CloseCode::NORMAL, &reason, None);
    assert_eq!(close.as_ref().len(), 2 + 2 + 122);
    assert!(ControlFrame::close(CloseCode::NORMAL, &"a".repeat(200), None).as_ref()[1] == 125);
    assert!(ControlFrame::ping(&[0; 125], Some(KEY)).is_ok());
    let refused = ControlFrame::pong(&[0; 126], None).expect_err("126 bytes");
    assert_eq!(refused, PayloadTooLong { len: 126 });
    assert_eq!(
        ControlFrame::close_without_code(Some([0; 4])).as_ref(),
        b"\x88\x80\0\0\0\0"
    );
}

#[test]
fn a_note_goes_through_a_pong() {
    let note = Note::Both(EventId::new("e1.7").expect("an id"), 3);
    let pong = ControlFrame::pong(note.to_string().as_bytes(), None).expect("a note fits");
    let mut scanner = Scanner::new();
    scan_one(&mut scanner, pong.as_ref());
    let Some(Control::Pong(payload)) = scanner.control() else {
        panic!("a pong")
    };
    assert_eq!(Note::parse(payload), Ok(note));
}

#[test]
fn masking_is_that_of_rfc_6455_section_5_7() {
    let mut text = *b"Hello";
    mask(&mut text, KEY, 0);
    assert_eq!(text, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
}

fn scan_one(scanner: &mut Scanner, bytes: &[u8]) -> Piece {
    scanner
        .scan(bytes)
        .expect("a fair length")
        .expect("a piece")
}

prop_compose! {
    fn any_head()(
        fin in any::<bool>(),
        rsv in 0u8..8,
        bits in 0u8..16,
        mask in any::<Option<MaskKey>>(),
        payload_len in prop_oneof![0u64..300, 65_500u64..65_600, 0..=i64::MAX as u64],
    ) -> FrameHead {
        FrameHead { fin, rsv, opcode: Opcode::from_bits(bits), mask, payload_len }
    }
}

proptest! {
    #[test]
    fn heads_survive_a_round_trip(head in any_head()) {
        let encoded = head.encode();
        let len = encoded.as_ref().len();
        prop_assert_eq!(FrameHead::parse(encoded.as_ref()), Ok(Some((head, len))));
    }

    #[test]
    fn masking_in_parts_is_masking_at_once(
        payload in vec(any::<u8>(), 0..200),
        key in any::<MaskKey>(),
        at in any::<prop::sample::Index>(),
        from in 0u64..1_000,
    ) {
        let plain = |(at, byte): (usize, &u8)| byte ^ key[((from + at as u64) % 4) as usize];
        let expected: Vec<u8> = payload.iter().enumerate().map(plain).collect();
        let mut masked = payload.clone();
        let (early, late) = masked.split_at_mut(at.index(payload.len() + 1));
        mask(early, key, from);
        mask(late, key, from + early.len() as u64);
        prop_assert_eq!(masked, expected);
    }

    /// What goes in frame by frame comes out frame by frame, however the bytes travel.
    #[test]
    fn messages_arrive_whole_under_any_cut(
        messages in vec(vec(vec(any::<u8>(), 0..300), 1..4), 0..6),
        key in any::<Option<MaskKey>>(),
        cuts in vec(1usize..80, 1..40),
    ) {
        let mut stream = Vec::new();
        for fragments in &messages {
            for (at, fragment) in fragments.iter().enumerate() {
                let opcode = if at == 0 { Opcode::Binary } else { Opcode::Continuation };
                encode_data(&mut stream, opcode, at + 1 == fragments.len(), fragment, key);
                let ping = ControlFrame::ping(&[at as u8], key).expect("one byte fits");
                stream.extend_from_slice(ping.as_ref());
            }
        }
        let (mut scanner, mut received, mut message) = (Scanner::new(), Vec::new(), Vec::new());
        let (mut pings, mut rest, mut cuts) = (0, &stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let cut = (*cuts.next().expect("a cycle")).min(rest.len());
            let (mut slice, later) = rest.split_at(cut);
            while let Some(piece) = scanner.scan(slice).expect("fair lengths") {
                prop_assert_eq!(piece.violation, None);
                pings += usize::from(matches!(scanner.control(), Some(Control::Ping(_))));
                if !piece.is_control() {
                    let mut payload = slice[piece.payload()].to_vec();
                    if let Some(key) = key {
                        mask(&mut payload, key, piece.offset);
                    }
                    message.append(&mut payload);
                }
                if piece.ends_message() {
                    received.push(std::mem::take(&mut message));
                }
                slice = &slice[piece.len..];
            }
            rest = later;
        }
        let fragments: usize = messages.iter().map(Vec::len).sum();
        let sent: Vec<Vec<u8>> = messages.iter().map(|fragments| fragments.concat()).collect();
        prop_assert_eq!(pings, fragments);
        prop_assert_eq!(scanner.messages(), sent.len() as u64);
        prop_assert!(scanner.at_message_boundary());
        prop_assert_eq!(received, sent);
    }
}
