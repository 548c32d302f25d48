//! Cookies as the edge meets them (RFC 6265 and its revision, 6265bis).
//!
//! Reading takes what real clients send: several `Cookie` fields (HTTP/2 cuts them up), odd
//! spacing, quotes, pairs without `=`. Writing gives only what the RFC allows. Names are compared
//! byte for byte.

mod set_cookie;

use std::borrow::Cow;

pub use set_cookie::{Attributes, CookieError, SameSite, SetCookie};

use crate::token_list::trim;

/// The pairs of one `Cookie` field in their order, without spaces around them and without the
/// quotes around a value. A part without `=` has no name and is left out.
pub fn pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    parts(field).filter_map(|part| {
        let at = memchr::memchr(b'=', part)?;
        Some((trim(&part[..at]), unquote(trim(&part[at + 1..]))))
    })
}

/// All values of the cookie `name` in all `Cookie` fields of a request, in their order.
///
/// There may be several: a sibling host can plant one for the whole domain. The browser's order
/// says nothing about who set which, so whoever can recognize its own value tries them all.
pub fn values<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    fields
        .into_iter()
        .flat_map(pairs)
        .filter_map(move |(found, value)| (found == name.as_bytes()).then_some(value))
}

/// One `Cookie` field without the cookie `name`, so that it stays between client and edge.
///
/// `None`: nothing is left, and the field should go. Other parts and the spaces before them stay
/// as they were, byte for byte, so the field never grows.
pub fn without<'a>(field: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let is_named = |part: &[u8]| {
        memchr::memchr(b'=', part).is_some_and(|at| trim(&part[..at]) == name.as_bytes())
    };
    if !parts(field).any(is_named) {
        return Some(Cow::Borrowed(field));
    }
    let mut kept = Vec::with_capacity(field.len());
    for part in parts(field).filter(|part| !trim(part).is_empty() && !is_named(part)) {
        if kept.is_empty() {
            kept.extend_from_slice(trim(part));
        } else {
            kept.push(b';');
            kept.extend_from_slice(part);
        }
    }
    (!kept.is_empty()).then_some(Cow::Owned(kept))
}

fn parts(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|&byte| byte == b';')
}

fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}
