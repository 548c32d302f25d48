//! Event streams: the same as for WebSockets, as far as they have it.

use super::Kit;
use super::connection::{Connection, Path};
use super::dial::Target;
use super::legs::{catch_up, refuse_attempt};
use super::opening::{NAMED_MIN, settle};
use super::rule::{Rule, Transport};
use crate::clock::Instant;

/// Opens an event stream beside a WebSocket whose messages make something happen.
pub(super) async fn check<'k>(
    kit: &'k Kit,
    target: &Target,
    cause: &mut Connection<'_>,
) -> Option<Connection<'k>> {
    let mut stream = Connection::new(kit, Transport::EventStream);
    if !stream.open(target, Path::default(), Rule::Taken).await {
        return None;
    }
    let until = kit.soon();
    while stream.log.len() < NAMED_MIN && Instant::now() < until {
        cause.say().await;
        settle(cause, Rule::Accepts).await;
        stream
            .hear(Kit::quiet(), |stream| stream.log.len() >= NAMED_MIN)
            .await;
    }
    if stream.log.len() < NAMED_MIN {
        let why = format!(
            "{} events with an id came, {NAMED_MIN} are needed",
            stream.log.len()
        );
        for rule in [Rule::Resume, Rule::PathId, Rule::Ids] {
            kit.not_shown(stream.transport, rule, &why, false);
        }
        return Some(stream);
    }
    stream.pass(Rule::Ids);
    stream.leg = None;
    let middle = Path {
        behind: stream.log.len().checked_sub(NAMED_MIN - 1),
        ..Path::default()
    };
    if !stream.open(target, middle, Rule::Taken).await {
        return None;
    }
    catch_up(&mut stream, Rule::Resume).await;
    resume_beside_the_older(&mut stream, target, cause).await;
    let path = Path {
        behind: stream.log.len().checked_sub(1),
        ..Path::default()
    };
    refuse_attempt(&stream, target, stream.attempt, &path).await;
    Some(stream)
}

/// The older leg is still there; `Last-Event-ID` stands beside another id in the path.
async fn resume_beside_the_older(
    stream: &mut Connection<'_>,
    target: &Target,
    cause: &mut Connection<'_>,
) {
    let older = stream.leg.take();
    let path = Path {
        behind: stream.log.len().checked_sub(1),
        path_id: stream.log.first().map(|named| named.id),
        moved_from: None,
    };
    if !stream.open(target, path, Rule::Taken).await {
        return;
    }
    if let Some(older) = older {
        let ended = older.end(stream.kit.soon()).await.is_some();
        let expected = "the end of the older leg";
        stream.hold(Rule::OlderLegEnds, ended, expected, "it stays open");
    }
    grow(stream, cause, Rule::PathId).await;
}

/// Something happens, and the stream says so.
async fn grow(stream: &mut Connection<'_>, cause: &mut Connection<'_>, rule: Rule) {
    let known = stream.log.len();
    cause.say().await;
    settle(cause, Rule::Accepts).await;
    let until = stream.kit.soon();
    if stream.hear(until, |stream| stream.log.len() > known).await {
        stream.pass(rule);
    }
}

/// The session was taken to another endpoint: the stream follows.
pub(super) async fn follow(
    stream: &mut Connection<'_>,
    target: &Target,
    cause: &mut Connection<'_>,
) {
    let until = stream.kit.soon();
    stream.hear(until, |stream| stream.leg.is_none()).await;
    let expected = "the end of the stream, from the endpoint that lost the session";
    stream.hold(
        Rule::OldOwnerEnds,
        stream.leg.is_none(),
        expected,
        "it stays open",
    );
    stream.leg = None;
    let before = stream.generation.clone();
    let path = Path {
        behind: stream.log.len().checked_sub(2),
        ..Path::default()
    };
    if !stream.open(target, path, Rule::TakeOver).await {
        return;
    }
    let expected = format!("another generation than {before:?}");
    let came = format!("{:?}", stream.generation);
    stream.hold(
        Rule::GenerationChanges,
        stream.generation != before,
        &expected,
        came,
    );
    catch_up(stream, Rule::Resume).await;
    grow(stream, cause, Rule::TakeOver).await;
}
