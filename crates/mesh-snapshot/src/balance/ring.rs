//! The ring of hashes (ketama), as Envoy builds it.

use std::sync::Arc;

use crate::{hash::xx, host::Host};

/// Points on a ring, each an endpoint's.
#[derive(Debug)]
pub(super) struct Ring {
    points: Vec<(u64, u32)>,
}

impl Ring {
    /// Puts each endpoint on the ring by its weight: `ADDRESS_0`, `ADDRESS_1` and so on are hashed.
    pub(super) fn new(hosts: &[Arc<Host>], min: u64, max: u64) -> Self {
        let total: f64 = hosts.iter().map(|h| f64::from(h.weight)).sum();
        let least = hosts.iter().map(|h| f64::from(h.weight)).fold(f64::INFINITY, f64::min) / total;
        // So many points that the lightest endpoint gets a whole number of them.
        let scale = ((least * min as f64).ceil() / least).min(max as f64);
        let mut points = Vec::with_capacity(scale.ceil() as usize);
        let mut wanted = 0.0;
        for (index, host) in hosts.iter().enumerate() {
            wanted += scale * f64::from(host.weight) / total;
            let key = host.address.to_string();
            let mut copy = 0_u64;
            while (points.len() as f64) < wanted {
                points.push((xx(format!("{key}_{copy}").as_bytes(), 0), index as u32));
                copy += 1;
            }
        }
        points.sort_unstable();
        Self { points }
    }

    /// The endpoints from a hash on, once around.
    pub(super) fn from(&self, hash: u64) -> impl Iterator<Item = u32> {
        let start = self.points.partition_point(|(point, _)| *point < hash);
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|(_, host)| *host)
    }
}
