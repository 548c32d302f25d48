//! Tokens: giving them for demonstrations, and judging them (RFC 7519, RFC 8725).

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::config;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who.
    pub sub: String,
    /// Who says so.
    pub iss: String,
    /// To whom.
    pub aud: String,
    /// Since when, in seconds since 1970.
    pub iat: u64,
    /// Until when, in seconds since 1970.
    pub exp: u64,
    /// Which token.
    pub jti: String,
}

/// Signs a token for `subject`, as of `now` (since 1970).
pub fn issue(
    issuer: &config::DemoIssuer,
    subject: &str,
    id: u128,
    now: Duration,
) -> Result<String, jsonwebtoken::errors::Error> {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid.clone_from(&issuer.key_id);
    let claims = Claims {
        sub: subject.to_owned(),
        iss: issuer.issuer.clone(),
        aud: issuer.audience.clone(),
        iat: now.as_secs(),
        exp: (now + issuer.ttl).as_secs(),
        jti: format!("{id:032x}"),
    };
    jsonwebtoken::encode(&header, &claims, &issuer.key)
}

/// What a good token is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Good {
    /// Whose it is.
    pub subject: String,
    /// Until when, in seconds since 1970.
    pub expires_at: u64,
}

/// Judges a token; what is wrong with it is told in one word.
pub fn judge(rules: &config::Tokens, token: &str) -> Result<Good, &'static str> {
    if token.len() > LENGTH_MAX {
        return Err("malformed");
    }
    let header = jsonwebtoken::decode_header(token).map_err(|error| word(error.kind()))?;
    // the token only names a key; which algorithm that key is good for is not its to say
    let named = |key: &&config::TokenKey| header.kid.as_ref().is_none_or(|kid| *kid == key.id);
    let key = rules.keys.iter().find(named).ok_or("signature")?;
    let mut validation = Validation::new(key.algorithm);
    validation.set_issuer(&[&rules.issuer]);
    validation.set_audience(&[&rules.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    validation.leeway = rules.leeway.as_secs();
    let decoded = jsonwebtoken::decode::<Judged>(token, &key.key, &validation);
    let claims = decoded.map_err(|error| word(error.kind()))?.claims;
    Ok(Good {
        subject: claims.sub,
        expires_at: claims.exp,
    })
}

/// All that is read of a good token.
#[derive(Clone, Debug, Deserialize)]
struct Judged {
    sub: String,
    exp: u64,
}

fn word(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::ImmatureSignature => "not_yet_valid",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAudience => "audience",
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::MissingAlgorithm => "algorithm",
        ErrorKind::InvalidSignature => "signature",
        _ => "malformed",
    }
}

/// The longest token that is looked at, in bytes.
const LENGTH_MAX: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, EncodingKey, encode};

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn rules() -> config::Tokens {
        config::Tokens {
            issuer: "me".into(),
            audience: "you".into(),
            leeway: Duration::from_secs(30),
            keys: vec![config::TokenKey {
                id: "k1".into(),
                algorithm: Algorithm::HS256,
                key: DecodingKey::from_secret(SECRET),
            }],
        }
    }

    fn claims() -> Claims {
        Claims {
            sub: "ann".into(),
            iss: "me".into(),
            aud: "you".into(),
            iat: 1,
            exp: 4_000_000_000,
            jti: "1".into(),
        }
    }

    fn signed(claims: &Claims, algorithm: Algorithm, kid: Option<&str>) -> String {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        encode(&header, claims, &EncodingKey::from_secret(SECRET)).expect("it can be signed")
    }

    #[test]
    fn a_good_token_names_its_subject() {
        let good = judge(&rules(), &signed(&claims(), Algorithm::HS256, Some("k1")));
        let expected = Good {
            subject: "ann".into(),
            expires_at: 4_000_000_000,
        };
        assert_eq!(good, Ok(expected));
    }

    #[test]
    fn each_way_to_be_bad_has_its_word() {
        let change = |change: &dyn Fn(&mut Claims)| {
            let mut claims = claims();
            change(&mut claims);
            signed(&claims, Algorithm::HS256, Some("k1"))
        };
        let good = signed(&claims(), Algorithm::HS256, Some("k1"));
        let cases = [
            ("expired", change(&|claims| claims.exp = 2)),
            ("issuer", change(&|claims| claims.iss = "she".into())),
            ("audience", change(&|claims| claims.aud = "them".into())),
            ("algorithm", signed(&claims(), Algorithm::HS512, Some("k1"))),
            ("signature", signed(&claims(), Algorithm::HS256, Some("k2"))),
            ("signature", format!("{}AAAA", &good[..good.len() - 4])),
            ("malformed", "abc".into()),
            ("malformed", "a".repeat(LENGTH_MAX + 1)),
        ];
        for (word, token) in cases {
            assert_eq!(judge(&rules(), &token), Err(word), "{token}");
        }
    }
}
