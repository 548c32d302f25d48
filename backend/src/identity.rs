//! Who is on the other side: a proxy or backend of this cluster, or anybody.
//!
//! `Holdfast-*` request headers say who the user is and which endpoints are gone. They are believed
//! from peers that know the cluster's key, or, where none is configured, from this machine alone.
//! From everybody else they are removed before anything reads them, so that the rest of the code
//! can take them as they stand.

use std::hint::black_box;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::HeaderName;

use crate::config::SecretBytes;

/// Carries the cluster's key as 64 hex digits, in HTTP and as gRPC metadata.
pub const CLUSTER_KEY: &str = "holdfast-cluster-key";

/// Whom to believe.
#[derive(Clone, Debug)]
pub struct Trust {
    key: Option<String>,
}

/// What a peer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A proxy or backend of this cluster: its `Holdfast-*` headers are true.
    Trusted,
    /// Anybody: `Holdfast-*` headers were removed.
    Stranger,
}

impl Trust {
    /// Believes who knows `key`; without one, who is on this machine.
    pub fn new(key: Option<&SecretBytes>) -> Self {
        Self {
            key: key.map(SecretBytes::hex),
        }
    }

    /// Judges a peer by its address and headers, and removes what must not be believed. The key
    /// itself is always removed: nothing behind this needs it.
    pub fn screen(&self, headers: &mut HeaderMap, address: IpAddr) -> Peer {
        let shown = headers.remove(CLUSTER_KEY);
        let peer = match (&self.key, shown) {
            (None, _) if address.to_canonical().is_loopback() => Peer::Trusted,
            (Some(key), Some(shown)) if equal(key.as_bytes(), shown.as_bytes()) => Peer::Trusted,
            _ => Peer::Stranger,
        };
        if peer == Peer::Stranger {
            let claims: Vec<HeaderName> = headers
                .keys()
                .filter(|name| name.as_str().starts_with("holdfast-"))
                .cloned()
                .collect();
            for name in claims {
                headers.remove(name);
            }
        }
        peer
    }
}

/// Compares in a time that does not tell how much was right.
fn equal(key: &[u8], shown: &[u8]) -> bool {
    let differ = key
        .iter()
        .zip(shown)
        .fold(0, |differ, (a, b)| black_box(differ | (a ^ b)));
    key.len() == shown.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1";
    const ELSEWHERE: &str = "10.1.2.3";

    fn screened(trust: &Trust, key: Option<&str>, address: &str) -> (Peer, HeaderMap) {
        let mut headers = HeaderMap::new();
        headers.insert("holdfast-subject", "ann".parse().expect("value"));
        headers.append("holdfast-moved-from", "a".parse().expect("value"));
        headers.append("holdfast-moved-from", "b".parse().expect("value"));
        headers.insert("accept", "*/*".parse().expect("value"));
        if let Some(key) = key {
            headers.insert(CLUSTER_KEY, key.parse().expect("value"));
        }
        let peer = trust.screen(&mut headers, address.parse().expect("address"));
        assert!(headers.contains_key("accept"), "other headers stay");
        assert!(
            !headers.contains_key(CLUSTER_KEY),
            "the key goes no further"
        );
        (peer, headers)
    }

    #[test]
    fn with_a_key_only_those_who_know_it_are_believed() {
        let key = SecretBytes::new([7; 32]);
        let trust = Trust::new(Some(&key));
        let wrong = "8".repeat(64);
        for shown in [None, Some(""), Some("07"), Some(wrong.as_str())] {
            let (peer, headers) = screened(&trust, shown, LOOPBACK);
            assert_eq!(peer, Peer::Stranger, "{shown:?}");
            assert_eq!(headers.len(), 1, "{shown:?}");
        }
        let (peer, headers) = screened(&trust, Some(&key.hex()), ELSEWHERE);
        assert_eq!(peer, Peer::Trusted);
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn without_a_key_only_this_machine_is_believed() {
        let trust = Trust::new(None);
        assert_eq!(screened(&trust, None, LOOPBACK).0, Peer::Trusted);
        assert_eq!(screened(&trust, None, "::ffff:127.0.0.1").0, Peer::Trusted);
        let (peer, headers) = screened(&trust, None, ELSEWHERE);
        assert_eq!(peer, Peer::Stranger);
        assert!(!headers.contains_key("holdfast-moved-from"));
    }
}
