//! The answer to a handshake, RFC 6455 sections 1.3 and 4.2.2.
//!
//! SHA-1 is what the RFC demands here. It guards nothing: it only shows that the server
//! understood the request. Hence the plain RFC 3174 routine instead of a dependency.

/// `Sec-WebSocket-Accept` for the value of `Sec-WebSocket-Key`, as ASCII.
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64_of_20(sha1.finish())
}

/// Whether `key` is a `Sec-WebSocket-Key` as RFC 6455 section 4.2.1 wants it: 16 bytes in base64.
pub fn is_handshake_key(key: &[u8]) -> bool {
    let Some((digits, b"==")) = key.split_last_chunk::<2>() else {
        return false;
    };
    // The last digit carries two bits of data; the four below them must be 0.
    digits.len() == 22
        && digits.iter().all(|digit| BASE64.contains(digit))
        && matches!(digits.last(), Some(b'A' | b'Q' | b'g' | b'w'))
}

struct Sha1 {
    state: [u32; 5],
    block: [u8; 64],
    len: u64,
}

impl Sha1 {
    const fn new() -> Self {
        let state = [
            0x6745_2301,
            0xefcd_ab89,
            0x98ba_dcfe,
            0x1032_5476,
            0xc3d2_e1f0,
        ];
        Self {
            state,
            block: [0; 64],
            len: 0,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.block[(self.len % 64) as usize] = byte;
            self.len += 1;
            if self.len.is_multiple_of(64) {
                self.compress();
            }
        }
    }

    fn finish(mut self) -> [u8; 20] {
        let bits = self.len.wrapping_mul(8);
        self.update(&[0x80]);
        while self.len % 64 != 56 {
            self.update(&[0]);
        }
        self.update(&bits.to_be_bytes());
        let mut digest = [0; 20];
        for (out, word) in digest.chunks_exact_mut(4).zip(self.state) {
            out.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }

    /// RFC 3174 section 6.1.
    fn compress(&mut self) {
        let mut words = [0u32; 80];
        for (word, bytes) in words.iter_mut().zip(self.block.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for t in 16..80 {
            words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = self.state;
        for (t, word) in words.into_iter().enumerate() {
            let (f, k) = match t {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = [a.rotate_left(5), f, e, k, word]
                .into_iter()
                .fold(0, u32::wrapping_add);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (state, value) in self.state.iter_mut().zip([a, b, c, d, e]) {
            *state = state.wrapping_add(value);
        }
    }
}

fn base64_of_20(digest: [u8; 20]) -> [u8; 28] {
    let mut out = [b'='; 28];
    for (digits, bytes) in out.chunks_exact_mut(4).zip(digest.chunks(3)) {
        let mut group = [0; 4];
        group[1..=bytes.len()].copy_from_slice(bytes);
        let group = u32::from_be_bytes(group);
        for (at, digit) in digits.iter_mut().enumerate().take(bytes.len() + 1) {
            *digit = BASE64[(group >> (18 - 6 * at) & 0x3f) as usize];
        }
    }
    out
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_gives_the_digests_of_rfc_3174() {
        let cases: [(&[u8], usize, &str); 4] = [
            (b"abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                1,
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (b"a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
            (
                b"0123456701234567012345670123456701234567012345670123456701234567",
                10,
                "dea356a2cddd90c7a7ecedc5ebb563934f460452",
            ),
        ];
        for (part, times, expected) in cases {
            let mut sha1 = Sha1::new();
            for _ in 0..times {
                sha1.update(part);
            }
            let hex: String = sha1
                .finish()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(hex, expected);
        }
    }

    #[test]
    fn accept_is_that_of_rfc_6455_section_1_3() {
        assert_eq!(
            &accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
            b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn a_handshake_key_is_sixteen_bytes_in_base64() {
        assert!(is_handshake_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(is_handshake_key(b"AAAAAAAAAAAAAAAAAAAAAA=="));
        let refused: [&[u8]; 6] = [
            b"",
            b"==",
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"dGhlIHNhbXBsZSBub25jZR==",
            b"dGhlIHNhbXBsZSBub25jZ!==",
            b"dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ];
        for key in refused {
            assert!(!is_handshake_key(key), "{}", key.escape_ascii());
        }
    }
}
