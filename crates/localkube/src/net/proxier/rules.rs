//! From service ports to iptables chains, as kube-proxy lays them out: same chains, names, comments and order.

use std::{collections::BTreeMap, fmt::Write};

use sha2::{Digest, Sha256};

use super::ports::{Endpoint, ServicePort};
use crate::net::topology::POD_RANGE;

/// Chains by name, each with its rules without `-A NAME`.
pub(super) type Chains = BTreeMap<String, Vec<String>>;

/// What the proxy has to say in one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) nat: Chains,
    pub(super) filter: Chains,
}

/// Jumps from the built-in chains, and the chains that never change. Written once, into a new namespace.
pub(super) const BASE: &str = r#"*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000
COMMIT
*filter
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x00004000/0x00004000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"#;

/// Everything that `node` needs for these ports.
pub(super) fn rules(ports: &[ServicePort], node: &str) -> Rules {
    let mut rules = Rules::default();
    for chain in ["KUBE-SERVICES", "KUBE-NODEPORTS"] {
        rules.nat.insert(chain.to_owned(), Vec::new());
    }
    for chain in ["KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"] {
        rules.filter.insert(chain.to_owned(), Vec::new());
    }
    for port in ports {
        PortWriter::new(&mut rules, port, node).write();
    }
    rules.nat(
        "KUBE-SERVICES",
        r#"-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"#.to_owned(),
    );
    rules
}

/// The text for `iptables-restore --noflush` that leads from one set of rules to the next; None when they are equal.
/// Chains that stay the same are left alone and keep their counters.
pub(super) fn transition(from: &Rules, to: &Rules) -> Option<String> {
    let mut text = String::new();
    for (table, from, to) in [("nat", &from.nat, &to.nat), ("filter", &from.filter, &to.filter)] {
        let changed: Vec<_> = to.iter().filter(|(name, rules)| from.get(*name) != Some(rules)).collect();
        let gone: Vec<_> = from.keys().filter(|name| !to.contains_key(*name)).collect();
        if changed.is_empty() && gone.is_empty() {
            continue;
        }
        let mut lines = vec![format!("*{table}")];
        lines
            .extend(changed.iter().map(|(name, _)| *name).chain(gone.iter().copied()).map(|n| format!(":{n} - [0:0]")));
        lines.extend(changed.iter().flat_map(|(name, rules)| rules.iter().map(move |r| format!("-A {name} {r}"))));
        lines.extend(gone.iter().map(|name| format!("-X {name}")));
        lines.push("COMMIT\n".to_owned());
        text += &lines.join("\n");
    }
    (!text.is_empty()).then_some(text)
}

impl Rules {
    fn nat(&mut self, chain: &str, rule: String) {
        self.nat.entry(chain.to_owned()).or_default().push(rule);
    }

    fn filter(&mut self, chain: &str, rule: String) {
        self.filter.entry(chain.to_owned()).or_default().push(rule);
    }
}

/// Writes the rules of one service port.
struct PortWriter<'a> {
    rules: &'a mut Rules,
    port: &'a ServicePort,
    everywhere: Vec<&'a Endpoint>,
    local: Vec<&'a Endpoint>,
    /// Cluster policy: all endpoints.
    svc: String,
    /// Local policy: those on this node.
    svl: String,
    /// Entry for traffic from beyond the cluster.
    ext: String,
}

impl<'a> PortWriter<'a> {
    fn new(rules: &'a mut Rules, port: &'a ServicePort, node: &str) -> Self {
        let hash = chain_hash(&[&port.name, port.protocol]);
        Self {
            rules,
            everywhere: port.everywhere(),
            local: port.local(node),
            port,
            svc: format!("KUBE-SVC-{hash}"),
            svl: format!("KUBE-SVL-{hash}"),
            ext: format!("KUBE-EXT-{hash}"),
        }
    }

    fn write(mut self) {
        let port = self.port;
        let mut used = Vec::new();
        if !port.internal_local || port.is_external() {
            self.balance(&self.svc.clone(), &self.everywhere.clone());
            used.extend(self.everywhere.iter().copied());
        }
        if port.internal_local || (port.is_external() && port.external_local) {
            self.balance(&self.svl.clone(), &self.local.clone());
            used.extend(self.local.iter().copied());
        }
        self.internal();
        if port.is_external() {
            self.external();
        }
        for endpoint in used {
            self.endpoint(endpoint);
        }
    }

    /// The cluster IP.
    fn internal(&mut self) {
        let port = self.port;
        let to = format!("-m {0} -p {0} -d {1} --dport {2}", port.protocol, port.cluster_ip, port.port);
        let (chain, endpoints) =
            if port.internal_local { (&self.svl, &self.local) } else { (&self.svc, &self.everywhere) };
        if endpoints.is_empty() {
            self.rules.filter("KUBE-SERVICES", format!("{} {to} {}", self.lack(), self.refusal()));
            return;
        }
        let comment = comment(&format!("{} cluster IP", port.name));
        self.rules.nat("KUBE-SERVICES", format!("{comment} {to} -j {chain}"));
        let masquerade = format!("{comment} {to} ! -s {POD_RANGE} -j KUBE-MARK-MASQ");
        self.rules.nat.entry(chain.clone()).or_default().insert(0, masquerade);
    }

    /// NodePort, external IPs and load balancer addresses.
    fn external(&mut self) {
        let (port, protocol) = (self.port, self.port.protocol);
        let endpoints = if port.external_local { &self.local } else { &self.everywhere };
        let (reachable, any) = (!endpoints.is_empty(), !self.everywhere.is_empty());
        let to = |ip| format!("-m {protocol} -p {protocol} -d {ip} --dport {}", port.port);
        if any {
            self.external_chain(reachable);
        }
        let addresses = port.external_ips.iter().map(|ip| (ip, "external IP"));
        for (ip, what) in addresses.chain(port.lb_ips.iter().map(|ip| (ip, "loadbalancer IP"))) {
            let target = if what == "loadbalancer IP" { self.firewall(&to(ip)) } else { self.ext.clone() };
            if any {
                let comment = comment(&format!("{} {what}", port.name));
                self.rules.nat("KUBE-SERVICES", format!("{comment} {} -j {target}", to(ip)));
            }
            if !reachable {
                self.rules.filter("KUBE-EXTERNAL-SERVICES", format!("{} {} {}", self.lack(), to(ip), self.refusal()));
            }
        }
        if let Some(node_port) = port.node_port {
            let to = format!("-m {protocol} -p {protocol} --dport {node_port}");
            if any {
                self.rules.nat("KUBE-NODEPORTS", format!("{} {to} -j {}", comment(&port.name), self.ext));
            }
            if !reachable {
                let rule = format!("{} -m addrtype --dst-type LOCAL {to} {}", self.lack(), self.refusal());
                self.rules.filter("KUBE-EXTERNAL-SERVICES", rule);
            }
        }
    }

    /// `KUBE-EXT-...`: with policy Local the caller's address is kept, but pods and the node itself use every endpoint.
    fn external_chain(&mut self, reachable: bool) {
        let (name, ext, svc) = (&self.port.name, &self.ext, &self.svc);
        if !self.port.external_local {
            let why = comment(&format!("masquerade traffic for {name} external destinations"));
            self.rules.nat(ext, format!("{why} -j KUBE-MARK-MASQ"));
            self.rules.nat(ext, format!("-j {svc}"));
            return;
        }
        let from_pods = comment(&format!("pod traffic for {name} external destinations"));
        let masquerade = comment(&format!("masquerade LOCAL traffic for {name} external destinations"));
        let route = comment(&format!("route LOCAL traffic for {name} external destinations"));
        self.rules.nat(ext, format!("{from_pods} -s {POD_RANGE} -j {svc}"));
        self.rules.nat(ext, format!("{masquerade} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ"));
        self.rules.nat(ext, format!("{route} -m addrtype --src-type LOCAL -j {svc}"));
        if reachable {
            self.rules.nat(ext, format!("-j {}", self.svl));
        }
    }

    /// Where traffic to a load balancer address goes: past `loadBalancerSourceRanges` where the service has them.
    fn firewall(&mut self, to: &str) -> String {
        let (name, ranges) = (&self.port.name, &self.port.source_ranges);
        if ranges.is_empty() || self.everywhere.is_empty() {
            return self.ext.clone();
        }
        let chain = self.ext.replace("KUBE-EXT-", "KUBE-FW-");
        if !self.rules.nat.contains_key(&chain) {
            for range in ranges {
                let why = comment(&format!("{name} loadbalancer IP"));
                self.rules.nat(&chain, format!("{why} -s {range} -j {}", self.ext));
            }
            let rest = format!("other traffic to {name} will be dropped by KUBE-PROXY-FIREWALL");
            self.rules.nat(&chain, comment(&rest));
        }
        let why = comment(&format!("{name} traffic not accepted by {chain}"));
        self.rules.filter("KUBE-PROXY-FIREWALL", format!("{why} {to} -j DROP"));
        chain
    }

    /// One endpoint of several by chance, or the one that this caller had before.
    fn balance(&mut self, chain: &str, endpoints: &[&Endpoint]) {
        let name = &self.port.name;
        let to = |e: &Endpoint| comment(&format!("{name} -> {}", e.address));
        if let Some(seconds) = self.port.affinity {
            for endpoint in endpoints {
                let sep = self.sep(endpoint);
                let known = format!("-m recent --name {sep} --rcheck --seconds {seconds} --reap");
                self.rules.nat(chain, format!("{} {known} -j {sep}", to(endpoint)));
            }
        }
        for (index, endpoint) in endpoints.iter().enumerate() {
            let mut rule = to(endpoint);
            let left = u32::try_from(endpoints.len() - index).unwrap_or(u32::MAX);
            if left > 1 {
                let share = 1.0 / f64::from(left);
                // Writing to a String cannot fail.
                write!(rule, " -m statistic --mode random --probability {share:.10}").unwrap_or_default();
            }
            self.rules.nat(chain, format!("{rule} -j {}", self.sep(endpoint)));
        }
    }

    /// `KUBE-SEP-...`: a pod that calls itself is masqueraded, else it would see its own address as the caller's.
    fn endpoint(&mut self, endpoint: &Endpoint) {
        let (chain, protocol) = (self.sep(endpoint), self.port.protocol);
        if self.rules.nat.contains_key(&chain) {
            return;
        }
        let comment = comment(&self.port.name);
        let remember = match self.port.affinity {
            Some(_) => format!(" -m recent --name {chain} --set"),
            None => String::new(),
        };
        self.rules.nat(&chain, format!("{comment} -s {} -j KUBE-MARK-MASQ", endpoint.ip));
        let to = format!("-m {protocol} -p {protocol} -j DNAT --to-destination {}", endpoint.address);
        self.rules.nat(&chain, format!("{comment}{remember} {to}"));
    }

    fn sep(&self, endpoint: &Endpoint) -> String {
        format!("KUBE-SEP-{}", chain_hash(&[&self.port.name, self.port.protocol, &endpoint.address]))
    }

    fn lack(&self) -> String {
        let what = if self.everywhere.is_empty() { "endpoints" } else { "local endpoints" };
        comment(&format!("{} has no {what}", self.port.name))
    }

    fn refusal(&self) -> &'static str {
        if self.everywhere.is_empty() { "-j REJECT" } else { "-j DROP" }
    }
}

fn comment(text: &str) -> String {
    // As kube-proxy's own text: quotes only where the words need them.
    if text.contains(' ') { format!("-m comment --comment \"{text}\"") } else { format!("-m comment --comment {text}") }
}

/// kube-proxy's way to name a chain: the first 16 characters of the base32 of the SHA-256 of the parts together.
pub(super) fn chain_hash(parts: &[&str]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::digest(parts.concat().as_bytes());
    // 16 characters are exactly the first ten bytes.
    let mut bits = digest.iter().take(10).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let mut name = [0u8; 16];
    for place in name.iter_mut().rev() {
        *place = ALPHABET[usize::from((bits & 31) as u8)];
        bits >>= 5;
    }
    name.iter().map(|b| char::from(*b)).collect()
}
