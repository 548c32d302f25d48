//! A client that trades over one WebSocket for the whole run and never reconnects: what it would
//! have to reconnect for is what the run looks for. Only a storm makes it come back, by plan.

use std::rc::Rc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Interval, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

use super::desk::{CLIENT, Desk, Seat};
use super::requests;
use crate::clock::Instant;
use crate::ledger::{Content, EntryId, Kind, Record};

type Socket = WebSocketStream<TcpStream>;

/// Runs until the seat's `done`.
pub(super) async fn run(seat: Seat, desk: Rc<Desk>) {
    let mut client = Client {
        last: String::new(),
        volley: None,
        seat: &seat,
        desk: &desk,
    };
    let talked = seat.done.run_until_cancelled(client.talk()).await;
    if let Some(why) = talked {
        desk.told.borrow_mut().disconnected(why);
    }
}

struct Client<'a> {
    seat: &'a Seat,
    desk: &'a Desk,
    /// The last id received, to come back with.
    last: String,
    /// When the next order of a volley is due, and how many are left.
    volley: Option<(Instant, Duration, u32)>,
}

impl Client<'_> {
    /// Never ends while the connection does not; says why it did.
    async fn talk(&mut self) -> String {
        let mut storms = self.seat.storms.clone();
        storms.mark_unchanged();
        let mut socket = match self.connect().await {
            Ok(socket) => socket,
            Err(why) => return why,
        };
        loop {
            let talked = tokio::select! {
                talked = self.carry(&mut socket) => talked,
                Ok(()) = storms.changed() => Ok(()),
            };
            if let Err(why) = talked {
                return why;
            }
            // A storm: the connection breaks off, and everybody comes back at once.
            drop(socket);
            socket = match self.connect().await {
                Ok(socket) => socket,
                Err(why) => return why,
            };
            if let Err(why) = self.repeat(&mut socket).await {
                return why;
            }
        }
    }

    async fn connect(&self) -> Result<Socket, String> {
        let trader = &self.desk.trader;
        let mut path = format!("/api/v1/sessions/{}/ws?client={CLIENT}", trader.session);
        path.push_str(&parameters(self.seat, &self.last));
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let head = trader.request(Method::GET, &path).body(());
        let head = head.map_err(|error| failed(&error))?;
        let mut request = format!("ws://{}{path}", trader.edge)
            .into_client_request()
            .map_err(|error| failed(&error))?;
        request.headers_mut().extend(head.headers().clone());
        let dial = async {
            let stream = TcpStream::connect(trader.edge).await;
            let stream = stream.map_err(|error| failed(&error))?;
            stream.set_nodelay(true).map_err(|error| failed(&error))?;
            let upgraded = tokio_tungstenite::client_async(request, stream).await;
            upgraded.map_err(|error| failed(&error))
        };
        let dialled = tokio::time::timeout(DIAL_MAX, dial).await;
        let (socket, answer) = dialled.map_err(|_| String::from("no upgrade in time"))??;
        requests::note(self.seat, self.desk, answer.headers());
        Ok(socket)
    }

    /// Orders and listens until the connection ends.
    async fn carry(&mut self, socket: &mut Socket) -> Result<(), String> {
        let mut orders = self.orders(socket);
        let mut volleys = self.seat.volleys.clone();
        volleys.mark_unchanged();
        loop {
            let quiet = self.seat.quiet.is_cancelled();
            let volley = self.volley.map(|(due, _, _)| due);
            tokio::select! {
                message = socket.next() => self.take(socket, message).await?,
                () = self.seat.quiet.cancelled(), if !quiet => {}
                () = tick(orders.as_mut()), if !quiet => self.order(socket).await?,
                Ok(()) = volleys.changed() => {
                    let next = *volleys.borrow_and_update();
                    self.volley = next.map(|volley| (volley.at, volley.apart, volley.orders));
                }
                () = until(volley), if volley.is_some() => {
                    self.volley = self.volley.and_then(|(due, apart, left)| {
                        (left > 1).then(|| (due + apart, apart, left - 1))
                    });
                    self.order(socket).await?;
                }
            }
        }
    }

    /// The steady orders; sessions do not order in step.
    fn orders(&self, socket: &Socket) -> Option<Interval> {
        let rate = self.seat.orders;
        let every = (rate > 0.0).then(|| Duration::from_secs_f64(1.0 / rate))?;
        let port = socket.get_ref().local_addr().map_or(0, |own| own.port());
        let phase = every.mul_f64(f64::from(port) * 0.618 % 1.0);
        Some(tokio::time::interval_at(Instant::now() + phase, every))
    }

    async fn order(&mut self, socket: &mut Socket) -> Result<(), String> {
        let at = self.seat.start.elapsed();
        let number = self.desk.commands.borrow_mut().next(at);
        self.send(socket, number).await
    }

    /// What is not answered is said again: it may have been lost with the connection.
    async fn repeat(&mut self, socket: &mut Socket) -> Result<(), String> {
        let open = self.desk.commands.borrow().open();
        for number in open {
            self.desk.commands.borrow_mut().again(number);
            self.send(socket, number).await?;
        }
        Ok(())
    }

    async fn send(&self, socket: &mut Socket, number: u64) -> Result<(), String> {
        // To and fro, so that no position grows.
        let side = if number % 2 == 1 { "buy" } else { "sell" };
        let order = json!({ "type": "order.new", "n": number, "data": {
            "symbol": self.desk.trader.symbol, "side": side, "type": "market", "quantity": "1",
        }});
        let sent = socket.send(Message::text(order.to_string())).await;
        sent.map_err(|error| error.to_string())
    }

    async fn take(
        &mut self,
        socket: &mut Socket,
        message: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<(), String> {
        match message {
            Some(Ok(Message::Text(text))) => {
                let message: Value = serde_json::from_str(&text).map_err(|_| "not JSON")?;
                if message["type"] == "ping" {
                    let pong = json!({ "type": "pong", "data": { "t": message["data"]["t"] } });
                    let sent = socket.send(Message::text(pong.to_string())).await;
                    return sent.map_err(|error| error.to_string());
                }
                self.enter(message, &text);
                Ok(())
            }
            Some(Ok(Message::Close(frame))) => Err(match frame {
                Some(frame) => format!("closed: {} {}", u16::from(frame.code), frame.reason),
                None => String::from("closed without a code"),
            }),
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err(String::from("ended without a close")),
        }
    }

    /// Writes a message into the books.
    fn enter(&mut self, mut message: Value, whole: &str) {
        let at = self.seat.start.elapsed();
        let text = |field: &str| message[field].as_str().map(str::to_owned);
        let kind = Kind::of(&text("type").unwrap_or_default());
        let prev = text("prev").and_then(|prev| EntryId::parse(&prev));
        if kind == Kind::Reset {
            self.desk.told.borrow_mut().reset(at);
            return;
        }
        let Some((own, id)) = text("id").and_then(|own| Some((EntryId::parse(&own)?, own))) else {
            return;
        };
        self.last = id;
        if kind == Kind::Answer {
            self.answered(at, &message);
        }
        let data = body_of(kind, &mut message);
        if kind == Kind::Snapshot
            && let Some(number) = data["n"].as_u64()
        {
            self.desk.commands.borrow_mut().known_up_to(number);
        }
        let record = Record {
            at,
            kind,
            id: own,
            prev,
            content: Content::of(kind, &data),
        };
        self.desk.told.borrow_mut().received_text(record, whole);
    }

    fn answered(&self, at: Duration, message: &Value) {
        // A number out of turn, after the session lost some: not done, and to be sent anew.
        let out_of_turn = message["error"]["code"] == "gap";
        let Some(number) = message["n"].as_u64().filter(|_| !out_of_turn) else {
            return;
        };
        let (ok, order) = (message["ok"] == true, message["data"]["order_id"].as_u64());
        let mut commands = self.desk.commands.borrow_mut();
        commands.answered(number, at, ok, order);
    }
}

/// What the log calls the data of an entry: for answers everything that is not the envelope.
fn body_of(kind: Kind, message: &mut Value) -> Value {
    if kind != Kind::Answer {
        return message["data"].take();
    }
    if let Some(fields) = message.as_object_mut() {
        for envelope in ["id", "prev", "type"] {
            fields.remove(envelope);
        }
    }
    message.take()
}

/// The rest of the query of a stream.
pub(super) fn parameters(seat: &Seat, last: &str) -> String {
    let mut text = String::new();
    if let Some(channels) = seat.channels {
        text.push_str(&format!("&channels={channels}"));
    }
    if !last.is_empty() {
        text.push_str(&format!("&last_event_id={last}"));
    }
    text
}

async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due).await;
    }
}

const DIAL_MAX: Duration = Duration::from_secs(30);
