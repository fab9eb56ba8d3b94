//! Choosing an endpoint: priority, then locality, then by the cluster's policy.
//!
//! ```text
//!   Cluster ─ levels ─► Level (priority) ─ shares ─► HostSet (locality) ─ policy ─► Host
//! ```
//! What is chosen among is immutable; what changes with each request (active counts, ejections, whose turn it is) lives
//! in handles that the next snapshot takes over.

mod maglev;
mod ring;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use self::{maglev::Maglev, ring::Ring};
use crate::{cluster::Policy, host::Host, outlier::Tick};

/// What a choice is made from.
#[derive(Clone, Copy, Debug)]
pub struct PickContext<'a> {
    /// The time.
    pub now: Tick,
    /// A random number.
    pub random: u64,
    /// The caller's hash, for consistent policies.
    pub hash: Option<u64>,
    /// Where the connection was going, for clusters of original destinations; for dynamic ones the address of the name.
    pub original_destination: Option<SocketAddr>,
    /// Endpoints that were tried already.
    pub tried: &'a [SocketAddr],
    /// How often to choose again to avoid those.
    pub avoid: u32,
}

/// Endpoints that are chosen among by the policy alone.
#[derive(Debug)]
struct HostSet {
    /// All of them.
    all: Vec<Arc<Host>>,
    /// Those that the control plane calls healthy.
    healthy: Vec<Arc<Host>>,
    /// Whether weights differ.
    uneven: bool,
    /// The locality's share.
    weight: u64,
    table: Table,
}

#[derive(Debug)]
enum Table {
    None,
    Ring(Ring),
    Maglev(Maglev),
}

/// One priority.
#[derive(Debug)]
struct Level {
    /// Everything of this priority.
    whole: HostSet,
    /// By locality, where localities have shares.
    localities: Vec<HostSet>,
}

/// The endpoints of a cluster, arranged for choosing.
#[derive(Debug, Default)]
pub(crate) struct Balancer {
    levels: Vec<Level>,
    overprovisioning: u64,
    panic_percent: f64,
}

/// How the requests divide among priorities.
#[derive(Debug, PartialEq, Eq)]
struct Shares {
    /// Percent per priority.
    percent: Vec<u64>,
    /// Whether a priority uses its unhealthy endpoints too.
    panic: Vec<bool>,
}

/// Places of one priority, each with its weight and endpoints.
pub(crate) type Places = Vec<(u64, Vec<Arc<Host>>)>;

impl Balancer {
    /// Arranges endpoints: `levels[priority]` holds places.
    pub(crate) fn new(
        policy: Policy,
        levels: Vec<Places>,
        locality_weighted: bool,
        overprovisioning: u32,
        panic_percent: f64,
    ) -> Self {
        let levels = levels.into_iter().map(|places| {
            let all = places.iter().flat_map(|(_, hosts)| hosts.iter().cloned()).collect();
            let localities = places.into_iter().filter(|(weight, _)| locality_weighted && *weight > 0);
            Level {
                whole: HostSet::new(policy, 1, all),
                localities: localities.map(|(weight, hosts)| HostSet::new(policy, weight, hosts)).collect(),
            }
        });
        Self { levels: levels.collect(), overprovisioning: overprovisioning.into(), panic_percent }
    }

    /// All endpoints, with their priorities.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (usize, &Arc<Host>)> {
        self.levels.iter().enumerate().flat_map(|(priority, level)| level.whole.all.iter().map(move |h| (priority, h)))
    }

    /// Chooses. `ejected` tells whether any endpoint is away at the moment; without, no endpoint is looked at but the
    /// chosen one.
    pub(crate) fn pick(
        &self,
        policy: Policy,
        turn: &AtomicUsize,
        ejected: bool,
        context: &PickContext<'_>,
        is_away: &dyn Fn(&Host) -> bool,
    ) -> Option<Arc<Host>> {
        let usable = |host: &Host| host.healthy && !(ejected && is_away(host));
        let mut random = Random(context.random);
        let (priority, panic) = self.choose_level(ejected, &usable, &mut random)?;
        let level = self.levels.get(priority)?;
        let set = if panic {
            &level.whole
        } else {
            level.choose_locality(ejected, &usable, self.overprovisioning, &mut random)
        };
        if panic {
            return choose(policy, &set.all, set.uneven, turn, &mut random, context.hash).cloned();
        }
        if let Some(hash) = context.hash
            && let Some(host) = set.by_hash(hash, context.tried.len(), &usable)
        {
            return Some(host.clone());
        }
        if !ejected {
            return choose(policy, &set.healthy, set.uneven, turn, &mut random, context.hash).cloned();
        }
        let here: Vec<Arc<Host>> = set.healthy.iter().filter(|host| usable(host)).cloned().collect();
        choose(policy, &here, set.uneven, turn, &mut random, context.hash).cloned()
    }

    fn choose_level(
        &self,
        ejected: bool,
        usable: &dyn Fn(&Host) -> bool,
        random: &mut Random,
    ) -> Option<(usize, bool)> {
        let count = |level: &Level| {
            let healthy =
                if ejected { level.whole.all.iter().filter(|h| usable(h)).count() } else { level.whole.healthy.len() };
            (healthy as u64, level.whole.all.len() as u64)
        };
        // Nearly always all of the first priority is well.
        if let Some(first) = self.levels.first()
            && let (healthy, all) = count(first)
            && all > 0
            && healthy * self.overprovisioning >= all * 100
        {
            return Some((0, false));
        }
        let counts: Vec<(u64, u64)> = self.levels.iter().map(count).collect();
        let shares = Shares::of(&counts, self.overprovisioning, self.panic_percent)?;
        let mut rest = random.next() % 100;
        for (priority, percent) in shares.percent.iter().enumerate() {
            if rest < *percent {
                return Some((priority, shares.panic[priority]));
            }
            rest -= percent;
        }
        None
    }
}

impl Shares {
    /// Of (healthy, all) per priority; none if there is no endpoint to send anything to.
    fn of(counts: &[(u64, u64)], overprovisioning: u64, panic_percent: f64) -> Option<Self> {
        let health: Vec<u64> = counts
            .iter()
            .map(|(healthy, all)| (healthy * overprovisioning).checked_div(*all).unwrap_or(0).min(100))
            .collect();
        let available = health.iter().sum::<u64>().min(100);
        let in_panic =
            |(healthy, all): &(u64, u64)| *all > 0 && (*healthy as f64) * 100.0 / (*all as f64) < panic_percent;
        let panic: Vec<bool> = counts.iter().map(|c| available < 100 && in_panic(c)).collect();
        let mut percent: Vec<u64>;
        if available > 0 {
            let mut left = 100;
            percent = health
                .iter()
                .map(|h| {
                    let share = (h * 100 / available).min(left);
                    left -= share;
                    share
                })
                .collect();
            // What rounding left over goes to the first priority that takes any.
            *percent.iter_mut().zip(&health).find(|(_, h)| **h > 0)?.0 += left;
        } else {
            // Nobody is well: by size, where panic lets anything through at all.
            let all: u64 = counts.iter().zip(&panic).filter(|(_, p)| **p).map(|((_, all), _)| *all).sum();
            let shares = counts.iter().zip(&panic).map(|((_, n), p)| if *p { n * 100 / all.max(1) } else { 0 });
            percent = shares.collect();
            let left = 100 - percent.iter().sum::<u64>();
            *percent.iter_mut().find(|p| **p > 0)? += left;
        }
        Some(Self { percent, panic })
    }
}

impl Level {
    fn choose_locality(
        &self,
        ejected: bool,
        usable: &dyn Fn(&Host) -> bool,
        overprovisioning: u64,
        random: &mut Random,
    ) -> &HostSet {
        if self.localities.len() < 2 {
            return self.localities.first().unwrap_or(&self.whole);
        }
        let weight = |set: &HostSet| {
            let healthy = if ejected { set.all.iter().filter(|h| usable(h)).count() } else { set.healthy.len() } as u64;
            // A locality gives up its share only as far as overprovisioning does not make up for what is missing.
            set.weight * (healthy * overprovisioning).min(set.all.len() as u64 * 100) / set.all.len().max(1) as u64
        };
        let total: u64 = self.localities.iter().map(weight).sum();
        if total == 0 {
            return &self.whole;
        }
        let mut rest = random.next() % total;
        for set in &self.localities {
            let weight = weight(set);
            if rest < weight {
                return set;
            }
            rest -= weight;
        }
        &self.whole
    }
}

impl HostSet {
    fn new(policy: Policy, weight: u64, all: Vec<Arc<Host>>) -> Self {
        let healthy: Vec<Arc<Host>> = all.iter().filter(|h| h.healthy).cloned().collect();
        let uneven = all.windows(2).any(|pair| pair[0].weight != pair[1].weight);
        let table = match policy {
            Policy::RingHash { min, max } if !healthy.is_empty() => Table::Ring(Ring::new(&healthy, min, max)),
            Policy::Maglev { size } if !healthy.is_empty() => Table::Maglev(Maglev::new(&healthy, size)),
            _ => Table::None,
        };
        Self { all, healthy, uneven, weight, table }
    }

    /// The endpoint of a hash; a retry goes on to the next one on the ring.
    fn by_hash(&self, hash: u64, tries: usize, usable: &dyn Fn(&Host) -> bool) -> Option<&Arc<Host>> {
        let usable = |index: &u32| usable(&self.healthy[*index as usize]);
        let index = match &self.table {
            Table::None => return None,
            Table::Ring(ring) => ring.from(hash).skip(tries).find(usable)?,
            Table::Maglev(maglev) => maglev.from(hash).skip(tries).find(usable)?,
        };
        self.healthy.get(index as usize)
    }
}

/// Chooses by the policy among endpoints that are all fit to be chosen.
fn choose<'a>(
    policy: Policy,
    hosts: &'a [Arc<Host>],
    uneven: bool,
    turn: &AtomicUsize,
    random: &mut Random,
    hash: Option<u64>,
) -> Option<&'a Arc<Host>> {
    if hosts.len() < 2 {
        return hosts.first();
    }
    match policy {
        Policy::RoundRobin if uneven => {
            // Steps of the golden ratio visit shares evenly: each endpoint by its weight, none in bursts.
            let step = (turn.fetch_add(1, Relaxed) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            weighted(hosts, step)
        }
        Policy::RoundRobin => hosts.get(turn.fetch_add(1, Relaxed) % hosts.len()),
        Policy::LeastRequest { choices } => {
            let any = |random: &mut Random| {
                if uneven {
                    weighted(hosts, random.next())
                } else {
                    hosts.get((random.next() % hosts.len() as u64) as usize)
                }
            };
            let mut best = any(random)?;
            for _ in 1..choices {
                let other = any(random)?;
                if other.active() < best.active() {
                    best = other;
                }
            }
            Some(best)
        }
        // Consistent policies without a hash choose like chance does.
        Policy::RingHash { .. } | Policy::Maglev { .. } if hash.is_some() => {
            hosts.get((hash.unwrap_or_default() % hosts.len() as u64) as usize)
        }
        _ => weighted(hosts, random.next()),
    }
}

/// The endpoint into whose share a point of the whole range of numbers falls.
fn weighted(hosts: &[Arc<Host>], point: u64) -> Option<&Arc<Host>> {
    let total: u64 = hosts.iter().map(|h| u64::from(h.weight)).sum();
    // The upper half of the product is the point scaled down to the total.
    let mut rest = ((u128::from(point) * u128::from(total)) >> 64) as u64;
    for host in hosts {
        let weight = u64::from(host.weight);
        if rest < weight {
            return Some(host);
        }
        rest -= weight;
    }
    hosts.last()
}

/// Several random numbers out of one (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests;
