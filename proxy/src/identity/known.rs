//! Tokens that were believed before: checking a signature costs more than all else that is done
//! for a plain request.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;

use super::{Subject, Times};

/// What was read from tokens with a good signature, by the digest of the whole token: one that
/// differs in a single byte is not known. Whether a token is good at this time is asked anew
/// each time. It lives as long as the keys that it was checked against: until a reload.
#[derive(Debug, Default)]
pub(super) struct Known {
    tokens: Mutex<HashMap<[u8; 32], (Subject, Times)>>,
}

/// A token, as it is known here.
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl Known {
    pub(super) fn find(&self, token: &Digest) -> Option<(Subject, Times)> {
        self.tokens.lock().get(&token.0).cloned()
    }

    /// Remembers a token whose signature is good. With too many, those that are over are
    /// forgotten, and if there are none, all.
    pub(super) fn remember(&self, token: Digest, subject: Subject, times: Times, now: f64) {
        let mut tokens = self.tokens.lock();
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, (_, times)| times.exp > now);
        }
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(token.0, (subject, times));
    }
}

/// About 2 MiB of them.
const TOKENS_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn times(exp: f64) -> Times {
        Times {
            exp,
            nbf: None,
            iat: None,
        }
    }

    #[test]
    fn only_the_very_token_is_known_and_their_number_is_bounded() {
        let known = Known::default();
        let ann = Subject::parse("ann").expect("a subject");
        known.remember(Digest::of("a.b.c"), ann.clone(), times(10.0), 0.0);
        let found = known.find(&Digest::of("a.b.c"));
        assert_eq!(found.map(|(subject, _)| subject), Some(ann.clone()));
        assert!(known.find(&Digest::of("a.b.C")).is_none());
        for n in 0..TOKENS_MAX {
            known.remember(Digest::of(&n.to_string()), ann.clone(), times(20.0), 15.0);
        }
        assert!(known.find(&Digest::of("a.b.c")).is_none(), "it was over");
        assert!(known.find(&Digest::of("0")).is_some());
        known.remember(Digest::of("new"), ann, times(20.0), 15.0);
        assert!(known.tokens.lock().len() <= TOKENS_MAX);
        assert!(known.find(&Digest::of("new")).is_some());
    }
}
