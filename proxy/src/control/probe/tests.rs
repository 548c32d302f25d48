//! Each probe against real sockets: one that is well, and those that are ill in their own way.

use std::time::Duration;

use holdfast_core::health::ReadinessState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn settings(kind: ProbeKind) -> ProbeSettings {
    ProbeSettings {
        timeout: Duration::from_millis(300),
        ..ProbeSettings::new(kind)
    }
}

fn http(path: &str) -> ProbeSettings {
    let (path, host) = (path.to_owned(), None);
    settings(ProbeKind::Http {
        path,
        host,
        status_min: 200,
        status_max: 299,
    })
}

fn websocket() -> ProbeSettings {
    settings(ProbeKind::WebSocket {
        path: "/ws".to_owned(),
        host: None,
    })
}

/// A server that answers each connection's first bytes with these, then keeps it open.
async fn serve(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            kept.push(stream);
        }
    });
    address
}

async fn refused() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound")
}

#[tokio::test]
async fn tcp_asks_for_a_connection_alone() {
    let tcp = settings(ProbeKind::Tcp);
    assert!(ask(serve("").await, &tcp).await.is_ok());
    let error = ask(refused().await, &tcp)
        .await
        .expect_err("nobody listens");
    assert!(error.starts_with("connect: "), "{error}");
}

#[tokio::test]
async fn http_reads_status_and_readiness() {
    let answer =
        "HTTP/1.1 200 OK\r\ncontent-length: 34\r\n\r\n{\"state\":\"draining\",\"sessions\":41}\n";
    let heard = ask(serve(answer).await, &http("/health/ready"))
        .await
        .expect("it is well");
    let wanted = Readiness {
        state: ReadinessState::Draining,
        sessions: Some(41),
    };
    assert_eq!(heard, wanted);
    let ill = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let error = ask(serve(ill).await, &http("/"))
        .await
        .expect_err("it is ill");
    assert_eq!(error, "status 503, wanted 200 to 299");
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_is_given_up_in_time() {
    let silent = serve("").await;
    let grpc = settings(ProbeKind::Grpc {
        service: String::new(),
    });
    for settings in [http("/"), websocket(), grpc] {
        let error = ask(silent, &settings).await.expect_err("it says nothing");
        assert_eq!(error, "no answer within 300ms", "{:?}", settings.kind);
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let patient = ProbeSettings {
        timeout: Duration::from_secs(20),
        ..http("/")
    };
    let error = ask(address, &patient)
        .await
        .expect_err("more than anybody reads");
    assert_eq!(error, "answer of more than 65536 bytes");
}

#[tokio::test]
async fn a_websocket_that_answers_pings_is_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        use futures_util::{SinkExt, StreamExt};
        let (stream, _) = listener.accept().await.expect("a client");
        let mut socket = tokio_tungstenite::accept_async(stream)
            .await
            .expect("a handshake");
        let chatter = tokio_tungstenite::tungstenite::Message::text("x".repeat(300));
        socket.send(chatter).await.expect("the client reads");
        while let Some(Ok(_)) = socket.next().await {}
    });
    assert_eq!(ask(address, &websocket()).await, Ok(Readiness::default()));
}

#[tokio::test]
async fn a_websocket_side_that_is_dead_is_ill() {
    let plain = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let error = ask(serve(plain).await, &websocket())
        .await
        .expect_err("no upgrade");
    assert_eq!(error, "status 200, wanted 101");
    let forged = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                  sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let error = ask(serve(forged).await, &websocket())
        .await
        .expect_err("a stale accept");
    assert_eq!(error, "Sec-WebSocket-Accept does not answer the key");
}

#[tokio::test]
async fn grpc_health_is_asked_over_http2() {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("up", tonic_health::ServingStatus::Serving)
        .await;
    reporter
        .set_service_status("down", tonic_health::ServingStatus::NotServing)
        .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    let check = |service: &str| {
        let settings = settings(ProbeKind::Grpc {
            service: service.to_owned(),
        });
        async move { ask(address, &settings).await }
    };
    assert_eq!(check("up").await, Ok(Readiness::default()));
    assert_eq!(check("").await, Ok(Readiness::default()));
    assert_eq!(
        check("down").await,
        Err("health status 2, wanted 1 (SERVING)".to_owned())
    );
    assert_eq!(check("unknown").await, Err("grpc-status 5".to_owned()));
}
