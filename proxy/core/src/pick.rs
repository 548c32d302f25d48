//! Who takes a client that has no claim?
//!
//! Chance comes in as a number. Two hashes here are part of what proxies agree on without
//! talking, so they must never change: [`hash`] and the score of [`rendezvous`].

use std::sync::Arc;
use std::time::Duration;

use crate::affinity::AffinityKey;
use crate::cluster::{Balance, Cluster, Endpoint};
use crate::time::Instant;

/// Chooses among `candidates` as the cluster's balance says; `None` if there are none.
pub fn pick<'a>(
    cluster: &Cluster,
    candidates: &[&'a Arc<Endpoint>],
    key: AffinityKey,
    draw: u64,
    now: Instant,
) -> Option<&'a Arc<Endpoint>> {
    let slow_start = cluster.settings.slow_start;
    let weight = |endpoint: &Endpoint| effective_weight(endpoint, slow_start, now);
    match (candidates, cluster.settings.balance) {
        ([], _) => None,
        ([only], _) => Some(*only),
        (_, Balance::LeastSessions) => Some(least_sessions(candidates, weight, draw)),
        (_, Balance::RoundRobin) => Some(round_robin(candidates, weight, cluster.next_turn())),
        (_, Balance::Random) => Some(at_fraction(candidates, weight, fraction(draw))),
        (_, Balance::Rendezvous) => rendezvous(candidates.iter().copied(), key),
    }
}

/// The endpoint with the highest score for this key. Each proxy that knows the same endpoints
/// comes to the same one, and an endpoint that leaves moves only its own keys. Weight counts;
/// slow start does not, since proxies do not start at the same moment.
pub fn rendezvous<'a>(
    candidates: impl Iterator<Item = &'a Arc<Endpoint>>,
    key: AffinityKey,
) -> Option<&'a Arc<Endpoint>> {
    let scored = candidates.map(|endpoint| (score(endpoint, key), endpoint));
    let best = scored.max_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| y.id.cmp(&x.id)));
    best.map(|(_, endpoint)| endpoint)
}

/// A hash of text that is the same in every process and version (FNV-1a, then mixed).
pub fn hash(text: &[u8]) -> u64 {
    let fnv = text.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(fnv)
}

/// Spreads every bit of a number over all bits (the finalizer of SplitMix64).
pub const fn mix(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Of two different ones drawn at random, the one with fewer sessions for its weight. Looking
/// at two is enough to stay close to even, and keeps proxies that see the same counts from
/// all running to the same endpoint.
fn least_sessions<'a>(
    candidates: &[&'a Arc<Endpoint>],
    weight: impl Fn(&Endpoint) -> f64,
    draw: u64,
) -> &'a Arc<Endpoint> {
    let count = candidates.len() as u64;
    let first = below(draw, count);
    let second = (first + 1 + below(mix(draw ^ SECOND_DRAW), count - 1)) % count;
    let (first, second) = (candidates[first as usize], candidates[second as usize]);
    let fullness = |e: &Endpoint| (f64::from(e.load.sessions()) + 1.0) / weight(e);
    if fullness(second) < fullness(first) {
        second
    } else {
        first
    }
}

/// Equal weights: strictly one after the other. Others: turns are strewn evenly over the
/// weights by the golden ratio, so that a heavy endpoint does not get its share in one burst.
fn round_robin<'a>(
    candidates: &[&'a Arc<Endpoint>],
    weight: impl Fn(&Endpoint) -> f64,
    turn: u64,
) -> &'a Arc<Endpoint> {
    let first = weight(candidates[0]);
    if candidates.iter().all(|e| weight(e) == first) {
        return candidates[(turn % candidates.len() as u64) as usize];
    }
    at_fraction(candidates, weight, fraction(turn.wrapping_mul(GOLDEN)))
}

/// The endpoint at this fraction, 0 to 1, of all weights laid end to end.
fn at_fraction<'a>(
    candidates: &[&'a Arc<Endpoint>],
    weight: impl Fn(&Endpoint) -> f64,
    fraction: f64,
) -> &'a Arc<Endpoint> {
    let total: f64 = candidates.iter().map(|e| weight(e)).sum();
    let mut left = fraction * total;
    for endpoint in candidates {
        left -= weight(endpoint);
        if left < 0.0 {
            return endpoint;
        }
    }
    candidates[candidates.len() - 1]
}

/// Its weight, scaled down while it has been fit for less than `slow_start`: a tenth at
/// first, then in proportion to the time.
fn effective_weight(endpoint: &Endpoint, slow_start: Duration, now: Instant) -> f64 {
    let full = f64::from(endpoint.weight);
    let Some(since) = endpoint.fit_since else {
        return full;
    };
    let age = now.since(since);
    if age >= slow_start {
        return full;
    }
    full * (age.as_secs_f64() / slow_start.as_secs_f64()).max(0.1)
}

/// Weighted rendezvous: `-w / ln(u)` with `u` between 0 and 1 from the hash of both.
fn score(endpoint: &Endpoint, key: AffinityKey) -> f64 {
    let bits = key.bits();
    let folded = mix(bits as u64).wrapping_add((bits >> 64) as u64);
    let mixed = mix(folded ^ hash(endpoint.id.as_str().as_bytes()));
    let u = (fraction(mixed)).max(f64::MIN_POSITIVE);
    -f64::from(endpoint.weight) / u.ln()
}

/// 0 to 1, 1 excluded, from the upper 53 bits.
fn fraction(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1u64 << 53) as f64
}

/// 0 to `count`, `count` excluded, from all bits.
fn below(draw: u64, count: u64) -> u64 {
    ((u128::from(draw) * u128::from(count)) >> 64) as u64
}

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND_DRAW: u64 = 0x6a09_e667_f3bc_c909;

#[cfg(test)]
mod tests;
