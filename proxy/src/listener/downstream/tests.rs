//! The stream's own bounds, on a paused clock.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use super::*;
use crate::config::Limits;
use crate::limits::Admissions;

const LIMITS: Limits = Limits {
    head: 1024,
    head_timeout: Duration::from_secs(10),
    headers: 100,
    body_timeout: Duration::from_secs(30),
    connections_per_address: 1,
    connections: 1,
    requests_per_connection: None,
    h2_streams: 1,
    held: 1 << 20,
    parked: 1,
};

fn pair() -> (Downstream<DuplexStream>, DuplexStream, Arc<Gate>) {
    let (ours, theirs) = duplex(64 << 10);
    let client = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let gate = Arc::new(Gate::new(client, false, &LIMITS));
    let admission = Admissions::new(1, 1).admit(client.ip()).expect("room");
    (
        Downstream::new(ours, 0, gate.clone(), admission),
        theirs,
        gate,
    )
}

async fn said(mut client: DuplexStream) -> String {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.expect("an end");
    String::from_utf8(bytes).expect("text")
}

fn assert_whole(answer: &str, status: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    let length = format!("content-length: {}", body.len());
    assert!(
        head.contains(&length),
        "{length} is not what it says: {head}"
    );
    serde_json::from_str::<serde_json::Value>(body).expect("JSON");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_trickle_do_not_move_the_deadline_of_a_head() {
    let (mut stream, mut client, gate) = pair();
    let began = clock::moment();
    let reading = tokio::spawn(async move {
        let mut bytes = Vec::new();
        while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {}
        stream
    });
    while gate.refusal().is_none() {
        let _ = client.write_all(b"x").await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(gate.refusal(), Some(Refusal::HeadTime));
    assert!(clock::moment() - began <= LIMITS.head_timeout + Duration::from_secs(2));
    drop(reading.await);
    assert_whole(&said(client).await, "408");
}

#[tokio::test(start_paused = true)]
async fn a_head_beyond_its_bound_is_answered_before_more_is_read() {
    let (mut stream, mut client, gate) = pair();
    client.write_all(&[b'x'; 2048]).await.expect("room");
    let mut bytes = vec![0; 1024];
    stream
        .read_exact(&mut bytes)
        .await
        .expect("the first kilobyte");
    assert!(stream.read(&mut bytes).await.is_err());
    assert_eq!(gate.refusal(), Some(Refusal::HeadSize));
    drop(stream);
    assert_whole(&said(client).await, "431");
}

#[tokio::test(start_paused = true)]
async fn a_bare_answer_before_there_is_a_request_is_said_in_words() {
    for (bare, status) in [
        ("400 Bad Request", "400"),
        ("405 Method Not Allowed", "405"),
    ] {
        let (mut stream, mut client, gate) = pair();
        client
            .write_all(b"nonsense\r\n\r\n")
            .await
            .expect("written");
        let mut read = [0; 12];
        stream.read_exact(&mut read).await.expect("read");
        let bare = format!("HTTP/1.1 {bare}\r\nServer: x\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(bare.as_bytes()).await.expect("written");
        stream.flush().await.expect("flushed");
        assert!(gate.refusal().is_some());
        drop(stream);
        assert_whole(&said(client).await, status);
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_waits_for_as_long_as_it_takes() {
    let (mut stream, mut client, gate) = pair();
    gate.open();
    let reading = tokio::spawn(async move { stream.read_u8().await.expect("a byte") });
    tokio::time::advance(Duration::from_secs(3600)).await;
    client.write_all(b"!").await.expect("room");
    assert_eq!(reading.await.expect("no panic"), b'!');
}

#[tokio::test]
async fn a_head_and_a_long_body_arrive_whole_and_in_order() {
    let (mut stream, client, gate) = pair();
    gate.open(); // there is a request
    let body = vec![b'b'; 40_000];
    stream.write_all(b"head ").await.expect("written");
    stream.write_all(&body).await.expect("written");
    stream.flush().await.expect("flushed");
    drop(stream);
    let said = said(client).await;
    assert_eq!(said.len(), 40_005);
    assert!(said.starts_with("head bbb"));
}
