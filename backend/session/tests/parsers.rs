//! What a client says and what the store gives back may be any bytes: both are read or refused.

use holdfast_session::journal::{Asked, Change, Record};
use holdfast_session::message::{Said, read};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const MESSAGES: &[&str] = &[
    r#"{"type":"order.new","n":1,"data":{"symbol":"A","side":"buy","type":"market","quantity":1}}"#,
    r#"{"type":"order.cancel","n":2,"data":{"order_id":"7"}}"#,
    r#"{"type":"subscribe","n":3,"data":{"channels":["book","trade"]}}"#,
    r#"{"type":"simulator.speed","n":4,"data":{"speed":0.5}}"#,
    r#"{"type":"pong","data":{"t":12}}"#,
    r#"{"type":"order.nwe","n":5}"#,
];

/// One of the messages with some bytes changed.
fn spoiled() -> impl Strategy<Value = String> {
    let edits = vec((any::<Index>(), any::<u8>()), 0..6);
    (0..MESSAGES.len(), edits).prop_map(|(which, edits)| {
        let mut bytes = MESSAGES[which].as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_read_of_a_message_is_journaled_as_it_was_read(text in spoiled()) {
        match read(&text) {
            Said::Command { asked, .. } => {
                if let Asked::Unreadable { kind, problem } = &asked {
                    prop_assert!(!problem.code.is_empty() && !problem.message.is_empty());
                    prop_assert!(kind.chars().count() <= 40);
                }
                let written = serde_json::to_string(&asked).expect("JSON");
                let again: Asked = serde_json::from_str(&written).expect("it was just written");
                prop_assert_eq!(again, asked);
            }
            Said::Nonsense(problem) => prop_assert!(!problem.message.is_empty()),
            Said::Nothing => prop_assert!(text.contains("ong") || text.contains("ing")),
        }
    }

    #[test]
    fn a_damaged_record_is_refused_or_is_a_record(
        ticks in any::<u64>(),
        edits in vec((any::<Index>(), any::<u8>()), 1..5),
    ) {
        let record = Record { generation: 3, tick: ticks, change: Change::Rest { ticks } };
        let mut bytes = record.encode();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = Record::decode(&bytes) {
            prop_assert_eq!(Record::decode(&read.encode()), Ok(read));
        }
    }
}
