//! Slow and oversized clients are cut while others are served.

use crate::support::client::{Client, within};
use crate::support::endpoint::Endpoint;
use crate::support::proxy::Setup;

fn limited(limits: &str) -> Setup {
    Setup {
        top: format!("limits: {{ {limits} }}\n"),
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_in_time_is_answered_408() {
    let a = Endpoint::start("a").await;
    let proxy = limited("head_timeout: 300ms").start(&[&a]).await;
    let mut slow = proxy.client().await;
    slow.send("GET / HTTP/1.1\r\nHost: e\r\nX-Slow: ").await;
    assert_eq!(
        proxy.client().await.get("/", "").await.status,
        200,
        "others are served"
    );
    let answer = slow.answer().await.expect("an answer");
    assert_eq!(
        (answer.status, answer.code()),
        (408, "head_timeout".to_owned())
    );
    assert!(slow.closed().await);
    proxy.logged(|line| line["ending"] == "head_timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_holds_for_later_requests_of_a_connection_too() {
    let a = Endpoint::start("a").await;
    let proxy = limited("head_timeout: 300ms").start(&[&a]).await;
    let mut client = proxy.client().await;
    assert_eq!(client.get("/", "").await.status, 200);
    client.send("GET / HTTP/1.1\r\nHost: e\r\nX-Slow: ").await;
    assert_eq!(client.answer().await.expect("an answer").status, 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_closed_without_a_word() {
    let a = Endpoint::start("a").await;
    let proxy = limited("head_timeout: 300ms").start(&[&a]).await;
    assert!(proxy.client().await.closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_long_is_answered_431() {
    let a = Endpoint::start("a").await;
    let proxy = limited("head: 4KiB, headers: 20").start(&[&a]).await;
    let long = format!("X-Long: {}\r\n", "a".repeat(6000));
    let many = "X-Many: 1\r\n".repeat(21);
    for fields in [long, many] {
        let mut client = proxy.client().await;
        client
            .send(format!("GET / HTTP/1.1\r\nHost: e\r\n{fields}\r\n"))
            .await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!(
            (answer.status, answer.code()),
            (431, "head_too_large".to_owned())
        );
    }
    let mut endless = proxy.client().await;
    endless
        .send(format!(
            "GET / HTTP/1.1\r\nHost: e\r\nX: {}",
            "a".repeat(20_000)
        ))
        .await;
    assert_eq!(endless.answer().await.expect("an answer").status, 431);
    assert_eq!(a.served(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_is_answered_413() {
    // one that answers nothing: an answer to the head alone would be as good as the refusal
    let (a, _taken) = Endpoint::by_hand("a").await;
    let proxy = limited("body: 1KiB").start(&[&a]).await;
    let mut announced = proxy.client().await;
    announced
        .send("POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 1025\r\n\r\n")
        .await;
    let answer = announced.answer().await.expect("an answer");
    assert_eq!(
        (answer.status, answer.code()),
        (413, "body_too_large".to_owned())
    );
    let mut chunked = proxy.client().await;
    chunked
        .send("POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    chunked
        .send(format!("800\r\n{}\r\n", "a".repeat(2048)))
        .await;
    assert_eq!(chunked.answer().await.expect("an answer").status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_in_time_is_answered_408() {
    let a = Endpoint::start("a").await;
    let proxy = limited("body_timeout: 300ms").start(&[&a]).await;
    let mut client = proxy.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 10\r\n\r\nhalf")
        .await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!(
        (answer.status, answer.code()),
        (408, "body_timeout".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_and_no_more() {
    let a = Endpoint::start("a").await;
    let proxy = limited("connections_per_address: 2").start(&[&a]).await;
    let (mut one, mut two) = (proxy.client().await, proxy.client().await);
    assert_eq!(one.get("/", "").await.status, 200);
    assert_eq!(two.get("/", "").await.status, 200);
    assert!(
        proxy.client().await.closed().await,
        "the third is turned away"
    );
    drop(one);
    // the place is free once the proxy has seen the end of it
    within("the place is free again", async {
        loop {
            let mut next: Client = proxy.client().await;
            next.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n").await;
            if next.answer().await.is_some() {
                break;
            }
        }
    })
    .await;
}
