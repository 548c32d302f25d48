//! The cookie's rules: what browsers refuse is refused here, before a user finds out.

use super::{Checker, file};
use crate::config::{Affinity, AffinityBy, SameSite, SecretBytes, secret};

pub(super) fn affinity(checker: &mut Checker<'_>, shape: &file::Affinity) -> Affinity {
    cookie_name(checker, "affinity.cookie", &shape.cookie);
    cookie_prefix(checker, shape);
    attributes(checker, shape);
    checker.positive("affinity.idle", shape.idle);
    if let Some(absolute) = shape.absolute.filter(|absolute| *absolute < shape.idle) {
        let message = format!(
            "{absolute} is below affinity.idle {}, which could then never be reached; at least {}",
            shape.idle, shape.idle
        );
        checker.wrong("affinity.absolute", message);
    }
    if let Some(twin) = &shape.cross_site {
        cookie_name(checker, "affinity.cross_site.cookie", &twin.cookie);
        if twin.cookie == shape.cookie {
            let message = "is the name of affinity.cookie; the twin needs its own";
            checker.wrong("affinity.cross_site.cookie", message);
        }
    }
    Affinity {
        idle: shape.idle.0,
        absolute: shape.absolute.map(|span| span.0),
        keys: keys(checker, shape),
        same_site: shape.same_site,
        secure: shape.secure,
        http_only: shape.http_only,
        domain: shape.domain.clone(),
        path: shape.path.clone(),
        partitioned: shape
            .cross_site
            .as_ref()
            .is_some_and(|twin| twin.partitioned),
    }
}

/// What names the client instead of our cookie: one thing.
pub(super) fn by(
    checker: &mut Checker<'_>,
    path: &str,
    shape: &file::AffinityBy,
) -> Option<AffinityBy> {
    let mut found = Vec::new();
    found.extend(
        shape
            .header
            .as_ref()
            .map(|name| AffinityBy::Header(name.to_ascii_lowercase())),
    );
    found.extend(shape.query.clone().map(AffinityBy::Query));
    found.extend(shape.cookie.clone().map(AffinityBy::Cookie));
    found.extend(
        shape
            .subject
            .filter(|subject| *subject)
            .map(|_| AffinityBy::Subject),
    );
    match found.len() {
        1 => found.pop(),
        0 => {
            checker.wrong(path, "names nothing; one of header, query, cookie, subject");
            None
        }
        _ => {
            checker.wrong(
                path,
                "names several things; one of header, query, cookie, subject",
            );
            None
        }
    }
}

/// A cookie's name is a token (RFC 6265 section 4.1.1).
pub(super) fn cookie_name(checker: &mut Checker<'_>, path: &str, name: &str) {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(token) {
        let message = format!("{name:?} is no cookie name; 1 to 64 letters, digits, `-`, `_`, `.`");
        checker.wrong(path, message);
    }
}

/// What the prefixes promise (RFC 6265bis section 4.1.3) must hold, or browsers drop the cookie.
fn cookie_prefix(checker: &mut Checker<'_>, shape: &file::Affinity) {
    let (host, secure) = (
        shape.cookie.starts_with("__Host-"),
        shape.cookie.starts_with("__Secure-"),
    );
    if (host || secure) && shape.secure != Some(true) {
        let message = format!(
            "{:?} is kept by browsers with `affinity.secure: true` alone",
            shape.cookie
        );
        checker.wrong("affinity.cookie", message);
    }
    if host && (shape.domain.is_some() || shape.path != "/") {
        let message = format!(
            "{:?} is kept by browsers without affinity.domain and with affinity.path \"/\" alone",
            shape.cookie
        );
        checker.wrong("affinity.cookie", message);
    }
}

fn attributes(checker: &mut Checker<'_>, shape: &file::Affinity) {
    if shape.same_site == SameSite::None && shape.secure != Some(true) {
        let message = "browsers drop SameSite=None without Secure; set `affinity.secure: true`, or \
                       lax here and affinity.cross_site for the other sites";
        checker.wrong("affinity.same_site", message);
    }
    let plain = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_graphic() && c != ';' && c != ',')
    };
    if !shape.path.starts_with('/') || !plain(&shape.path) {
        checker.wrong(
            "affinity.path",
            format!("{:?} is no cookie path; \"/\"", shape.path),
        );
    }
    let domain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if let Some(name) = shape
        .domain
        .as_ref()
        .filter(|n| n.is_empty() || !n.chars().all(domain))
    {
        let message = format!("{name:?} is no domain; write for example example.com");
        checker.wrong("affinity.domain", message);
    }
}

/// Without keys a random one is made, which no other process and no later start can open.
fn keys(checker: &mut Checker<'_>, shape: &file::Affinity) -> Vec<SecretBytes> {
    let mut keys: Vec<SecretBytes> = Vec::new();
    for (index, source) in shape.keys.iter().enumerate() {
        let path = format!("affinity.keys[{index}]");
        match secret::key(source, checker.folder) {
            Ok(key) if keys.contains(&key) => checker.wrong(&path, "is the same key once more"),
            Ok(key) => keys.push(key),
            Err(message) => checker.wrong(&path, message),
        }
    }
    if shape.keys.is_empty() {
        let message = "is empty, so a random key is made at each start; a restart or a second \
                       proxy does not know its cookies; make one with `holdfast-proxy keygen`";
        checker.warn("affinity.keys", message);
        keys.push(SecretBytes::random());
    }
    keys
}
