//! A claim as text that only we can write and only we can read.
//!
//! `base64url( version 1 | key id 4 | nonce 12 | sealed( key 16 | issued 5 | seen 5 | id n ) |
//! tag 16 )` with AES-256-GCM-SIV (RFC 8452): a nonce that repeats by mischance costs nothing
//! but the equality of two equal claims. Version, key id and the cluster's name are
//! authenticated with it, so a cookie of one cluster is garbage to another.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::{AffinityKey, Claim};
use crate::cluster::{ClusterName, EndpointId};
use crate::time::WallTime;

/// The keys of a proxy: the first seals, all open.
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// How many keys there may be: the sealing one and those still out there.
    pub const KEYS_MAX: usize = 8;

    /// Takes the keys in order of the configuration.
    pub fn new(secrets: &[[u8; 32]]) -> Result<Self, KeyringError> {
        if secrets.is_empty() || secrets.len() > Self::KEYS_MAX {
            return Err(KeyringError::Count {
                found: secrets.len(),
            });
        }
        let keys: Vec<Key> = secrets.iter().filter_map(Key::new).collect();
        for (at, key) in keys.iter().enumerate() {
            if let Some(first) = keys[..at].iter().position(|k| k.id == key.id) {
                return Err(KeyringError::Twice {
                    first: first + 1,
                    second: at + 1,
                });
            }
        }
        Ok(Self { keys })
    }

    /// Seals a claim on an endpoint of `cluster`. `nonce` should be random.
    pub fn seal(&self, cluster: &ClusterName, claim: &Claim, nonce: [u8; NONCE_LEN]) -> String {
        let key = &self.keys[0];
        let mut value = Vec::with_capacity(HEAD_LEN + BODY_LEN_MAX + TAG_LEN);
        value.push(VERSION);
        value.extend_from_slice(&key.id);
        value.extend_from_slice(&nonce);
        let mut body = Vec::with_capacity(BODY_LEN_MAX + TAG_LEN);
        body.extend_from_slice(&claim.key.bits().to_be_bytes());
        body.extend_from_slice(&claim.issued.unix().to_be_bytes()[3..]);
        body.extend_from_slice(&claim.seen.unix().to_be_bytes()[3..]);
        body.extend_from_slice(claim.endpoint.as_str().as_bytes());
        let sealed = key.aead.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated(&key.id, cluster)),
            &mut body,
        );
        // The cipher refuses texts of gigabytes alone; an empty value is garbage to all of us.
        if sealed.is_err() {
            return String::new();
        }
        value.extend_from_slice(&body);
        URL_SAFE_NO_PAD.encode(value)
    }

    /// Opens what [`Keyring::seal`] made for this cluster; `None` for anything else.
    pub fn open(&self, cluster: &ClusterName, text: &str) -> Option<Claim> {
        let mut value = [0; VALUE_LEN_MAX];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut value).ok()?;
        let (head, body) = value.get_mut(..len)?.split_at_mut_checked(HEAD_LEN)?;
        let (&version, rest) = head.split_first()?;
        let (id, nonce) = rest.split_at_checked(KEY_ID_LEN)?;
        let key = self
            .keys
            .iter()
            .find(|key| version == VERSION && key.id == id)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let aad = Aad::from(associated(&key.id, cluster));
        let body = key.aead.open_in_place(nonce, aad, body).ok()?;
        let (bits, body) = body.split_first_chunk::<16>()?;
        let (issued, body) = body.split_first_chunk::<5>()?;
        let (seen, id) = body.split_first_chunk::<5>()?;
        Some(Claim {
            key: AffinityKey::from_bits(u128::from_be_bytes(*bits)),
            endpoint: EndpointId::parse(std::str::from_utf8(id).ok()?).ok()?,
            issued: time(*issued),
            seen: time(*seen),
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

/// Keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyringError {
    /// None to seal with, or more than are tried.
    #[error("{found} keys; 1 to {} are allowed", Keyring::KEYS_MAX)]
    Count {
        /// How many there are.
        found: usize,
    },
    /// The same key again: a slip in a rotation.
    #[error("key {second} is the same as key {first}; remove one")]
    Twice {
        /// Place of the first, from 1.
        first: usize,
        /// Place of the second, from 1.
        second: usize,
    },
}

struct Key {
    id: [u8; KEY_ID_LEN],
    aead: LessSafeKey,
}

impl Key {
    fn new(secret: &[u8; 32]) -> Option<Self> {
        let mut id = [0; KEY_ID_LEN];
        let text = [b"holdfast affinity key id\0".as_slice(), secret].concat();
        id.copy_from_slice(&digest(&SHA256, &text).as_ref()[..KEY_ID_LEN]);
        let unbound = UnboundKey::new(&AES_256_GCM_SIV, secret).ok()?;
        Some(Self {
            id,
            aead: LessSafeKey::new(unbound),
        })
    }
}

fn associated(key_id: &[u8; KEY_ID_LEN], cluster: &ClusterName) -> Vec<u8> {
    [
        b"holdfast affinity\0".as_slice(),
        &[VERSION],
        key_id,
        cluster.as_str().as_bytes(),
    ]
    .concat()
}

fn time(bytes: [u8; 5]) -> WallTime {
    let [a, b, c, d, e] = bytes;
    WallTime::from_unix(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
}

const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 4;
const TAG_LEN: usize = 16;
const HEAD_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;
const BODY_LEN_MAX: usize = 16 + 5 + 5 + EndpointId::LEN_MAX;
/// Decoding asks for room rounded up to whole groups of three.
const VALUE_LEN_MAX: usize = HEAD_LEN + BODY_LEN_MAX + TAG_LEN + 3;

#[cfg(test)]
mod tests;
