//! The same sessions by gRPC.

use std::net::SocketAddr;

use holdfast_proto::error::CODE_KEY;
use holdfast_proto::exchange::v1::exchange_client::ExchangeClient;
use holdfast_proto::exchange::v1::{
    AmendOrderRequest, CancelOrderRequest, GetBookRequest, ListOrdersRequest, ListPositionsRequest,
    OrderType, PlaceOrderRequest, Side, StreamMarketDataRequest,
};
use holdfast_proto::session::v1::handoff_client::HandoffClient;
use holdfast_proto::session::v1::sessions_client::SessionsClient;
use holdfast_proto::session::v1::{
    ControlSimulatorRequest, CreateSessionRequest, EndSessionRequest, GetSessionRequest,
    ListSessionsRequest, ReleaseOutcome, ReleaseRequest, SimulatorAction, SimulatorState,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::support::folder::Folder;
use crate::support::{Running, soon};

async fn session(backend: &Running) -> (Channel, String) {
    let channel = backend.grpc().await;
    let request = CreateSessionRequest {
        seed: Some(7),
        ..Default::default()
    };
    let created = soon(SessionsClient::new(channel.clone()).create_session(request)).await;
    let session = created
        .expect("it is made")
        .into_inner()
        .session
        .expect("a session");
    assert_eq!(session.seed, 7);
    (channel, session.id)
}

/// Two to be bought at 95, once.
fn order(session_id: &str, symbol: String) -> PlaceOrderRequest {
    PlaceOrderRequest {
        session_id: session_id.to_owned(),
        symbol,
        side: Side::Buy.into(),
        r#type: OrderType::Limit.into(),
        quantity: "2".into(),
        price: "95".into(),
        idempotency_key: "once".into(),
        ..Default::default()
    }
}

/// Asks a backend to let a session go, as `to`.
pub(crate) async fn release(address: SocketAddr, session_id: &str, to: &str) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let channel = soon(endpoint.connect()).await.expect("it takes HTTP/2");
    let request = ReleaseRequest {
        session_id: session_id.to_owned(),
        to_endpoint: to.to_owned(),
        to_incarnation: "0123456789abcdef0123456789abcdef".to_owned(),
        generation: 1,
    };
    let answer = soon(HandoffClient::new(channel).release(request)).await;
    let answer = answer.expect("it answers").into_inner();
    assert_eq!(answer.outcome(), ReleaseOutcome::Released, "{answer:?}");
}

fn code(status: &Status) -> (Code, &str) {
    let code = status.metadata().get(CODE_KEY).expect("a code");
    (status.code(), code.to_str().expect("text"))
}

#[tokio::test]
async fn a_session_is_the_same_by_grpc_and_rest() {
    let backend = Running::start("").await;
    let (channel, id) = session(&backend).await;
    let mut sessions = SessionsClient::new(channel);
    let get = GetSessionRequest {
        session_id: id.clone(),
    };
    let by_grpc = soon(sessions.get_session(get.clone()))
        .await
        .expect("it is there");
    let by_grpc = by_grpc.into_inner().session.expect("a session");
    let path = format!("/api/v1/sessions/{id}");
    let by_rest = backend.get(&path).await.json();
    assert_eq!(by_rest["epoch"], by_grpc.epoch.as_str());
    assert_eq!(
        by_rest["symbols"][0]["tick"],
        by_grpc.symbols[0].tick.as_str()
    );
    let listed = soon(sessions.list_sessions(ListSessionsRequest::default())).await;
    assert_eq!(listed.expect("a list").into_inner().sessions[0].id, id);

    let pause = ControlSimulatorRequest {
        session_id: id.clone(),
        action: SimulatorAction::Pause.into(),
        ..Default::default()
    };
    let paused = soon(sessions.control_simulator(pause))
        .await
        .expect("it pauses");
    let paused = paused.into_inner().simulator.expect("a simulator");
    assert_eq!(paused.state(), SimulatorState::Paused);
    assert_eq!(backend.get(&path).await.json()["state"], "paused");

    let end = EndSessionRequest { session_id: id };
    soon(sessions.end_session(end)).await.expect("it ends");
    assert_eq!(backend.get(&path).await.status, 410);
    let gone = soon(sessions.get_session(get))
        .await
        .expect_err("it has ended");
    assert_eq!(code(&gone), (Code::NotFound, "session_ended"));
}

#[tokio::test]
async fn orders_by_grpc_are_orders_by_rest() {
    let backend = Running::start("").await;
    let (channel, session_id) = session(&backend).await;
    let path = format!("/api/v1/sessions/{session_id}");
    let symbol = crate::sessions::symbol(&backend, &path).await;
    let mut exchange = ExchangeClient::new(channel);
    let order = order(&session_id, symbol);
    let placed = soon(exchange.place_order(order.clone()))
        .await
        .expect("it is taken");
    let placed = placed.into_inner().order.expect("an order");
    assert_eq!(
        (placed.status.as_str(), placed.quantity.as_str()),
        ("open", "2")
    );
    let again = soon(exchange.place_order(order))
        .await
        .expect("it was taken");
    let again = again.into_inner().order.expect("an order");
    assert_eq!(again.order_id, placed.order_id, "the key was known");
    let listed = backend.get(&format!("{path}/orders")).await.json();
    assert_eq!(
        listed["orders"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    assert_eq!(listed["orders"][0]["order_id"], placed.order_id);

    let amend = AmendOrderRequest {
        session_id: session_id.clone(),
        order_id: placed.order_id,
        quantity: "1".into(),
        ..Default::default()
    };
    let amended = soon(exchange.amend_order(amend))
        .await
        .expect("it is changed");
    assert_eq!(amended.into_inner().order.expect("an order").quantity, "1");
    let cancel = CancelOrderRequest {
        session_id: session_id.clone(),
        order_id: placed.order_id,
        ..Default::default()
    };
    let cancelled = soon(exchange.cancel_order(cancel))
        .await
        .expect("it is taken back");
    assert_eq!(
        cancelled.into_inner().order.expect("an order").status,
        "cancelled"
    );
    let open = ListOrdersRequest {
        session_id: session_id.clone(),
        open_only: true,
        ..Default::default()
    };
    let open = soon(exchange.list_orders(open)).await.expect("a list");
    assert_eq!(open.into_inner().orders.len(), 0);
}

#[tokio::test]
async fn an_order_that_cannot_be_meant_is_refused_and_says_why() {
    let backend = Running::start("").await;
    let (channel, session_id) = session(&backend).await;
    let path = format!("/api/v1/sessions/{session_id}");
    let symbol = crate::sessions::symbol(&backend, &path).await;
    let mut exchange = ExchangeClient::new(channel);
    let order = order(&session_id, symbol);
    let nameless = PlaceOrderRequest {
        side: Side::Unspecified.into(),
        ..order.clone()
    };
    let refused = soon(exchange.place_order(nameless))
        .await
        .expect_err("no side");
    assert_eq!(code(&refused), (Code::InvalidArgument, "invalid_argument"));
    let unknown = PlaceOrderRequest {
        symbol: "NOPE".into(),
        ..order
    };
    let refused = soon(exchange.place_order(unknown))
        .await
        .expect_err("no symbol");
    assert_eq!(code(&refused), (Code::NotFound, "unknown_symbol"));
}

#[tokio::test]
async fn the_market_is_read_and_followed() {
    let backend = Running::start("").await;
    let (channel, session_id) = session(&backend).await;
    let path = format!("/api/v1/sessions/{session_id}");
    let symbol = crate::sessions::symbol(&backend, &path).await;
    let mut exchange = ExchangeClient::new(channel);
    let book = GetBookRequest {
        session_id: session_id.clone(),
        symbol,
        depth: 5,
    };
    let book = soon(exchange.get_book(book))
        .await
        .expect("a book")
        .into_inner();
    assert_eq!((book.bids.len(), book.asks.len()), (5, 5));
    let positions = ListPositionsRequest {
        session_id: session_id.clone(),
    };
    soon(exchange.list_positions(positions))
        .await
        .expect("positions");

    let follow = StreamMarketDataRequest {
        session_id: session_id.clone(),
        ..Default::default()
    };
    let stream = soon(exchange.stream_market_data(follow.clone())).await;
    let mut stream = stream.expect("it is followed").into_inner();
    let mut next = async || {
        let message = soon(stream.message()).await.expect("it goes on");
        message.expect("a message")
    };
    let snapshot = next().await;
    assert_eq!(snapshot.r#type, "snapshot");
    let mut last = snapshot.id;
    for _ in 0..20 {
        let entry = next().await;
        assert_eq!(entry.prev, last);
        serde_json::from_str::<serde_json::Value>(&entry.data_json).expect("JSON");
        last = entry.id;
    }
    let resume = StreamMarketDataRequest {
        last_event_id: last.clone(),
        ..follow.clone()
    };
    let stream = soon(exchange.stream_market_data(resume)).await;
    let mut stream = stream.expect("it is resumed").into_inner();
    let entry = soon(stream.message())
        .await
        .expect("it goes on")
        .expect("a message");
    assert_eq!(entry.prev, last, "no snapshot, no gap");

    let weather = StreamMarketDataRequest {
        channels: vec!["weather".into()],
        ..follow
    };
    let refused = soon(exchange.stream_market_data(weather))
        .await
        .expect_err("no channel");
    assert_eq!(code(&refused), (Code::InvalidArgument, "bad_request"));
}

#[tokio::test]
async fn strangers_are_told_the_same_in_grpc() {
    let backend = Running::start("").await;
    let (channel, session_id) = session(&backend).await;
    let mut sessions = SessionsClient::new(channel);
    let mut of_another = Request::new(GetSessionRequest { session_id });
    let bob = "bob".parse().expect("a value");
    of_another.metadata_mut().insert("holdfast-subject", bob);
    let refused = soon(sessions.get_session(of_another))
        .await
        .expect_err("not his");
    assert_eq!(code(&refused), (Code::PermissionDenied, "forbidden"));
    let nothing = GetSessionRequest::default();
    let refused = soon(sessions.get_session(nothing))
        .await
        .expect_err("no id");
    assert_eq!(code(&refused), (Code::NotFound, "session_not_found"));
}

#[tokio::test]
async fn only_backends_of_the_cluster_may_ask_for_sessions() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("key"), "5a".repeat(32)).expect("the key is written");
    let backend = Running::beside(folder.into(), "a", "cluster_key: { file: key }").await;
    let mut handoff = HandoffClient::new(backend.grpc().await);
    let refused = soon(handoff.release(ReleaseRequest::default())).await;
    let refused = refused.expect_err("a stranger");
    assert_eq!(code(&refused), (Code::PermissionDenied, "forbidden"));
}

#[tokio::test]
async fn a_method_that_is_not_there_is_unimplemented() {
    let backend = Running::start("").await;
    let mut client = tonic::client::Grpc::new(backend.grpc().await);
    soon(client.ready()).await.expect("it is connected");
    let codec = tonic_prost::ProstCodec::<GetSessionRequest, GetSessionRequest>::default();
    let path = http::uri::PathAndQuery::from_static("/holdfast.session.v1.Nothing/Nothing");
    let call = client.unary(Request::new(GetSessionRequest::default()), path, codec);
    assert_eq!(
        soon(call).await.expect_err("nothing").code(),
        Code::Unimplemented
    );
}
