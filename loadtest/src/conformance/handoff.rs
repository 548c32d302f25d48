//! The session moves from one endpoint to another, once.

use super::Kit;
use super::connection::{Connection, Path};
use super::dial::{Answer, Target};
use super::leg::End;
use super::legs::{catch_up, go_on};
use super::opening::settle;
use super::rule::{Rule, Transport};
use crate::clock::Instant;

/// Takes the session to `second`. Says whether it had an owner that lost it.
pub(super) async fn check(connection: &mut Connection<'_>, second: &Target) -> bool {
    let kit = connection.kit;
    let second = kit.first.at(second);
    let mut witness = Connection::new(kit, Transport::WebSocket);
    if !witness.open(&kit.first, Path::default(), Rule::Taken).await {
        return false;
    }
    go_on(&mut witness, Rule::Accepts).await;
    let mut listener = Connection::new(kit, Transport::WebSocket);
    if !listener
        .open(&kit.first, Path::default(), Rule::Taken)
        .await
    {
        return false;
    }
    let Some(owner) = ask_the_wrong_one(connection, &second).await else {
        return false;
    };
    if !take_over(connection, &second, owner.clone()).await {
        return false;
    }
    if owner.is_none() {
        excuse(kit);
        return false;
    }
    leave_the_old_owner(&mut witness, &second).await;
    let until = kit.soon_if(!listener.has_failed(Rule::OldOwnerEnds));
    listener
        .hear(until, |listener| listener.leg.is_none())
        .await;
    ended_silently(&listener);
    true
}

/// Without `Moved-From` the session stays where it is. Gives the owner's name; of the inner
/// option `None`: it has no owner, everybody serves it. Of the outer: there is no going on.
async fn ask_the_wrong_one(
    connection: &mut Connection<'_>,
    second: &Target,
) -> Option<Option<String>> {
    connection.attempt += 1;
    let path = Path {
        behind: connection.log.len().checked_sub(1),
        ..Path::default()
    };
    let expected = "421 with Holdfast-Owner from the endpoint that does not own the session";
    let answer = match connection.dial(second, connection.attempt, &path).await {
        Ok(answer) => answer,
        Err(came) => {
            connection.fail(Rule::Owner, expected, came);
            return None;
        }
    };
    if answer.stream.is_some() {
        return Some(None);
    }
    let owner = owner(&answer);
    let came = format!("{} with Holdfast-Owner: {owner:?}", answer.status.as_u16());
    connection.hold(Rule::Owner, owner.is_some(), expected, came);
    owner.map(Some)
}

/// The owner that a `421` names.
fn owner(answer: &Answer) -> Option<String> {
    let owner = answer.header("holdfast-owner")?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    let fits = (1..=64).contains(&owner.len()) && owner.bytes().all(letter);
    (answer.status.as_u16() == 421 && fits).then(|| owner.to_owned())
}

/// The edge has lost the owner, in the middle of what the client says. The owner lives on.
async fn take_over(
    connection: &mut Connection<'_>,
    second: &Target,
    owner: Option<String>,
) -> bool {
    let owned = owner.is_some();
    let before = connection.generation.clone();
    for _ in 0..3 {
        connection.say().await;
    }
    let mut older = connection.leg.take();
    let path = Path {
        behind: connection.log.len().checked_sub(2),
        path_id: None,
        moved_from: owner,
    };
    if !connection.open(second, path, Rule::TakeOver).await {
        return false;
    }
    connection.count_rule = Rule::OlderLegFenced;
    if let Some(older) = &mut older {
        connection.haunt(older).await;
    }
    if owned {
        let expected = format!("another generation than {before:?}");
        let kept = connection.generation != before;
        let came = format!("{:?}", connection.generation);
        connection.hold(Rule::GenerationChanges, kept, &expected, came);
    }
    connection.replay().await;
    go_on(connection, Rule::TakeOver).await;
    catch_up(connection, Rule::Resume).await;
    connection.hear(Kit::quiet(), |_| false).await;
    connection.count_rule = Rule::AcceptedCount;
    true
}

/// What else was connected to the old owner finds its way.
async fn leave_the_old_owner(witness: &mut Connection<'_>, second: &Target) {
    let kit = witness.kit;
    let accepted = witness.accepted;
    witness.say().await;
    let until = kit.soon();
    witness.hear(until, |witness| witness.leg.is_none()).await;
    ended_silently(witness);
    witness.leg = None;

    let path = Path {
        behind: witness.log.len().checked_sub(1),
        ..Path::default()
    };
    ask_the_old_owner(witness, &path).await;
    let fenced = witness.accepted == accepted;
    if !witness.open(second, path, Rule::TakeOver).await {
        return;
    }
    let kept = fenced && witness.accepted == accepted;
    let expected = format!("accepted={accepted}, as before the session was taken");
    let came = format!("accepted={}", witness.accepted);
    witness.hold(Rule::OldOwnerFenced, kept, &expected, came);
    witness.replay().await;
    settle(witness, Rule::Accepts).await;
    catch_up(witness, Rule::Resume).await;
}

/// The old owner closed what is not its own any more, and no client would notice.
fn ended_silently(connection: &Connection<'_>) {
    let silent = connection.ended.is_some_and(End::is_silent);
    let expected = "Close 1012 or 1001, or the end, from the endpoint that lost the session";
    let came = match connection.ended {
        Some(end) => end.to_string(),
        None => "it stays open".to_owned(),
    };
    connection.hold(Rule::OldOwnerEnds, silent, expected, came);
}

/// It may take a moment until it knows whose the session is now.
async fn ask_the_old_owner(witness: &mut Connection<'_>, path: &Path) {
    let kit = witness.kit;
    let until = kit.soon();
    let expected = "421 with Holdfast-Owner: the new one";
    loop {
        witness.attempt += 1;
        let answer = match witness.dial(&kit.first, witness.attempt, path).await {
            Ok(answer) => answer,
            Err(came) => return witness.fail(Rule::OldOwnerRedirects, expected, came),
        };
        if answer.status.as_u16() != 503 || Instant::now() >= until {
            let owner = owner(&answer);
            let came = format!("{} with Holdfast-Owner: {owner:?}", answer.status.as_u16());
            return witness.hold(Rule::OldOwnerRedirects, owner.is_some(), expected, came);
        }
        kit.pause().await;
    }
}

/// Endpoints that all serve everything have no owner to show.
fn excuse(kit: &Kit) {
    let why = "the second endpoint serves the session beside the first: it has no owner";
    for rule in Rule::ALL.into_iter().filter(|rule| rule.takes_two()) {
        for transport in [Transport::WebSocket, Transport::EventStream] {
            kit.not_shown(transport, rule, why, true);
        }
    }
}
