//! Books that differ from the session's word.

use super::*;
use crate::ledger::entry::Content;

fn id(seq: u64) -> EntryId {
    EntryId { epoch: 1, seq }
}

fn content(seq: u64) -> Content {
    Content {
        print: seq,
        symbol: 5,
        ..Content::default()
    }
}

/// Trades 1 to 10, but 4 is an answer to `load` and 5 one to somebody else.
fn audit() -> Audit {
    let mut audit = Audit::default();
    for seq in 1..=10 {
        let (kind, client) = match seq {
            4 => (Kind::Answer, Some(print_of("load"))),
            5 => (Kind::Answer, Some(print_of("page"))),
            _ => (Kind::Trade, None),
        };
        let entry = Emitted {
            id: id(seq),
            kind,
            content: content(seq),
            client,
        };
        audit.emitted(entry, None);
    }
    audit
}

fn account(seqs: &[u64]) -> Account {
    let mut account = Account::default();
    let mut prev = id(2);
    let mut receive = |kind, id, prev, content| {
        account.received(Record {
            at: Duration::ZERO,
            kind,
            id,
            prev,
            content,
        });
    };
    receive(Kind::Snapshot, id(2), None, Content::default());
    for &seq in seqs {
        let kind = if seq == 4 || seq == 5 {
            Kind::Answer
        } else {
            Kind::Trade
        };
        receive(kind, id(seq), Some(prev), content(seq));
        prev = id(seq);
    }
    account
}

fn websocket() -> Listener {
    Listener::new(None, Some("load"))
}

#[test]
fn a_book_with_everything_that_was_due_is_clean() {
    let (audit, whole) = (audit(), account(&[3, 4, 6, 7, 8, 9, 10]));
    let found = audit.compare(&whole, &websocket());
    assert_eq!((found.audited, found.clean()), (7, true), "{found:?}");
    assert!(audit.is_covered_by(&whole, &websocket()));
    let stream = Listener::new(None, None);
    let found = audit.compare(&account(&[3, 6, 7, 8, 9, 10]), &stream);
    assert!(found.clean(), "an event stream gets no answers: {found:?}");
}

#[test]
fn what_was_due_and_did_not_come_is_missing_even_at_the_end() {
    let audit = audit();
    let found = audit.compare(&account(&[3, 6, 7, 9]), &websocket());
    assert_eq!(found.missing, 3, "the answer 4, 8, and 10 at the end");
    assert!(!audit.is_covered_by(&account(&[3, 4, 6, 7, 8, 9]), &websocket()));
    let orders = Listener::new(Some(vec![Kind::Order]), Some("load"));
    assert!(audit.compare(&account(&[4]), &orders).clean());
}

#[test]
fn what_nobody_emitted_and_what_was_changed_is_found() {
    let mut audit = audit();
    audit.logs.get_mut(&1).expect("its log")[7].content.print = 99;
    let found = audit.compare(&account(&[3, 4, 6, 7, 8, 9, 10]), &websocket());
    assert_eq!((found.altered, found.missing), (1, 0));

    let log = audit.logs.get_mut(&1).expect("its log");
    log.pop();
    audit.top = log.last().map(|entry| entry.id);
    let whole = account(&[3, 4, 6, 7, 8, 9, 10]);
    assert_eq!(audit.compare(&whole, &websocket()).foreign, 0, "came later");
    audit.read_to_end(Duration::from_millis(1));
    let (found, shown) = audit.examine(&whole, &websocket());
    assert_eq!((found.foreign, found.altered), (1, 1), "{found:?}");
    audit.torn();
    assert_eq!(
        audit.compare(&whole, &websocket()).foreign,
        0,
        "nobody knows"
    );
    let named: Vec<_> = shown.iter().map(|one| (one.wrong, one.seq)).collect();
    assert_eq!(named, [(Wrong::Altered, 8), (Wrong::Beyond, 10)]);
    assert_eq!(
        (shown[1].log_end, shown[1].log_read_at),
        (Some(9), Some(0.001))
    );
}

#[test]
fn what_a_reset_takes_back_is_told_and_not_silent() {
    let mut audit = audit();
    audit.logs.get_mut(&1).expect("its log")[5].content.print = 99;
    let mut account = account(&[3, 4, 6]);
    account.reset(Duration::ZERO);
    account.received(Record {
        at: Duration::ZERO,
        kind: Kind::Snapshot,
        id: id(10),
        prev: None,
        content: Content::default(),
    });
    let found = audit.compare(&account, &websocket());
    assert_eq!((found.retracted, found.altered), (1, 0), "{found:?}");
    assert!(found.clean_but_told() && !found.clean());
}

#[test]
fn an_answer_to_somebody_else_is_foreign() {
    let strange = account(&[3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(audit().compare(&strange, &websocket()).foreign, 1);
}

#[test]
fn what_a_coalesced_message_or_a_snapshot_stands_for_is_not_missing() {
    let audit = audit();
    let mut slow = account(&[3, 4]);
    let folded = Content {
        coalesced: true,
        ..content(0)
    };
    for (kind, seq, prev, content) in [
        (Kind::Trade, 8, 4, folded),
        (Kind::Snapshot, 10, 8, Content::default()),
    ] {
        slow.received(Record {
            at: Duration::ZERO,
            kind,
            id: id(seq),
            prev: Some(id(prev)),
            content,
        });
    }
    let found = audit.compare(&slow, &websocket());
    assert!(found.clean(), "{found:?}");
    assert_eq!(found.condensed, 3, "6 and 7 folded, 9 in the snapshot");
}

#[test]
fn a_part_of_the_log_that_was_not_read_proves_nothing() {
    let mut audit = Audit::default();
    let whole = self::audit();
    for entry in whole.logs[&1].iter().filter(|entry| entry.id.seq != 7) {
        audit.emitted(*entry, None);
    }
    let found = audit.compare(&account(&[3, 4, 6, 7, 8, 9, 10]), &websocket());
    assert_eq!((found.unaudited, found.foreign, found.missing), (1, 0, 0));
}

#[test]
fn an_order_that_no_answer_accounts_for_and_an_answer_without_deed_are_found() {
    let mut audit = Audit::default();
    let mut commands = Commands::default();
    for order in [7, 8] {
        let number = commands.next(Duration::ZERO);
        commands.answered(number, Duration::ZERO, true, Some(order));
        let executed = Executed {
            ok: true,
            order: Some(order),
        };
        audit.executed(number, executed);
    }
    for (seq, order) in [(1, 7), (2, 8), (3, 9)] {
        let entry = Emitted {
            id: id(seq),
            kind: Kind::Order,
            content: content(seq),
            client: None,
        };
        audit.emitted(entry, Some(order));
    }
    let found = audit.compare_commands(&commands);
    assert_eq!((found.executed_twice, found.unexecuted), (1, 0));
    let number = commands.next(Duration::ZERO);
    commands.answered(number, Duration::ZERO, false, None);
    assert_eq!(audit.compare_commands(&commands).unexecuted, 1);
}

#[test]
fn a_log_that_ends_before_what_was_received_is_not_read_far_enough() {
    let audit = audit();
    let mut whole = account(&[3, 4, 6, 7, 8, 9, 10]);
    assert!(audit.reaches(&whole, Duration::ZERO));
    whole.received(Record {
        at: Duration::from_millis(5),
        kind: Kind::Trade,
        id: id(11),
        prev: Some(id(10)),
        content: content(11),
    });
    assert!(
        audit.reaches(&whole, Duration::from_millis(4)),
        "it came later"
    );
    assert!(!audit.reaches(&whole, Duration::from_millis(5)));
}
