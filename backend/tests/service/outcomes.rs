//! What a client is told of a command when its session is lost sight of on the way: never "not
//! processed" once it may have been executed, since that is repeated.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use holdfast_proto::exchange::v1::ask_response::Answer;
use holdfast_proto::exchange::v1::exchange_client::ExchangeClient;
use holdfast_proto::exchange::v1::{PlaceOrderRequest, Side};
use http::Method;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::client::Request;
use crate::support::folder::Folder;
use crate::support::process::Process;
use crate::support::scripted::{Scripted, not_now};
use crate::support::soon;

const SESSION: &str = "/api/v1/sessions/00000000000000000000000000000005";

async fn front(folder: &Folder, of: SocketAddr) -> Process {
    let address = format!("exchange: {{ address: 'http://{of}' }}");
    let front = Process::start(folder, "f", &address, "").await;
    front
        .health("its exchange answers", |health| {
            health["dependencies"]["exchange"]["status"] == "ok"
        })
        .await;
    front
}

/// Commands that are answered with what they led to, which is asked for behind them.
fn commands() -> [(Method, String, Value); 5] {
    let order = json!({ "symbol": "ACME", "side": "buy", "quantity": "1", "price": "60.00" });
    [
        (Method::POST, format!("{SESSION}/orders"), order),
        (
            Method::PATCH,
            format!("{SESSION}/orders/7"),
            json!({ "price": "61.00" }),
        ),
        (
            Method::POST,
            format!("{SESSION}/simulator/pause"),
            json!({}),
        ),
        (Method::POST, format!("{SESSION}/restart"), json!({})),
        (
            Method::PATCH,
            SESSION.into(),
            json!({ "labels": { "a": "b" } }),
        ),
    ]
}

/// Executes each command, and then does not have the session any more.
fn released_between(name: &str) -> Answer {
    match name {
        "command" => Answer::ViewJson(r#"{"n":1,"ok":true,"data":{"order_id":7}}"#.into()),
        _ => not_now(),
    }
}

#[tokio::test]
async fn an_executed_command_whose_session_is_released_at_once_is_not_called_unprocessed() {
    let folder = Folder::new();
    let (exchange, address) = Scripted::start(|name, _| released_between(name)).await;
    let f = front(&folder, address).await;
    for (method, path, body) in commands() {
        let request = Request::new(method.clone(), &path).json(body.clone());
        let answer = f.ask(request).await;
        assert_eq!(answer.problem(), (504, "timeout".to_owned()), "{path}");
        let problem = answer.json();
        assert_eq!(problem["retryable"], false, "{problem}");
        let detail = problem["detail"].as_str().expect("a sentence");
        assert!(detail.contains("was executed"), "{detail}");
        assert_eq!(exchange.asked(), ["command", "look", "look"], "{path}");

        // with a key it may be repeated, and gets the same answer
        let keyed = Request::new(method, &path).header("idempotency-key", "1");
        let answer = f.ask(keyed.json(body)).await;
        assert_eq!(answer.problem(), (503, "unavailable".to_owned()), "{path}");
        assert_eq!(exchange.asked(), ["command", "look", "look"], "{path}");
    }
}

#[tokio::test]
async fn the_same_holds_for_grpc() {
    let folder = Folder::new();
    let (exchange, address) = Scripted::start(|name, _| released_between(name)).await;
    let f = front(&folder, address).await;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", f.address));
    let channel = soon(endpoint.expect("an address").connect()).await;
    let mut client = ExchangeClient::new(channel.expect("it takes HTTP/2"));
    for (key, code) in [("", Code::DeadlineExceeded), ("1", Code::Unavailable)] {
        let place = PlaceOrderRequest {
            session_id: SESSION.rsplit('/').next().expect("an id").into(),
            symbol: "ACME".into(),
            side: Side::Buy.into(),
            quantity: "1".into(),
            price: "60.00".into(),
            idempotency_key: key.into(),
            ..PlaceOrderRequest::default()
        };
        let refused = soon(client.place_order(place)).await.expect_err("not read");
        assert_eq!(refused.code(), code, "{refused:?}");
        assert_eq!(exchange.asked(), ["command", "look", "look"]);
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_called_unprocessed_either() {
    let folder = Folder::new();
    let nonsense = |_: &str, _: &Value| Answer::ViewJson("17".into());
    let (exchange, address) = Scripted::start(nonsense).await;
    let f = front(&folder, address).await;
    for (method, path, body) in commands() {
        let request = || Request::new(method.clone(), &path).json(body.clone());
        let answer = f.ask(request()).await;
        assert_eq!(answer.problem(), (504, "timeout".to_owned()), "{path}");
        let answer = f.ask(request().header("idempotency-key", "1")).await;
        assert_eq!(answer.problem(), (503, "unavailable".to_owned()), "{path}");
        assert_eq!(exchange.asked(), ["command", "command"], "{path}");
    }
    let looked = f.get(SESSION).await;
    assert_eq!(looked.problem(), (503, "unavailable".to_owned()));
}

#[tokio::test]
async fn an_address_that_refuses_is_asked_once_more_over_another_connection() {
    let folder = Folder::new();
    let refusals = AtomicU32::new(1);
    let (exchange, address) = Scripted::start(move |_, _| {
        let left = |left: u32| left.checked_sub(1);
        match refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left) {
            Ok(_) => not_now(),
            Err(_) => Answer::ViewJson("null".into()),
        }
    })
    .await;
    let f = front(&folder, address).await;
    let ended = f.ask(Request::delete(SESSION)).await;
    assert_eq!(ended.status, 204, "{ended:?}");
    let asked = exchange.asked_by();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_ne!(asked[0].1, asked[1].1, "a name is looked up again");
}
