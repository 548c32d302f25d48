//! Where the exchanges run: here, with a store, or behind an address.

use std::path::PathBuf;

use super::check::Checker;
use super::{Exchanges, Store, file};

impl Checker<'_> {
    pub(super) fn exchanges(&mut self, file: &file::Config) -> Exchanges {
        let exchange = file.exchange.as_ref();
        match (
            exchange.and_then(|exchange| exchange.address.as_ref()),
            &file.store,
        ) {
            (None, Some(store)) => {
                // nobody sees the empty name: what is wrong has been noted
                let store = self.store(store);
                Exchanges::Here(store.unwrap_or_else(|| Store::Sqlite(PathBuf::new())))
            }
            (None, None) => {
                let message = "is missing; name one, or in exchange.address who has one";
                self.wrong("store", message);
                Exchanges::Here(Store::Sqlite(PathBuf::new()))
            }
            (Some(address), store) => {
                if store.is_some() {
                    let message = "a front keeps no session; leave it out, or exchange.address";
                    self.wrong("store", message);
                }
                Exchanges::Elsewhere(self.exchange_address(address))
            }
        }
    }

    /// `host:port` of it.
    fn exchange_address(&mut self, text: &str) -> String {
        let uri = text.parse::<http::Uri>().ok();
        let plain = uri.filter(|uri| {
            uri.scheme_str() == Some("http")
                && uri.port().is_some()
                && uri.path() == "/"
                && uri.query().is_none()
        });
        let authority = plain.as_ref().and_then(http::Uri::authority);
        let authority = authority.filter(|authority| !authority.as_str().contains('@'));
        authority.map_or_else(
            || {
                let example = "write for example http://10.0.3.7:9001";
                self.wrong(
                    "exchange.address",
                    format!("{text:?} is no address; {example}"),
                );
                String::new()
            },
            ToString::to_string,
        )
    }
}
