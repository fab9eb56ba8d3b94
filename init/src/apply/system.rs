//! What the pod knows and the flags do not say.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv6Addr},
};

use nix::{
    ifaddrs::getifaddrs,
    sched::{CloneFlags, setns},
    unistd::{Group, User},
};

use super::ApplyError;

/// Moves this process (all of it: there is one thread) into a network namespace.
pub fn enter_namespace(path: &str) -> Result<(), ApplyError> {
    let failed = |source| ApplyError::Namespace { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| failed(io::Error::from(errno)))
}

/// The DNS servers of a `resolv.conf`.
pub fn nameservers(resolv_conf: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = (words.next()? == "nameserver").then(|| words.next())??;
        // A link-local server carries its device (`fe80::1%eth0`), which packet rules cannot match.
        address.parse().ok()
    };
    resolv_conf.lines().filter_map(server).collect()
}

/// Whether the pod has an IPv6 address that others can reach.
pub fn has_ipv6() -> io::Result<bool> {
    let reachable = |address: Ipv6Addr| {
        !address.is_loopback() && !address.is_unicast_link_local() && address != crate::plan::PASSTHROUGH6
    };
    let addresses = getifaddrs().map_err(io::Error::from)?;
    Ok(addresses
        .filter_map(|device| device.address?.as_sockaddr_in6().map(nix::sys::socket::SockaddrIn6::ip))
        .any(reachable))
}

/// The number of a user.
pub fn user_number(name: &str) -> Option<u32> {
    User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

/// The number of a group.
pub fn group_number(name: &str) -> Option<u32> {
    Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
}
