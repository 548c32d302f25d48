//! Header fields that are lists of tokens: `Connection`, `Upgrade`, `Sec-WebSocket-Protocol`
//! (RFC 9110 sections 5.6.1, 7.6.1 and 7.8).
//!
//! A list may be spread over several fields of the same name; functions that need the whole list
//! take all of them. None of these lists has quoted strings, so every comma separates.

/// The elements of one field, without spaces; empty ones are left out, as section 5.6.1.2 wants.
pub fn tokens(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|token| !token.is_empty())
}

/// Whether `token` is in the list, without regard to case.
pub fn contains<'a>(fields: impl IntoIterator<Item = &'a [u8]>, token: &str) -> bool {
    fields
        .into_iter()
        .flat_map(tokens)
        .any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
}

/// What a request asks to change the connection into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Nothing, also when `Connection` does not name the `Upgrade` field, which then has no force.
    None,
    /// `websocket`, alone or among others. A server chooses, so the others need not be passed on.
    WebSocket,
    /// Only protocols that the edge never changes into, such as `h2c`.
    Other,
}

/// Reads all `Connection` and all `Upgrade` fields of a request, or of a 101.
pub fn upgrade<'a>(
    connection: impl IntoIterator<Item = &'a [u8]>,
    upgrade: impl IntoIterator<Item = &'a [u8]>,
) -> Upgrade {
    if !contains(connection, "upgrade") {
        return Upgrade::None;
    }
    let mut asked = Upgrade::None;
    for protocol in upgrade.into_iter().flat_map(tokens) {
        if protocol.eq_ignore_ascii_case(b"websocket") {
            return Upgrade::WebSocket;
        }
        asked = Upgrade::Other;
    }
    asked
}

/// The fields that `Connection` nominates as belonging to this hop; they go no further. Their case
/// is the sender's.
pub fn nominated<'a>(
    connection: impl IntoIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = &'a [u8]> {
    connection.into_iter().flat_map(tokens).filter(|token| {
        !token.eq_ignore_ascii_case(b"close") && !token.eq_ignore_ascii_case(b"keep-alive")
    })
}

/// Whether the field belongs to one hop whoever nominates it or not.
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP
        .iter()
        .any(|hop| name.eq_ignore_ascii_case(hop.as_bytes()))
}

/// Whether a nomination of the field must be refused: removing it would change who is asked, on
/// whose behalf, or where the message ends.
pub fn is_protected(name: &[u8]) -> bool {
    let starts = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    PROTECTED
        .iter()
        .any(|field| name.eq_ignore_ascii_case(field.as_bytes()))
        || PROTECTED_PREFIXES.iter().any(|prefix| starts(prefix))
}

/// The fields of RFC 9110 section 7.6.1, those that RFC 2616 had beside them, and the partner of
/// `Upgrade: h2c`.
pub const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const PROTECTED: [&str; 11] = [
    "authorization",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "idempotency-key",
    "last-event-id",
    "origin",
    "via",
    "x-real-ip",
    "x-request-id",
];

const PROTECTED_PREFIXES: [&str; 3] = ["holdfast-", "sec-websocket-", "x-forwarded-"];

/// Without optional white space, which is space and tab (RFC 9110 section 5.6.3).
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_at_commas_and_empty_elements_do_not_count() {
        let cases: [(&[u8], &[&[u8]]); 6] = [
            (b"", &[]),
            (b" , ,\t,", &[]),
            (b"upgrade", &[b"upgrade"]),
            (b"keep-alive, Upgrade", &[b"keep-alive", b"Upgrade"]),
            (b",a ,\tb\t,,c", &[b"a", b"b", b"c"]),
            (b"\xff, a b", &[b"\xff", b"a b"]),
        ];
        for (field, expected) in cases {
            assert_eq!(
                tokens(field).collect::<Vec<_>>(),
                expected,
                "{}",
                field.escape_ascii()
            );
        }
    }

    #[test]
    fn an_upgrade_needs_both_fields() {
        type Fields = &'static [&'static [u8]];
        let cases: [(Fields, Fields, Upgrade); 9] = [
            (&[b"Upgrade"], &[b"websocket"], Upgrade::WebSocket),
            (
                &[b"keep-alive, upgrade"],
                &[b"WebSocket"],
                Upgrade::WebSocket,
            ),
            (
                &[b"keep-alive", b"UPGRADE"],
                &[b"h2c", b"websocket"],
                Upgrade::WebSocket,
            ),
            (&[b"upgrade"], &[b"h2c"], Upgrade::Other),
            (&[b"upgrade"], &[b"websocket/13"], Upgrade::Other),
            (&[b"upgrade"], &[b"xwebsocket"], Upgrade::Other),
            (&[b"upgrade"], &[], Upgrade::None),
            (&[b"keep-alive"], &[b"websocket"], Upgrade::None),
            (&[b"up grade"], &[b"websocket"], Upgrade::None),
        ];
        for (connection, asked, expected) in cases {
            let connection = connection.iter().copied();
            assert_eq!(
                upgrade(connection, asked.iter().copied()),
                expected,
                "{asked:?}"
            );
        }
    }

    #[test]
    fn nominated_fields_are_those_beside_close_and_keep_alive() {
        let connection: [&[u8]; 2] = [b"close, X-Once", b"Keep-Alive,upgrade"];
        let fields: Vec<_> = nominated(connection).collect();
        assert_eq!(fields, [&b"X-Once"[..], b"upgrade"]);
    }

    #[test]
    fn host_forwarding_and_contract_fields_cannot_be_nominated_away() {
        for name in [
            "Host",
            "X-Forwarded-For",
            "x-forwarded-",
            "Holdfast-Connection",
            "Cookie",
        ] {
            assert!(is_protected(name.as_bytes()), "{name}");
        }
        for name in ["X-Once", "X-Forwarded", "Hostess", "Upgrade"] {
            assert!(!is_protected(name.as_bytes()), "{name}");
        }
        assert!(is_hop_by_hop(b"Transfer-Encoding") && is_hop_by_hop(b"TE"));
        assert!(!is_hop_by_hop(b"Accept"));
    }
}
