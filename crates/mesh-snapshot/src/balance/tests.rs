use std::{collections::BTreeMap, time::Duration};

use super::*;

fn host(index: u8, weight: u32, healthy: bool) -> Arc<Host> {
    Arc::new(Host::for_tests(SocketAddr::from(([10, 0, 0, index], 80)), weight, healthy))
}

fn context(random: u64, hash: Option<u64>) -> PickContext<'static> {
    PickContext { now: Tick::after(Duration::ZERO), random, hash, original_destination: None, tried: &[], avoid: 0 }
}

/// How often each endpoint (by the last part of its address) is chosen in so many picks.
fn counts(balancer: &Balancer, policy: Policy, picks: u64, away: &[u8]) -> BTreeMap<u8, u64> {
    let turn = AtomicUsize::new(0);
    let last = |host: &Host| match host.address {
        SocketAddr::V4(v4) => v4.ip().octets()[3],
        SocketAddr::V6(_) => 0,
    };
    let mut counts = BTreeMap::new();
    for i in 0..picks {
        let hash = policy.is_consistent().then(|| crate::hash::xx(&i.to_le_bytes(), 9));
        let is_away = |host: &Host| away.contains(&last(host));
        let picked = balancer.pick(policy, &turn, !away.is_empty(), &context(i * 0x5851_F42D, hash), &is_away);
        if let Some(host) = picked {
            *counts.entry(last(&host)).or_default() += 1;
        }
    }
    counts
}

fn one_level(policy: Policy, hosts: Vec<Arc<Host>>) -> Balancer {
    Balancer::new(policy, vec![vec![(0, hosts)]], false, 140, 0.0)
}

fn near(count: u64, wanted: u64, tolerance: u64) -> bool {
    count.abs_diff(wanted) <= tolerance
}

#[test]
fn round_robin_takes_turns_by_weight() {
    let even = one_level(Policy::RoundRobin, (1..=3).map(|i| host(i, 1, true)).collect());
    assert_eq!(counts(&even, Policy::RoundRobin, 300, &[]), BTreeMap::from([(1, 100), (2, 100), (3, 100)]));
    assert_eq!(counts(&even, Policy::RoundRobin, 300, &[2]), BTreeMap::from([(1, 150), (3, 150)]));
    let uneven = one_level(Policy::RoundRobin, vec![host(1, 1, true), host(2, 3, true)]);
    let found = counts(&uneven, Policy::RoundRobin, 400, &[]);
    assert!(near(found[&1], 100, 3) && near(found[&2], 300, 3), "{found:?}");
}

#[test]
fn chance_and_load_decide() {
    let hosts: Vec<_> = (1..=2).map(|i| host(i, 1, true)).collect();
    let random = counts(&one_level(Policy::Random, hosts.clone()), Policy::Random, 4000, &[]);
    assert!(near(random[&1], 2000, 200), "{random:?}");
    let _busy: Vec<_> = (0..5).map(|_| hosts[0].begin()).collect();
    let policy = Policy::LeastRequest { choices: 2 };
    let found = counts(&one_level(policy, hosts), policy, 4000, &[]);
    assert!(near(found[&1], 1000, 150), "only when both looks fell on it: {found:?}");
}

#[test]
fn hashes_spread_evenly_and_move_little() {
    for policy in [Policy::RingHash { min: 1024, max: 8_388_608 }, Policy::Maglev { size: 65_537 }] {
        let hosts: Vec<_> = (1..=4).map(|i| host(i, 1, true)).collect();
        let all = one_level(policy, hosts.clone());
        let found = counts(&all, policy, 8000, &[]);
        assert!(found.values().all(|n| near(*n, 2000, 500)), "{policy:?}: {found:?}");
        let weighted = one_level(policy, vec![host(1, 1, true), host(2, 3, true)]);
        let found = counts(&weighted, policy, 8000, &[]);
        assert!(near(found[&1], 2000, 500), "{policy:?}: {found:?}");
        let without = one_level(policy, hosts[..3].to_vec());
        let turn = AtomicUsize::new(0);
        let pick = |balancer: &Balancer, i: u64| {
            let context = context(0, Some(crate::hash::xx(&i.to_le_bytes(), 0)));
            balancer.pick(policy, &turn, false, &context, &|_| false).unwrap().address
        };
        let gone = hosts[3].address;
        let moved = (0..4000).filter(|i| pick(&all, *i) != gone && pick(&all, *i) != pick(&without, *i)).count();
        // Envoy gives a smaller set more points each, which moves some more.
        assert!(moved < 600, "{policy:?}: {moved} of those that could stay have moved");
    }
}

#[test]
fn an_ejected_endpoint_gives_its_hashes_to_its_neighbours() {
    let policy = Policy::RingHash { min: 1024, max: 8_388_608 };
    let balancer = one_level(policy, (1..=4).map(|i| host(i, 1, true)).collect());
    let found = counts(&balancer, policy, 8000, &[4]);
    assert_eq!(found.len(), 3);
    assert_eq!(found.values().sum::<u64>(), 8000);
}

#[test]
fn priorities_share_as_envoy_documents() {
    // The table of Envoy's page on priority levels, two levels, overprovisioning 1.4.
    let cases =
        [(100, 100, 100, 0), (72, 72, 100, 0), (71, 71, 99, 1), (50, 50, 70, 30), (25, 100, 35, 65), (25, 25, 50, 50)];
    for (p0, p1, wanted0, wanted1) in cases {
        let shares = Shares::of(&[(p0, 100), (p1, 100)], 140, 0.0).unwrap();
        assert!(near(shares.percent[0], wanted0, 1) && near(shares.percent[1], wanted1, 1), "{p0} {p1}: {shares:?}");
        assert_eq!(shares.percent.iter().sum::<u64>(), 100);
    }
    assert_eq!(Shares::of(&[(0, 2), (0, 0)], 140, 0.0), None);
    let panic = Shares::of(&[(0, 2), (0, 6)], 140, 50.0).unwrap();
    assert_eq!((panic.percent, panic.panic), (vec![25, 75], vec![true, true]));
    assert_eq!(Shares::of(&[], 140, 50.0), None);
}

#[test]
fn panic_uses_all_and_zero_means_never() {
    let hosts = || vec![host(1, 1, true), host(2, 1, false), host(3, 1, false)];
    let calm = Balancer::new(Policy::RoundRobin, vec![vec![(0, hosts())]], false, 140, 0.0);
    assert_eq!(counts(&calm, Policy::RoundRobin, 30, &[]), BTreeMap::from([(1, 30)]));
    assert_eq!(counts(&calm, Policy::RoundRobin, 30, &[1]), BTreeMap::new());
    let panic = Balancer::new(Policy::RoundRobin, vec![vec![(0, hosts())]], false, 140, 50.0);
    assert_eq!(counts(&panic, Policy::RoundRobin, 30, &[]), BTreeMap::from([(1, 10), (2, 10), (3, 10)]));
}

#[test]
fn localities_share_by_weight_and_fail_over() {
    let places =
        vec![vec![(80, vec![host(1, 1, true)]), (20, vec![host(2, 1, true)])], vec![(1, vec![host(3, 1, true)])]];
    let balancer = Balancer::new(Policy::RoundRobin, places, true, 140, 0.0);
    let found = counts(&balancer, Policy::RoundRobin, 5000, &[]);
    assert!(near(found[&1], 4000, 300) && !found.contains_key(&3), "{found:?}");
    let found = counts(&balancer, Policy::RoundRobin, 5000, &[1, 2]);
    assert_eq!(found, BTreeMap::from([(3, 5000)]));
}
