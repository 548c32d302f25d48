//! How evenly, and how steadily, clients are spread.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::*;
use crate::cluster::{ClusterName, ClusterSettings, EndpointId};

fn cluster(balance: Balance, weights: &[(&str, u32)]) -> Cluster {
    let mut settings = ClusterSettings::new(ClusterName::parse("c").expect("a good name"));
    settings.balance = balance;
    settings.slow_start = Duration::from_secs(100);
    let endpoint = |(id, weight): &(&str, u32)| {
        let id = EndpointId::parse(id).expect("a good id");
        Arc::new(Endpoint::new(
            id,
            SocketAddr::from(([127, 0, 0, 1], 1)),
            *weight,
            &settings,
        ))
    };
    let endpoints = weights.iter().map(endpoint).collect();
    Cluster::new(Arc::new(settings), endpoints, Arc::default())
}

fn now() -> Instant {
    Instant::after_start(Duration::from_secs(1000))
}

/// Picks so many times, counts who was picked, and lets each pick stay as a session.
fn spread(cluster: &Cluster, times: u64) -> BTreeMap<String, u32> {
    let candidates: Vec<_> = cluster.endpoints().iter().collect();
    let mut counts = BTreeMap::new();
    for n in 0..times {
        let draw = mix(n + 1);
        let key = AffinityKey::from_bits(u128::from(mix(draw)) << 64 | u128::from(draw));
        let chosen = pick(cluster, &candidates, key, draw, now()).expect("there are candidates");
        chosen.load.report(chosen.load.sessions() + 1);
        *counts.entry(chosen.id.to_string()).or_default() += 1;
    }
    counts
}

#[test]
fn nobody_is_picked_from_nobody() {
    let cluster = cluster(Balance::LeastSessions, &[]);
    assert!(pick(&cluster, &[], AffinityKey::from_bits(1), 1, now()).is_none());
}

#[test]
fn every_balance_spreads_by_weight() {
    for (balance, tolerance) in [
        (Balance::LeastSessions, 80),
        (Balance::RoundRobin, 10),
        (Balance::Random, 100),
        (Balance::Rendezvous, 100),
    ] {
        let counts = spread(&cluster(balance, &[("a", 1), ("b", 1), ("c", 2)]), 4000);
        for (id, expected) in [("a", 1000u32), ("b", 1000), ("c", 2000)] {
            let off = counts[id].abs_diff(expected);
            assert!(off <= tolerance * 2, "{balance:?}: {counts:?}");
        }
    }
}

#[test]
fn equal_endpoints_take_strict_turns() {
    let cluster = cluster(Balance::RoundRobin, &[("a", 3), ("b", 3), ("c", 3)]);
    let candidates: Vec<_> = cluster.endpoints().iter().collect();
    let turn = || {
        let key = AffinityKey::from_bits(1);
        pick(&cluster, &candidates, key, 9, now())
            .expect("someone")
            .id
            .to_string()
    };
    let turns: Vec<_> = (0..6).map(|_| turn()).collect();
    assert_eq!(turns, ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn fewer_sessions_win_whatever_the_draw() {
    let cluster = cluster(Balance::LeastSessions, &[("a", 1), ("b", 1)]);
    cluster.endpoints()[0].load.report(9);
    let candidates: Vec<_> = cluster.endpoints().iter().collect();
    for n in 0..100 {
        let chosen = pick(
            &cluster,
            &candidates,
            AffinityKey::from_bits(1),
            mix(n),
            now(),
        );
        assert_eq!(chosen.expect("someone").id.as_str(), "b");
    }
}

#[test]
fn an_endpoint_that_just_came_gets_little_at_first() {
    let plain = cluster(Balance::Random, &[("a", 1), ("b", 1)]);
    let started_ago = |seconds: u64| {
        let mut young = Endpoint::clone(&plain.endpoints()[1]);
        young.fit_since = Some(Instant::after_start(Duration::from_secs(1000 - seconds)));
        let endpoints = vec![plain.endpoints()[0].clone(), Arc::new(young)];
        let cluster = Cluster::new(plain.settings.clone(), endpoints, Arc::default());
        spread(&cluster, 2000).get("b").copied().unwrap_or(0)
    };
    assert!((130..250).contains(&started_ago(0)), "a tenth against one");
    assert!((600..750).contains(&started_ago(50)), "half against one");
    assert!((900..1100).contains(&started_ago(100)), "its full share");
}

#[test]
fn one_more_endpoint_takes_keys_from_all_and_moves_no_other() {
    let three = cluster(Balance::Rendezvous, &[("a", 1), ("b", 1), ("c", 1)]);
    let four = cluster(
        Balance::Rendezvous,
        &[("a", 1), ("b", 1), ("c", 1), ("d", 1)],
    );
    let mut moved = 0;
    for n in 0..2000u64 {
        let key = AffinityKey::from_bits(u128::from(mix(n)));
        let before = rendezvous(three.endpoints().iter(), key).expect("someone");
        let after = rendezvous(four.endpoints().iter(), key).expect("someone");
        if before.id != after.id {
            assert_eq!(after.id.as_str(), "d");
            moved += 1;
        }
    }
    assert!((400..600).contains(&moved), "{moved} of 2000 moved");
}

#[test]
fn the_hashes_that_proxies_agree_on_never_change() {
    assert_eq!(hash(b"pod-7"), 0x0b2f_c14d_9cf9_0104);
    let cluster = cluster(Balance::Rendezvous, &[("a", 1), ("b", 1), ("c", 1)]);
    let places: String = (0..12)
        .map(|n| {
            let key = AffinityKey::from_bits(n << 64 | n);
            rendezvous(cluster.endpoints().iter(), key)
                .expect("someone")
                .id
                .to_string()
        })
        .collect();
    assert_eq!(places, "bcbbaabcbbac");
}
