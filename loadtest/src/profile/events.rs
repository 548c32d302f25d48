//! A client that listens to one event stream for the whole run and never comes back.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::trader::Trader;
use super::{Seat, Shared, requests};
use crate::ledger::{EntryId, Kind};

/// Runs until the seat's `done`.
pub(super) async fn run(seat: Seat, trader: Rc<Trader>, account: Shared) {
    let listened = seat
        .done
        .run_until_cancelled(listen(&seat, &trader, &account))
        .await;
    if let Some(why) = listened {
        account.borrow_mut().disconnected(why);
    }
}

/// Never ends while the stream does not; says why it did.
async fn listen(seat: &Seat, trader: &Trader, account: &Shared) -> String {
    let mut body = match tokio::time::timeout(DIAL_MAX, open(seat, trader)).await {
        Ok(Ok(body)) => body,
        Ok(Err(why)) => return why,
        Err(_) => return String::from("no stream in time"),
    };
    let mut pending = Vec::new();
    loop {
        match body.frame().await {
            Some(Ok(frame)) => pending.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            Some(Err(error)) => return error.to_string(),
            None => return String::from("the stream ended"),
        }
        while let Some(end) = pending.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = pending.drain(..end + 2).collect();
            enter(seat, account, &String::from_utf8_lossy(&block));
        }
        if pending.len() > EVENT_MAX {
            return format!("an event of more than {EVENT_MAX} bytes");
        }
    }
}

async fn open(seat: &Seat, trader: &Trader) -> Result<Incoming, String> {
    let (session, channels) = (&trader.session, seat.channels);
    let path = format!("/api/v1/sessions/{session}/events?client=listener{channels}");
    let request = trader
        .request(Method::GET, &path)
        .header(header::ACCEPT, "text/event-stream")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(seat.edge)
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Ends with the body or the sender; what went wrong is told there.
    tokio::task::spawn_local(async move { drop(connection.await) });
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the stream was answered {}", answer.status()));
    }
    requests::note(seat, answer.headers());
    Ok(answer.into_body())
}

fn enter(seat: &Seat, account: &Shared, block: &str) {
    let field = |name: &str| {
        block.lines().find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix(':')
                .map(|value| value.strip_prefix(' ').unwrap_or(value))
        })
    };
    let Some(id) = field("id").and_then(EntryId::parse) else {
        return;
    };
    // A block without data is no event; it only sets the id to come back with.
    let Some(data) = field("data") else {
        return;
    };
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let prev = data["prev"].as_str().and_then(EntryId::parse);
    let kind = Kind::of(field("event").unwrap_or_default());
    account
        .borrow_mut()
        .received(seat.start.elapsed(), kind, id, prev);
}

const DIAL_MAX: Duration = Duration::from_secs(15);
/// In bytes.
const EVENT_MAX: usize = 4 << 20;
