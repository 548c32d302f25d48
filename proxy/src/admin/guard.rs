//! Keeps other sites' pages away.
//!
//! A browser of somebody who can reach this port can be made to send requests here by any page
//! it shows. Browsers say where a request comes from: what does not come from our own page is
//! refused. A page can also call itself by a name that suddenly resolves to this address (DNS
//! rebinding), so browsers are served under an address or `localhost` alone.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::problem;

pub(super) async fn guard(request: Request, next: Next) -> Response {
    if let Err(why) = check(request.method(), request.headers()) {
        return problem(StatusCode::FORBIDDEN, "cross_site", why);
    }
    let mut answer = next.run(request).await;
    let fields = answer.headers_mut();
    for (name, value) in FIELDS {
        fields.insert(name, value);
    }
    answer
}

fn check(method: &Method, fields: &HeaderMap) -> Result<(), &'static str> {
    let text = |name: &str| fields.get(name).map(|value| value.to_str().unwrap_or("?"));
    let (site, origin) = (text("sec-fetch-site"), text("origin"));
    if site.is_none() && origin.is_none() {
        return Ok(());
    }
    // A link or a typed address may lead here from anywhere; it can only look.
    let looks = method == Method::GET && text("sec-fetch-mode") == Some("navigate");
    if !looks && !matches!(site, None | Some("same-origin" | "none")) {
        return Err("this port answers its own page alone");
    }
    let host = text("host").unwrap_or_default();
    if !is_address(host) {
        return Err("open this page by its address or as localhost");
    }
    let same = |origin: &str| origin.strip_prefix("http://") == Some(host);
    match origin {
        Some(origin) if !same(origin) => Err("this port answers its own page alone"),
        _ => Ok(()),
    }
}

fn is_address(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}

const FIELDS: [(header::HeaderName, header::HeaderValue); 4] = [
    (
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    ),
    (
        header::X_FRAME_OPTIONS,
        header::HeaderValue::from_static("DENY"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        header::HeaderValue::from_static(
            "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
        ),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_and_borrowed_names_are_refused() {
        let own = [
            ("host", "127.0.0.1:9090"),
            ("origin", "http://127.0.0.1:9090"),
        ];
        let cases: [(&[(&str, &str)], bool); 9] = [
            (&[("host", "proxy.internal:9090")], true),
            (&own, true),
            (
                &[("host", "[::1]:9090"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (
                &[("host", "localhost:9090"), ("sec-fetch-site", "none")],
                true,
            ),
            (
                &[
                    ("host", "127.0.0.1:9090"),
                    ("origin", "http://evil.example"),
                ],
                false,
            ),
            (&[("host", "127.0.0.1:9090"), ("origin", "null")], false),
            (
                &[("host", "127.0.0.1:9090"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                &[("host", "127.0.0.1:9090"), ("sec-fetch-site", "same-site")],
                false,
            ),
            (
                &[
                    ("host", "evil.example:9090"),
                    ("origin", "http://evil.example:9090"),
                ],
                false,
            ),
        ];
        for (fields, allowed) in cases {
            let fields: HeaderMap = fields
                .iter()
                .map(|(n, v)| (n.parse().expect("a name"), v.parse().expect("a value")))
                .collect::<HeaderMap>();
            assert_eq!(check(&Method::POST, &fields).is_ok(), allowed, "{fields:?}");
        }
    }
}
