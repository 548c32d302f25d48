//! What does a path mean?
//!
//! Routes carry policy (who must show a token, where requests go), so a path must not look
//! like one route here and be served as another behind us. Before comparing, needless escapes
//! are undone and doubled slashes count as one; a path that servers are known to read
//! differently means nothing at all.

use std::borrow::Cow;

/// The path to compare routes with; `None` if servers might disagree on what it is: it does
/// not begin with `/`, or has a dot segment, an escaped slash, backslash or NUL, or a broken
/// escape.
pub fn normal(path: &str) -> Option<Cow<'_, str>> {
    if !path.starts_with('/') {
        return None;
    }
    let bytes = path.as_bytes();
    let plain = !bytes.iter().any(|b| matches!(b, b'%' | b'\\' | 0))
        && !bytes.windows(2).any(|pair| matches!(pair, b"//" | b"/."));
    if plain {
        return Some(Cow::Borrowed(path));
    }
    let unescaped = undo_escapes(bytes)?;
    if unescaped
        .split(|&b| b == b'/')
        .any(|segment| matches!(segment, b"." | b".."))
    {
        return None;
    }
    let mut normal = unescaped;
    normal.dedup_by(|b, a| *a == b'/' && *b == b'/');
    String::from_utf8(normal).ok().map(Cow::Owned)
}

/// Undoes the escapes of characters that need none, keeps the others, refuses the tricky ones.
fn undo_escapes(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        match first {
            b'\\' | 0 => return None,
            b'%' => {
                let escaped = hex(*tail.first()?)? << 4 | hex(*tail.get(1)?)?;
                match escaped {
                    b'/' | b'\\' | 0 => return None,
                    b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(b),
                    _ => out.extend_from_slice(&rest[..3]),
                }
                rest = &tail[2..];
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_every_server_reads() {
        let cases = [
            ("/", "/"),
            ("/api/v1/sessions", "/api/v1/sessions"),
            ("/api/%76%31/%73essions", "/api/v1/sessions"),
            ("/api//v1///x", "/api/v1/x"),
            ("/a%20b/%C3%A4", "/a%20b/%C3%A4"),
            ("/.well-known/x", "/.well-known/x"),
            ("/file.tar.gz", "/file.tar.gz"),
        ];
        for (path, meaning) in cases {
            assert_eq!(normal(path).as_deref(), Some(meaning), "{path}");
        }
    }

    #[test]
    fn paths_that_servers_read_differently_mean_nothing() {
        let tricky = [
            "",
            "x",
            "*",
            "/a/../b",
            "/a/./b",
            "/..",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a%00",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a/..",
        ];
        for path in tricky {
            assert_eq!(normal(path), None, "{path}");
        }
    }
}
