//! Keys of the lab and the benchmark: made on this machine, for this machine.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// 32 random bytes as 64 hex digits: an affinity key, or the key of a cluster.
pub(crate) fn symmetric() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The key pair of the demo issuer, both halves as PEM.
pub(crate) struct IssuerKeys {
    /// PKCS #8, for the issuer alone.
    pub(crate) private: String,
    /// SubjectPublicKeyInfo, for whoever checks tokens.
    pub(crate) public: String,
}

impl IssuerKeys {
    pub(crate) fn generate() -> Result<Self, Unspecified> {
        let pair = Ed25519KeyPair::generate()?;
        let private = pair.to_pkcs8v1()?;
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key())?;
        Ok(Self {
            private: pem("PRIVATE KEY", private.as_ref()),
            public: pem("PUBLIC KEY", public.as_ref()),
        })
    }
}

/// RFC 7468: 64 characters a line.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    fn der(pem: &str) -> Vec<u8> {
        let text: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        STANDARD.decode(text).expect("base64")
    }

    #[test]
    fn the_public_half_verifies_what_the_private_half_signed() {
        let keys = IssuerKeys::generate().expect("key pair");
        let pair = Ed25519KeyPair::from_pkcs8(&der(&keys.private)).expect("PKCS #8");
        let signature = pair.sign(b"a token");

        let public = der(&keys.public);
        let raw = &public[public.len() - 32..];
        UnparsedPublicKey::new(&ED25519, raw)
            .verify(b"a token", signature.as_ref())
            .expect("signature of the same pair");
    }

    #[test]
    fn a_symmetric_key_is_64_hex_digits_and_never_the_same() {
        let (one, other) = (symmetric().expect("random"), symmetric().expect("random"));
        assert_eq!(one.len(), 64);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
