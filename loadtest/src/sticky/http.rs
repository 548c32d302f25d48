//! The shop over HTTP, WebSocket and SSE.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::basket::{Basket, Baskets};
use crate::clock::Instant;

/// `GET health`, `GET api/state`, `POST api/increment`, `GET ws`, `GET events`, under any prefix.
pub(super) fn routes(id: String, baskets: Baskets) -> Router {
    let shop = Shop {
        id: id.into(),
        baskets: Arc::new(Mutex::new(baskets)),
    };
    Router::new().fallback(answer).with_state(shop)
}

#[derive(Debug, Clone)]
struct Shop {
    id: Arc<str>,
    baskets: Arc<Mutex<Baskets>>,
}

/// What every answer, message and event says.
#[derive(Debug, Serialize)]
struct Sight {
    /// The process that answered.
    endpoint: Arc<str>,
    client: String,
    /// This process had never heard of the client: whatever it had elsewhere is not here.
    fresh: bool,
    #[serde(flatten)]
    basket: Basket,
}

impl Shop {
    fn look(&self, client: &Client) -> Sight {
        self.with(client, |_| ())
    }

    fn add(&self, client: &Client, item: Option<String>) -> Sight {
        let item = item.filter(|item| item.len() <= ITEM_MAX);
        self.with(client, |basket| {
            basket.send_modify(|basket| basket.add(item))
        })
    }

    fn with(&self, client: &Client, act: impl FnOnce(&watch::Sender<Basket>)) -> Sight {
        let mut baskets = self.baskets.lock().unwrap_or_else(PoisonError::into_inner);
        let (basket, fresh) = baskets.open(&client.id, Instant::now());
        act(basket);
        let basket = basket.borrow().clone();
        Sight {
            endpoint: self.id.clone(),
            client: client.id.clone(),
            fresh,
            basket,
        }
    }

    fn changes(&self, client: &Client) -> watch::Receiver<Basket> {
        let mut baskets = self.baskets.lock().unwrap_or_else(PoisonError::into_inner);
        baskets.open(&client.id, Instant::now()).0.subscribe()
    }

    fn health(&self) -> serde_json::Value {
        let baskets = self.baskets.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::json!({
            "status": "ok",
            "endpoint": self.id,
            "clients": baskets.clients(),
            "up_seconds": baskets.age(Instant::now()).as_secs(),
        })
    }
}

#[derive(Debug, Deserialize)]
struct Asked {
    client: Option<String>,
    item: Option<String>,
}

async fn answer(
    State(shop): State<Shop>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Response {
    let client = match Client::known_by(asked.client.as_deref(), request.headers()) {
        Ok(client) => client,
        Err(Unknown::BadName) => {
            let text = "client: 1 to 64 letters, digits, `-` or `_`\n";
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
        Err(Unknown::NoRandom) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let path = request.uri().path();
    let place = ["health", "api/state", "api/increment", "ws", "events"]
        .into_iter()
        .find(|place| {
            path.strip_suffix(place)
                .is_some_and(|prefix| prefix.ends_with('/'))
        });
    match (request.method(), place) {
        (&Method::GET, Some("health")) => Json(shop.health()).into_response(),
        (&Method::GET, Some("api/state")) => client.answer(Json(shop.look(&client))),
        (&Method::POST, Some("api/increment")) => {
            client.answer(Json(shop.add(&client, asked.item)))
        }
        (&Method::GET, Some("events")) => client.answer(events(shop, &client)),
        (&Method::GET, Some("ws")) => {
            let mut parts = request.into_parts().0;
            match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
                Ok(upgrade) => {
                    let talker = client.clone();
                    let upgrade = upgrade.max_message_size(MESSAGE_MAX);
                    client.answer(upgrade.on_upgrade(|socket| talk(socket, shop, talker)))
                }
                Err(refusal) => refusal.into_response(),
            }
        }
        (_, Some(_)) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        (_, None) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A basket's owner.
#[derive(Debug, Clone)]
struct Client {
    id: String,
    /// Named by this answer, because the request named nobody.
    new: bool,
}

/// Why a client has no name.
#[derive(Debug)]
enum Unknown {
    BadName,
    NoRandom,
}

impl Client {
    fn known_by(query: Option<&str>, headers: &HeaderMap) -> Result<Self, Unknown> {
        match query.or_else(|| cookie(headers)) {
            Some(id) if is_name(id) => Ok(Self {
                id: id.to_owned(),
                new: false,
            }),
            Some(_) if query.is_some() => Err(Unknown::BadName),
            _ => {
                let mut random = [0; 16];
                getrandom::fill(&mut random).map_err(|_| Unknown::NoRandom)?;
                let id = random.iter().map(|byte| format!("{byte:02x}")).collect();
                Ok(Self { id, new: true })
            }
        }
    }

    fn answer(&self, body: impl axum::response::IntoResponse) -> Response {
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CACHE_CONTROL,
            http::HeaderValue::from_static("no-store"),
        );
        if self.new {
            let text = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", self.id);
            if let Ok(value) = text.parse() {
                headers.append(header::SET_COOKIE, value);
            }
        }
        response
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(fits)
}

/// `increment` or `increment <item>` adds; anything else looks. Each message is answered by one.
async fn talk(mut socket: WebSocket, shop: Shop, client: Client) {
    let hello = shop.look(&client);
    if say(&mut socket, &hello).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.recv().await {
        let sight = match &message {
            Message::Text(text) => match text.trim().split_once(' ') {
                Some(("increment", item)) => shop.add(&client, Some(item.to_owned())),
                None if text.trim() == "increment" => shop.add(&client, None),
                _ => shop.look(&client),
            },
            Message::Close(_) => return,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => continue,
        };
        if say(&mut socket, &sight).await.is_err() {
            return;
        }
    }
}

async fn say(socket: &mut WebSocket, sight: &Sight) -> Result<(), axum::Error> {
    let text = serde_json::to_string(sight).map_err(axum::Error::new)?;
    socket.send(Message::Text(text.into())).await
}

/// The basket as it is, then each time it changes.
fn events(
    shop: Shop,
    client: &Client,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let fresh = shop.look(client).fresh;
    let (endpoint, id) = (shop.id.clone(), client.id.clone());
    let changes = WatchStream::new(shop.changes(client)).map(move |basket| {
        let sight = Sight {
            endpoint: endpoint.clone(),
            client: id.clone(),
            fresh,
            basket,
        };
        Ok(Event::default()
            .event("basket")
            .json_data(sight)
            .unwrap_or_default())
    });
    Sse::new(changes).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

const COOKIE: &str = "basket";
const NAME_MAX: usize = 64;
const ITEM_MAX: usize = 64;
/// In bytes.
const MESSAGE_MAX: usize = 4096;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
