//! gRPC on its own listener: HTTP/2 both ways, trailers through.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use holdfast_proxy::access_log::AccessLog;
use holdfast_proxy::app::App;
use holdfast_proxy::config::Config;

type Body = BoxBody<Bytes, Infallible>;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_comes_back_with_its_trailers() {
    let endpoint = Endpoint::start().await;
    let app = edge(&endpoint, "").await;
    let mut client = client(&app).await;
    let answer = client
        .send_request(call("Method"))
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.expect("a body");
    let trailers = body.trailers().expect("trailers").clone();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(body.to_bytes(), Bytes::from_static(b"\0\0\0\0\x01!"));
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_outlives_the_time_for_answers() {
    let endpoint = Endpoint::start().await;
    let app = edge(&endpoint, "timeouts: { request: 400ms, connect: 50ms }\n").await;
    let mut client = client(&app).await;
    let answer = client.send_request(call("Quiet")).await.expect("an answer");
    let mut stream = answer.into_body();
    let first = stream.frame().await.expect("a frame").expect("a good one");
    assert!(first.is_data());
    // asked after the stream fell silent, given up before it speaks again
    let never = hyper::Request::get("http://edge/never").body(whole(b""));
    let never = client.send_request(never.expect("a request")).await;
    assert_eq!(never.expect("an answer").status(), 504);
    endpoint.speak.notify_one();
    let last = stream
        .frame()
        .await
        .expect("a frame")
        .expect("it was not cut");
    assert_eq!(last.trailers_ref().expect("trailers")["grpc-status"], "0");
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stalls_is_refused_on_http2_too() {
    let endpoint = Endpoint::start().await;
    let app = edge(&endpoint, "timeouts: { request: 400ms, connect: 50ms }\n").await;
    let mut client = client(&app).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let part = Frame::data(Bytes::from_static(b"a part"));
    sender.send(Ok(part)).await.expect("it is read");
    let frames = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let body = BodyExt::boxed(StreamBody::new(frames));
    let request = hyper::Request::post("http://edge/never").body(body);
    let answer = client.send_request(request.expect("a request")).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 408);
    let told = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert!(String::from_utf8_lossy(&told).contains("body_timeout"));
    drop(sender);
    stop(app).await;
}

async fn edge(endpoint: &Endpoint, top: &str) -> App {
    let address = endpoint.address;
    let text = format!(
        "listeners: [{{ address: 127.0.0.1:0, h2c: true }}]\nadmin: {{ address: 127.0.0.1:0 }}\n\
         clusters:\n  backend:\n    protocol: h2c\n\
         \x20   discovery: {{ static: [{{ id: a, address: {address} }}] }}\n\
         routes: [{{ path: /, cluster: backend }}]\n{top}"
    );
    let path = std::env::temp_dir().join("grpc-proxy.yaml");
    let app = tokio::task::spawn_blocking(move || {
        let config = Config::parse(&path, &text).expect("a good configuration");
        App::start_with(&config, AccessLog::to(std::io::sink())).expect("it starts")
    });
    app.await.expect("no panic")
}

async fn stop(app: App) {
    let stopped = tokio::task::spawn_blocking(move || drop(app));
    stopped.await.expect("no panic");
}

async fn client(app: &App) -> Patient {
    let stream = TcpStream::connect(app.addresses()[0]).await;
    let stream = TokioIo::new(stream.expect("it accepts"));
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    Patient(sender)
}

/// Waits for answers, but not for ever.
struct Patient(SendRequest<Body>);

impl Patient {
    async fn send_request(
        &mut self,
        request: hyper::Request<Body>,
    ) -> hyper::Result<hyper::Response<Incoming>> {
        let answer = timeout(Duration::from_secs(60), self.0.send_request(request));
        answer.await.expect("an answer within a minute")
    }
}

fn call(method: &str) -> hyper::Request<Body> {
    hyper::Request::post(format!("http://edge/service/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(whole(b"\0\0\0\0\0"))
        .expect("a request")
}

fn whole(body: &'static [u8]) -> Body {
    Full::new(Bytes::from_static(body)).boxed()
}

/// A server of gRPC calls, and of `/never`, which it does not answer.
struct Endpoint {
    address: SocketAddr,
    /// Lets a `Quiet` call end.
    speak: Arc<Notify>,
}

impl Endpoint {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let speak = Arc::new(Notify::new());
        let told = speak.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = told.clone();
                let service = service_fn(move |request| serve(request, told.clone()));
                let connection = server::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { address, speak }
    }
}

async fn serve(
    request: hyper::Request<Incoming>,
    speak: Arc<Notify>,
) -> Result<hyper::Response<Body>, Infallible> {
    let path = request.uri().path();
    if path == "/never" {
        std::future::pending::<()>().await;
    }
    let quiet = path.ends_with("/Quiet");
    let mut trailers = hyper::HeaderMap::new();
    trailers.insert("grpc-status", hyper::header::HeaderValue::from_static("0"));
    let first = Frame::data(Bytes::from_static(b"\0\0\0\0\x01!"));
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::spawn(async move {
        // a caller that is gone wants nothing more
        drop(sender.send(Ok(first)).await);
        if quiet {
            speak.notified().await;
        }
        drop(sender.send(Ok(Frame::trailers(trailers))).await);
    });
    let frames = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let answer = hyper::Response::builder().header("content-type", "application/grpc");
    let body = BodyExt::boxed(StreamBody::new(frames));
    Ok(answer.body(body).expect("an answer"))
}
