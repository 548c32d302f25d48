//! Every type of order, by every way in.

use holdfast_proto::exchange::v1::exchange_client::ExchangeClient;
use holdfast_proto::exchange::v1::{OrderType, PlaceOrderRequest, Side};
use serde_json::{Value, json};

use crate::sessions::{created, symbol};
use crate::support::live::Socket;
use crate::support::{Running, soon};

/// Each type with its own fields, how it is shown afterwards, and where it stands then: to be
/// bought, far from the market.
fn table() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let stop_limit = json!({ "stop_price": "120", "price": "121" });
    let take_profit_limit = json!({ "stop_price": "80", "price": "79" });
    let iceberg = json!({ "price": "80", "display": "0.1" });
    vec![
        ("limit", json!({ "price": "80" }), "limit", "open"),
        ("market", json!({}), "market", "filled"),
        ("stop", json!({ "stop_price": "120" }), "stop", "waiting"),
        ("stop_limit", stop_limit, "stop_limit", "waiting"),
        (
            "take_profit",
            json!({ "stop_price": "80" }),
            "take_profit",
            "waiting",
        ),
        (
            "take_profit_limit",
            take_profit_limit,
            "take_profit_limit",
            "waiting",
        ),
        (
            "trailing_stop",
            json!({ "trail": "20" }),
            "trailing_stop",
            "waiting",
        ),
        ("iceberg", iceberg, "limit", "open"),
        ("post_only", json!({ "price": "80" }), "limit", "open"),
    ]
}

fn request(symbol: &str, kind: &str, fields: &Value) -> Value {
    let mut order = json!({ "symbol": symbol, "side": "buy", "type": kind, "quantity": "1" });
    let order_fields = order.as_object_mut().expect("an object");
    order_fields.extend(fields.as_object().expect("an object").clone());
    order
}

fn message(session_id: &str, symbol: &str, kind: &str, fields: &Value) -> PlaceOrderRequest {
    let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    let name = format!("ORDER_TYPE_{}", kind.to_uppercase());
    let kind = OrderType::from_str_name(&name).unwrap_or_else(|| panic!("no {name}"));
    PlaceOrderRequest {
        session_id: session_id.to_owned(),
        symbol: symbol.to_owned(),
        side: Side::Buy.into(),
        r#type: kind.into(),
        quantity: "1".to_owned(),
        price: text("price"),
        stop_price: text("stop_price"),
        trail: text("trail"),
        display: text("display"),
        ..Default::default()
    }
}

#[tokio::test]
async fn every_type_of_order_is_taken_by_every_way_in() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    let id = path.rsplit('/').next().expect("an id");
    let mut exchange = ExchangeClient::new(backend.grpc().await);
    let mut socket = Socket::open(&backend, &format!("{path}/ws?channels=order")).await;
    for (n, (kind, fields, shown, status)) in (1..).zip(table()) {
        let order = request(&symbol, kind, &fields);
        let placed = backend.post(&format!("{path}/orders"), order.clone()).await;
        assert_eq!(placed.status, 201, "{kind}: {placed:?}");
        let placed = placed.json();
        assert_eq!(
            (&placed["type"], &placed["status"]),
            (&json!(shown), &json!(status)),
            "{kind}"
        );

        let said = json!({ "type": "order.new", "n": n, "data": order });
        socket.say(said).await;
        let answer = socket.until("answer", |_| {}).await;
        assert_eq!(answer["data"]["status"], status, "{kind}: {answer}");
        let order = format!("{path}/orders/{}", answer["data"]["order_id"]);
        assert_eq!(backend.get(&order).await.json()["type"], shown, "{kind}");

        let message = message(id, &symbol, kind, &fields);
        let placed = soon(exchange.place_order(message)).await.expect(kind);
        let placed = placed.into_inner().order.expect("an order");
        assert_eq!(
            (placed.r#type.as_str(), placed.status.as_str()),
            (shown, status)
        );
    }
}

#[tokio::test]
async fn a_type_that_lacks_a_field_or_has_one_too_many_is_told_which() {
    let backend = Running::start("").await;
    let path = created(&backend).await;
    let symbol = symbol(&backend, &path).await;
    for (fields, field) in [
        (json!({ "stop_price": "80" }), "price"),
        (json!({ "price": "80" }), "stop_price"),
        (
            json!({ "price": "80", "stop_price": "80", "trail": "1" }),
            "trail",
        ),
    ] {
        let order = request(&symbol, "take_profit_limit", &fields);
        let refused = backend.post(&format!("{path}/orders"), order).await;
        let problem = refused.json();
        assert_eq!(problem["code"], "invalid_order", "{problem}");
        let detail = problem["detail"].as_str().expect("a sentence");
        assert!(detail.contains(field), "{detail}");
    }
}
