//! gRPC on its own listener: HTTP/2 both ways, trailers through.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use holdfast_proxy::access_log::AccessLog;
use holdfast_proxy::app::App;
use holdfast_proxy::config::Config;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_comes_back_with_its_trailers() {
    let endpoint = grpc_endpoint().await;
    let text = format!(
        "listeners: [{{ address: 127.0.0.1:0, h2c: true }}]\nadmin: {{ address: 127.0.0.1:0 }}\n\
         clusters:\n  backend:\n    discovery: {{ static: [{{ id: a, address: {endpoint} }}] }}\n\
         routes: [{{ path: /, cluster: backend }}]\n"
    );
    let path = std::env::temp_dir().join("grpc-proxy.yaml");
    let app = tokio::task::spawn_blocking(move || {
        let config = Config::parse(&path, &text).expect("a good configuration");
        App::start_with(&config, AccessLog::to(std::io::sink())).expect("it starts")
    });
    let app = app.await.expect("no panic");
    let stream = TcpStream::connect(app.addresses()[0])
        .await
        .expect("it accepts");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    let driver = tokio::spawn(connection);
    let request = hyper::Request::post("http://edge/service/Method")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from_static(b"\0\0\0\0\0")))
        .expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.expect("a body");
    let trailers = body.trailers().expect("trailers").clone();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(body.to_bytes(), Bytes::from_static(b"\0\0\0\0\x01!"));
    driver.abort();
    tokio::task::spawn_blocking(move || drop(app))
        .await
        .expect("no panic");
}

async fn grpc_endpoint() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|_request: hyper::Request<Incoming>| async {
                let mut trailers = hyper::HeaderMap::new();
                trailers.insert("grpc-status", hyper::header::HeaderValue::from_static("0"));
                let frames = [
                    Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"\0\0\0\0\x01!"))),
                    Ok(Frame::trailers(trailers)),
                ];
                let body = StreamBody::new(tokio_stream::iter(frames));
                let answer = hyper::Response::builder().header("content-type", "application/grpc");
                Ok::<_, Infallible>(answer.body(body).expect("an answer"))
            });
            let connection = server::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}
