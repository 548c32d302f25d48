//! A client that trades over one WebSocket for the whole run and never reconnects: what it would
//! have to reconnect for is what the run looks for.

use std::rc::Rc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Interval;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::trader::Trader;
use super::{Seat, Shared, requests};
use crate::clock::Instant;
use crate::ledger::{EntryId, Kind};

type Socket = WebSocketStream<TcpStream>;

/// Runs until the seat's `done`, then waits for the last answers.
pub(super) async fn run(seat: Seat, trader: Rc<Trader>, account: Shared) {
    if let Err(why) = Talk::connect(&seat, &trader, &account).await {
        account.borrow_mut().disconnected(why);
    }
}

struct Talk<'a> {
    socket: Socket,
    seat: &'a Seat,
    symbol: &'a str,
    account: &'a Shared,
}

impl<'a> Talk<'a> {
    async fn connect(
        seat: &'a Seat,
        trader: &'a Trader,
        account: &'a Shared,
    ) -> Result<(), String> {
        let (session, channels) = (&trader.session, seat.channels);
        let path = format!("/api/v1/sessions/{session}/ws?client=load{channels}");
        let head = trader
            .request(Method::GET, &path)
            .body(())
            .map_err(|error| error.to_string())?;
        let address = format!("ws://{}{path}", seat.edge);
        let mut request = address
            .into_client_request()
            .map_err(|error| error.to_string())?;
        request.headers_mut().extend(head.headers().clone());
        let dial = async {
            let stream = TcpStream::connect(seat.edge)
                .await
                .map_err(|error| error.to_string())?;
            stream
                .set_nodelay(true)
                .map_err(|error| error.to_string())?;
            let upgraded = tokio_tungstenite::client_async(request, stream).await;
            upgraded.map_err(|error| error.to_string())
        };
        let dialled = tokio::time::timeout(DIAL_MAX, dial).await;
        let (socket, answer) = dialled.map_err(|_| String::from("no upgrade in time"))??;
        requests::note(seat, answer.headers());
        Self {
            socket,
            seat,
            symbol: &trader.symbol,
            account,
        }
        .talk()
        .await
    }

    async fn talk(mut self) -> Result<(), String> {
        let every = Duration::from_secs(1) / self.seat.orders.max(1);
        // Sessions do not order in step.
        let phase = every.mul_f64(
            f64::from(
                self.socket
                    .get_ref()
                    .local_addr()
                    .map_or(0, |own| own.port()),
            ) * 0.618
                % 1.0,
        );
        let mut orders = tokio::time::interval_at(Instant::now() + phase, every);
        let trades = self.seat.orders > 0;
        loop {
            tokio::select! {
                message = self.socket.next() => self.take(message).await?,
                _ = next(&mut orders), if trades => self.order().await?,
                () = self.seat.done.cancelled() => break,
            }
        }
        self.settle().await
    }

    /// The last answers, then a close.
    async fn settle(mut self) -> Result<(), String> {
        let wait = async {
            while !self.account.borrow().settled() {
                let message = self.socket.next().await;
                self.take(message).await?;
            }
            Ok::<(), String>(())
        };
        // Late answers show as unanswered commands.
        tokio::time::timeout(SETTLE_MAX, wait)
            .await
            .unwrap_or(Ok(()))?;
        let _ = tokio::time::timeout(SETTLE_MAX, self.socket.close(None)).await;
        Ok(())
    }

    async fn order(&mut self) -> Result<(), String> {
        let number = self.account.borrow_mut().command();
        // To and fro, so that no position grows.
        let side = if number % 2 == 1 { "buy" } else { "sell" };
        let order = json!({ "type": "order.new", "n": number, "data": {
            "symbol": self.symbol, "side": side, "type": "market", "quantity": "1",
        }});
        self.socket
            .send(Message::text(order.to_string()))
            .await
            .map_err(|error| error.to_string())
    }

    async fn take(
        &mut self,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), String> {
        match message {
            Some(Ok(Message::Text(text))) => {
                let message: Value = serde_json::from_str(&text).map_err(|_| "not JSON")?;
                if message["type"] == "ping" {
                    let pong = json!({ "type": "pong", "data": { "t": message["data"]["t"] } });
                    let sent = self.socket.send(Message::text(pong.to_string())).await;
                    return sent.map_err(|error| error.to_string());
                }
                self.enter(&message);
                Ok(())
            }
            Some(Ok(Message::Close(frame))) => Err(format!("closed: {frame:?}")),
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err(String::from("ended without a close")),
        }
    }

    fn enter(&self, message: &Value) {
        let mut account = self.account.borrow_mut();
        let id = |field: &str| message[field].as_str().and_then(EntryId::parse);
        let kind = message["type"].as_str().unwrap_or_default();
        if let Some(own) = id("id") {
            account.received(self.seat.start.elapsed(), Kind::of(kind), own, id("prev"));
        }
        if let Some(number) = message["n"].as_u64().filter(|_| kind == "answer") {
            account.answered(number);
        }
    }
}

async fn next(interval: &mut Interval) {
    interval.tick().await;
}

const DIAL_MAX: Duration = Duration::from_secs(15);
const SETTLE_MAX: Duration = Duration::from_secs(10);
