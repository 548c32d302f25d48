//! What every leg has to say, and what counts on it.

use super::Kit;
use super::connection::{Connection, Path};
use super::dial::{self, Ask};
use super::leg::{self, Heard, Leg};
use super::rule::{Rule, Transport};

/// Opens the connection that the other checks go on with. `None`: nobody took it.
pub(super) async fn check(kit: &Kit) -> Option<Connection<'_>> {
    let mut connection = Connection::new(kit, Transport::WebSocket);
    if !connection
        .open(&kit.first, Path::default(), Rule::Taken)
        .await
    {
        return None;
    }
    if !talk(&mut connection).await {
        return None;
    }
    count_data_only(&mut connection).await;
    ignore_markers(&mut connection).await;
    other_connection(kit).await;
    without_edge(kit).await;
    let until = kit.soon();
    let names = connection
        .hear(until, |connection| connection.log.len() >= NAMED_MIN)
        .await;
    kit.names.set(names);
    connection.pass_if_never_broken();
    Some(connection)
}

/// Without acceptance, nothing else can be seen.
async fn talk(connection: &mut Connection<'_>) -> bool {
    for _ in 0..3 {
        connection.say().await;
    }
    settle(connection, Rule::Accepts).await
}

/// Hears until all that was sent is accepted. Says whether it was.
pub(super) async fn settle(connection: &mut Connection<'_>, rule: Rule) -> bool {
    let until = connection.kit.soon();
    let settled = connection.hear(until, Connection::is_settled).await;
    let expected = format!(
        "accepted={} within {:?}",
        connection.sent.len(),
        connection.kit.wait
    );
    connection.hold(rule, settled, &expected, connection.state());
    settled
}

/// Control frames do not count, and fragments are one message.
async fn count_data_only(connection: &mut Connection<'_>) {
    connection.count_rule = Rule::CountsDataOnly;
    let frames = [leg::ping("conformance"), leg::pong(b"conformance")].concat();
    connection.write(&frames).await;
    connection.hear(Kit::quiet(), |_| false).await;
    let between = leg::ping("between");
    connection
        .say_as(|text| leg::fragmented(text, &between))
        .await;
    connection.say().await;
    settle(connection, Rule::CountsDataOnly).await;
    connection.hear(Kit::quiet(), |_| false).await;
    connection.count_rule = Rule::AcceptedCount;
}

/// What a client says with the edge's prefix is nothing.
async fn ignore_markers(connection: &mut Connection<'_>) {
    for marker in [
        "hf1:accepted=4000000000",
        "hf1:id=conformance",
        "hf1:nonsense",
    ] {
        connection.write(&leg::pong(marker.as_bytes())).await;
    }
    connection.count_rule = Rule::ForeignMarkers;
    connection.say().await;
    settle(connection, Rule::ForeignMarkers).await;
    connection.count_rule = Rule::AcceptedCount;
}

/// What one connection has said is not counted for another.
async fn other_connection(kit: &Kit) {
    let mut other = Connection::new(kit, Transport::WebSocket);
    other.first_rule = Rule::OtherConnection;
    other.count_rule = Rule::OtherConnection;
    if other.open(&kit.first, Path::default(), Rule::Taken).await {
        other.say().await;
        settle(&mut other, Rule::OtherConnection).await;
    }
}

/// Who shows no headers of the edge may be refused, but is told nothing that is for the edge.
async fn without_edge(kit: &Kit) {
    let transport = Transport::WebSocket;
    let answer = match dial::dial(&kit.first, transport, &Ask::default(), &kit.manners).await {
        Ok(answer) => answer,
        Err(why) => return kit.not_shown(transport, Rule::WithoutEdge, &why, true),
    };
    let mut told = answer.stream.is_some() && answer.header("holdfast-position").is_some();
    let mut leg = answer.stream.map(Leg::new);
    let until = Kit::quiet();
    while let Some(open) = &mut leg {
        match open.hear(until).await {
            Some(Heard::Accepted(_) | Heard::Message { id: Some(_), .. }) => told = true,
            Some(Heard::Ended(_)) | None => leg = None,
            Some(_) => {}
        }
    }
    let mut book = kit.book.borrow_mut();
    if told {
        let expected = "neither Holdfast headers nor hf1: Pongs";
        let came = "what is for the edge".to_owned();
        book.fail(transport, Rule::WithoutEdge, expected.to_owned(), came);
    } else {
        book.pass(transport, Rule::WithoutEdge);
    }
}

/// So many named messages show what a resume is.
pub(super) const NAMED_MIN: usize = 4;
