//! The YAML shape of identity: whose tokens are believed, and where they may come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::unit::Span;

/// Whose tokens are believed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The token's `iss` must be this.
    pub issuer: String,
    /// The token's `aud` must name this.
    pub audience: String,
    /// The keys that may have signed it, each for one algorithm.
    pub keys: Vec<IdentityKey>,
    /// The cookie a browser keeps the token in.
    #[serde(default = "cookie")]
    pub cookie: String,
    /// How far the clocks of issuer and proxy may differ.
    #[serde(default = "leeway")]
    pub leeway: Span,
    /// Origins (`https://app.example.com`) beside the request's own whose pages may act with a
    /// user's cookie.
    #[serde(default)]
    pub origins: Vec<String>,
}

/// A key that signs tokens.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityKey {
    /// The token's `kid`. Tokens without one match when there is one key.
    pub id: String,
    /// The only algorithm it is believed with, whatever a token says.
    pub algorithm: Algorithm,
    /// Public key as PEM; for `HS256` the secret itself.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The same from an environment variable.
    #[serde(default)]
    pub env: Option<String>,
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Algorithm {
    /// Ed25519.
    #[default]
    EdDSA,
    /// ECDSA on P-256.
    ES256,
    /// RSA, PKCS #1 v1.5.
    RS256,
    /// HMAC: issuer and proxy share the secret.
    HS256,
}

fn cookie() -> String {
    "holdfast_token".to_owned()
}

fn leeway() -> Span {
    Span::seconds(30)
}
