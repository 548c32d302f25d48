//! Event streams over real sockets, with endpoints that do what the test says.

use holdfast_core::Relay;
use holdfast_core::cluster::Contract;
use holdfast_core::connection::{Cause, Ending, Order, PulseSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::stage::{Edge, Scripted, Seen, id, read_head};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                      Transfer-Encoding: chunked\r\nHoldfast-Contract: 1\r\n\
                      Holdfast-Position: e.0\r\nHoldfast-Generation: 4\r\n\r\n";

async fn edge(contract: Contract, endpoints: &[(&str, &Scripted)]) -> Edge {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(name, e)| (*name, e.address))
        .collect();
    Edge::new(Relay::Sse, contract, PulseSettings::default(), &endpoints).await
}

async fn ask(edge: &Edge, fields: &str) -> TcpStream {
    let mut client = edge.connect().await;
    let request = format!(
        "GET /events HTTP/1.1\r\nHost: game.test\r\nAccept: text/event-stream\r\n\
         Accept-Encoding: gzip\r\n{fields}\r\n"
    );
    client.write_all(request.as_bytes()).await.expect("written");
    client
}

async fn send(endpoint: &mut TcpStream, text: &str) {
    let chunk = format!("{:x}\r\n{text}\r\n", text.len());
    endpoint.write_all(chunk.as_bytes()).await.expect("written");
}

/// Content of the client's chunked body until it ends with `last`, heartbeats left out.
async fn read_until(client: &mut TcpStream, last: &str) -> String {
    let mut content = String::new();
    while !content.ends_with(last) {
        content.push_str(&read_chunk(client).await.expect("the stream goes on"));
    }
    content.replace(":\n\n", "")
}

/// One chunk; `None`: the last.
async fn read_chunk(client: &mut TcpStream) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(client.read_u8().await.expect("a chunk"));
    }
    let digits = String::from_utf8(line).expect("text");
    let size = usize::from_str_radix(digits.trim(), 16).expect("a size");
    let mut chunk = vec![0; size + 2];
    client.read_exact(&mut chunk).await.expect("a whole chunk");
    chunk.truncate(size);
    (size > 0).then(|| String::from_utf8(chunk).expect("text"))
}

#[tokio::test]
async fn whole_events_alone_reach_the_client_and_a_killed_endpoint_is_replaced() {
    let (a, b) = (Scripted::new().await, Scripted::new().await);
    let edge = edge(Contract::Auto, &[("a", &a), ("b", &b)]).await;
    let mut client = ask(&edge, "Last-Event-ID: e.0\r\nHoldfast-Subject: root\r\n").await;
    let (mut old, request) = a.asked().await;
    assert!(request.contains("last-event-id: e.0\r\n"), "{request}");
    assert!(request.contains("holdfast-attempt: 1\r\n"), "{request}");
    assert!(!request.contains("accept-encoding"), "{request}");
    assert!(!request.contains("holdfast-subject"), "{request}");
    old.write_all(STREAM.as_bytes()).await.expect("written");
    let head = read_head(&mut client).await.to_ascii_lowercase();
    assert!(
        head.contains("content-type: text/event-stream\r\n"),
        "{head}"
    );
    assert!(head.contains("x-answered-by: a\r\n"), "{head}");
    assert!(!head.contains("holdfast-"), "{head}");
    send(&mut old, "id: e.1\ndata: uno\n\nid: e.2\nda").await;
    assert_eq!(
        read_until(&mut client, "uno\n\n").await,
        "id: e.1\ndata: uno\n\n"
    );
    drop((old, a));
    let (mut new, request) = b.asked().await;
    assert!(request.contains("last-event-id: e.1\r\n"), "{request}");
    assert!(request.contains("holdfast-moved-from: a\r\n"), "{request}");
    assert!(request.contains("holdfast-generation: 4\r\n"), "{request}");
    new.write_all(STREAM.as_bytes()).await.expect("written");
    send(&mut new, "id: e.2\ndata: due\n\n").await;
    assert_eq!(
        read_until(&mut client, "due\n\n").await,
        "id: e.2\ndata: due\n\n"
    );
}

#[tokio::test]
async fn a_planned_move_cuts_no_event() {
    let (a, b) = (Scripted::new().await, Scripted::new().await);
    let mut edge = edge(Contract::Auto, &[("a", &a), ("b", &b)]).await;
    let mut client = ask(&edge, "").await;
    let (mut old, _) = a.asked().await;
    old.write_all(STREAM.as_bytes()).await.expect("written");
    read_head(&mut client).await;
    send(&mut old, "id: e.1\ndata: uno\n\n").await;
    read_until(&mut client, "uno\n\n").await;
    edge.drain("a");
    let cluster = holdfast_core::ClusterName::parse("game").expect("a name");
    edge.relays
        .registry()
        .order(&cluster, &id("a"), (Order::Move(Cause::Drain), "drain"), 1);
    let (mut new, request) = b.asked().await;
    assert!(request.contains("last-event-id: e.1\r\n"), "{request}");
    new.write_all(STREAM.as_bytes()).await.expect("written");
    send(&mut new, "id: e.2\ndata: due\n\n").await;
    read_until(&mut client, "due\n\n").await;
    let moved = loop {
        if let Seen::Moved(moved) = edge.next().await {
            break moved;
        }
    };
    assert_eq!((moved.from, moved.to), (id("a"), id("b")));
}

#[tokio::test]
async fn an_endpoint_that_has_no_more_ends_the_stream_for_good() {
    let a = Scripted::new().await;
    let mut edge = edge(Contract::Auto, &[("a", &a)]).await;
    let mut client = ask(&edge, "").await;
    let (mut endpoint, _) = a.asked().await;
    endpoint
        .write_all(STREAM.as_bytes())
        .await
        .expect("written");
    read_head(&mut client).await;
    send(&mut endpoint, "data: last\n\n").await;
    endpoint.write_all(b"0\r\n\r\n").await.expect("written");
    let (mut again, _) = a.asked().await;
    again
        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .await
        .expect("written");
    read_until(&mut client, "last\n\n").await;
    assert_eq!(read_chunk(&mut client).await, None, "a complete body");
    assert_eq!(edge.ended().await.ending, Ending::Finished);
}

#[tokio::test]
async fn an_answer_that_is_no_event_stream_is_passed_on() {
    let a = Scripted::new().await;
    let edge = edge(Contract::Auto, &[("a", &a)]).await;
    let mut client = ask(&edge, "").await;
    let (mut endpoint, _) = a.asked().await;
    let answer = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\
                  Transfer-Encoding: chunked\r\n\r\n4\r\nnone\r\n0\r\n\r\n";
    endpoint
        .write_all(answer.as_bytes())
        .await
        .expect("written");
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(read_chunk(&mut client).await.as_deref(), Some("none"));
    assert_eq!(read_chunk(&mut client).await, None);
}

#[tokio::test]
async fn an_opaque_stream_passes_as_it_is_and_its_cut_is_seen() {
    let a = Scripted::new().await;
    let mut edge = edge(Contract::Off, &[("a", &a)]).await;
    let mut client = ask(&edge, "Last-Event-ID: any thing\r\n").await;
    let (mut endpoint, request) = a.asked().await;
    assert!(
        request.contains("last-event-id: any thing\r\n"),
        "{request}"
    );
    // Nobody can tell where an event ends in a compressed stream.
    assert!(!request.contains("accept-encoding"), "{request}");
    endpoint
        .write_all(STREAM.as_bytes())
        .await
        .expect("written");
    read_head(&mut client).await;
    send(&mut endpoint, "data: half an eve").await;
    read_until(&mut client, "half an eve").await;
    drop(endpoint);
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "no last chunk is made up");
    assert_eq!(edge.ended().await.ending, Ending::EndpointGone);
}

#[tokio::test]
async fn an_opaque_stream_is_closed_politely_after_a_whole_event() {
    let a = Scripted::new().await;
    let mut edge = edge(Contract::Off, &[("a", &a)]).await;
    let mut client = ask(&edge, "").await;
    let (mut endpoint, _) = a.asked().await;
    endpoint
        .write_all(STREAM.as_bytes())
        .await
        .expect("written");
    read_head(&mut client).await;
    send(&mut endpoint, "data: one\n\ndata: tw").await;
    read_until(&mut client, "data: tw").await;
    assert_eq!(edge.relays.registry().close_some(1), 1);
    send(&mut endpoint, "o\n\n").await;
    assert_eq!(
        read_until(&mut client, "retry: 1000\n\n").await,
        "o\n\nretry: 1000\n\n"
    );
    assert_eq!(read_chunk(&mut client).await, None, "a complete body");
    assert_eq!(edge.ended().await.ending, Ending::Drained);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_stream() {
    let a = Scripted::new().await;
    let mut edge = edge(Contract::Auto, &[("a", &a)]).await;
    let mut client = ask(&edge, "").await;
    let (mut endpoint, _) = a.asked().await;
    endpoint
        .write_all(STREAM.as_bytes())
        .await
        .expect("written");
    read_head(&mut client).await;
    drop(client);
    assert_eq!(edge.ended().await.ending, Ending::ClientGone);
    assert_eq!(
        endpoint.read(&mut [0; 1]).await.ok(),
        Some(0),
        "the endpoint is let go"
    );
}
