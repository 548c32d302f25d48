//! Which store: exactly one of those there are.

use super::check::Checker;
use super::unit::Span;
use super::{Store, file, secret};
use crate::store::redis::{Address, Options};

impl Checker<'_> {
    /// `None` when something is wrong, which is noted.
    pub(super) fn store(&mut self, shape: &file::Store) -> Option<Store> {
        const ONE: &str = "one of `sqlite: { file: ... }` and `redis: { url: ... }`";
        match (&shape.sqlite, &shape.redis) {
            (Some(sqlite), None) => Some(Store::Sqlite(self.folder.join(&sqlite.file))),
            (None, Some(redis)) => self.redis(redis).map(Store::Redis),
            (None, None) => {
                self.wrong("store", format!("names no store; write {ONE}"));
                None
            }
            (Some(_), Some(_)) => {
                self.wrong("store", format!("names two stores; keep {ONE}"));
                None
            }
        }
    }

    fn redis(&mut self, shape: &file::Redis) -> Option<Options> {
        let (least, most) = (Span::millis(50), Span::seconds(30));
        self.between("store.redis.timeout", shape.timeout, least, most);
        // braces would decide the slot of a cluster instead of the session
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
        if shape.prefix.is_empty() || !shape.prefix.chars().all(allowed) {
            let message = "is no prefix; letters, digits, `.`, `_`, `-` and `:`";
            self.wrong(
                "store.redis.prefix",
                format!("{:?} {message}", shape.prefix),
            );
        }
        let address = shape.url.parse::<Address>();
        let address = address
            .map_err(|message| self.wrong("store.redis.url", message))
            .ok()?;
        Some(Options {
            address: match &shape.password {
                Some(password) => {
                    address.with_password(self.password("store.redis.password", password)?)
                }
                None => address,
            },
            prefix: shape.prefix.clone(),
            timeout: shape.timeout.0,
        })
    }

    pub(super) fn password(&mut self, path: &str, shape: &file::Secret) -> Option<String> {
        let text = secret::raw(shape, self.folder).and_then(|bytes| {
            let text = String::from_utf8(bytes).map_err(|_| "is not text".to_owned())?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        });
        text.map_err(|message| self.wrong(path, message)).ok()
    }
}
