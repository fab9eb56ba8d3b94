//! The files that make a container's name lookups work: `/etc/hosts`, `/etc/resolv.conf`, and the host name.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

/// The cluster's domain.
const DOMAIN: &str = "cluster.local";
/// The cluster's DNS server.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// The host name of a pod: `spec.hostname`, else its name; the node's for `hostNetwork`. At most 63 characters.
pub fn hostname(pod: &Pod, node: &str) -> String {
    let spec = pod.spec.as_ref();
    if spec.and_then(|s| s.host_network) == Some(true) {
        return node.to_owned();
    }
    let own = spec.and_then(|s| s.hostname.clone()).filter(|name| !name.is_empty());
    let name = own.or_else(|| pod.metadata.name.clone()).unwrap_or_default();
    name.get(..63).unwrap_or(&name).trim_end_matches(['-', '.']).to_owned()
}

/// `/etc/hosts`.
pub fn hosts(pod: &Pod, ip: &str, hostname: &str) -> String {
    let spec = pod.spec.as_ref();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut text = String::from(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::\tip6-localnet\nfe00::\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
    );
    match spec.and_then(|s| s.subdomain.as_deref()).filter(|s| !s.is_empty()) {
        Some(subdomain) => {
            text += &format!("{ip}\t{hostname}.{subdomain}.{namespace}.svc.{DOMAIN}\t{hostname}\n");
        }
        None => text += &format!("{ip}\t{hostname}\n"),
    }
    let aliases = spec.and_then(|s| s.host_aliases.as_deref()).unwrap_or_default();
    if !aliases.is_empty() {
        text += "\n# Entries added by HostAliases.\n";
    }
    for alias in aliases {
        text += &format!("{}\t{}\n", alias.ip, alias.hostnames.as_deref().unwrap_or_default().join("\t"));
    }
    text
}

/// `/etc/resolv.conf` by the pod's DNS policy; `machine` is the node's own file.
pub fn resolv_conf(spec: &PodSpec, namespace: &str, machine: &str) -> String {
    let mut file = match (spec.dns_policy.as_deref(), spec.host_network == Some(true)) {
        (Some("None"), _) => Resolv::default(),
        (Some("Default"), _) | (None | Some("ClusterFirst"), true) => Resolv::parse(machine),
        _ => Resolv {
            nameservers: vec![DNS.to_string()],
            searches: vec![format!("{namespace}.svc.{DOMAIN}"), format!("svc.{DOMAIN}"), DOMAIN.to_owned()],
            options: vec!["ndots:5".to_owned()],
        },
    };
    if let Some(config) = &spec.dns_config {
        file.nameservers.extend(config.nameservers.iter().flatten().cloned());
        file.searches.extend(config.searches.iter().flatten().cloned());
        for option in config.options.iter().flatten() {
            let name = option.name.as_deref().unwrap_or_default();
            file.options.retain(|old| old.split(':').next() != Some(name));
            file.options.push(match &option.value {
                Some(value) => format!("{name}:{value}"),
                None => name.to_owned(),
            });
        }
    }
    file.text()
}

#[derive(Default)]
struct Resolv {
    nameservers: Vec<String>,
    searches: Vec<String>,
    options: Vec<String>,
}

impl Resolv {
    fn parse(text: &str) -> Self {
        let mut file = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace().map(str::to_owned);
            match words.next().as_deref() {
                Some("nameserver") => file.nameservers.extend(words.next()),
                Some("search") => file.searches = words.collect(),
                Some("options") => file.options = words.collect(),
                _ => {}
            }
        }
        file
    }

    /// Each entry once, in order, in the layout that the kubelet writes.
    fn text(&self) -> String {
        let once = |list: &[String]| {
            let mut seen: Vec<String> = Vec::new();
            list.iter().for_each(|entry| {
                if !seen.contains(entry) {
                    seen.push(entry.clone());
                }
            });
            seen
        };
        let mut text = String::new();
        if !self.searches.is_empty() {
            text += &format!("search {}\n", once(&self.searches).join(" "));
        }
        for server in once(&self.nameservers) {
            text += &format!("nameserver {server}\n");
        }
        if !self.options.is_empty() {
            text += &format!("options {}\n", self.options.join(" "));
        }
        text
    }
}

#[cfg(test)]
mod tests;
