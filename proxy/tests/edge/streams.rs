//! WebSockets and event streams through a whole proxy, against an endpoint played by the test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_wire::websocket::{CloseCode, ControlFrame, Opcode, encode_data};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client::Client;
use crate::support::endpoint::{Endpoint, ok, streaming, switching};
use crate::support::proxy::{Proxy, Setup};

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);
const SSE: &str = "Accept: text/event-stream\r\n";

fn text(words: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_data(&mut bytes, Opcode::Text, true, words.as_bytes(), mask);
    bytes
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    ControlFrame::close(CloseCode(code), reason, None)
        .as_ref()
        .to_vec()
}

/// Answers plain requests, upgrades and event streams, each with its id.
async fn of_all_kinds(id: &str) -> Endpoint {
    let own = id.to_owned();
    let script = move |head: &str| match head.to_ascii_lowercase() {
        head if head.contains("upgrade: websocket") => switching(&format!("X-Who: {own}\r\n")),
        head if head.contains("text/event-stream") => streaming(&format!("data: {own}\n\n")),
        _ => ok(&own),
    };
    Endpoint::scripted(id, Arc::new(script)).await
}

/// A proxy, a client on an open WebSocket, and the endpoint's end of it.
async fn open(setup: Setup) -> (Proxy, Client, TcpStream, Endpoint) {
    let (a, mut taken) = Endpoint::by_hand("a").await;
    let proxy = setup.start(&[&a]).await;
    let mut client = proxy.client().await;
    let endpoint = async {
        let (_, _, mut stream) = taken.recv().await.expect("a dial");
        let answer = switching("X-Request-Id: theirs\r\nSet-Cookie: app=1\r\n");
        stream
            .write_all(answer.as_bytes())
            .await
            .expect("an answer");
        stream
    };
    let (answer, stream) = tokio::join!(
        client.upgrade("/ws", "X-Request-Id: mine\r\n", b""),
        endpoint
    );
    assert_eq!(answer.status, 101, "{}", answer.text());
    assert_eq!(answer.fields["x-request-id"], ["mine"], "said once");
    assert_eq!(
        answer.fields["set-cookie"].len(),
        2,
        "the endpoint's cookie and ours"
    );
    (proxy, client, stream, a)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_a_websocket_and_an_event_stream_stay_at_one_endpoint() {
    let endpoints = [
        of_all_kinds("a").await,
        of_all_kinds("b").await,
        of_all_kinds("c").await,
    ];
    let [a, b, c] = &endpoints;
    let proxy = Proxy::start(&[a, b, c]).await;
    let mut client = proxy.client().await;
    let first = client.get("/", "").await;
    let cookie = first.cookie().expect("a cookie");
    let (mut socket, mut stream) = (proxy.client().await, proxy.client().await);
    let answer = socket.upgrade("/ws", &cookie, b"").await;
    assert_eq!((answer.status, answer.endpoint()), (101, first.endpoint()));
    let answer = stream.get("/events", &format!("{cookie}{SSE}")).await;
    assert_eq!((answer.status, answer.endpoint()), (200, first.endpoint()));
    for _ in 0..10_000 {
        assert_eq!(client.get("/", &cookie).await.text(), first.text());
    }
    for endpoint in &endpoints {
        let served = if endpoint.id == first.text() {
            10_003
        } else {
            0
        };
        assert_eq!(endpoint.served(), served, "{}", endpoint.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_behind_a_handshake_and_behind_its_answer_are_delivered() {
    let (a, mut taken) = Endpoint::by_hand("a").await;
    let proxy = Proxy::start(&[&a]).await;
    let mut client = proxy.client().await;
    let early = text("early", MASK);
    let endpoint = async {
        let (_, mut read, mut stream) = taken.recv().await.expect("a dial");
        let answer = [switching("").as_bytes(), &text("at once", None)].concat();
        stream.write_all(&answer).await.expect("an answer");
        while read.len() < early.len() {
            assert!(stream.read_buf(&mut read).await.expect("a frame") > 0);
        }
        (read, stream)
    };
    let (answer, (read, _stream)) = tokio::join!(client.upgrade("/ws", "", &early), endpoint);
    assert_eq!(answer.status, 101);
    assert_eq!(read, early);
    client.expect(&text("at once", None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_the_application_s_where_no_tickets_are_given() {
    let a = of_all_kinds("a").await;
    let proxy = Proxy::start(&[&a]).await;
    let answer = proxy
        .client()
        .await
        .upgrade("/ws?ticket=seat-7", "", b"")
        .await;
    assert_eq!(answer.status, 101);
    let head = a.head().await;
    assert!(
        head.starts_with("GET /ws?ticket=seat-7 HTTP/1.1\r\n"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upgrade_ends_its_connection_and_what_is_behind_it_is_not_read() {
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_owned();
    let a = Endpoint::scripted("a", Arc::new(move |_| answer.clone())).await;
    let proxy = Proxy::start(&[&a]).await;
    let mut client = proxy.client().await;
    let behind = b"GET /behind HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = client.upgrade("/ws", "", behind).await;
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    assert!(answer.cookie().is_some(), "it is kept at who answered");
    assert!(client.closed().await, "the connection ends");
    assert_eq!(a.served(), 1, "nothing else was forwarded");
    proxy
        .logged(|line| line["status"] == 403 && line["endpoint"] == "a")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_stream_says_what_was_asked_for() {
    let a = of_all_kinds("a").await;
    let proxy = Proxy::start(&[&a]).await;
    let mut client = proxy.client().await;
    assert_eq!(client.upgrade("/ws?secret=1", "", b"").await.status, 101);
    drop(client);
    let mut client = proxy.client().await;
    assert_eq!(client.get("/events?secret=1", SSE).await.status, 200);
    drop(client);
    for (relay, path, status) in [("websocket", "/ws", 101), ("sse", "/events", 200)] {
        proxy
            .logged(move |line| {
                line["relay"] == relay
                    && line["method"] == "GET"
                    && line["host"] == "localhost"
                    && line["path"] == path
                    && line["status"] == status
                    && line["snapshot"].as_u64() > Some(0)
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_said_all_still_hears_the_rest() {
    let (_proxy, mut client, mut stream, _a) = open(Setup::default()).await;
    client.send(text("last", MASK)).await;
    client.half_close().await;
    let mut read = Vec::new();
    stream
        .read_to_end(&mut read)
        .await
        .expect("the FIN is passed on");
    assert!(read.ends_with(&text("last", MASK)), "{read:?}");
    let rest = [text("answer", None), close(1000, "done")].concat();
    stream.write_all(&rest).await.expect("it still listens");
    client.expect(&rest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_say_that_it_wants_events_gets_them_all_the_same() {
    let script = |_: &str| streaming("id: 1\ndata: one\n\n");
    let a = Endpoint::scripted("a", Arc::new(script)).await;
    let proxy = Proxy::start(&[&a]).await;
    let mut client = proxy.client().await;
    let answer = client
        .get("/", "Accept: */*\r\nAccept-Encoding: gzip\r\n")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("content-type"), Some("text/event-stream"));
    assert!(answer.cookie().is_some(), "it is kept at its endpoint");
    client.expect(b"11\r\nid: 1\ndata: one\n\n\r\n").await;
    let (plain, stream) = (a.head().await, a.head().await);
    assert!(
        plain.contains("gzip") && !stream.contains("gzip"),
        "{stream}"
    );
    drop(client);
    proxy.logged(|line| line["relay"] == "sse").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_refuses_a_long_message_is_heard_out() {
    let (proxy, mut client, mut stream, _a) = open(Setup::default()).await;
    // announced and begun, far from whole
    client
        .send(
            [
                &[0x81, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 1, 2, 3, 4][..],
                &[0; 70_000],
            ]
            .concat(),
        )
        .await;
    let mut begun = [0; 10];
    stream
        .read_exact(&mut begun)
        .await
        .expect("it streams through");
    stream
        .write_all(&close(1009, "too long"))
        .await
        .expect("it listens");
    // closed with bytes unread: the kernel resets the connection
    drop(stream);
    client.send([0; 70_000]).await;
    client.expect(&close(1009, "too long")).await;
    drop(client);
    proxy
        .logged(|line| line["ending"] == "endpoint_closed")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_told_that_the_process_leaves() {
    let a = of_all_kinds("a").await;
    let top = "shutdown: { propagation: 0s, spread: 100ms, deadline: 20s }\n".to_owned();
    let mut proxy = Setup {
        top,
        ..Setup::default()
    }
    .start(&[&a])
    .await;
    let (mut socket, mut stream) = (proxy.client().await, proxy.client().await);
    assert_eq!(socket.upgrade("/ws", "", b"").await.status, 101);
    assert_eq!(stream.get("/events", SSE).await.status, 200);
    let app = proxy.take();
    let left = std::thread::spawn(move || app.leave(std::future::pending()));
    let events = String::from_utf8_lossy(&stream.rest().await).into_owned();
    assert!(
        events.contains("data: a\n\n") && events.contains("retry:"),
        "{events}"
    );
    socket.expect(&[0x88]).await;
    let rest = socket.rest().await;
    assert_eq!(&rest[1..3], 1012_u16.to_be_bytes(), "Close 1012: {rest:?}");
    drop(socket);
    let left = tokio::task::spawn_blocking(move || left.join().expect("no panic"));
    assert_eq!(left.await.expect("no panic"), 0, "nobody was cut off");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes five minutes of real time"]
async fn a_websocket_silent_for_five_minutes_stays_open() {
    let (_proxy, mut client, mut stream, _a) = open(Setup::default()).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(300) {
        // the edge's heartbeat, which a browser answers by itself
        let mut head = client.some(2).await;
        let length = usize::from(head.remove(1));
        assert_eq!(head, [0x89], "a ping");
        let payload = client.some(length).await;
        let pong = ControlFrame::pong(&payload, MASK).expect("short");
        client.send(pong.as_ref()).await;
    }
    stream
        .write_all(&text("still here", None))
        .await
        .expect("open");
    client.expect(&text("still here", None)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes eighty seconds of real time"]
async fn a_peer_that_vanished_is_ended_within_eighty_seconds() {
    let (proxy, mut client, mut stream, _a) = open(Setup::default()).await;
    let began = Instant::now();
    // it answers no ping, as one whose machine lost its network
    let mut read = Vec::new();
    let ended = stream.read_to_end(&mut read);
    tokio::time::timeout(Duration::from_secs(80), ended)
        .await
        .expect("in time")
        .expect("a FIN");
    assert!(
        began.elapsed() > Duration::from_secs(25),
        "not before the first ping"
    );
    client.rest().await;
    proxy.logged(|line| line["ending"] == "client_silent").await;
}
