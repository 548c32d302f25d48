//! One person with one session: a token, a session id, and the cookies of the edge.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;

use crate::client::{AskError, Client};

/// A session and what is needed to reach it.
#[derive(Debug, Clone)]
pub(super) struct Trader {
    edge: SocketAddr,
    authorization: String,
    cookies: BTreeMap<String, String>,
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
    pub(super) async fn open(edge: SocketAddr) -> Result<Self, TraderError> {
        let mut trader = Self {
            edge,
            authorization: String::new(),
            cookies: BTreeMap::new(),
            session: String::new(),
            symbol: String::new(),
        };
        let client = Client::new(ANSWER_MAX);
        let path = "/api/v1/demo/token";
        let token = trader.post(&client, path).await?;
        trader.authorization = format!("Bearer {}", text(&token, path, "token")?);
        // The token travels in the header alone; its cookie would be a second one.
        trader.cookies.retain(|name, _| !name.contains("token"));
        let path = "/api/v1/sessions";
        let session = trader.post(&client, path).await?;
        trader.session = text(&session, path, "id")?;
        trader.symbol = text(&session["symbols"][0], path, "symbol")?;
        Ok(trader)
    }

    /// The head of a request as this person.
    pub(super) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.edge))
            .header(header::HOST, self.edge.to_string());
        if !self.authorization.is_empty() {
            request = request.header(header::AUTHORIZATION, &self.authorization);
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        request
    }

    async fn post(&mut self, client: &Client, path: &str) -> Result<Value, TraderError> {
        let request = self
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from("{}"))?;
        let answer = client.ask(request).await?;
        self.keep_cookies(&answer);
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

    fn keep_cookies(&mut self, answer: &Response<Bytes>) {
        let pair = |value: &HeaderValue| {
            let (name, value) = value.to_str().ok()?.split(';').next()?.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        self.cookies.extend(
            answer
                .headers()
                .get_all(header::SET_COOKIE)
                .iter()
                .filter_map(pair),
        );
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

const ANSWER_MAX: Duration = Duration::from_secs(15);
