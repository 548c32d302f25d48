//! What an upgrade, and the answer to one, have to look like (RFC 6455 section 4).

use holdfast_wire::token_list::{self, Upgrade};
use holdfast_wire::websocket::{accept_key, is_handshake_key};
use http::header::{self, HeaderName};
use http::{HeaderMap, Method, StatusCode, Version};
use pingora_http::RequestHeader;

/// What a client asked for, as far as answers are held against it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What an endpoint has to answer to the client's key.
    accept: [u8; 28],
    /// The subprotocols it offers.
    offered: Option<Box<[u8]>>,
    /// The one it was given, once it was.
    given: Option<Box<[u8]>>,
    /// Whether extensions are asked for: then they are between client and endpoint.
    extended: bool,
}

/// An upgrade that is refused here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadUpgrade {
    pub(crate) status: StatusCode,
    pub(crate) says: &'static str,
}

impl Asked {
    /// RFC 8441 is not offered: nobody who read the settings asks for it.
    pub(crate) const NOT_HERE: BadUpgrade = BadUpgrade {
        status: StatusCode::BAD_REQUEST,
        says: "a WebSocket is opened with GET over HTTP/1.1",
    };

    /// Reads the client's request, before anything was removed from it.
    pub(crate) fn read(request: &RequestHeader) -> Result<Self, BadUpgrade> {
        let fields = &request.headers;
        let bad = |says| BadUpgrade {
            status: StatusCode::BAD_REQUEST,
            says,
        };
        if request.version != Version::HTTP_11 || request.method != Method::GET {
            return Err(bad("a WebSocket is opened with GET over HTTP/1.1"));
        }
        if upgrade(fields) != Upgrade::WebSocket {
            let status = StatusCode::UPGRADE_REQUIRED;
            return Err(BadUpgrade {
                status,
                says: "Upgrade: websocket is required here",
            });
        }
        if only(fields, header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
            let status = StatusCode::UPGRADE_REQUIRED;
            return Err(BadUpgrade {
                status,
                says: "Sec-WebSocket-Version must be 13",
            });
        }
        let key = only(fields, header::SEC_WEBSOCKET_KEY).filter(|key| is_handshake_key(key));
        let key = key.ok_or_else(|| bad("Sec-WebSocket-Key must be 16 bytes in base64"))?;
        let bodiless = only(fields, header::CONTENT_LENGTH).is_none_or(|length| length == b"0");
        if !bodiless || fields.contains_key(header::TRANSFER_ENCODING) {
            return Err(bad("an upgrade has no body"));
        }
        let offered = fields.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        let offered = offered
            .map(|value| value.as_bytes())
            .collect::<Vec<_>>()
            .join(&b", "[..]);
        Ok(Self {
            accept: accept_key(key),
            offered: (!offered.is_empty()).then(|| offered.into()),
            given: None,
            extended: fields.contains_key(header::SEC_WEBSOCKET_EXTENSIONS),
        })
    }

    /// The endpoint is not asked for extensions.
    pub(crate) fn without_extensions(&mut self) {
        self.extended = false;
    }

    /// Whether an endpoint's 101 answers this request: it changes to WebSocket, knows the key,
    /// and takes a subprotocol that was asked for; on a later leg the one the client has.
    pub(crate) fn fits(&self, status: u16, fields: &HeaderMap, later: bool) -> bool {
        if status != 101 || upgrade(fields) != Upgrade::WebSocket {
            return false;
        }
        if only(fields, header::SEC_WEBSOCKET_ACCEPT) != Some(&self.accept) {
            return false;
        }
        // One that takes what nobody asked for would be closed by the client (section 4.1).
        if !self.extended && fields.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
            return false;
        }
        let protocols = fields
            .get_all(header::SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .count();
        let protocol = only(fields, header::SEC_WEBSOCKET_PROTOCOL);
        match (protocol, &self.offered) {
            _ if protocols > 1 => false,
            _ if later => protocol == self.given.as_deref(),
            (Some(protocol), Some(offered)) => {
                token_list::tokens(offered).any(|token| token == protocol)
            }
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Remembers what the client was given; what it offered is not needed any more.
    pub(crate) fn give(&mut self, fields: &HeaderMap) {
        self.given = only(fields, header::SEC_WEBSOCKET_PROTOCOL).map(Into::into);
        self.offered = None;
    }
}

fn upgrade(fields: &HeaderMap) -> Upgrade {
    let bytes = |name: HeaderName| {
        fields
            .get_all(name)
            .into_iter()
            .map(http::HeaderValue::as_bytes)
            .collect::<Vec<_>>()
    };
    token_list::upgrade(bytes(header::CONNECTION), bytes(header::UPGRADE))
}

/// The value of a field that is there once.
fn only(fields: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut values = fields.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}
