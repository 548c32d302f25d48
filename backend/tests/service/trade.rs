//! What gRPC can do besides: order entry over one stream, keys, labels, forks, shocks.

use holdfast_proto::exchange::v1::exchange_client::ExchangeClient;
use holdfast_proto::exchange::v1::trade_request::Message as Asked;
use holdfast_proto::exchange::v1::trade_response::Message as Told;
use holdfast_proto::exchange::v1::{
    Answer, BatchOrdersRequest, CancelOrdersRequest, GetStatisticsRequest, ListBalancesRequest,
    ListCandlesRequest, ListFillsRequest, Operation, PlaceOrderRequest, Side, TradeOpen,
    TradeRequest, TradeResponse, operation,
};
use holdfast_proto::session::v1::sessions_client::SessionsClient;
use holdfast_proto::session::v1::{
    ControlSimulatorRequest, CreateSessionRequest, ForkSessionRequest, GetFingerprintRequest,
    GetScenarioRequest, Halt, ListPresenceRequest, ListScenariosRequest, ListSessionsRequest,
    RestartSessionRequest, ResumeSessionRequest, ShockSimulatorRequest, SimulatorAction,
    UpdateSessionRequest, shock_simulator_request,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Streaming};

use crate::support::{Running, soon};

/// A request of a signed-in user.
fn by_ann<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let name = MetadataValue::from_static("ann");
    request.metadata_mut().insert("holdfast-subject", name);
    request
}

async fn created(backend: &Running) -> String {
    let mut sessions = SessionsClient::new(backend.grpc().await);
    let request = CreateSessionRequest {
        seed: Some(7),
        ..Default::default()
    };
    let made = soon(sessions.create_session(by_ann(request))).await;
    let made = made.expect("it is made").into_inner();
    made.session.expect("a session").id
}

fn buy(quantity: &str, price: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        symbol: "ACME".into(),
        side: Side::Buy.into(),
        quantity: quantity.into(),
        price: price.into(),
        ..Default::default()
    }
}

/// One that is sound and one that is not.
fn two_orders() -> BatchOrdersRequest {
    let place = |order| Operation {
        operation: Some(operation::Operation::Place(order)),
    };
    BatchOrdersRequest {
        operations: vec![place(buy("1", "94")), place(buy("1", "nothing"))],
        ..Default::default()
    }
}

async fn until_answer(stream: &mut Streaming<TradeResponse>) -> Answer {
    loop {
        let told = soon(stream.message()).await.expect("the stream goes on");
        if let Some(Told::Answer(answer)) = told.and_then(|told| told.message) {
            return answer;
        }
    }
}

#[tokio::test]
async fn orders_go_in_and_answers_come_out_of_one_stream() {
    let backend = Running::start("").await;
    let id = created(&backend).await;
    let mut exchange = ExchangeClient::new(backend.grpc().await);
    let (sender, receiver) = mpsc::channel(8);
    let say = async |n: u64, message: Asked| {
        let request = TradeRequest {
            n,
            message: Some(message),
        };
        sender.send(request).await.expect("it is listened to");
    };
    let open = TradeOpen {
        session_id: id.clone(),
        client: "desk".into(),
        channels: vec!["order".into()],
        ..Default::default()
    };
    say(0, Asked::Open(open)).await;
    let opened = soon(exchange.trade(by_ann(ReceiverStream::new(receiver)))).await;
    let mut stream = opened.expect("it opens").into_inner();
    say(1, Asked::Place(buy("2", "95"))).await;
    let placed = until_answer(&mut stream).await;
    assert!(placed.ok && placed.order_id > 0, "{placed:?}");
    say(1, Asked::Place(buy("2", "95"))).await;
    assert_eq!(
        until_answer(&mut stream).await.order_id,
        placed.order_id,
        "done once"
    );
    say(1, Asked::Place(buy("3", "95"))).await;
    let reused = until_answer(&mut stream).await.problem.expect("refused");
    assert_eq!(reused.code, "key_reused");
    let pause = r#"{"type":"simulator.pause"}"#;
    say(2, Asked::CommandJson(pause.into())).await;
    assert_eq!(until_answer(&mut stream).await.status, "paused");
    say(3, Asked::Batch(two_orders())).await;
    let done = until_answer(&mut stream).await;
    let oks: Vec<_> = done.results.iter().map(|result| result.ok).collect();
    assert_eq!(oks, [true, false], "{done:?}");
    say(4, Asked::CancelAll(CancelOrdersRequest::default())).await;
    assert_eq!(until_answer(&mut stream).await.cancelled, 2);

    let mut sessions = SessionsClient::new(backend.grpc().await);
    let there = ListPresenceRequest {
        session_id: id.clone(),
    };
    let there = soon(sessions.list_presence(by_ann(there))).await;
    let there = there.expect("a list").into_inner().connections;
    assert_eq!(
        (there[0].client.as_str(), there[0].transport.as_str()),
        ("desk", "grpc")
    );
    let resume = ResumeSessionRequest {
        session_id: id,
        client: "desk".into(),
    };
    let resume = soon(sessions.resume_session(by_ann(resume))).await;
    assert_eq!(resume.expect("an answer").into_inner().n, 4);
}

#[tokio::test]
async fn a_stream_that_does_not_say_whose_it_is_is_refused() {
    let backend = Running::start("").await;
    let mut exchange = ExchangeClient::new(backend.grpc().await);
    let first = TradeRequest {
        n: 1,
        message: Some(Asked::Place(buy("1", "95"))),
    };
    let refused = soon(exchange.trade(tokio_stream::iter([first]))).await;
    let refused = refused.map(|_| ()).expect_err("it is not opened");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
}

#[tokio::test]
async fn a_session_is_made_once_for_each_key() {
    let backend = Running::start("").await;
    let mut sessions = SessionsClient::new(backend.grpc().await);
    let request = CreateSessionRequest {
        seed: Some(7),
        labels: [("desk".to_owned(), "fx".to_owned())].into(),
        expires_in: "1h".into(),
        idempotency_key: "once".into(),
        ..Default::default()
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = soon(sessions.create_session(by_ann(request.clone()))).await;
        ids.push(
            made.expect("it is made")
                .into_inner()
                .session
                .expect("a session")
                .id,
        );
    }
    assert_eq!(ids[0], ids[1]);
    let other = CreateSessionRequest {
        seed: Some(8),
        ..request
    };
    let reused = soon(sessions.create_session(by_ann(other))).await;
    assert_eq!(
        reused.expect_err("another request").code(),
        Code::AlreadyExists
    );
}

#[tokio::test]
async fn sessions_are_labelled_forked_and_restarted() {
    let backend = Running::start("").await;
    let id = created(&backend).await;
    let mut sessions = SessionsClient::new(backend.grpc().await);
    let update = UpdateSessionRequest {
        session_id: id.clone(),
        set_labels: [("team".to_owned(), "a".to_owned())].into(),
        remove_labels: vec!["desk".into()],
        expires_in: "never".into(),
        ..Default::default()
    };
    let now = soon(sessions.update_session(by_ann(update))).await;
    let now = now.expect("it changes").into_inner().session.expect("it");
    assert_eq!((now.labels["team"].as_str(), now.expires_ms), ("a", None));
    let list = ListSessionsRequest {
        labels: vec!["team=a".into()],
        ..Default::default()
    };
    let listed = soon(sessions.list_sessions(by_ann(list))).await;
    assert_eq!(listed.expect("a list").into_inner().sessions.len(), 1);
    let fork = ForkSessionRequest {
        session_id: id.clone(),
        ..Default::default()
    };
    let forked = soon(sessions.fork_session(by_ann(fork))).await;
    let forked = forked
        .expect("it is forked")
        .into_inner()
        .session
        .expect("it");
    assert!(forked.forked_from.starts_with(&id), "{forked:?}");
    let restart = RestartSessionRequest {
        session_id: id,
        scenario: "volatile".into(),
        ..Default::default()
    };
    let again = soon(sessions.restart_session(by_ann(restart))).await;
    let again = again
        .expect("it restarts")
        .into_inner()
        .session
        .expect("it");
    assert_eq!((again.scenario.as_str(), again.seed), ("volatile", 7));
}

#[tokio::test]
async fn the_market_is_steered_and_read_in_parts() {
    let backend = Running::start("").await;
    let session_id = created(&backend).await;
    let mut sessions = SessionsClient::new(backend.grpc().await);
    let mut exchange = ExchangeClient::new(backend.grpc().await);
    let jump = ControlSimulatorRequest {
        session_id: session_id.clone(),
        action: SimulatorAction::Jump.into(),
        by: "1m".into(),
        ..Default::default()
    };
    let now = soon(sessions.control_simulator(by_ann(jump))).await;
    let now = now.expect("it jumps").into_inner().simulator.expect("it");
    assert!(now.time >= 60_000, "{now:?}");
    let taker = PlaceOrderRequest {
        session_id: session_id.clone(),
        price: String::new(),
        ..buy("1", "")
    };
    soon(exchange.place_order(by_ann(taker)))
        .await
        .expect("taken");
    let fills = ListFillsRequest {
        session_id: session_id.clone(),
        ..Default::default()
    };
    let fills = soon(exchange.list_fills(by_ann(fills))).await;
    assert!(!fills.expect("a list").into_inner().fills.is_empty());
    let balances = ListBalancesRequest {
        session_id: session_id.clone(),
    };
    let balances = soon(exchange.list_balances(by_ann(balances))).await;
    assert_eq!(
        balances.expect("a list").into_inner().balances[0].asset,
        "cash"
    );
    let candles = ListCandlesRequest {
        session_id: session_id.clone(),
        symbol: "ACME".into(),
        limit: 2,
        interval: "5s".into(),
    };
    let candles = soon(exchange.list_candles(by_ann(candles))).await;
    let candles = candles.expect("a list").into_inner().candles;
    let lengths: Vec<u64> = candles.iter().map(|candle| candle.interval).collect();
    assert_eq!(lengths, [5_000, 5_000]);
    let fingerprint = GetFingerprintRequest {
        session_id: session_id.clone(),
    };
    let fingerprint = soon(sessions.get_fingerprint(by_ann(fingerprint))).await;
    let fingerprint = fingerprint.expect("an answer").into_inner();
    assert_eq!(fingerprint.fingerprint.len(), 16, "{fingerprint:?}");
    let statistics = GetStatisticsRequest {
        session_id: session_id.clone(),
        symbol: "ACME".into(),
    };
    let counted = soon(exchange.get_statistics(by_ann(statistics))).await;
    assert!(counted.expect("an answer").into_inner().trades > 0);
}

#[tokio::test]
async fn the_market_is_shocked_and_scenarios_are_read() {
    let backend = Running::start("").await;
    let session_id = created(&backend).await;
    let mut sessions = SessionsClient::new(backend.grpc().await);
    let mut exchange = ExchangeClient::new(backend.grpc().await);
    let halt = ShockSimulatorRequest {
        session_id: session_id.clone(),
        symbol: "ACME".into(),
        shock: Some(shock_simulator_request::Shock::Halt(Halt {
            lasts: "10m".into(),
        })),
        ..Default::default()
    };
    soon(sessions.shock_simulator(by_ann(halt)))
        .await
        .expect("it strikes");
    let order = PlaceOrderRequest {
        session_id,
        ..buy("1", "95")
    };
    let halted = soon(exchange.place_order(by_ann(order))).await;
    assert_eq!(halted.expect_err("halted").code(), Code::FailedPrecondition);
    let scenarios = soon(sessions.list_scenarios(ListScenariosRequest {})).await;
    assert_eq!(
        scenarios.expect("a list").into_inner().scenarios[0].name,
        "calm"
    );
    let storm = GetScenarioRequest {
        name: "storm".into(),
    };
    let storm = soon(sessions.get_scenario(storm)).await;
    assert_eq!(storm.expect_err("there is none").code(), Code::NotFound);
}
