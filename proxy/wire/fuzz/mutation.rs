//! Runs what must hold for any bytes with a stable compiler: on a committed corpus as it is, then
//! on mutations of it, the same ones for the same seed.
//!
//! `HOLDFAST_FUZZ=long` runs about a minute, `HOLDFAST_FUZZ=<n>` so many mutations per target. A
//! failure prints the seed, which `HOLDFAST_FUZZ_SEED` takes, and the input.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::{env, fs};

/// What must hold for one parser; panics when it does not.
pub(crate) type Target = fn(&[u8]);

/// Runs `target` on each file of its corpus.
pub(crate) fn replay(folder: &Path, target: Target) {
    for input in corpus(folder) {
        check(folder, target, &input, "corpus");
    }
}

/// Runs `target` on mutations of its corpus: `runs` of them if nothing else is asked for.
pub(crate) fn mutate_all(folder: &Path, target: Target, runs: usize) {
    let seed = env::var("HOLDFAST_FUZZ_SEED").map_or(DEFAULT_SEED, |seed| {
        seed.parse().expect("HOLDFAST_FUZZ_SEED is a number")
    });
    let runs = match env::var("HOLDFAST_FUZZ").as_deref() {
        Err(_) => runs,
        Ok("long") => runs * LONG,
        Ok(runs) => runs.parse().expect("HOLDFAST_FUZZ is `long` or a number"),
    };
    let mut random = Random(seed);
    let mut pool = corpus(folder);
    for _ in 0..runs {
        let base = random.below(pool.len());
        let mut input = pool[base].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, &pool, &mut random);
        }
        input.truncate(INPUT_BYTES_MAX);
        check(folder, target, &input, &format!("seed {seed}"));
        // Mutations pile up, so that some inputs stray far from the corpus.
        if random.below(16) == 0 {
            if pool.len() < POOL_INPUTS_MAX {
                pool.push(input);
            } else {
                pool[base] = input;
            }
        }
    }
}

fn corpus(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("every target has a corpus")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
        .iter()
        .map(|file| fs::read(file).expect("a readable file"))
        .collect()
}

fn check(folder: &Path, target: Target, input: &[u8], origin: &str) {
    if let Err(cause) = panic::catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!(
            "{} does not hold ({origin}) for b\"{}\"",
            folder.display(),
            input.escape_ascii()
        );
        panic::resume_unwind(cause);
    }
}

fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let len = random.below(input.len() - at + 1);
    match random.below(8) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = ODD_BYTES[random.below(ODD_BYTES.len())],
        2 => input.insert(at, ODD_BYTES[random.below(ODD_BYTES.len())]),
        3 => drop(input.drain(at..at + len.min(8))),
        4 => input.truncate(at),
        5 => input.extend_from_within(at..at + len),
        6 => {
            let other = &pool[random.below(pool.len())];
            let from = random.below(other.len() + 1);
            input.splice(at..at + len, other[from..].iter().copied());
        }
        _ => input.insert(at, random.below(256) as u8),
    }
}

/// Marsaglia's xorshift64*: repeatable, and good enough to choose with.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// Bytes that mean something to some codec.
const ODD_BYTES: &[u8] = b"\0\x01\n\r :;=\",\x7d\x7e\x7f\x80\x81\x82\x88\x89\x8a\xef\xfe\xff";

const DEFAULT_SEED: u64 = 0x686f_6c64_6661_7374;
const INPUT_BYTES_MAX: usize = 4_096;
const POOL_INPUTS_MAX: usize = 512;
/// So many times as many mutations in a long run.
const LONG: usize = 25;
