//! One person with one session: a token, a session id, and the cookies of the edge.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::cookies::Cookies;
use crate::client::{AskError, Client};

/// Where sessions are opened, and what kind.
#[derive(Debug, Clone)]
pub(super) struct Market {
    pub(super) edge: SocketAddr,
    /// The name the edge is asked for; it decides about the cluster.
    pub(super) host: String,
    pub(super) scenario: Option<String>,
    pub(super) speed: f64,
}

/// A session and what is needed to reach it.
#[derive(Debug, Clone)]
pub(super) struct Trader {
    pub(super) edge: SocketAddr,
    host: String,
    authorization: String,
    cookies: Cookies,
    pub(super) session: String,
    pub(super) symbol: String,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum TraderError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("{path} answered {status}: {body}")]
    Refused {
        path: String,
        status: StatusCode,
        body: String,
    },
    #[error("{path}: no `{field}` in the answer")]
    Strange { path: String, field: &'static str },
    #[error("request")]
    Request(#[from] http::Error),
}

impl Trader {
    /// Signs in at the demo issuer and creates a session.
    pub(super) async fn open(market: &Market) -> Result<Self, TraderError> {
        let mut trader = Self {
            edge: market.edge,
            host: market.host.clone(),
            authorization: String::new(),
            cookies: Cookies::default(),
            session: String::new(),
            symbol: String::new(),
        };
        let client = Client::new(ANSWER_MAX);
        let path = "/api/v1/demo/token";
        let token = trader.post(&client, path, &json!({})).await?;
        trader.authorization = format!("Bearer {}", text(&token, path, "token")?);
        // The token travels in the header alone; its cookie would be a second one.
        trader.cookies.forget(|name| name.contains("token"));
        let path = "/api/v1/sessions";
        let wanted = market
            .scenario
            .as_ref()
            .map_or_else(|| json!({}), |name| json!({ "scenario": name }));
        let session = trader.post(&client, path, &wanted).await?;
        trader.session = text(&session, path, "id")?;
        trader.symbol = text(&session["symbols"][0], path, "symbol")?;
        if market.speed != 1.0 {
            let path = format!("/api/v1/sessions/{}/simulator/speed", trader.session);
            let speed = json!({ "speed": market.speed });
            trader.post(&client, &path, &speed).await?;
        }
        Ok(trader)
    }

    /// The head of a request as this person. The address it goes to is the caller's business: the
    /// host is asked for by name.
    pub(super) fn request(&self, method: Method, uri: &str) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, &self.host);
        if !self.authorization.is_empty() {
            request = request.header(header::AUTHORIZATION, &self.authorization);
        }
        if let Some(cookies) = self.cookies.header() {
            request = request.header(header::COOKIE, cookies);
        }
        request
    }

    /// Reads something below the session.
    pub(super) async fn get(
        &self,
        client: &Client,
        rest: &str,
    ) -> Result<Response<Bytes>, TraderError> {
        let path = format!("/api/v1/sessions/{}{rest}", self.session);
        let request = self.request(Method::GET, &self.uri(&path));
        let request = request.body(Full::default())?;
        Ok(client.ask(request).await?)
    }

    /// Ends the session for good; what becomes of that is nobody's business any more.
    pub(super) async fn end(&self, client: &Client) {
        let path = format!("/api/v1/sessions/{}", self.session);
        let request = self.request(Method::DELETE, &self.uri(&path));
        if let Ok(request) = request.body(Full::default()) {
            drop(client.ask(request).await);
        }
    }

    fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.edge)
    }

    async fn post(
        &mut self,
        client: &Client,
        path: &str,
        body: &Value,
    ) -> Result<Value, TraderError> {
        let request = self
            .request(Method::POST, &self.uri(path))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))?;
        let answer = client.ask(request).await?;
        self.cookies.keep(answer.headers());
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        if !answer.status().is_success() {
            return Err(TraderError::Refused {
                path: path.to_owned(),
                status: answer.status(),
                body,
            });
        }
        let strange = || TraderError::Strange {
            path: path.to_owned(),
            field: "JSON",
        };
        serde_json::from_str(&body).map_err(|_| strange())
    }
}

fn text(answer: &Value, path: &str, field: &'static str) -> Result<String, TraderError> {
    let strange = || TraderError::Strange {
        path: path.to_owned(),
        field,
    };
    answer[field]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(strange)
}

const ANSWER_MAX: Duration = Duration::from_secs(30);
