//! Tickets: a WebSocket opened by a script can carry no header and, from another site, no
//! cookie. So the script asks for a ticket with its token and puts that into the address.
//!
//! Addresses end up in logs, so a ticket lives 30 s, is good for one upgrade and is removed
//! before the request goes on. It is sealed with a key that follows from the affinity key, so
//! that any proxy opens it; that it is used once is kept by each proxy for itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;

use super::Subject;
use crate::chance;
use crate::config::SecretBytes;

/// How long a ticket is good for.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);

/// Makes and takes tickets.
pub struct Tickets {
    /// The first seals, all open, as with affinity.
    keys: Vec<LessSafeKey>,
    used: Arc<Mutex<Used>>,
}

/// Ids of tickets that were used, in the order of their use.
#[derive(Default)]
struct Used(VecDeque<(u128, Duration)>);

impl Tickets {
    /// Tickets under keys that follow from these.
    pub fn new(keys: &[SecretBytes]) -> Self {
        let derive = |key: &SecretBytes| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
            let derived = hmac::sign(&key, LABEL);
            Some(LessSafeKey::new(
                UnboundKey::new(&AES_256_GCM_SIV, derived.as_ref()).ok()?,
            ))
        };
        Self {
            keys: keys.iter().filter_map(derive).collect(),
            used: Arc::default(),
        }
    }

    /// Under these keys from now on. What was used stays used.
    pub fn rotated(&self, keys: &[SecretBytes]) -> Self {
        Self {
            used: self.used.clone(),
            ..Self::new(keys)
        }
    }

    /// A ticket for this subject.
    pub fn issue(&self, subject: &Subject, now: Duration) -> Option<String> {
        let nonce = chance::bytes::<NONCE_LEN>();
        let expiry = (now + TICKET_LIFE).as_secs();
        let mut sealed = chance::bytes::<16>().to_vec();
        sealed.extend_from_slice(&expiry.to_be_bytes());
        sealed.extend_from_slice(subject.as_str().as_bytes());
        let unique = Nonce::assume_unique_for_key(nonce);
        let key = self.keys.first()?;
        key.seal_in_place_append_tag(unique, Aad::from(LABEL), &mut sealed)
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Whose ticket is this? A second time, or too late, it is nobody's.
    pub fn take(&self, ticket: &str, now: Duration) -> Option<Subject> {
        if ticket.len() > TICKET_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let opened = self.keys.iter().find_map(|key| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut sealed = sealed.to_vec();
            let opened = key
                .open_in_place(nonce, Aad::from(LABEL), &mut sealed)
                .ok()?;
            Some(opened.to_vec())
        })?;
        let (id, rest) = opened.split_first_chunk::<16>()?;
        let (expiry, subject) = rest.split_first_chunk::<8>()?;
        let expiry = Duration::from_secs(u64::from_be_bytes(*expiry));
        if now >= expiry {
            return None;
        }
        let subject = Subject::parse(std::str::from_utf8(subject).ok()?)?;
        let first = self
            .used
            .lock()
            .first_time(u128::from_be_bytes(*id), expiry, now);
        first.then_some(subject)
    }
}

impl Used {
    fn first_time(&mut self, id: u128, expiry: Duration, now: Duration) -> bool {
        self.0.retain(|(_, expiry)| *expiry > now);
        // full means a flood of valid tickets: rather refuse than let one be used twice
        if self.0.len() >= USED_MAX || self.0.iter().any(|(used, _)| *used == id) {
            return false;
        }
        self.0.push_back((id, expiry));
        true
    }
}

const LABEL: &[u8] = b"holdfast ticket v1";

/// Bytes of the longest ticket: nonce, id, expiry, subject and tag in base64.
const TICKET_MAX: usize = 512;

/// Tickets used within their life that are remembered; about 300 upgrades a second.
const USED_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn tickets() -> Tickets {
        Tickets::new(&[SecretBytes::new([7; 32])])
    }

    fn subject() -> Subject {
        Subject::parse("ann").expect("subject")
    }

    #[test]
    fn a_ticket_is_good_once() {
        let tickets = tickets();
        let ticket = tickets.issue(&subject(), NOW).expect("ticket");
        assert_eq!(tickets.take(&ticket, NOW), Some(subject()));
        assert_eq!(tickets.take(&ticket, NOW), None);
    }

    #[test]
    fn a_ticket_is_good_for_its_life_alone() {
        let tickets = tickets();
        let ticket = tickets.issue(&subject(), NOW).expect("ticket");
        assert_eq!(tickets.take(&ticket, NOW + TICKET_LIFE), None);
    }

    #[test]
    fn a_ticket_of_another_key_or_a_changed_one_is_nobody_s() {
        let ticket = tickets().issue(&subject(), NOW).expect("ticket");
        let others = Tickets::new(&[SecretBytes::new([8; 32])]);
        assert_eq!(others.take(&ticket, NOW), None);
        let mut changed = ticket.into_bytes();
        changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("text");
        assert_eq!(tickets().take(&changed, NOW), None);
        assert_eq!(tickets().take("", NOW), None);
    }

    #[test]
    fn a_rotated_key_still_opens() {
        let ticket = tickets().issue(&subject(), NOW).expect("ticket");
        let rotated = Tickets::new(&[SecretBytes::new([8; 32]), SecretBytes::new([7; 32])]);
        assert_eq!(rotated.take(&ticket, NOW), Some(subject()));
    }
    #[test]
    fn a_used_ticket_stays_used_under_new_settings() {
        let tickets = tickets();
        let ticket = tickets.issue(&subject(), NOW).expect("ticket");
        assert_eq!(tickets.take(&ticket, NOW), Some(subject()));
        let rotated = tickets.rotated(&[SecretBytes::new([7; 32])]);
        assert_eq!(rotated.take(&ticket, NOW), None);
    }
}
