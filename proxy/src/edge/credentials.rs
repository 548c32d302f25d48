//! Where a request carries its token, and whether a cookie may speak for the user here.

use holdfast_wire::cookie;
use http::Method;
use http::header;
use pingora_http::RequestHeader;

use super::admit::authority;
use super::answer::{Answer, Code};
use crate::clock;
use crate::config::Config;
use crate::identity::{Origins, Subject, Tickets, Verifier};
use crate::telemetry::Telemetry;

/// Reads who the user of a request is.
pub(super) struct Credentials {
    verifier: Verifier,
    /// One-use stand-ins for a token in an address.
    pub(super) tickets: Tickets,
    cookie: String,
    origins: Origins,
    /// Does TLS end here? Behind something that ends it, the scheme of a page is not known.
    tls: bool,
}

impl Credentials {
    /// As configured; `None` where nobody's tokens are believed. Tickets used `before` a reload
    /// are not good again after it.
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Option<Self> {
        let identity = config.identity.as_ref()?;
        let keys = &config.affinity.keys;
        Some(Self {
            verifier: Verifier::new(identity),
            tickets: match before {
                Some(before) => before.tickets.rotated(keys),
                None => Tickets::new(keys),
            },
            cookie: identity.cookie.clone(),
            origins: Origins::new(&identity.origins),
            tls: config
                .listeners
                .iter()
                .any(|listener| listener.tls.is_some()),
        })
    }

    /// The user of a request, if it shows a token or ticket at all. One that is shown and not
    /// believed is refused, also where none is required: the client thinks it is somebody.
    pub(super) fn subject(
        &self,
        head: &RequestHeader,
        upgrade: bool,
        secure: bool,
        telemetry: &Telemetry,
    ) -> Result<Option<Subject>, Answer> {
        if let Some(token) = bearer(head)? {
            return self.verified(token, telemetry).map(Some);
        }
        if let Some(ticket) = upgrade.then(|| ticket(head)).flatten() {
            let subject = self.tickets.take(ticket, clock::wall());
            telemetry.identity(if subject.is_some() {
                "ticket"
            } else {
                "ticket_refused"
            });
            let refused = "the ticket is unknown, used or older than 30 s";
            return match subject {
                Some(subject) => Ok(Some(subject)),
                None => Err(Answer::new(Code::Unauthenticated, refused)),
            };
        }
        let fields = head
            .headers
            .get_all(header::COOKIE)
            .iter()
            .map(|value| value.as_bytes());
        let mut values = cookie::values(fields, &self.cookie);
        let Some(token) = values
            .next()
            .and_then(|value| std::str::from_utf8(value).ok())
        else {
            return Ok(None);
        };
        if upgrade || is_unsafe(&head.method) {
            self.check_origin(head, secure)?;
        }
        self.verified(token, telemetry).map(Some)
    }

    /// A cookie comes along whoever made the page; `Origin` says who did.
    fn check_origin(&self, head: &RequestHeader, secure: bool) -> Result<(), Answer> {
        let forbidden = |detail: &str| Err(Answer::new(Code::OriginForbidden, detail));
        let mut origins = head.headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return forbidden("a request with the user's cookie needs exactly one Origin");
        };
        let secure = self.tls.then_some(secure);
        match origin.to_str() {
            Ok(origin) if self.origins.allow(origin, secure, authority(head)) => Ok(()),
            _ => forbidden("this page may not act with the user's cookie"),
        }
    }

    fn verified(&self, token: &str, telemetry: &Telemetry) -> Result<Subject, Answer> {
        match self.verifier.verify(token) {
            Ok(subject) => {
                telemetry.identity("valid");
                Ok(subject)
            }
            Err(denied) => {
                telemetry.identity(denied.code());
                Err(Answer::new(Code::Unauthenticated, denied.to_string()))
            }
        }
    }
}

/// The query's ticket, if there is one.
fn ticket(head: &RequestHeader) -> Option<&str> {
    let mut pairs = head.uri.query()?.split('&');
    pairs.find_map(|pair| pair.strip_prefix("ticket="))
}

/// The query without its ticket, which must not travel further than here.
pub(super) fn without_ticket(query: &str) -> String {
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.starts_with("ticket="))
        .collect();
    kept.join("&")
}

fn bearer(head: &RequestHeader) -> Result<Option<&str>, Answer> {
    let mut fields = head.headers.get_all(header::AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Answer::new(
            Code::BadRequest,
            "there must be one Authorization",
        ));
    }
    // another scheme is the application's own affair
    let text = field.to_str().unwrap_or_default();
    Ok(text
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim()))
}

fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
