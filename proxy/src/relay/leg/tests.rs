//! A dial waits for its place.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdfast_core::connection::PulseSettings;
use holdfast_core::{ClusterName, Relay};

use super::super::stage::{Edge, Scripted, id};
use super::*;

#[tokio::test]
async fn an_endpoint_is_not_blamed_for_the_time_spent_behind_other_dials() {
    let a = Scripted::new().await;
    let (pulse, members) = (PulseSettings::default(), [("a", a.address)]);
    let edge = Edge::new(Relay::WebSocket, Contract::Auto, pulse, &members).await;
    let cluster = ClusterName::parse("game").expect("a name");
    let dials = Dials {
        id: ConnectionId::random(),
        request: Box::default(),
        cluster: cluster.clone(),
        contract: Contract::Auto,
        dials: 1,
        foreign_id: None,
        asked: None,
    };
    let snapshot = edge.snapshots.load();
    let endpoint = snapshot.endpoint(&cluster, &id("a")).expect("there");
    let placed = Placed {
        endpoint: endpoint.clone(),
        attempt: 2,
        last_event_id: None,
        generation: None,
        moved_from: Vec::new(),
        // Its time is up as soon as it begins.
        patience: Duration::ZERO,
    };
    let shared = &edge.relays.shared;
    let other = shared.places.take(&endpoint.id, 1).await;
    let mut dial = dials.begin(shared, placed, true);
    let polled = dial.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending), "it waits behind the other");
    drop(other);
    let (_, dialled) = dial.await;
    assert!(matches!(dialled, Err(DialError::Silent(_))), "its own time");
}
