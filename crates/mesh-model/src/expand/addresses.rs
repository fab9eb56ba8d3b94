//! Addresses for hosts of ServiceEntries that have none.
//!
//! With an address of its own a host of plain TCP has a listener of its own, and a name that no DNS server knows resolves
//! (see `mesh_translate::name_tables`). An address is a function of the entry's namespace and host, and of the addresses
//! that are taken; once it stands in `status.addresses` it stays as long as the entry does.
//!
//! <https://istio.io/latest/docs/ops/configuration/traffic-management/dns-proxy/#address-auto-allocation>

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use mesh_types::Hostname;

use crate::{
    config::{Allocated, Config, Meta, Object, ObjectRef, Resolution, ServiceEntry},
    store::{Change, Store},
};

/// Label of entries whose hosts are to have no addresses: `false`.
const LABEL: &str = "networking.istio.io/enable-autoallocate-ip";

/// Places in 240.240.0.0/16, and as many in 2001:2::/48. Those that end in 0 or 255 are left out: some take them for
/// addresses of networks and for broadcasts.
const PLACES: u32 = 256 * 254;

/// Completes the addresses of every entry.
pub(super) fn step(store: &Store) -> Vec<Change> {
    let entries = store.service_entries();
    let mut allocated = allocate(entries.iter().map(AsRef::as_ref));
    let completed = entries.iter().filter_map(|entry| {
        let addresses = allocated.remove(&entry.meta.object()).unwrap_or_default();
        (addresses != entry.spec.allocated).then(|| {
            let spec = ServiceEntry { allocated: addresses, ..entry.spec.clone() };
            Change::config(Config::ServiceEntry(Arc::new(Object { meta: entry.meta.clone(), spec })))
        })
    });
    completed.collect()
}

/// The addresses of all hosts that are to have some: of entries that come first in age, those that have addresses keep
/// them, the others get free ones. Entries without any are left out.
pub fn allocate<'a>(
    entries: impl IntoIterator<Item = &'a Object<ServiceEntry>>,
) -> BTreeMap<ObjectRef, Vec<Allocated>> {
    let mut entries: Vec<&Object<ServiceEntry>> = entries.into_iter().collect();
    entries.sort_by(|a, b| a.meta.age(&b.meta));
    let mut taken: BTreeSet<IpAddr> = entries.iter().flat_map(|e| &e.spec.addresses).map(ipnet::IpNet::addr).collect();
    let mut kept: BTreeMap<(ObjectRef, &Hostname), Host> = BTreeMap::new();
    for (entry, host) in hosts(&entries) {
        let mut keep = |is_wanted: fn(&IpAddr) -> bool| {
            let mut before = entry.spec.allocated.iter().filter(|a| a.host == *host).map(|a| a.address);
            before.find(|ip| is_wanted(ip) && is_ours(*ip) && taken.insert(*ip))
        };
        let host_addresses = Host { v4: keep(IpAddr::is_ipv4), v6: keep(IpAddr::is_ipv6) };
        kept.insert((entry.meta.object(), host), host_addresses);
    }
    let mut all: BTreeMap<ObjectRef, Vec<Allocated>> = BTreeMap::new();
    for (entry, host) in hosts(&entries) {
        let before = kept.remove(&(entry.meta.object(), host)).unwrap_or_default();
        let mut free = |make: fn(u32) -> IpAddr| {
            let mut tried = places(&entry.meta, host).map(make);
            tried.find(|ip| taken.insert(*ip))
        };
        let v4 = before.v4.or_else(|| free(v4_at));
        let v6 = before.v6.or_else(|| free(v6_at));
        let addresses = v4.into_iter().chain(v6).map(|address| Allocated { host: host.clone(), address });
        all.entry(entry.meta.object()).or_default().extend(addresses);
    }
    all
}

/// What a host has.
#[derive(Clone, Copy, Debug, Default)]
struct Host {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

/// Hosts that are to have addresses, with their entries; a host that an entry names twice comes once.
fn hosts<'a>(entries: &[&'a Object<ServiceEntry>]) -> Vec<(&'a Object<ServiceEntry>, &'a Hostname)> {
    let wanting = entries.iter().copied().filter(|entry| wants(entry));
    let pairs = wanting.flat_map(|entry| {
        let mut seen = BTreeSet::new();
        let named = entry.spec.hosts.iter().filter(move |host| seen.insert(*host));
        named.filter(|host| may_have(&entry.spec, host)).map(move |host| (entry, host))
    });
    pairs.collect()
}

/// Whether the hosts of an entry are to have addresses. Where a connection goes to the address that was dialled, one that
/// leads nowhere would be of no use.
fn wants(entry: &Object<ServiceEntry>) -> bool {
    let opted_out = entry.meta.labels.0.get(LABEL).is_some_and(|value| value.eq_ignore_ascii_case("false"));
    entry.spec.addresses.is_empty() && entry.spec.resolution != Resolution::None && !opted_out
}

/// A wildcard stands for hosts that may be anywhere, unless the proxy finds out which one is meant.
fn may_have(spec: &ServiceEntry, host: &Hostname) -> bool {
    !host.is_wildcard() || spec.resolution == Resolution::Dynamic
}

/// Every place, in an order that belongs to the host.
fn places(meta: &Meta, host: &Hostname) -> impl Iterator<Item = u32> {
    let hash = fnv(format!("{}/{host}", meta.namespace).as_bytes());
    // 65024 is 2^9 * 127: odd steps that are no multiple of 127 come by every place.
    let start = hash % PLACES;
    let step = (hash >> 16) | 1;
    let step = if step.is_multiple_of(127) { step + 2 } else { step };
    (0..PLACES).map(move |n| {
        let moved = u64::from(n) * u64::from(step) + u64::from(start);
        u32::try_from(moved % u64::from(PLACES)).unwrap_or_default()
    })
}

/// FNV-1a: the same on every machine and in every version.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn octets(place: u32) -> [u8; 2] {
    let third = u8::try_from(place / 254).unwrap_or_default();
    let fourth = u8::try_from(place % 254 + 1).unwrap_or_default();
    [third, fourth]
}

fn v4_at(place: u32) -> IpAddr {
    let [third, fourth] = octets(place);
    Ipv4Addr::new(240, 240, third, fourth).into()
}

fn v6_at(place: u32) -> IpAddr {
    Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0xf0f0, u16::from_be_bytes(octets(place))).into()
}

/// Whether an address is of the kind that is given here.
fn is_ours(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[..2] == [240, 240],
        IpAddr::V6(ip) => ip.segments()[..3] == [0x2001, 2, 0],
    }
}

#[cfg(test)]
mod tests;
