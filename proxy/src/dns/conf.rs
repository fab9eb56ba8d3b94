//! `resolv.conf` and `hosts`, as far as they matter.
//!
//! <https://man7.org/linux/man-pages/man5/resolv.conf.5.html>, <https://man7.org/linux/man-pages/man5/hosts.5.html>

use std::net::{IpAddr, SocketAddr};

/// The port of DNS.
const PORT: u16 = 53;
/// Servers that are asked where none is named: the one on this machine.
const LOCAL: &str = "127.0.0.1";

/// What `resolv.conf` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolvConf {
    /// Servers, in the order in which they are asked; never empty.
    pub(crate) servers: Vec<SocketAddr>,
    /// Domains that short names are completed by.
    pub(crate) search: Vec<String>,
}

impl ResolvConf {
    /// Reads the file's text; what makes no sense is passed over.
    pub(crate) fn parse(text: &str) -> Self {
        let (mut servers, mut search) = (Vec::new(), Vec::new());
        for line in text.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
            match words.next() {
                Some("nameserver") => servers.extend(words.next().and_then(address)),
                // The last of these lines counts.
                Some("search" | "domain") => {
                    search = words.map(|d| d.trim_end_matches('.').to_ascii_lowercase()).collect()
                }
                _ => {}
            }
        }
        if servers.is_empty() {
            servers.extend(address(LOCAL));
        }
        Self { servers, search }
    }

    /// What may be meant by a name, in the order in which it is asked for.
    ///
    /// A name with a dot is first taken as it is, whatever `ndots` says: those that the mesh speaks of are complete, and
    /// the cluster's servers need not hear `api.example.com.default.svc.cluster.local` first.
    pub(crate) fn candidates(&self, name: &str) -> Vec<String> {
        let Some(relative) = Some(name).filter(|name| !name.ends_with('.')) else {
            return vec![name.trim_end_matches('.').to_owned()];
        };
        let completed = self.search.iter().map(|domain| format!("{relative}.{domain}"));
        let itself = relative.to_owned();
        if relative.contains('.') {
            std::iter::once(itself).chain(completed).collect()
        } else {
            completed.chain([itself]).collect()
        }
    }
}

fn address(word: &str) -> Option<SocketAddr> {
    let ip: IpAddr = word.parse().ok()?;
    Some(SocketAddr::new(ip, PORT))
}

/// The addresses that a `hosts` file gives a name.
pub(crate) fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    let line = |line: &str| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let ip: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(ip)
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests;
