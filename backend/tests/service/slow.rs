//! A client behind a front that takes nothing for a while: what it leaves waits with its session,
//! which replaces it.

use holdfast_proto::exchange::v1::exchange_client::ExchangeClient;
use holdfast_proto::exchange::v1::{StreamMarketDataRequest, StreamMarketDataResponse};
use serde_json::json;
use tonic::Streaming;
use tonic::transport::Endpoint;

use crate::processes::Client;
use crate::support::client::Request;
use crate::support::folder::Folder;
use crate::support::process::Process;
use crate::support::soon;

/// Longer than the test leaves its stream alone, however busy the machine is.
const PATIENT: &str = "timeouts: { write: 10m }";
/// Entries that a session's log keeps.
const KEPT: u64 = 4_096;
/// What may wait on the way: the windows of both connections, and messages in between.
const ON_THE_WAY: usize = 512 * 1024;

/// A stream of everything, by a client that takes no more than the least of HTTP/2.
async fn follow(at: &Process, session: &str) -> Streaming<StreamMarketDataResponse> {
    let endpoint = Endpoint::from_shared(format!("http://{}", at.address)).expect("an address");
    let endpoint = endpoint
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(65_535);
    let channel = soon(endpoint.connect()).await.expect("it takes HTTP/2");
    let mut exchange = ExchangeClient::new(channel);
    let request = StreamMarketDataRequest {
        session_id: session.to_owned(),
        ..StreamMarketDataRequest::default()
    };
    let stream = soon(exchange.stream_market_data(request)).await;
    stream.expect("it is followed").into_inner()
}

async fn next(stream: &mut Streaming<StreamMarketDataResponse>) -> StreamMarketDataResponse {
    let message = soon(stream.message()).await.expect("it goes on");
    message.expect("a message")
}

async fn seq(at: &Process, path: &str) -> u64 {
    let session = at.get(path).await.json();
    session["seq"].as_u64().expect("a number")
}

fn seq_of(id: &str) -> u64 {
    let (_, seq) = id.rsplit_once('.').expect("an epoch before it");
    seq.parse().expect("a number")
}

#[tokio::test]
async fn what_a_slow_client_leaves_waits_with_its_session_and_leaves_no_gap() {
    let folder = Folder::new();
    let store = "store: { sqlite: { file: holdfast.sqlite } }\nledger: { off: true }";
    let x = Process::start(&folder, "x", store, PATIENT).await;
    let address = format!("exchange: {{ address: 'http://{}' }}", x.address);
    let f = Process::start(&folder, "f", &address, PATIENT).await;
    f.health("its exchange answers", |health| {
        health["dependencies"]["exchange"]["status"] == "ok"
    })
    .await;
    let client = Client::new(&f).await;
    let mut stream = follow(&f, &client.id).await;
    let first = next(&mut stream).await;
    assert_eq!(first.r#type, "snapshot");

    // it takes nothing until all that was on the way is long out of the session's log
    let step = format!("{}/simulator/step", client.path);
    let mut last = seq(&x, &client.path).await;
    while last < seq_of(&first.id) + 3 * KEPT {
        let stepped = x.ask(Request::post(&step).json(json!({ "ticks": 200 })));
        assert_eq!(stepped.await.status, 200);
        last = seq(&x, &client.path).await;
    }

    let (mut before, mut waited, mut replaced) = (first.id, 0, false);
    while seq_of(&before) < last {
        let message = next(&mut stream).await;
        assert_eq!(message.prev, before, "no gap: {}", message.r#type);
        replaced |= message.r#type == "snapshot";
        if !replaced {
            waited += message.data_json.len();
        }
        before = message.id;
    }
    assert!(replaced, "what was left is replaced");
    assert!(waited < ON_THE_WAY, "{waited} bytes waited on the way");
}
