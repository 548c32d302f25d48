//! Who is the user? Verifies tokens; derives nothing from cookies or addresses.
//!
//! RFC 8725 is the rule book: each key is good for one algorithm, whatever a token says of
//! itself; issuer, audience and expiry are required; keys inside a token are never looked at.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use thiserror::Error;

use crate::clock;
use crate::config::{self, Algorithm};

mod known;
mod origin;
mod ticket;

use known::{Digest, Known};
pub use origin::Origins;
pub use ticket::{TICKET_LIFE, Tickets};

/// Whom a token speaks of: 1 to 256 visible ASCII characters, so that it fits a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Reads a subject; the only way to make one.
    pub fn parse(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && (1..=256).contains(&text.len())).then(|| Self(text.into()))
    }

    /// The subject as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a token is not believed. The client learns the name of it and nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Denied {
    /// It is longer than any token of ours.
    #[error("the token is too long")]
    TooLong,
    /// It is no token.
    #[error("the token is malformed")]
    Malformed,
    /// Its key is not one of ours, or it names another algorithm than the key's.
    #[error("the token's key or algorithm is not accepted")]
    Key,
    /// Its signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// It was issued by or for somebody else, or lacks a claim.
    #[error("the token is not for this service")]
    Claims,
    /// It is not valid at this time.
    #[error("the token is expired or not yet valid")]
    Expired,
}

impl Denied {
    /// Its name in metrics and answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong | Self::Malformed => "token_malformed",
            Self::Key => "token_key",
            Self::Signature => "token_signature",
            Self::Claims => "token_claims",
            Self::Expired => "token_expired",
        }
    }
}

/// Verifies tokens against the configured keys.
pub struct Verifier {
    keys: Vec<Key>,
    leeway: Duration,
    known: Known,
}

struct Key {
    id: String,
    key: DecodingKey,
    validation: Validation,
}

/// What a token claims; issuer and audience are compared by the library.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(flatten)]
    times: Times,
}

/// When a token is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Times {
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
}

impl Verifier {
    /// A verifier of the configured keys, which have been checked when they were read.
    pub fn new(config: &config::Identity) -> Self {
        let key = |shape: &config::IdentityKey| {
            let mut validation = Validation::new(algorithm(shape.algorithm));
            // times are judged here, by the process's one clock
            validation.validate_exp = false;
            validation.set_issuer(&[&config.issuer]);
            validation.set_audience(&[&config.audience]);
            let required = ["exp", "iss", "aud", "sub"].map(str::to_owned);
            validation.required_spec_claims = HashSet::from(required);
            Some(Key {
                id: shape.id.clone(),
                key: shape.decoding().ok()?,
                validation,
            })
        };
        Self {
            keys: config.keys.iter().filter_map(key).collect(),
            leeway: config.leeway,
            known: Known::default(),
        }
    }

    /// Whom does this token speak of?
    pub fn verify(&self, token: &str) -> Result<Subject, Denied> {
        self.verify_at(token, clock::wall())
    }

    fn verify_at(&self, token: &str, now: Duration) -> Result<Subject, Denied> {
        if token.len() > TOKEN_MAX {
            return Err(Denied::TooLong);
        }
        let digest = Digest::of(token);
        if let Some((subject, times)) = self.known.find(&digest) {
            return self.alive(times, now).map(|()| subject);
        }
        let Claims { sub, times } = self.signed(token)?;
        self.alive(times, now)?;
        let subject = Subject::parse(&sub).ok_or(Denied::Claims)?;
        self.known
            .remember(digest, subject.clone(), times, now.as_secs_f64());
        Ok(subject)
    }

    /// What a token claims, if one of our keys signed it.
    fn signed(&self, token: &str) -> Result<Claims, Denied> {
        let header = decode_header(token).map_err(|_| Denied::Malformed)?;
        // an extension that must be understood and is not (RFC 7515 section 4.1.11)
        if header.crit.is_some() {
            return Err(Denied::Key);
        }
        let key = match (&header.kid, self.keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.id == *kid),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let key = key.filter(|key| key.validation.algorithms.contains(&header.alg));
        let key = key.ok_or(Denied::Key)?;
        let token = decode::<Claims>(token, &key.key, &key.validation).map_err(denied)?;
        Ok(token.claims)
    }

    fn alive(&self, times: Times, now: Duration) -> Result<(), Denied> {
        let (now, leeway) = (now.as_secs_f64(), self.leeway.as_secs_f64());
        let early = |time: Option<f64>| time.is_some_and(|time| time > now + leeway);
        // written so that a number that is none is refused too
        let alive = times.exp + leeway > now;
        if !alive || early(times.nbf) || early(times.iat) {
            return Err(Denied::Expired);
        }
        Ok(())
    }
}

fn algorithm(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
    }
}

fn denied(error: jsonwebtoken::errors::Error) -> Denied {
    use jsonwebtoken::errors::ErrorKind as Kind;
    match error.kind() {
        Kind::InvalidSignature => Denied::Signature,
        Kind::InvalidAlgorithm | Kind::InvalidAlgorithmName => Denied::Key,
        Kind::InvalidIssuer | Kind::InvalidAudience | Kind::MissingRequiredClaim(_) => {
            Denied::Claims
        }
        _ => Denied::Malformed,
    }
}

/// Bytes of the longest token.
const TOKEN_MAX: usize = 8 << 10;

#[cfg(test)]
mod tests;
