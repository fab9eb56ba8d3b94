//! The objects, as a user would write them.

use mesh_types::Hostname;
use serde_json::{Map, Value, json};

use super::{
    Gateway, Taken,
    doors::{Door, Way},
};
use crate::config::{ExportScope, Kind, Object, ServiceEntry};

/// Subset of the gateway's Service that nobody defines, so that nothing is sent to it.
const NO_DOOR: &str = "not-passed-on";

/// The Gateway, if there is a gateway, and a VirtualService for each host.
pub(super) fn of(entry: &Object<ServiceEntry>, gateway: &Gateway, doors: &[Door<'_>], taken: &mut Taken) -> Vec<Value> {
    let namespace = &*entry.meta.namespace;
    let wanted = format!("{}-egress", entry.meta.name);
    let servers = servers(&entry.spec, doors);
    let mut objects = Vec::new();
    let mut gateways = vec!["mesh".to_owned()];
    if let Some(service) = gateway.service.as_ref().filter(|_| !servers.is_empty()) {
        // Names of Gateways have no dots.
        let name = taken.name(Kind::Gateway, namespace, &wanted.replace('.', "-"));
        objects.push(object(
            "Gateway",
            &name,
            namespace,
            json!({ "selector": service.selector.0, "servers": servers }),
        ));
        gateways.push(name);
    }
    for host in &entry.spec.hosts {
        let name = taken.name(Kind::VirtualService, namespace, &wanted);
        let mut spec = Map::new();
        spec.insert("hosts".to_owned(), json!([host.as_str()]));
        spec.insert("gateways".to_owned(), json!(gateways));
        if let Some(scopes) = export_to(&entry.spec, namespace, &gateway.namespace) {
            spec.insert("exportTo".to_owned(), json!(scopes));
        }
        for (field, way) in [("http", Way::Http), ("tls", Way::Tls), ("tcp", Way::Bytes)] {
            let through = doors.iter().filter(|door| door.way == way);
            let rules: Vec<Value> = through.flat_map(|door| rules(door, host, gateway, gateways.get(1))).collect();
            if !rules.is_empty() {
                spec.insert(field.to_owned(), Value::Array(rules));
            }
        }
        objects.push(object("VirtualService", &name, namespace, Value::Object(spec)));
    }
    objects
}

fn object(kind: &str, name: &str, namespace: &str, spec: Value) -> Value {
    let metadata = json!({ "name": name, "namespace": namespace });
    json!({ "apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec })
}

/// One server for each port of the gateway, for VirtualServices of the entry's namespace.
fn servers(spec: &ServiceEntry, doors: &[Door<'_>]) -> Vec<Value> {
    let hosts: Vec<String> = spec.hosts.iter().map(|host| format!("./{host}")).collect();
    let open = doors.iter().filter_map(|door| Some((door.way, door.gateway?)));
    let servers = open.map(|(way, number)| match way {
        Way::Http => json!({ "port": port(number, "http", "HTTP"), "hosts": hosts }),
        Way::Tls => json!({ "port": port(number, "tls", "TLS"), "hosts": hosts, "tls": { "mode": "PASSTHROUGH" } }),
        Way::Bytes => json!({ "port": port(number, "tcp", "TCP"), "hosts": hosts }),
    });
    servers.collect()
}

fn port(number: u16, word: &str, protocol: &str) -> Value {
    json!({ "number": number, "name": format!("{word}-{number}"), "protocol": protocol })
}

/// From sidecars to the gateway, and from there to the host.
fn rules(door: &Door<'_>, host: &Hostname, gateway: &Gateway, name: Option<&String>) -> Vec<Value> {
    let number = door.port.number.get();
    let rule = |from: &str, listens: u16, destination: Value| {
        let mut matching = json!({ "gateways": [from], "port": listens });
        if door.way == Way::Tls {
            matching["sniHosts"] = json!([host.as_str()]);
        }
        json!({ "match": [matching], "route": [{ "destination": destination }] })
    };
    let to = |host: &str, number: u16| json!({ "host": host, "port": { "number": number } });
    let mut inside = to(&gateway.host, door.gateway.unwrap_or(number));
    if door.gateway.is_none() && gateway.service.is_some() {
        inside["subset"] = json!(NO_DOOR);
    }
    let outside = name.zip(door.gateway).map(|(name, listens)| rule(name, listens, to(host.as_str(), number)));
    std::iter::once(rule("mesh", number, inside)).chain(outside).collect()
}

/// To those that see the entry, and to the gateway. Absent: the mesh's default, as for the entry.
fn export_to(spec: &ServiceEntry, own: &str, gateway: &str) -> Option<Vec<String>> {
    let given = spec.export_to.as_ref()?;
    let word = |scope: &ExportScope| match scope {
        ExportScope::All => "*".to_owned(),
        // Nobody sees the entry; routes of nobody's have to be somebody's.
        ExportScope::Own | ExportScope::Nobody => ".".to_owned(),
        ExportScope::Namespace(name) => name.clone(),
    };
    let mut scopes: Vec<String> = given.0.iter().map(word).collect();
    if !given.reaches(own, gateway) && own != gateway {
        scopes.push(gateway.to_owned());
    }
    Some(scopes)
}
