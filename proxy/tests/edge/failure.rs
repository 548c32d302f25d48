//! An endpoint that is gone is one failed dial, not one failed request.

use std::sync::Arc;

use crate::support::endpoint::{Endpoint, ok};
use crate::support::proxy::{Proxy, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn the_next_request_of_a_killed_endpoint_s_client_is_served_elsewhere() {
    let (a, b) = (Endpoint::start("a").await, Endpoint::start("b").await);
    let proxy = Proxy::start(&[&a, &b]).await;
    let mut client = proxy.client().await;
    let first = client.get("/", "").await;
    let cookie = first.cookie().expect("a cookie");
    let (dead, alive) = if first.text() == "a" {
        (&a, &b)
    } else {
        (&b, &a)
    };
    dead.kill().await;
    let mut again = proxy.client().await;
    let answer = again.get("/", &cookie).await;
    assert_eq!((answer.status, answer.text()), (200, alive.id.clone()));
    let moved = answer.cookie().expect("the cookie names the new endpoint");
    assert_eq!(again.get("/", &moved).await.text(), alive.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_never_sent_goes_elsewhere_too() {
    let (a, b) = (Endpoint::start("a").await, Endpoint::start("b").await);
    let proxy = Proxy::start(&[&a, &b]).await;
    a.kill().await;
    for _ in 0..8 {
        let mut client = proxy.client().await;
        client
            .send("POST / HTTP/1.1\r\nHost: edge\r\nContent-Length: 4\r\n\r\nbody")
            .await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.text()), (200, "b".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nobody_left_the_client_is_told_to_come_back() {
    let a = Endpoint::start("a").await;
    let proxy = Proxy::start(&[&a]).await;
    a.kill().await;
    let answer = proxy.client().await.get("/", "").await;
    assert_eq!(
        (answer.status, answer.code()),
        (503, "no_endpoint".to_owned())
    );
    assert_eq!(answer.field("retry-after"), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_that_a_421_names_is_followed_with_any_method() {
    let owner = "HTTP/1.1 421 Misdirected Request\r\nHoldfast-Contract: 1\r\n\
                 Holdfast-Owner: b\r\nContent-Length: 0\r\n\r\n";
    let a = Endpoint::scripted("a", Arc::new(move |_| owner.to_owned())).await;
    let b = Endpoint::start("b").await;
    let proxy = Setup {
        cluster: "balance: round_robin".to_owned(),
        ..Setup::default()
    };
    let proxy = proxy.start(&[&a, &b]).await;
    for _ in 0..4 {
        let mut client = proxy.client().await;
        client
            .send("POST / HTTP/1.1\r\nHost: edge\r\nContent-Length: 4\r\n\r\nbody")
            .await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.endpoint()), (200, "b"));
        assert_eq!(answer.field("holdfast-owner"), None);
    }
    assert!(a.served() > 0, "round robin asked a first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_that_cannot_be_followed_is_a_503_for_the_client() {
    let owner = "HTTP/1.1 421 Misdirected Request\r\nHoldfast-Contract: 1\r\n\
                 Holdfast-Owner: b\r\nContent-Length: 0\r\n\r\n";
    let a = Endpoint::scripted("a", Arc::new(move |_| owner.to_owned())).await;
    let b = Endpoint::start("b").await;
    let nobody = Proxy::start(&[&a]).await;
    let answer = nobody.client().await.get("/", "").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "no_endpoint")
    );
    assert!(answer.field("retry-after").is_some());
    let short = Setup {
        cluster: "balance: round_robin".to_owned(),
        top: "retry: { buffer: 3B }\n".to_owned(),
        ..Setup::default()
    };
    let short = short.start(&[&a, &b]).await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let mut client = short.client().await;
        client
            .send("POST / HTTP/1.1\r\nHost: edge\r\nContent-Length: 4\r\n\r\nbody")
            .await;
        statuses.push(client.answer().await.expect("an answer").status);
    }
    statuses.sort_unstable();
    assert_eq!(
        statuses,
        [200, 503],
        "the body is too long to be said again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stalls_its_body_is_told_so_and_not_its_endpoint() {
    let (a, _requests) = Endpoint::by_hand("a").await;
    let proxy = Setup {
        top: "timeouts: { request: 300ms, connect: 50ms }\n".to_owned(),
        ..Setup::default()
    };
    let proxy = proxy.start(&[&a]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: edge\r\nContent-Length: 9\r\n\r\na part")
        .await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "body_timeout")
    );
    proxy
        .logged(|line| line["ending"] == "body_timeout" && line["status"] == 408)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_endpoint_s_503_goes_elsewhere_and_an_opaque_one_s_to_the_client() {
    for (contract, status) in [("Holdfast-Contract: 1\r\n", 200), ("", 503)] {
        let busy =
            format!("HTTP/1.1 503 Service Unavailable\r\n{contract}Content-Length: 0\r\n\r\n");
        let a = Endpoint::scripted("a", Arc::new(move |_| busy.clone())).await;
        let b = Endpoint::scripted("b", Arc::new(|_| ok("b"))).await;
        let setup = Setup {
            cluster: "balance: round_robin".to_owned(),
            ..Setup::default()
        };
        let proxy = setup.start(&[&a, &b]).await;
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(proxy.client().await.get("/", "").await.status);
        }
        assert!(seen.contains(&200) && a.served() > 0, "{seen:?}");
        assert_eq!(seen.contains(&503), status == 503, "{contract}: {seen:?}");
    }
}
