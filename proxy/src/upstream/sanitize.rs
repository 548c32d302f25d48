//! What of a client's request may go further.
//!
//! Pingora sanitizes what it forwards itself; a dial of our own has to repeat it. Forwarding
//! fields are added after this, so that no nomination by the client can remove them.

use holdfast_wire::token_list;
use http::header::{self, HeaderName};
use pingora_http::RequestHeader;
use thiserror::Error;

/// A request that may not be forwarded; answer 400.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unforwardable {
    /// `Connection` would remove a field that says where the request comes from or goes to.
    #[error("Connection nominates {field}; only fields of one hop may be nominated")]
    ProtectedNomination {
        /// The field.
        field: String,
    },
    /// `Connection` is no list of field names (RFC 9110 section 7.6.1).
    #[error("Connection is malformed; a comma list of field names is allowed")]
    MalformedConnection,
}

/// Removes what belongs to the client's hop alone: the fields `Connection` nominates, the
/// hop-by-hop fields, `HTTP2-Settings`, and everything of the handoff contract, which clients
/// have no say in.
pub fn sanitize(head: &mut RequestHeader) -> Result<(), Unforwardable> {
    for field in nominated(head)? {
        head.remove_header(&field);
    }
    for field in HOP_BY_HOP {
        head.remove_header(&field);
    }
    remove_contract_fields(head);
    Ok(())
}

/// Removes all `Holdfast-*` fields.
pub fn remove_contract_fields(head: &mut RequestHeader) {
    let names: Vec<HeaderName> = head
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with(CONTRACT_PREFIX))
        .cloned()
        .collect();
    for name in names {
        head.remove_header(&name);
    }
}

fn nominated(head: &RequestHeader) -> Result<Vec<HeaderName>, Unforwardable> {
    let mut names = Vec::new();
    for value in head.headers.get_all(header::CONNECTION) {
        for token in token_list::tokens(value.as_bytes()) {
            let name =
                HeaderName::from_bytes(token).map_err(|_| Unforwardable::MalformedConnection)?;
            if is_protected(&name) {
                return Err(Unforwardable::ProtectedNomination {
                    field: name.to_string(),
                });
            }
            names.push(name);
        }
    }
    Ok(names)
}

fn is_protected(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with(CONTRACT_PREFIX)
        || name.starts_with("x-forwarded-")
        || matches!(
            name,
            "host" | "forwarded" | "x-real-ip" | "x-request-id" | "authorization"
        )
}

const CONTRACT_PREFIX: &str = "holdfast-";

/// RFC 9110 section 7.6.1, RFC 9113 section 3.1, and what history left.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut head = RequestHeader::build("GET", b"/ws", None).expect("a request");
        for (name, value) in fields {
            head.append_header(*name, *value).expect("a field");
        }
        head
    }

    #[test]
    fn hop_by_hop_fields_and_nominated_ones_go_no_further() {
        let mut head = request(&[
            ("Host", "example.com"),
            ("Connection", "Upgrade, X-Hop"),
            ("Connection", "keep-alive"),
            ("Upgrade", "websocket"),
            ("X-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("Proxy-Connection", "close"),
            ("Proxy-Authorization", "Basic eA=="),
            ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
            ("Holdfast-Subject", "root"),
            ("X-Kept", "1"),
        ]);
        sanitize(&mut head).expect("forwardable");
        let mut left: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["host", "x-kept"]);
    }

    #[test]
    fn nothing_that_says_where_a_request_comes_from_can_be_nominated_away() {
        for field in [
            "Host",
            "X-Forwarded-For",
            "forwarded",
            "X-Real-IP",
            "Holdfast-Subject",
        ] {
            let mut head = request(&[("Connection", "close")]);
            head.append_header("Connection", field).expect("a field");
            let refused = sanitize(&mut head).expect_err("protected");
            assert_eq!(
                refused,
                Unforwardable::ProtectedNomination {
                    field: field.to_ascii_lowercase()
                }
            );
        }
    }

    #[test]
    fn a_connection_field_that_is_no_list_of_names_is_refused() {
        for value in ["\"X-Forwarded-For\"", "a b", "x;y"] {
            let mut head = request(&[("Connection", value)]);
            assert_eq!(
                sanitize(&mut head),
                Err(Unforwardable::MalformedConnection),
                "{value}"
            );
        }
    }
}
