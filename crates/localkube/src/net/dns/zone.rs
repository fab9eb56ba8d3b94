//! The names of the cluster, made from its Services and EndpointSlices. Kubernetes' DNS specification, version 1.1.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use hickory_proto::rr::{
    Name, RData, RecordType,
    rdata::{A, CNAME, PTR, SOA, SRV},
};
use k8s_openapi::api::{
    core::v1::{Service, ServicePort},
    discovery::v1::{Endpoint, EndpointSlice},
};

/// The cluster's domain.
pub(super) const DOMAIN: &str = "cluster.local";
/// How long callers may keep an answer, in seconds; for "no such name" too.
pub(super) const TTL: u32 = 5;

/// All names at one moment. Keys are lower case without the last dot; a name with no records only has names below it.
#[derive(Debug, Default)]
pub(super) struct Zone {
    records: HashMap<String, Vec<RData>>,
}

/// What the zone says to a question.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// These records.
    Records(Vec<RData>),
    /// The name goes by another.
    Alias(Name),
    /// The name exists, without records of that type.
    NoData,
    /// There is no such name.
    NoName,
    /// Not a name of this zone: ask elsewhere.
    Foreign,
}

impl Zone {
    /// Collects the records of everything given.
    pub(super) fn new<'a>(
        services: impl IntoIterator<Item = &'a Service>,
        slices: impl IntoIterator<Item = &'a EndpointSlice>,
    ) -> Self {
        let mut zone = Self::default();
        for parent in ["", "svc.", "pod."] {
            zone.records.insert(format!("{parent}{DOMAIN}"), Vec::new());
        }
        let mut by_service: BTreeMap<(&str, &str), Vec<&EndpointSlice>> = BTreeMap::new();
        for slice in slices.into_iter().filter(|s| s.address_type == "IPv4") {
            let service = slice.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/service-name"));
            if let (Some(namespace), Some(service)) = (&slice.metadata.namespace, service) {
                by_service.entry((namespace, service)).or_default().push(slice);
            }
        }
        for service in services {
            if let (Some(namespace), Some(name)) = (&service.metadata.namespace, &service.metadata.name) {
                let slices = by_service.get(&(namespace.as_str(), name.as_str())).map_or(&[][..], Vec::as_slice);
                zone.add_service(namespace, name, service, slices);
            }
        }
        zone
    }

    /// What there is of `kind` at `name`.
    pub(super) fn find(&self, name: &Name, kind: RecordType) -> Found {
        let key = name.to_lowercase().to_ascii();
        let key = key.trim_end_matches('.');
        let Some(records) = self.records.get(key) else {
            return match key.strip_suffix(DOMAIN) {
                Some(rest) if rest.ends_with('.') => find_pod(rest, kind),
                _ => Found::Foreign,
            };
        };
        if let [RData::CNAME(alias)] = records.as_slice()
            && kind != RecordType::CNAME
        {
            return Found::Alias(alias.0.clone());
        }
        let matching: Vec<RData> =
            records.iter().filter(|r| kind == RecordType::ANY || r.record_type() == kind).cloned().collect();
        if matching.is_empty() { Found::NoData } else { Found::Records(matching) }
    }

    fn add_service(&mut self, namespace: &str, name: &str, service: &Service, slices: &[&EndpointSlice]) {
        let Some(spec) = &service.spec else { return };
        let own = format!("{name}.{namespace}.svc.{DOMAIN}");
        if spec.type_.as_deref() == Some("ExternalName") {
            let target = spec.external_name.as_deref().and_then(absolute);
            self.add(&own, target.map(|t| RData::CNAME(CNAME(t))));
            return;
        }
        let ports = spec.ports.as_deref().unwrap_or_default();
        match spec.cluster_ip.as_deref() {
            Some("None") => self.add_headless(&own, slices),
            Some(ip) => {
                let Ok(ip) = ip.parse::<Ipv4Addr>() else { return };
                self.add_address(&own, ip);
                for port in ports {
                    let (label, protocol) = (port_name(port), port.protocol.as_deref());
                    self.add_port(&own, &own, (label, protocol, port.port), 100);
                }
                for (host, ip, _) in endpoints(slices) {
                    self.add(&reverse(ip), absolute(&format!("{host}.{own}")).map(|n| RData::PTR(PTR(n))));
                }
            }
            None => {}
        }
    }

    /// A service without an address of its own has those of its endpoints, and a name for each.
    fn add_headless(&mut self, own: &str, slices: &[&EndpointSlice]) {
        self.add(own, None);
        let all = endpoints(slices);
        let weight = u16::try_from(100 / all.len().max(1)).unwrap_or(1).max(1);
        for (host, ip, slice) in all {
            let target = format!("{host}.{own}");
            self.add(own, Some(RData::A(A(ip))));
            self.add_address(&target, ip);
            for port in slice.ports.iter().flatten() {
                if let Some(number) = port.port {
                    let label = port.name.as_deref().unwrap_or_default();
                    self.add_port(own, &target, (label, port.protocol.as_deref(), number), weight);
                }
            }
        }
    }

    /// `_http._tcp.SERVICE`, and the same at the service's own name.
    fn add_port(&mut self, own: &str, target: &str, port: (&str, Option<&str>, i32), weight: u16) {
        let (label, protocol, number) = port;
        let (Ok(number), Some(target)) = (u16::try_from(number), absolute(target)) else { return };
        let record = RData::SRV(SRV::new(0, weight, number, target));
        if !label.is_empty() {
            let protocol = protocol.unwrap_or("TCP").to_lowercase();
            self.add(&format!("_{label}._{protocol}.{own}"), Some(record.clone()));
        }
        self.add(own, Some(record));
    }

    /// A name with its address, and the way back.
    fn add_address(&mut self, name: &str, ip: Ipv4Addr) {
        self.add(name, Some(RData::A(A(ip))));
        self.add(&reverse(ip), absolute(name).map(|n| RData::PTR(PTR(n))));
    }

    /// Adds a record, once, and makes the names above exist.
    fn add(&mut self, name: &str, record: Option<RData>) {
        let records = self.records.entry(name.to_owned()).or_default();
        records.extend(record.filter(|r| !records.contains(r)));
        let mut above = name;
        while let Some((_, parent)) = above.split_once('.') {
            if !parent.ends_with(DOMAIN) || self.records.contains_key(parent) {
                break;
            }
            self.records.insert(parent.to_owned(), Vec::new());
            above = parent;
        }
    }
}

/// The zone's SOA record, which goes with every "no".
pub(super) fn soa() -> Option<(Name, RData)> {
    let (server, person) = (absolute(&format!("ns.dns.{DOMAIN}"))?, absolute(&format!("hostmaster.{DOMAIN}"))?);
    Some((absolute(DOMAIN)?, RData::SOA(SOA::new(server, person, 1, 7200, 1800, 86_400, TTL))))
}

/// `10-244-0-3.NAMESPACE.pod.`: the address is in the name, so no pod need be looked up.
fn find_pod(rest: &str, kind: RecordType) -> Found {
    let labels: Vec<&str> = rest.trim_end_matches('.').split('.').collect();
    match labels.as_slice() {
        [_, "pod"] => Found::NoData,
        [address, _, "pod"] => match address.replace('-', ".").parse::<Ipv4Addr>() {
            Ok(ip) if matches!(kind, RecordType::A | RecordType::ANY) => Found::Records(vec![RData::A(A(ip))]),
            Ok(_) => Found::NoData,
            Err(_) => Found::NoName,
        },
        _ => Found::NoName,
    }
}

/// The ready endpoints: the name, address and slice of each.
fn endpoints<'a>(slices: &[&'a EndpointSlice]) -> Vec<(String, Ipv4Addr, &'a EndpointSlice)> {
    let is_ready = |e: &&Endpoint| e.conditions.as_ref().and_then(|c| c.ready) != Some(false);
    let mut found = Vec::new();
    for slice in slices {
        for endpoint in slice.endpoints.iter().filter(is_ready) {
            for ip in endpoint.addresses.iter().filter_map(|a| a.parse::<Ipv4Addr>().ok()) {
                let host = endpoint.hostname.clone().filter(|h| !h.is_empty());
                found.push((host.unwrap_or_else(|| ip.to_string().replace('.', "-")), ip, *slice));
            }
        }
    }
    found
}

fn port_name(port: &ServicePort) -> &str {
    port.name.as_deref().unwrap_or_default()
}

fn reverse(ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

/// A whole name; None for one that DNS cannot carry.
fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
mod tests;
