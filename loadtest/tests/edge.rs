//! Clients of a whole edge: what a person at the demonstration does, without the page.

use futures_util::SinkExt as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::browser::{Browser, json, next_json};
use crate::support::lab::Lab;

/// Signs in and opens a session; its JSON comes back.
async fn open_session(browser: &mut Browser) -> Value {
    let token = browser.ask(Method::POST, "/api/v1/demo/token", "{}").await;
    assert_eq!(token.status(), StatusCode::OK, "{token:?}");
    let session = browser.ask(Method::POST, "/api/v1/sessions", "{}").await;
    assert_eq!(session.status(), StatusCode::CREATED, "{session:?}");
    json(&session)
}

#[tokio::test]
async fn a_trader_signs_in_opens_a_session_and_trades_over_a_websocket() {
    let lab = Lab::start("trade", &[]).await;
    let mut browser = Browser::new(lab.proxy());
    let refused = browser.ask(Method::POST, "/api/v1/sessions", "{}").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

    let session = open_session(&mut browser).await;
    let id = session["id"].as_str().expect("an id").to_owned();
    let symbol = &session["symbols"][0]["symbol"];
    let mut socket = browser
        .websocket(&format!("/api/v1/sessions/{id}/ws?client=tab1"))
        .await;
    let order = json!({ "type": "order.new", "n": 1, "data": {
        "symbol": symbol, "side": "buy", "type": "market", "quantity": "1",
    }});
    socket
        .send(Message::text(order.to_string()))
        .await
        .expect("open");
    let (mut answer, mut filled) = (None, false);
    while answer.is_none() || !filled {
        let message = next_json(&mut socket).await;
        match message["type"].as_str() {
            Some("answer") => answer = Some(message),
            Some("fill") => filled = true,
            _ => {}
        }
    }
    let answer = answer.expect("just seen");
    assert_eq!(answer["n"], 1);
    assert_eq!(answer["ok"], true, "{answer}");

    let orders = json(&browser.get(&format!("/api/v1/sessions/{id}/orders")).await);
    assert_eq!(
        orders["orders"].as_array().map(Vec::len),
        Some(1),
        "{orders}"
    );
}

#[tokio::test]
async fn nobody_reaches_the_session_of_another_person() {
    let lab = Lab::start("strangers", &["--sticky-apps", "1"]).await;
    let (mut ann, mut bob) = (Browser::new(lab.proxy()), Browser::new(lab.proxy()));
    let session = open_session(&mut ann).await;
    open_session(&mut bob).await;
    let path = format!(
        "/api/v1/sessions/{}",
        session["id"].as_str().expect("an id")
    );
    assert_eq!(ann.get(&path).await.status(), StatusCode::OK);
    assert_eq!(bob.get(&path).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn requests_with_the_cookie_stay_and_without_affinity_they_wander() {
    let lab = Lab::start("stay", &["--backends", "1"]).await;
    let mut browser = Browser::new(lab.proxy());
    for count in 1..=30 {
        let sight = json(&browser.ask(Method::POST, "/sticky/api/increment", "").await);
        assert_eq!(sight["count"], count, "{sight}");
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let sight = json(
            &browser
                .ask(Method::POST, "/sticky-off/api/increment", "")
                .await,
        );
        seen.insert(sight["endpoint"].as_str().expect("a name").to_owned());
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}
