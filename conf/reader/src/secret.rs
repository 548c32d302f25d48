//! Secrets: read from a file or the environment, never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret is never written into the file itself: the file says where it is. Exactly one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Secret {
    /// Read it from this file, relative to the configuration's folder.
    pub file: Option<PathBuf>,
    /// Read it from this environment variable.
    pub env: Option<String>,
}

/// 32 secret bytes. They are written as 64 hex digits, so that they survive editors, config maps
/// and environment variables.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes([u8; 32]);

impl SecretBytes {
    /// These bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Random bytes from the system.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the system has randomness");
        Self(bytes)
    }

    /// The bytes themselves.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As 64 hex digits: what a key file holds and what goes over the wire.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().as_bytes();
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() || !text.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// Read 32 bytes from where the file says they are.
pub fn key(secret: &Secret, folder: &Path) -> Result<SecretBytes, String> {
    let text = raw(secret, folder)?;
    let text = String::from_utf8_lossy(&text);
    SecretBytes::parse(&text).ok_or_else(|| {
        format!(
            "{} is not 64 hex digits; make one with `holdfast-proxy keygen`",
            name(secret)
        )
    })
}

/// Read whatever stands there.
pub fn raw(secret: &Secret, folder: &Path) -> Result<Vec<u8>, String> {
    match (&secret.file, &secret.env) {
        (Some(file), None) => {
            let path = folder.join(file);
            std::fs::read(&path)
                .map_err(|cause| format!("{} cannot be read: {cause}", name(secret)))
        }
        (None, Some(variable)) => std::env::var(variable)
            .map(String::into_bytes)
            .map_err(|_| format!("the environment has no variable {variable}")),
        (None, None) => Err("a secret needs `file` or `env`".to_owned()),
        (Some(_), Some(_)) => Err("a secret has `file` or `env`, not both".to_owned()),
    }
}

fn name(secret: &Secret) -> String {
    match (&secret.file, &secret.env) {
        (Some(file), _) => file.display().to_string(),
        (_, Some(variable)) => format!("${variable}"),
        _ => "the secret".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_it_was_written() {
        let key = SecretBytes::new([0xa5; 32]);
        assert_eq!(SecretBytes::parse(&format!("{}\n", key.hex())), Some(key));
    }

    #[test]
    fn anything_but_64_hex_digits_is_refused() {
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"+1".repeat(32)] {
            assert_eq!(SecretBytes::parse(text), None, "{text:?} was accepted");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(
            format!("{:?}", SecretBytes::new([1; 32])),
            "SecretBytes(..)"
        );
    }
}
