//! Masking, RFC 6455 section 5.3.

/// The four bytes a client chose for one frame.
pub type MaskKey = [u8; 4];

/// Masks or unmasks `payload` in place: the operation is its own inverse.
///
/// `offset` is how many bytes of the frame's payload came before this part of it.
#[inline]
pub fn mask(payload: &mut [u8], key: MaskKey, offset: u64) {
    let mut key = key;
    key.rotate_left((offset & 3) as usize);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    // Eight bytes at a time is what the compiler turns into the widest registers it may use.
    let (words, tail) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
