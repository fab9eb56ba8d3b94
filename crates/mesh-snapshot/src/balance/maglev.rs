//! The Maglev table, as Envoy builds it.
//!
//! <https://research.google/pubs/maglev-a-fast-and-reliable-software-network-load-balancer/> section 3.4.

use std::sync::Arc;

use crate::{hash::xx, host::Host};

/// A table of a prime size, each place an endpoint's.
#[derive(Debug)]
pub(super) struct Maglev {
    table: Vec<u32>,
}

struct Entry {
    offset: u64,
    skip: u64,
    weight: f64,
    target: f64,
    next: u64,
}

impl Maglev {
    /// Lets the endpoints take turns by weight, each taking the next free place of its own permutation.
    pub(super) fn new(hosts: &[Arc<Host>], size: u64) -> Self {
        const FREE: u32 = u32::MAX;
        let heaviest = hosts.iter().map(|h| f64::from(h.weight)).fold(0.0, f64::max);
        let mut entries: Vec<Entry> = hosts
            .iter()
            .map(|host| {
                let key = host.address.to_string();
                let (offset, skip) = (xx(key.as_bytes(), 0) % size, xx(key.as_bytes(), 1) % (size - 1) + 1);
                Entry { offset, skip, weight: f64::from(host.weight), target: 0.0, next: 0 }
            })
            .collect();
        let mut table = vec![FREE; size as usize];
        let mut left = table.len();
        for turn in 1.. {
            for (index, entry) in entries.iter_mut().enumerate() {
                if f64::from(turn) * entry.weight < entry.target {
                    continue;
                }
                entry.target += heaviest;
                let place = loop {
                    let place = ((entry.offset + entry.skip * entry.next) % size) as usize;
                    entry.next += 1;
                    if table[place] == FREE {
                        break place;
                    }
                };
                table[place] = index as u32;
                left -= 1;
                if left == 0 {
                    return Self { table };
                }
            }
        }
        Self { table }
    }

    /// The endpoints from a hash's place on, once around.
    pub(super) fn from(&self, hash: u64) -> impl Iterator<Item = u32> {
        let (before, after) = self.table.split_at((hash % self.table.len() as u64) as usize);
        after.iter().chain(before).copied()
    }
}
