//! What a proxy answers to its workload's DNS questions: the name table of the control plane, as it is looked up.

use std::net::IpAddr;

use mesh_proto::nds::{NameInfo, NameTable};
use rustc_hash::FxHashMap;

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// Of the pod: names of its services are known by their first word too.
    pub namespace: String,
    /// Such as `default.svc.cluster.local`.
    pub domain: String,
    /// The domain that short names are completed by first.
    pub search: Option<String>,
}

/// Names that are answered, in lower case and without the last dot.
#[derive(Debug, Default)]
pub struct Names {
    by_name: FxHashMap<String, Vec<IpAddr>>,
    /// With its dot: `.default.svc.cluster.local`.
    search: Option<String>,
}

/// What there is to say to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// The name that the addresses are of, where that is not the one that was asked for: it was completed by the search
    /// domain, or stands under a wildcard, which is told under the name itself.
    pub alias: Option<&'a str>,
    /// Of both families.
    pub addresses: &'a [IpAddr],
}

impl Names {
    /// Of what the control plane sent, for one workload.
    pub fn new(table: &NameTable, asker: &Asker) -> Self {
        let mut by_name = FxHashMap::default();
        let addresses = |info: &NameInfo| info.ips.iter().filter_map(|ip| ip.parse().ok()).collect::<Vec<IpAddr>>();
        for (host, info) in &table.table {
            by_name.insert(host.to_ascii_lowercase(), addresses(info));
        }
        // Other names never hide a host's own.
        for (host, info) in &table.table {
            for other in other_names(host, info, asker) {
                by_name.entry(other.to_ascii_lowercase()).or_insert_with(|| addresses(info));
            }
        }
        Self { by_name, search: asker.search.as_ref().map(|domain| format!(".{}", domain.to_ascii_lowercase())) }
    }

    /// Looks up a name in lower case without its last dot; none: ask elsewhere.
    pub fn find<'a>(&'a self, name: &'a str) -> Option<Known<'a>> {
        let known = |addresses| Known { alias: None, addresses };
        if let Some(addresses) = self.exact(name) {
            return Some(known(addresses));
        }
        // Resolvers complete names before they ask for them as they are.
        let completed = self.search.as_deref().and_then(|domain| name.strip_suffix(domain));
        if let Some((alias, addresses)) = completed.and_then(|name| Some((name, self.exact(name)?))) {
            return Some(Known { alias: Some(alias), addresses });
        }
        if let Some(alias) = completed.filter(|name| self.wildcard(name).is_some()) {
            return self.wildcard(alias).map(|addresses| Known { alias: Some(alias), addresses });
        }
        self.wildcard(name).map(known)
    }

    fn exact(&self, name: &str) -> Option<&[IpAddr]> {
        self.by_name.get(name).map(Vec::as_slice)
    }

    /// By `*.` and a parent, the nearest first.
    fn wildcard(&self, name: &str) -> Option<&[IpAddr]> {
        let parents = name.match_indices('.').map(|(dot, _)| format!("*{}", &name[dot..]));
        parents.into_iter().find_map(|parent| self.by_name.get(&parent)).map(Vec::as_slice)
    }
}

/// Short names of the cluster's services: `a.ns`, `a.ns.svc`, and `a` in their own namespace. Names of other clusters have
/// none, for they could mean either.
fn other_names(host: &str, info: &NameInfo, asker: &Asker) -> Vec<String> {
    let cluster = asker.domain.split_once(".svc.").map(|(_, domain)| format!(".svc.{domain}"));
    let is_ours = cluster.is_some_and(|domain| host.ends_with(&domain));
    if info.registry != "Kubernetes" || !is_ours {
        return Vec::new();
    }
    let NameInfo { shortname, namespace, .. } = info;
    let mut names = vec![format!("{shortname}.{namespace}"), format!("{shortname}.{namespace}.svc")];
    if *namespace == asker.namespace {
        names.push(shortname.clone());
    }
    names
}

#[cfg(test)]
mod tests;
