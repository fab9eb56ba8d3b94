use serde_json::{Value, json};

use super::*;

fn service(name: &str, spec: Value) -> Service {
    serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ns"}, "spec": spec})).unwrap()
}

fn slice(service: &str, endpoints: Value) -> EndpointSlice {
    serde_json::from_value(json!({
        "metadata": {"name": service, "namespace": "ns", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}], "endpoints": endpoints,
    }))
    .unwrap()
}

fn zone() -> Zone {
    let services = [
        service(
            "web",
            json!({"clusterIP": "10.96.1.1", "ports": [{"name": "http", "port": 80}, {"name": "dns", "protocol": "UDP", "port": 53}]}),
        ),
        service("db", json!({"clusterIP": "None", "ports": [{"name": "http", "port": 80}]})),
        service("empty", json!({"clusterIP": "None"})),
        service("out", json!({"type": "ExternalName", "externalName": "example.com"})),
    ];
    let slices = [
        slice("web", json!([{"addresses": ["10.244.0.2"]}])),
        slice(
            "db",
            json!([
                {"addresses": ["10.244.0.3"], "hostname": "db-0"},
                {"addresses": ["10.244.1.3"], "conditions": {"ready": true}},
                {"addresses": ["10.244.1.4"], "conditions": {"ready": false}},
            ]),
        ),
    ];
    Zone::new(&services, &slices)
}

/// The answer as text, sorted.
fn find(name: &str, kind: RecordType) -> Vec<String> {
    match zone().find(&absolute(name).unwrap(), kind) {
        Found::Records(records) => {
            let mut texts: Vec<String> = records.iter().map(ToString::to_string).collect();
            texts.sort();
            texts
        }
        Found::Alias(name) => vec![format!("alias {name}")],
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn names_and_their_records() {
    use RecordType as T;
    let table: &[(&str, T, &[&str])] = &[
        ("web.ns.svc.cluster.local", T::A, &["10.96.1.1"]),
        ("WEB.ns.Svc.cluster.LOCAL", T::A, &["10.96.1.1"]),
        ("web.ns.svc.cluster.local", T::AAAA, &["NoData"]),
        (
            "web.ns.svc.cluster.local",
            T::SRV,
            &["0 100 53 web.ns.svc.cluster.local.", "0 100 80 web.ns.svc.cluster.local."],
        ),
        ("_http._tcp.web.ns.svc.cluster.local", T::SRV, &["0 100 80 web.ns.svc.cluster.local."]),
        ("_dns._udp.web.ns.svc.cluster.local", T::SRV, &["0 100 53 web.ns.svc.cluster.local."]),
        ("_dns._tcp.web.ns.svc.cluster.local", T::SRV, &["NoName"]),
        ("_tcp.web.ns.svc.cluster.local", T::SRV, &["NoData"]),
        ("db.ns.svc.cluster.local", T::A, &["10.244.0.3", "10.244.1.3"]),
        ("db-0.db.ns.svc.cluster.local", T::A, &["10.244.0.3"]),
        ("10-244-1-3.db.ns.svc.cluster.local", T::A, &["10.244.1.3"]),
        ("10-244-1-4.db.ns.svc.cluster.local", T::A, &["NoName"]),
        (
            "_http._tcp.db.ns.svc.cluster.local",
            T::SRV,
            &["0 50 8080 10-244-1-3.db.ns.svc.cluster.local.", "0 50 8080 db-0.db.ns.svc.cluster.local."],
        ),
        ("empty.ns.svc.cluster.local", T::A, &["NoData"]),
        ("out.ns.svc.cluster.local", T::A, &["alias example.com."]),
        ("out.ns.svc.cluster.local", T::CNAME, &["example.com."]),
        ("1.1.96.10.in-addr.arpa", T::PTR, &["web.ns.svc.cluster.local."]),
        ("3.0.244.10.in-addr.arpa", T::PTR, &["db-0.db.ns.svc.cluster.local."]),
        ("2.0.244.10.in-addr.arpa", T::PTR, &["10-244-0-2.web.ns.svc.cluster.local."]),
        ("9.0.244.10.in-addr.arpa", T::PTR, &["Foreign"]),
        ("10-244-0-9.ns.pod.cluster.local", T::A, &["10.244.0.9"]),
        ("10-244-0-9.ns.pod.cluster.local", T::AAAA, &["NoData"]),
        ("10-244-0.ns.pod.cluster.local", T::A, &["NoName"]),
        ("ns.svc.cluster.local", T::A, &["NoData"]),
        ("svc.cluster.local", T::A, &["NoData"]),
        ("nothing.ns.svc.cluster.local", T::A, &["NoName"]),
        ("example.com.ns.svc.cluster.local", T::A, &["NoName"]),
        ("example.com", T::A, &["Foreign"]),
        ("notcluster.local", T::A, &["Foreign"]),
    ];
    for (name, kind, expected) in table {
        assert_eq!(find(name, *kind), *expected, "{name} {kind}");
    }
}
