//! What is sealed opens, and nothing else does.

use proptest::prelude::*;

use super::*;

fn cluster(name: &str) -> ClusterName {
    ClusterName::parse(name).expect("a good name")
}

fn keyring(secrets: &[u8]) -> Keyring {
    let secrets: Vec<_> = secrets.iter().map(|&byte| [byte; 32]).collect();
    Keyring::new(&secrets).expect("good keys")
}

fn claim(id: &str) -> Claim {
    Claim {
        key: AffinityKey::from_bits(7 << 100),
        endpoint: EndpointId::parse(id).expect("a good id"),
        issued: WallTime::from_unix(1_790_000_000),
        seen: WallTime::from_unix(1_790_000_100),
    }
}

#[test]
fn the_first_key_seals_and_all_open() {
    let (old, both, new) = (keyring(&[1]), keyring(&[2, 1]), keyring(&[2]));
    let game = cluster("game");
    let of_old = old.seal(&game, &claim("a"), [9; 12]);
    assert_eq!(both.open(&game, &of_old), Some(claim("a")));
    assert_eq!(new.open(&game, &of_old), None, "the old key is gone");
    let of_both = both.seal(&game, &claim("a"), [9; 12]);
    assert_eq!(new.open(&game, &of_both), Some(claim("a")));
    assert_eq!(old.open(&game, &of_both), None);
}

#[test]
fn a_cookie_of_one_cluster_is_garbage_to_another() {
    let keys = keyring(&[1]);
    let text = keys.seal(&cluster("game"), &claim("a"), [0; 12]);
    assert_eq!(keys.open(&cluster("shop"), &text), None);
}

#[test]
fn the_text_fits_a_cookie_and_tells_nothing() {
    let keys = keyring(&[1]);
    let longest = "x".repeat(EndpointId::LEN_MAX);
    let text = keys.seal(&cluster("game"), &claim(&longest), [5; 12]);
    assert!(text.len() <= 164, "{} bytes", text.len());
    assert!(
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    );
    assert_eq!(keys.open(&cluster("game"), &text), Some(claim(&longest)));
    let short = keys.seal(&cluster("game"), &claim("pod-7"), [5; 12]);
    let bytes = URL_SAFE_NO_PAD.decode(short).expect("base64");
    assert!(!bytes.windows(5).any(|part| part == b"pod-7"));
}

#[test]
fn keys_are_counted_and_told_apart() {
    assert_eq!(
        Keyring::new(&[]).err(),
        Some(KeyringError::Count { found: 0 })
    );
    assert_eq!(
        Keyring::new(&[[0; 32]; 9]).err(),
        Some(KeyringError::Count { found: 9 })
    );
    let twice = Keyring::new(&[[1; 32], [2; 32], [1; 32]]).err();
    assert_eq!(
        twice,
        Some(KeyringError::Twice {
            first: 1,
            second: 3
        })
    );
    assert_eq!(format!("{:?}", keyring(&[1, 2])), "Keyring(2 keys)");
}

proptest! {
    #[test]
    fn any_claim_comes_back(bits: u128, issued in 0..1u64 << 40, seen in 0..1u64 << 40,
                            id in "[a-zA-Z0-9._:-]{1,64}", nonce: [u8; 12]) {
        let keys = keyring(&[3]);
        let claim = Claim {
            key: AffinityKey::from_bits(bits),
            endpoint: EndpointId::parse(&id).expect("a good id"),
            issued: WallTime::from_unix(issued),
            seen: WallTime::from_unix(seen),
        };
        let text = keys.seal(&cluster("c"), &claim, nonce);
        prop_assert_eq!(keys.open(&cluster("c"), &text), Some(claim));
    }

    #[test]
    fn garbage_never_opens(text in "\\PC{0,300}") {
        prop_assert_eq!(keyring(&[3]).open(&cluster("c"), &text), None);
    }

    #[test]
    fn a_changed_byte_never_opens(at in 0usize..60, flip in 1u8..) {
        let keys = keyring(&[3]);
        let text = keys.seal(&cluster("c"), &claim("a"), [1; 12]);
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).expect("base64");
        prop_assert_eq!(bytes.len(), 60);
        bytes[at] ^= flip;
        prop_assert_eq!(keys.open(&cluster("c"), &URL_SAFE_NO_PAD.encode(bytes)), None);
    }
}
