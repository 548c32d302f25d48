//! The rules of identity: keys that exist and are strong enough, origins that browsers send.

use super::{Checker, affinity, file};
use crate::config::{Algorithm, Identity, IdentityKey, secret};

pub(super) fn identity(checker: &mut Checker<'_>, shape: &file::Identity) -> Identity {
    for (key, value) in [("issuer", &shape.issuer), ("audience", &shape.audience)] {
        if value.is_empty() {
            checker.wrong(&format!("identity.{key}"), "is empty; every token has one");
        }
    }
    if shape.keys.is_empty() {
        checker.wrong(
            "identity.keys",
            "is empty, so that no token could be verified",
        );
    }
    affinity::cookie_name(checker, "identity.cookie", &shape.cookie);
    let keys = keys(checker, shape);
    let mut origins = Vec::new();
    for (index, origin) in shape.origins.iter().enumerate() {
        if !is_origin(origin) {
            let message =
                format!("{origin:?} is no origin; scheme, host and port as in https://app.example");
            checker.wrong(&format!("identity.origins[{index}]"), message);
        }
        origins.push(origin.to_ascii_lowercase());
    }
    Identity {
        issuer: shape.issuer.clone(),
        audience: shape.audience.clone(),
        keys,
        cookie: shape.cookie.clone(),
        leeway: shape.leeway.0,
        origins,
    }
}

fn keys(checker: &mut Checker<'_>, shape: &file::Identity) -> Vec<IdentityKey> {
    let mut keys: Vec<IdentityKey> = Vec::new();
    for (index, key) in shape.keys.iter().enumerate() {
        let path = format!("identity.keys[{index}]");
        if keys.iter().any(|other| other.id == key.id) {
            let message = format!("{:?} is the id of another key too", key.id);
            checker.wrong(&format!("{path}.id"), message);
        }
        let source = file::Secret {
            file: key.file.clone(),
            env: key.env.clone(),
        };
        let material = match secret::raw(&source, checker.folder) {
            Ok(material) => material,
            Err(message) => {
                checker.wrong(&path, message);
                continue;
            }
        };
        let key = IdentityKey {
            id: key.id.clone(),
            algorithm: key.algorithm,
            material,
        };
        if let Err(message) = key.check() {
            checker.wrong(&path, message);
        }
        keys.push(key);
    }
    keys
}

impl IdentityKey {
    /// Is the material what the algorithm needs?
    fn check(&self) -> Result<(), String> {
        if self.algorithm == Algorithm::HS256 && self.material.len() < 32 {
            return Err(format!(
                "{} bytes are too few for HS256; at least 32",
                self.material.len()
            ));
        }
        self.decoding()
            .map(|_| ())
            .map_err(|cause| format!("is no {:?} public key in PEM: {cause}", self.algorithm))
    }

    /// The key as the token library wants it.
    pub fn decoding(&self) -> Result<jsonwebtoken::DecodingKey, jsonwebtoken::errors::Error> {
        match self.algorithm {
            Algorithm::EdDSA => jsonwebtoken::DecodingKey::from_ed_pem(&self.material),
            Algorithm::ES256 => jsonwebtoken::DecodingKey::from_ec_pem(&self.material),
            Algorithm::RS256 => jsonwebtoken::DecodingKey::from_rsa_pem(&self.material),
            Algorithm::HS256 => Ok(jsonwebtoken::DecodingKey::from_secret(&self.material)),
        }
    }
}

/// As browsers write it: scheme, host, and the port where it is not the scheme's own.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else {
        return false;
    };
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    scheme && authority && uri.path() == "/" && !text.ends_with('/') && uri.query().is_none()
}
