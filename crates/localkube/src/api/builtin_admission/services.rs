//! Services: a cluster address and node ports for those that want them. What is taken is read from the store, so that
//! a deleted Service gives back what it had, with nothing to keep in step.

use std::{
    collections::HashSet,
    net::Ipv4Addr,
    sync::{MutexGuard, PoisonError},
};

use rand::RngExt;
use serde_json::{Value, json};

use crate::{
    api::Api,
    kinds::Kind,
    object::Object,
    status::{Cause, Status},
    store::Resource,
};

/// Cluster addresses: 10.96.0.0/16.
const NETWORK: [u8; 2] = [10, 96];

/// Node ports, both ends included.
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30000..=32767;

/// Gives a Service what it lacks. The guard must live until the Service is stored: meanwhile no other is given anything.
pub(in crate::api) fn allocate<'a>(
    api: &'a Api,
    kind: &Kind,
    service: &mut Object,
    old: Option<&Object>,
) -> Result<Option<MutexGuard<'a, ()>>, Status> {
    if !kind.group.is_empty() || kind.kind != "Service" || service.is_deleting() {
        return Ok(None);
    }
    let guard = api.inner.services.lock().unwrap_or_else(PoisonError::into_inner);
    let mut causes = Vec::new();
    let taken = Taken::read(api, service);
    if wants_address(service) {
        allocate_address(service, &taken, &mut causes);
    }
    allocate_ports(service, old, taken, &mut causes);
    if causes.is_empty() {
        return Ok(Some(guard));
    }
    Err(Status::invalid("", "Service", service.name(), &causes))
}

/// An update that leaves out what was allocated keeps it; a Service that changes its type loses what it no longer wants.
pub(super) fn carry_over(service: &mut Object, old: &Object) {
    let had = |pointer: &str| old.at(pointer).cloned().filter(|v| !v.is_null());
    if wants_address(service) && wants_address(old) {
        if service.text("/spec/clusterIP").is_empty()
            && let Some(address) = had("/spec/clusterIP")
        {
            service.value_mut()["spec"]["clusterIP"] = address;
        }
    } else if !wants_address(service)
        && service.text("/spec/clusterIP") == old.text("/spec/clusterIP")
        && let Some(spec) = service.value_mut().get_mut("spec").and_then(Value::as_object_mut)
    {
        for member in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            spec.remove(member);
        }
    }
    let old_ports = old.at("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    let wants = wants_ports(service);
    for port in ports_of(service) {
        let before = old_ports.iter().find(|p| same_port(p, port)).map(|p| p["nodePort"].clone());
        let before = before.filter(|number| !number.is_null());
        match (wants, before) {
            (true, Some(number)) if port["nodePort"].as_i64().unwrap_or(0) == 0 => port["nodePort"] = number,
            (false, Some(number)) if port["nodePort"] == number => {
                port.as_object_mut().map(|port| port.remove("nodePort"));
            }
            _ => {}
        }
    }
}

fn ports_of(service: &mut Object) -> impl Iterator<Item = &mut Value> {
    service.value_mut().pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten()
}

fn same_port(a: &Value, b: &Value) -> bool {
    let protocol = |port: &Value| port["protocol"].as_str().unwrap_or("TCP").to_owned();
    a["port"] == b["port"] && protocol(a) == protocol(b)
}

fn service_type(service: &Object) -> &str {
    service.at("/spec/type").and_then(Value::as_str).unwrap_or("ClusterIP")
}

fn wants_address(service: &Object) -> bool {
    service_type(service) != "ExternalName"
}

fn wants_ports(service: &Object) -> bool {
    match service_type(service) {
        "NodePort" => true,
        "LoadBalancer" => service.at("/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)),
        _ => false,
    }
}

/// What other Services hold.
struct Taken {
    addresses: HashSet<String>,
    ports: HashSet<(i64, String)>,
}

impl Taken {
    fn read(api: &Api, but: &Object) -> Self {
        let (mut addresses, mut ports) = (HashSet::new(), HashSet::new());
        for stored in api.store().list(&Resource::new("", "services"), None).0 {
            let service = &stored.object;
            if service.namespace() == but.namespace() && service.name() == but.name() {
                continue;
            }
            addresses.insert(service.text("/spec/clusterIP").to_owned());
            for port in service.at("/spec/ports").and_then(Value::as_array).into_iter().flatten() {
                if let Some(number) = port["nodePort"].as_i64() {
                    ports.insert((number, port["protocol"].as_str().unwrap_or("TCP").to_owned()));
                }
            }
        }
        Self { addresses, ports }
    }
}

fn allocate_address(service: &mut Object, taken: &Taken, causes: &mut Vec<Cause>) {
    let wanted = service.text("/spec/clusterIP").to_owned();
    let address = match wanted.as_str() {
        "None" => wanted,
        "" => free_address(taken).to_string(),
        _ => {
            let invalid = |why: &str| {
                let rule = format!("failed to allocate IP {wanted}: {why}");
                Cause::invalid("spec.clusterIPs", &json!([wanted]), rule)
            };
            match wanted.parse::<Ipv4Addr>() {
                Ok(address) if address.octets()[..2] == NETWORK => {}
                _ => {
                    let why = format!(
                        "the provided IP ({wanted}) is not in the valid range. The range of valid IPs is 10.96.0.0/16"
                    );
                    return causes.push(invalid(&why));
                }
            }
            if taken.addresses.contains(&wanted) {
                return causes.push(invalid("provided IP is already allocated"));
            }
            wanted
        }
    };
    let spec = &mut service.value_mut()["spec"];
    spec["clusterIPs"] = json!([address]);
    spec["clusterIP"] = address.into();
}

/// A free address from the upper part of the range; the lower 256 are for those who ask by number.
fn free_address(taken: &Taken) -> Ipv4Addr {
    let mut rng = rand::rng();
    loop {
        let address = Ipv4Addr::new(NETWORK[0], NETWORK[1], rng.random_range(1..=255), rng.random_range(0..=254));
        if !taken.addresses.contains(&address.to_string()) {
            return address;
        }
    }
}

fn allocate_ports(service: &mut Object, old: Option<&Object>, mut taken: Taken, causes: &mut Vec<Cause>) {
    let wants = wants_ports(service);
    let old_ports = old.and_then(|old| old.at("/spec/ports")).and_then(Value::as_array).cloned().unwrap_or_default();
    for (n, port) in ports_of(service).enumerate() {
        let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
        let wanted = port["nodePort"].as_i64().unwrap_or(0);
        if wanted == 0 {
            if wants && let Some(free) = free_port(&taken, &protocol) {
                taken.ports.insert((free, protocol));
                port["nodePort"] = free.into();
            }
            continue;
        }
        let field = format!("spec.ports[{n}].nodePort");
        let had = old_ports.iter().any(|p| p["nodePort"] == wanted);
        if !NODE_PORTS.contains(&wanted) && !had {
            let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
            causes.push(Cause::invalid(field, &json!(wanted), why));
        } else if !taken.ports.insert((wanted, protocol)) {
            causes.push(Cause::invalid(field, &json!(wanted), "provided port is already allocated"));
        }
    }
}

fn free_port(taken: &Taken, protocol: &str) -> Option<i64> {
    let start = rand::rng().random_range(NODE_PORTS);
    let ports = (start..=*NODE_PORTS.end()).chain(*NODE_PORTS.start()..start);
    ports.into_iter().find(|port| !taken.ports.contains(&(*port, protocol.to_owned())))
}

#[cfg(test)]
mod tests;
