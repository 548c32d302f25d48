//! WebSockets over real sockets, with endpoints that do what the test says.

use std::time::Duration;

use holdfast_core::cluster::Contract;
use holdfast_core::connection::{Cause, Ending, Order, PulseSettings};
use holdfast_core::{AffinityKey, ClusterName, Relay};
use holdfast_wire::websocket::{CloseCode, ControlFrame, Opcode, encode_data};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::stage::{Edge, Scripted, Seen, expect, id, read_head, switching, upgrade};

const CONTRACT: &str = "Holdfast-Contract: 1\r\nHoldfast-Position: e.0\r\n\
                        Holdfast-Generation: 4\r\nHoldfast-Accepted: 0\r\n";
const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

fn masked(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_data(&mut bytes, Opcode::Text, true, text.as_bytes(), MASK);
    bytes
}

fn plain(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_data(&mut bytes, Opcode::Text, true, text.as_bytes(), None);
    bytes
}

fn note(text: &str) -> Vec<u8> {
    ControlFrame::pong(text.as_bytes(), None)
        .expect("short")
        .as_ref()
        .to_vec()
}

fn close(code: u16, key: Option<[u8; 4]>) -> Vec<u8> {
    ControlFrame::close(CloseCode(code), "", key)
        .as_ref()
        .to_vec()
}

async fn edge(contract: Contract, endpoints: &[(&str, &Scripted)]) -> Edge {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(name, e)| (*name, e.address))
        .collect();
    Edge::new(
        Relay::WebSocket,
        contract,
        PulseSettings::default(),
        &endpoints,
    )
    .await
}

/// A client and the endpoint `a`, connected through the edge.
async fn open(edge: &Edge, a: &Scripted, fields: &str) -> (TcpStream, TcpStream, String) {
    let mut client = edge.connect().await;
    client
        .write_all(upgrade("").as_bytes())
        .await
        .expect("written");
    let (endpoint, request) = a.upgraded(fields).await;
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    (client, endpoint, request)
}

#[tokio::test]
async fn an_upgrade_is_relayed_with_the_contracts_fields_and_without_the_clients_hop() {
    let a = Scripted::new().await;
    let mut edge = edge(Contract::Auto, &[("a", &a)]).await;
    let mut client = edge.connect().await;
    let fields = "Keep-Alive: 5\r\nX-Kept: 1\r\nHoldfast-Subject: root\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate\r\n\
                  Sec-WebSocket-Protocol: chat, game\r\n";
    // The first message comes in one packet with the request.
    let request = [upgrade(fields).as_bytes(), &masked("early")].concat();
    client.write_all(&request).await.expect("written");
    let (mut endpoint, request) = a.asked().await;
    // And so does the endpoint's.
    let answer = switching(&format!("{CONTRACT}Sec-WebSocket-Protocol: game\r\n"));
    endpoint
        .write_all(&[answer.as_bytes(), &plain("hello")].concat())
        .await
        .expect("written");
    for field in [
        "connection: upgrade\r\n",
        "upgrade: websocket\r\n",
        "x-kept: 1\r\n",
    ] {
        assert!(request.contains(field), "{field:?} is missing: {request}");
    }
    for field in ["holdfast-connection: ", "holdfast-attempt: 1\r\n"] {
        assert!(request.contains(field), "{field:?} is missing: {request}");
    }
    for field in ["keep-alive", "holdfast-subject", "sec-websocket-extensions"] {
        assert!(
            !request.contains(field),
            "{field:?} came through: {request}"
        );
    }
    assert!(request.starts_with("get /ws?x=1 http/1.1\r\n"), "{request}");
    let head = read_head(&mut client).await.to_ascii_lowercase();
    assert!(head.contains("x-answered-by: a\r\n"), "{head}");
    assert!(head.contains("sec-websocket-protocol: game\r\n"), "{head}");
    assert!(!head.contains("holdfast-"), "{head}");
    expect(&mut client, &plain("hello")).await;
    expect(&mut endpoint, &masked("early")).await;
    client.write_all(&masked("more")).await.expect("written");
    expect(&mut endpoint, &masked("more")).await;
    client.write_all(&close(1000, MASK)).await.expect("written");
    expect(&mut endpoint, &close(1000, MASK)).await;
    endpoint
        .write_all(&close(1000, None))
        .await
        .expect("written");
    expect(&mut client, &close(1000, None)).await;
    assert_eq!(client.read_u8().await.ok(), None, "the edge closes");
    let ended = edge.ended().await;
    assert_eq!(ended.ending, Ending::ClientClosed(CloseCode::NORMAL));
    assert_eq!(ended.messages, (2, 1));
    edge.relays.registry().empty().await;
    assert_eq!(edge.relays.registry().total(), 0);
}

#[tokio::test]
async fn a_planned_move_is_invisible_to_the_client() {
    let (a, b) = (Scripted::new().await, Scripted::new().await);
    let mut edge = edge(Contract::Auto, &[("a", &a), ("b", &b)]).await;
    let (mut client, mut old, first) = open(&edge, &a, CONTRACT).await;
    client.write_all(&masked("one")).await.expect("written");
    expect(&mut old, &masked("one")).await;
    edge.drain("a");
    let cluster = ClusterName::parse("game").expect("a name");
    let ordered =
        edge.relays
            .registry()
            .order(&cluster, &id("a"), (Order::Move(Cause::Drain), "drain"), 10);
    assert_eq!(ordered, 1);
    let last = [note("hf1:id=e.1"), plain("uno"), note("hf1:accepted=1")].concat();
    old.write_all(&last).await.expect("written");
    let asked = ControlFrame::close(CloseCode::RESTART, "hf1:move", Some([0x48; 4]));
    expect(&mut old, asked.as_ref()).await;
    client.write_all(&masked("two")).await.expect("written");
    old.write_all(&close(1000, None)).await.expect("written");
    let terms = CONTRACT.replace("Accepted: 0", "Accepted: 1");
    let (mut new, second) = b.upgraded(&terms).await;
    expect(&mut new, &masked("two")).await;
    new.write_all(&plain("due")).await.expect("written");
    expect(&mut client, &[plain("uno"), plain("due")].concat()).await;
    let field = |head: &str, name: &str| {
        let line = head
            .lines()
            .find(|line| line.starts_with(name))
            .map(str::to_owned);
        line.unwrap_or_default()
    };
    let same = field(&first, "holdfast-connection");
    assert_eq!(field(&second, "holdfast-connection"), same);
    assert_eq!(field(&second, "holdfast-attempt"), "holdfast-attempt: 2");
    assert_eq!(
        field(&second, "holdfast-moved-from"),
        "holdfast-moved-from: a"
    );
    assert_eq!(
        field(&second, "holdfast-generation"),
        "holdfast-generation: 4"
    );
    assert_eq!(field(&second, "last-event-id"), "last-event-id: e.1");
    let moved = loop {
        if let Seen::Moved(moved) = edge.next().await {
            break moved;
        }
    };
    assert_eq!(
        (moved.from, moved.to, moved.cause),
        (id("a"), id("b"), Cause::Drain)
    );
    assert_eq!(edge.relays.registry().count(&cluster, &id("b")), 1);
}

#[tokio::test]
async fn after_a_crash_the_client_goes_on_elsewhere_and_is_replayed() {
    let (a, b) = (Scripted::new().await, Scripted::new().await);
    let edge = edge(Contract::Auto, &[("a", &a), ("b", &b)]).await;
    let (mut client, mut old, _) = open(&edge, &a, CONTRACT).await;
    client.write_all(&masked("one")).await.expect("written");
    expect(&mut old, &masked("one")).await;
    old.write_all(&plain("half")[..3]).await.expect("written");
    // The listener goes with it: nobody answers there any more.
    drop((old, a));
    let (mut new, request) = b.upgraded(CONTRACT).await;
    assert!(request.contains("holdfast-moved-from: a\r\n"), "{request}");
    assert!(request.contains("last-event-id: e.0\r\n"), "{request}");
    expect(&mut new, &masked("one")).await;
    new.write_all(&plain("whole")).await.expect("written");
    expect(&mut client, &plain("whole")).await;
}

#[tokio::test]
async fn the_first_dial_follows_an_owner() {
    let (a, b) = (Scripted::new().await, Scripted::new().await);
    let edge = edge(Contract::Auto, &[("a", &a), ("b", &b)]).await;
    let mut client = edge.connect().await;
    client
        .write_all(upgrade("").as_bytes())
        .await
        .expect("written");
    let (mut refusing, _) = a.asked().await;
    let answer = "HTTP/1.1 421 Misdirected Request\r\nHoldfast-Contract: 1\r\n\
                  Holdfast-Owner: b\r\nContent-Length: 0\r\n\r\n";
    refusing
        .write_all(answer.as_bytes())
        .await
        .expect("written");
    b.upgraded(CONTRACT).await;
    let head = read_head(&mut client).await.to_ascii_lowercase();
    assert!(head.contains("x-answered-by: b\r\n"), "{head}");
}

#[tokio::test]
async fn a_refused_upgrade_is_answered_through_and_ends_the_connection() {
    let a = Scripted::new().await;
    let edge = edge(Contract::Auto, &[("a", &a)]).await;
    let mut client = edge.connect().await;
    client
        .write_all(upgrade("").as_bytes())
        .await
        .expect("written");
    let (mut endpoint, _) = a.asked().await;
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nX-Why: 1\r\n\r\nnope";
    endpoint
        .write_all(answer.as_bytes())
        .await
        .expect("written");
    // What a client sends after a refused upgrade must not become a request.
    client
        .write_all(b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("written");
    let mut answer = Vec::new();
    // A reset instead of a FIN is as good an end.
    let _ = client.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer)
        .expect("text")
        .to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 403 forbidden\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nnope"), "{answer}");
}

#[tokio::test]
async fn answers_that_do_not_fit_the_request_are_refused() {
    let wrong_key = switching("").replace("s3pP", "AAAA");
    let unasked = switching("Sec-WebSocket-Protocol: chat\r\n");
    let other = switching("").replace("Upgrade: websocket", "Upgrade: h2c");
    for answer in [wrong_key, unasked, other] {
        let a = Scripted::new().await;
        let edge = edge(Contract::Off, &[("a", &a)]).await;
        let mut client = edge.connect().await;
        client
            .write_all(upgrade("").as_bytes())
            .await
            .expect("written");
        let (mut endpoint, _) = a.asked().await;
        endpoint
            .write_all(answer.as_bytes())
            .await
            .expect("written");
        let head = read_head(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{head} after {answer}");
    }
}

#[tokio::test]
async fn requests_that_are_no_proper_upgrade_are_refused_without_a_dial() {
    let good = upgrade("");
    let cases = [
        (good.replace("Upgrade: websocket", "Upgrade: h2c"), "426"),
        (good.replace("Version: 13", "Version: 8"), "426"),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), "400"),
        (good.replace("GET ", "POST "), "400"),
        (good.replace("Host:", "Content-Length: 3\r\nHost:"), "400"),
        (
            good.replace(
                "Connection: Upgrade",
                "Connection: Upgrade, X-Forwarded-For",
            ),
            "400",
        ),
    ];
    for (request, status) in cases {
        let a = Scripted::new().await;
        let edge = edge(Contract::Auto, &[("a", &a)]).await;
        let mut client = edge.connect().await;
        client.write_all(request.as_bytes()).await.expect("written");
        let head = read_head(&mut client).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head} after {request}"
        );
    }
}

#[tokio::test]
async fn an_opaque_connection_is_closed_politely() {
    let a = Scripted::new().await;
    let mut edge = edge(Contract::Off, &[("a", &a)]).await;
    let (mut client, mut endpoint, request) = open(&edge, &a, "").await;
    assert!(!request.contains("holdfast-"), "{request}");
    assert_eq!(edge.relays.registry().close_some(10), 1);
    let mut said = vec![0; 4];
    client.read_exact(&mut said).await.expect("a Close");
    assert_eq!(said[2..], 1012u16.to_be_bytes());
    client.write_all(&close(1012, MASK)).await.expect("written");
    expect(&mut endpoint, &close(1012, MASK)).await;
    assert_eq!(edge.ended().await.ending, Ending::Drained);
}

#[tokio::test]
async fn both_directions_are_served_under_a_flood_of_both() {
    let a = Scripted::new().await;
    let edge = edge(Contract::Off, &[("a", &a)]).await;
    let (client, endpoint, _) = open(&edge, &a, "").await;
    let (up, down) = (masked(&"u".repeat(1000)), plain(&"d".repeat(1000)));
    let flood = |bytes: Vec<u8>, mut writer: tokio::net::tcp::OwnedWriteHalf| async move {
        for _ in 0..5_000 {
            writer.write_all(&bytes).await.expect("taken in time");
        }
        writer
    };
    let drink = |mut reader: tokio::net::tcp::OwnedReadHalf, whole: usize| async move {
        let mut read = vec![0; 64 << 10];
        let mut count = 0;
        while count < whole {
            count += reader.read(&mut read).await.expect("bytes");
        }
        count
    };
    let (client_in, client_out) = client.into_split();
    let (endpoint_in, endpoint_out) = endpoint.into_split();
    let (up_len, down_len) = (up.len() * 5_000, down.len() * 5_000);
    let all = async {
        tokio::join!(
            flood(up, client_out),
            flood(down, endpoint_out),
            drink(endpoint_in, up_len),
            drink(client_in, down_len),
        )
    };
    let all = tokio::time::timeout(Duration::from_secs(30), all).await;
    let (_, _, up_seen, down_seen) = all.expect("neither direction starves");
    assert_eq!((up_seen, down_seen), (up_len, down_len));
}

#[tokio::test]
async fn a_reset_is_seen_while_the_client_is_not_read() {
    let a = Scripted::new().await;
    let pulse = PulseSettings {
        heartbeat: Duration::from_millis(50),
        ping: Duration::from_secs(60),
        edge_idle: Duration::from_secs(80),
        write_stall: Duration::from_secs(60),
    };
    let endpoints = [("a", a.address)];
    let mut edge = Edge::new(Relay::WebSocket, Contract::Auto, pulse, &endpoints).await;
    let (mut client, _endpoint, _) = open(&edge, &a, CONTRACT).await;
    // Nothing is ever accepted: soon the client is not read any more, and its writes block.
    let message = masked(&"x".repeat(60_000));
    let full = async {
        loop {
            client.write_all(&message).await.expect("taken");
        }
    };
    let blocked = tokio::time::timeout(Duration::from_secs(1), full).await;
    assert!(blocked.is_err(), "the client is held back");
    socket2::SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket");
    drop(client);
    assert_eq!(edge.ended().await.ending, Ending::ClientGone);
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_told_so() {
    let a = Scripted::new().await;
    let mut edge = edge(Contract::Auto, &[("a", &a)]).await;
    let (mut client, old, _) = open(&edge, &a, CONTRACT).await;
    drop(old);
    let (mut refusing, _) = a.asked().await;
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    refusing
        .write_all(answer.as_bytes())
        .await
        .expect("written");
    let mut said = vec![0; 4];
    client.read_exact(&mut said).await.expect("a Close");
    assert_eq!(said[2..], 4003u16.to_be_bytes());
    drop(client);
    assert_eq!(edge.ended().await.ending, Ending::Refused(403));
}

/// Idle for so long that only heartbeats keep it: five minutes of tokio's paused clock.
#[tokio::test(start_paused = true)]
async fn a_silent_websocket_stays_open_and_one_whose_peer_vanished_does_not() {
    let a = Scripted::new().await;
    let mut edge = edge(Contract::Auto, &[("a", &a)]).await;
    let (mut client, _endpoint, _) = open(&edge, &a, CONTRACT).await;
    let opened = tokio::time::Instant::now();
    let ping = ControlFrame::ping(b"hf1:", None).expect("short");
    let mut pings = 0;
    while opened.elapsed() < Duration::from_secs(300) {
        expect(&mut client, ping.as_ref()).await;
        let pong = ControlFrame::pong(b"hf1:", MASK).expect("short");
        client.write_all(pong.as_ref()).await.expect("still open");
        pings += 1;
    }
    assert!(pings >= 11, "{pings}");
    let vanished = tokio::time::Instant::now();
    let ended = edge.ended().await;
    assert_eq!(ended.ending, Ending::ClientSilent);
    assert!(
        vanished.elapsed() < Duration::from_secs(80),
        "{:?}",
        vanished.elapsed()
    );
}

#[tokio::test]
async fn an_opaque_endpoint_knows_whom_it_told_to_leave_before_the_client_does() {
    let a = Scripted::new().await;
    let mut edge = edge(Contract::Off, &[("a", &a)]).await;
    let (mut client, mut endpoint, _) = open(&edge, &a, "").await;
    edge.drain("a");
    let cluster = ClusterName::parse("game").expect("a name");
    let registry = edge.relays.registry();
    assert_eq!(
        registry.order(&cluster, &id("a"), (Order::Close, "drain"), 1),
        1
    );
    let told = ControlFrame::close(CloseCode::RESTART, "drained", None);
    expect(&mut client, told.as_ref()).await;
    let snapshot = edge.snapshots.load();
    let load = &snapshot.endpoint(&cluster, &id("a")).expect("there").load;
    // The connection has not ended: neither side has answered. The client may be back already.
    assert!(load.was_told(AffinityKey::from_bits(7)));
    assert_eq!((load.connections(), load.staying()), (1, 0));
    client.write_all(&close(1012, MASK)).await.expect("written");
    expect(&mut endpoint, &close(1012, MASK)).await;
    let ended = edge.ended().await;
    assert_eq!((ended.ending, ended.because), (Ending::Drained, "drain"));
}

#[tokio::test]
async fn an_extension_that_nobody_asked_for_is_no_answer() {
    let (a, b) = (Scripted::new().await, Scripted::new().await);
    let edge = edge(Contract::Auto, &[("a", &a), ("b", &b)]).await;
    let mut client = edge.connect().await;
    let asks = upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    client.write_all(asks.as_bytes()).await.expect("written");
    let takes = format!("{CONTRACT}Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let (_refused, _) = a.upgraded(&takes).await;
    // A first answer that is none is no reason to ask others: the client hears of it.
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}

#[tokio::test]
async fn an_endpoint_that_probes_give_up_is_left_while_its_connection_hangs() {
    let (a, b) = (Scripted::new().await, Scripted::new().await);
    let mut edge = edge(Contract::Auto, &[("a", &a), ("b", &b)]).await;
    let (mut client, hangs, _) = open(&edge, &a, CONTRACT).await;
    client.write_all(&masked("one")).await.expect("written");
    edge.down("a");
    let cluster = ClusterName::parse("game").expect("a name");
    let order = (Order::Abandon, "dead");
    let ordered = edge
        .relays
        .registry()
        .order(&cluster, &id("a"), order, usize::MAX);
    assert_eq!(ordered, 1);
    // It has neither closed nor reset anything, and never reads what was written to it.
    let (mut new, request) = b.upgraded(CONTRACT).await;
    assert!(request.contains("holdfast-moved-from: a\r\n"), "{request}");
    expect(&mut new, &masked("one")).await;
    new.write_all(&plain("uno")).await.expect("written");
    expect(&mut client, &plain("uno")).await;
    drop(hangs);
}

#[test]
fn an_idle_connection_is_small() {
    // With its leg, its timer and what is kept for later dials this comes to about 9 KiB of
    // memory for each connection, most of it the allocator's and the runtime's.
    let task = size_of::<super::task::Task>();
    assert!(task <= 2048, "{task} bytes for each WebSocket");
}
