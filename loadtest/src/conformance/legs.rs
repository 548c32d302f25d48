//! Connections that break and are moved, between an endpoint and itself.

use super::Kit;
use super::connection::{Connection, Path};
use super::leg::{self, End};
use super::opening::{NAMED_MIN, settle};
use super::rule::Rule;

/// Breaks and moves a connection in every way there is. False: it did not come to the end.
pub(super) async fn check(connection: &mut Connection<'_>) -> bool {
    if connection.log.len() < NAMED_MIN {
        let why = format!(
            "{} named messages came, {NAMED_MIN} are needed; does --message cause some?",
            connection.log.len()
        );
        for rule in [Rule::Resume, Rule::PathId, Rule::Ids] {
            connection
                .kit
                .not_shown(connection.transport, rule, &why, false);
        }
    }
    if !resume_from_the_middle(connection).await || !resume_at_the_end(connection).await {
        return false;
    }
    for round in 0..connection.kit.rounds {
        if !break_and_go_on(connection, round).await {
            return false;
        }
    }
    refuse_old_attempts(connection).await
}

async fn resume_from_the_middle(connection: &mut Connection<'_>) -> bool {
    if let Some(leg) = connection.leg.take() {
        leg.cut();
    }
    let first = connection.kit.first.clone();
    let behind = connection.log.len().checked_sub(NAMED_MIN.div_ceil(2) + 1);
    let path = Path {
        behind,
        ..Path::default()
    };
    if !connection.open(&first, path, Rule::Taken).await {
        return false;
    }
    connection.replay().await;
    catch_up(connection, Rule::Resume).await && settle(connection, Rule::Accepts).await
}

/// Hears until everything delivered before has come again. Says whether it has.
pub(super) async fn catch_up(connection: &mut Connection<'_>, rule: Rule) -> bool {
    let until = connection.kit.soon();
    let again = connection.hear(until, Connection::is_caught_up).await;
    if !again {
        let expected = "all messages that had come behind this id before";
        connection.fail(rule, expected, connection.state());
    }
    again
}

/// A planned move; the next leg's `Last-Event-ID` stands beside another id in the path.
async fn resume_at_the_end(connection: &mut Connection<'_>) -> bool {
    part(connection).await;
    let first = connection.kit.first.clone();
    let path = Path {
        behind: connection.log.len().checked_sub(1),
        path_id: connection.log.first().map(|named| named.id),
        moved_from: None,
    };
    if !connection.open(&first, path, Rule::Taken).await {
        return false;
    }
    connection.replay().await;
    go_on(connection, Rule::PathId).await;
    true
}

/// A message more, and what it leads to: a leg that began rightly shows it now.
pub(super) async fn go_on(connection: &mut Connection<'_>, rule: Rule) {
    let known = connection.log.len();
    connection.say().await;
    settle(connection, Rule::Accepts).await;
    // where nothing is named, nothing is waited for
    let until = connection.kit.soon_if(connection.kit.names.get());
    if connection
        .hear(until, |connection| connection.log.len() > known)
        .await
    {
        connection.pass(rule);
    }
}

/// Says what an edge says for a planned move, and waits for the answer.
async fn part(connection: &mut Connection<'_>) {
    connection.write(&leg::farewell()).await;
    // who does not answer once is not waited for again
    let until = connection
        .kit
        .soon_if(!connection.has_failed(Rule::CloseAnswered));
    connection
        .hear(until, |connection| connection.leg.is_none())
        .await;
    let closed = matches!(connection.ended, Some(End::Close(_)));
    let expected = "Close in answer to Close 1012 hf1:move";
    connection.hold(Rule::CloseAnswered, closed, expected, connection.state());
    connection.leg = None;
}

/// Sends some messages, loses the leg before they can be answered, and goes on with another.
async fn break_and_go_on(connection: &mut Connection<'_>, round: u32) -> bool {
    for _ in 0..3 {
        connection.say().await;
    }
    let mut older = None;
    match round % 4 {
        // a machine that dies, a process that dies, a move, a leg that the edge gave up too early
        0 => connection.leg.take().into_iter().for_each(leg::Leg::cut),
        1 => drop(connection.leg.take()),
        2 => part(connection).await,
        _ => older = connection.leg.take(),
    }
    // some of what was sent by the backend never reached a client
    let back = 1 + (round as usize % 3);
    let path = Path {
        behind: connection.log.len().checked_sub(back),
        ..Path::default()
    };
    let first = connection.kit.first.clone();
    if !connection.open(&first, path, Rule::Taken).await {
        return false;
    }
    // kept to the end of the round: what is said on it takes its time to be heard
    let mut haunted = None;
    if let Some(mut older) = older {
        // a leg that is spoken on may end for that alone
        if round % 8 == 3 {
            connection.count_rule = Rule::OlderLegFenced;
            connection.haunt(&mut older).await;
            haunted = Some(older);
        } else {
            let ended = older.end(connection.kit.soon()).await.is_some();
            let expected = "the end of the older leg";
            connection.hold(Rule::OlderLegEnds, ended, expected, "it stays open");
        }
    }
    connection.replay().await;
    connection.say().await;
    if !settle(connection, Rule::Accepts).await || !catch_up(connection, Rule::Resume).await {
        return false;
    }
    if haunted.is_some() {
        connection.hear(Kit::quiet(), |_| false).await;
        connection.count_rule = Rule::AcceptedCount;
        connection.pass(Rule::OlderLegFenced);
    }
    true
}

/// The present attempt and older ones are refused without harm to the present leg.
async fn refuse_old_attempts(connection: &mut Connection<'_>) -> bool {
    let first = connection.kit.first.clone();
    let path = Path {
        behind: connection.log.len().checked_sub(1),
        ..Path::default()
    };
    let highest = connection.attempt;
    for attempt in [highest, 1] {
        refuse_attempt(connection, &first, attempt, &path).await;
    }
    connection.say().await;
    settle(connection, Rule::Attempt).await;
    let path = Path {
        behind: connection.log.len().checked_sub(1),
        ..Path::default()
    };
    if !connection.open(&first, path, Rule::Attempt).await {
        return false;
    }
    connection.replay().await;
    settle(connection, Rule::Accepts).await
}

/// One dial with an attempt that was seen.
pub(super) async fn refuse_attempt(
    connection: &Connection<'_>,
    target: &super::dial::Target,
    attempt: u32,
    path: &Path,
) {
    let highest = connection.attempt.to_string();
    let expected = format!("409 with Holdfast-Attempt: {highest}, for attempt {attempt}");
    match connection.dial(target, attempt, path).await {
        Ok(answer) => {
            let said = answer.header("holdfast-attempt");
            let kept = answer.status.as_u16() == 409 && said == Some(highest.as_str());
            let came = format!("{} with Holdfast-Attempt: {said:?}", answer.status.as_u16());
            connection.hold(Rule::Attempt, kept, &expected, came);
        }
        Err(came) => connection.fail(Rule::Attempt, expected, came),
    }
}

/// Each message must have had one effect, and those that were said in vain none.
pub(super) async fn count_replies(connection: &mut Connection<'_>) {
    let kit = connection.kit;
    let counted = |connection: &Connection<'_>, n: usize| {
        let reply = kit.reply(&connection.id, n);
        let holds = |bytes: &[u8]| {
            bytes
                .windows(reply.len())
                .any(|part| part == reply.as_bytes())
        };
        connection
            .log
            .iter()
            .filter(|named| holds(&named.bytes))
            .count()
    };
    // what was not accepted was not to be executed
    let last = usize::try_from(connection.accepted).unwrap_or(usize::MAX);
    let until = kit.soon_if(kit.names.get() && !connection.has_failed(Rule::Resume));
    connection
        .hear(until, |connection| counted(connection, last) > 0)
        .await;
    let counts: Vec<usize> = (1..=last).map(|n| counted(connection, n)).collect();
    if counts.iter().all(|&count| count == 0) {
        let why = format!(
            "no named message had {:?} in it; say what to look for with --message and --reply",
            kit.reply(&connection.id, 1)
        );
        return kit.not_shown(connection.transport, Rule::Once, &why, false);
    }
    connection.pass(Rule::Once);
    for (at, &count) in counts.iter().enumerate().filter(|(_, count)| **count != 1) {
        let expected = format!(
            "one reply to message {} ({:?})",
            at + 1,
            connection.sent[at]
        );
        connection.fail(Rule::Once, expected, format!("{count} of them"));
    }
    for &ghost in connection
        .ghosts
        .iter()
        .filter(|&&ghost| counted(connection, ghost) > 0)
    {
        let expected = "no reply to what was said on a leg that had been replaced";
        let came = format!("{:?}", kit.reply(&connection.id, ghost));
        connection.fail(Rule::OlderLegFenced, expected, came);
    }
}
