//! May this page act with a user's cookie? The browser says in `Origin` which page it is.
//!
//! Compared by exact scheme, host and port, never by prefix or suffix. Needed wherever a cookie
//! says who the user is: on unsafe methods, and on WebSocket upgrades, which no browser rule
//! keeps other sites from opening (cross-site WebSocket hijacking).

/// The origins that are allowed beside the request's own.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// These origins, as browsers write them, in lower case.
    pub fn new(origins: &[String]) -> Self {
        Self(origins.to_vec())
    }

    /// Is `origin` the page of `host` itself, or one of the listed ones? `secure` is how the
    /// client reached us; `None` where that is not known because TLS ended in front of us, and
    /// then both schemes are its own.
    pub fn allow(&self, origin: &str, secure: Option<bool>, host: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        let own_scheme = match (scheme, secure) {
            ("https", Some(secure)) => secure,
            ("http", Some(secure)) => !secure,
            ("http" | "https", None) => true,
            _ => return false,
        };
        let own = own_scheme && same_host(authority, &host.to_ascii_lowercase(), scheme);
        own || self.0.contains(&origin)
    }
}

/// Browsers leave the scheme's own port out of `Origin`; `Host` may have it.
fn same_host(authority: &str, host: &str, scheme: &str) -> bool {
    let port = if scheme == "https" { ":443" } else { ":80" };
    let plain = |text: &str| text.strip_suffix(port).unwrap_or(text).to_owned();
    !authority.is_empty() && !authority.contains(['@', '/']) && plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_and_the_listed_origins_may_act() {
        let origins = Origins::new(&["https://app.example".to_owned()]);
        let cases = [
            ("http://edge.example:8080", true),
            ("HTTP://EDGE.example:8080", true),
            ("https://app.example", true),
            ("https://edge.example:8080", false),
            ("http://edge.example", false),
            ("http://edge.example:80800", false),
            ("http://evil-edge.example:8080", false),
            ("http://edge.example:8080.evil.example", false),
            ("http://edge.example:8080@evil.example", false),
            ("https://app.example.evil.example", false),
            ("https://app.example/", false),
            ("null", false),
            ("", false),
        ];
        for (origin, allowed) in cases {
            let found = origins.allow(origin, Some(false), "edge.example:8080");
            assert_eq!(found, allowed, "{origin}");
        }
    }

    #[test]
    fn the_scheme_s_own_port_may_be_written_or_not() {
        let origins = Origins::default();
        assert!(origins.allow("http://edge.example", Some(false), "edge.example:80"));
        assert!(origins.allow("https://edge.example", None, "edge.example"));
        assert!(!origins.allow("http://edge.example", Some(false), "edge.example:443"));
    }
}
