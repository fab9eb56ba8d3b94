//! Conditions, from what the conversion found and what is known of Services and Secrets.
//!
//! <https://gateway-api.sigs.k8s.io/guides/implementers/#resource-status>

use istio_api::gateway_api as api;

use super::{GatewayReport, ListenerReport, ObjectName, ParentReport, RouteKind, Verdict};

/// What the conversion itself does not need to know.
pub trait Facts {
    /// The Service of a Gateway's proxies.
    fn service(&self, name: &ObjectName) -> Option<ServiceFacts>;
    /// A Secret with a certificate.
    fn secret(&self, name: &ObjectName) -> SecretState;
}

/// How a Service is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Its name in the cluster.
    pub host: String,
    /// Whether a load balancer gives it an address.
    pub is_balanced: bool,
    /// Addresses and names from outside.
    pub addresses: Vec<String>,
    /// Its ports.
    pub ports: Vec<u16>,
}

/// Whether a Secret can be served with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// There is none.
    Missing,
    /// It holds no certificate with its key.
    Malformed,
    /// It does.
    Usable,
}

/// A condition, by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Such as `Accepted`.
    pub kind: &'static str,
    /// Whether it holds, and why.
    pub verdict: Verdict,
}

/// The status of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayStatus {
    /// Type and value.
    pub addresses: Vec<(&'static str, String)>,
    /// Of the Gateway.
    pub conditions: Vec<Condition>,
    /// In the object's order.
    pub listeners: Vec<ListenerStatus>,
}

/// The status of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// Kinds of routes that may attach.
    pub kinds: Vec<RouteKind>,
    /// How many did.
    pub attached: i32,
    /// Of the listener.
    pub conditions: Vec<Condition>,
}

fn condition(kind: &'static str, verdict: Verdict) -> Condition {
    Condition { kind, verdict }
}

/// Of a GatewayClass of ours.
pub fn class() -> Vec<Condition> {
    vec![condition("Accepted", Verdict::yes("Accepted", "this mesh acts on Gateways of the class"))]
}

/// Of a Gateway.
pub fn gateway(report: &GatewayReport, facts: &dyn Facts) -> GatewayStatus {
    let (addresses, programmed) = programmed(report, facts);
    GatewayStatus {
        addresses,
        conditions: vec![condition("Accepted", report.accepted.clone()), condition("Programmed", programmed)],
        listeners: report.listeners.iter().map(|l| listener(l, facts)).collect(),
    }
}

fn listener(report: &ListenerReport, facts: &dyn Facts) -> ListenerStatus {
    let mut resolved = report.resolved.clone();
    for name in report.secrets.iter().filter(|_| report.resolved.holds) {
        let (namespace, secret) = name;
        match facts.secret(name) {
            SecretState::Usable => {}
            SecretState::Missing => {
                let message = format!("there is no Secret {secret} in {namespace}; handshakes fail until there is");
                resolved = Verdict::no("InvalidCertificateRef", message);
            }
            SecretState::Malformed => {
                let message = format!("Secret {secret} of {namespace} holds no certificate with its key");
                resolved = Verdict::no("InvalidCertificateRef", message);
            }
        }
    }
    let programmed = if report.is_served() && resolved.holds {
        Verdict::yes("Programmed", "proxies serve the listener")
    } else {
        Verdict::no("Invalid", "proxies do not serve the listener; see its other conditions")
    };
    ListenerStatus {
        name: report.name.clone(),
        kinds: report.kinds.clone(),
        attached: report.attached,
        conditions: vec![
            condition("Accepted", report.accepted.clone()),
            condition("Conflicted", report.conflicted.clone()),
            condition("Programmed", programmed),
            condition("ResolvedRefs", resolved),
        ],
    }
}

/// Where a Gateway is found, and whether proxies serve it there.
fn programmed(report: &GatewayReport, facts: &dyn Facts) -> (Vec<(&'static str, String)>, Verdict) {
    if !report.accepted.holds {
        return (Vec::new(), Verdict::no("Invalid", "the Gateway is not accepted"));
    }
    let mut addresses: Vec<(&'static str, String)> = Vec::new();
    let mut inside = Vec::new();
    let mut pending = Vec::new();
    for name in &report.services {
        let (namespace, service) = name;
        let Some(found) = facts.service(name) else {
            return (Vec::new(), Verdict::no("Pending", format!("waiting for Service {service} in {namespace}")));
        };
        if let Some(listener) = report.listeners.iter().find(|l| l.is_served() && !found.ports.contains(&l.port)) {
            let message = format!(
                "Service {service} of {namespace} has no port {} for listener {}",
                listener.port, listener.name
            );
            return (Vec::new(), Verdict::no("AddressNotUsable", message));
        }
        if found.is_balanced && found.addresses.is_empty() {
            pending.push(found.host.clone());
        }
        addresses.extend(found.addresses.into_iter().map(typed));
        inside.push(("Hostname", found.host));
    }
    if report.services.is_empty() {
        addresses.extend(report.addresses.iter().map(|a: &api::Address| typed(a.value.clone())));
    }
    if addresses.is_empty() {
        addresses = inside;
    }
    let verdict = match pending.first() {
        Some(host) => Verdict::no("AddressNotAssigned", format!("no load balancer has given {host} an address yet")),
        None => Verdict::yes("Programmed", "proxies serve the Gateway"),
    };
    (addresses, verdict)
}

fn typed(address: String) -> (&'static str, String) {
    let is_ip = address.parse::<std::net::IpAddr>().is_ok();
    (if is_ip { "IPAddress" } else { "Hostname" }, address)
}

/// Of a route and one of its parents.
pub fn parent(report: &ParentReport) -> Vec<Condition> {
    let mut conditions =
        vec![condition("Accepted", report.accepted.clone()), condition("ResolvedRefs", report.resolved.clone())];
    let partially = report.partially_invalid.iter();
    conditions.extend(partially.map(|why| {
        condition("PartiallyInvalid", Verdict { holds: true, ..Verdict::no("UnsupportedValue", why.as_str()) })
    }));
    conditions
}
