//! The sticky application by itself: it must really break without stickiness, or it shows nothing.

use std::net::SocketAddr;
use std::path::Path;

use futures_util::SinkExt as _;
use holdfast_loadtest::lab::plan::{free_ports, loopback};
use http::{Method, StatusCode};
use tokio_tungstenite::tungstenite::Message;

use crate::support::browser::{Browser, json, next_json};
use crate::support::eventually;
use crate::support::process::{LOADTEST, Running};

struct Shop {
    _process: Running,
    address: SocketAddr,
}

impl Shop {
    async fn open(id: &str) -> Self {
        let address = loopback(free_ports(1).expect("a free port")[0]);
        let arguments = ["sticky-app", "--id", id, "--listen", &address.to_string()];
        let process = Running::start(Path::new(LOADTEST), &arguments);
        let listens = async || tokio::net::TcpStream::connect(address).await.ok();
        eventually("the application listens", listens).await;
        Self {
            _process: process,
            address,
        }
    }
}

#[tokio::test]
async fn a_basket_lives_in_one_process_and_another_shows_that_it_is_lost() {
    let (one, other) = (Shop::open("sa").await, Shop::open("sb").await);
    let mut ann = Browser::new(one.address);
    for count in 1..=3 {
        let sight = json(
            &ann.ask(Method::POST, "/sticky/api/increment?item=pear", "")
                .await,
        );
        assert_eq!(sight["endpoint"], "sa");
        assert_eq!(sight["count"], count);
        assert_eq!(sight["fresh"], count == 1);
    }
    // Her cookie reaches the other process, which has never heard of her.
    let known = json(&ann.get("/any/prefix/api/state").await)["client"].clone();
    let known = known.as_str().expect("a name");
    let mut elsewhere = Browser::new(other.address);
    let sight = json(
        &elsewhere
            .get(&format!("/sticky/api/state?client={known}"))
            .await,
    );
    assert_eq!(sight["endpoint"], "sb");
    assert_eq!(sight["count"], 0);
    assert_eq!(sight["fresh"], true);
}

#[tokio::test]
async fn a_websocket_shares_the_basket_with_requests_of_the_same_client() {
    let shop = Shop::open("sa").await;
    let mut ann = Browser::new(shop.address);
    ann.ask(Method::POST, "/sticky/api/increment", "").await;
    let mut socket = ann.websocket("/sticky/ws").await;
    assert_eq!(next_json(&mut socket).await["count"], 1);

    socket
        .send(Message::text("increment plum"))
        .await
        .expect("open socket");
    let sight = next_json(&mut socket).await;
    assert_eq!(sight["count"], 2);
    assert_eq!(sight["items"], serde_json::json!(["plum"]));
    assert_eq!(json(&ann.get("/sticky/api/state").await)["count"], 2);
}

#[tokio::test]
async fn bad_requests_get_the_status_they_deserve() {
    let shop = Shop::open("sa").await;
    let mut ann = Browser::new(shop.address);
    let bad_name = ann.get("/sticky/api/state?client=%20").await;
    assert_eq!(bad_name.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        ann.get("/sticky/api/increment").await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(
        ann.get("/sticky/api/nothing").await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        ann.get("/sticky/unhealth").await.status(),
        StatusCode::NOT_FOUND
    );
}
