//! What proxies that capture DNS answer.

use super::fixture::Mesh;

const POD: &str = "
kind: Pod
metadata: {name: asker, labels: {captures-dns: yes}}
ip: 10.3.0.1
---
";

/// Each name with what is known of it; Bookinfo's own services are left out.
fn names(yaml: &str) -> Vec<String> {
    let mesh = Mesh::bookinfo(&format!("{POD}{yaml}"));
    let bookinfo = Mesh::bookinfo(POD).names("default/asker");
    let lines = mesh.names("default/asker").table.into_iter().filter(|(name, _)| !bookinfo.table.contains_key(name));
    lines
        .map(|(name, i)| format!("{name} {} {}.{} {}", i.registry, i.shortname, i.namespace, i.ips.join(" ")))
        .collect()
}

#[test]
fn services_are_known_by_their_addresses() {
    let mesh = Mesh::bookinfo(POD);
    let table = mesh.names("default/asker").table;
    let reviews = &table["reviews.default.svc.cluster.local"];
    assert_eq!((reviews.registry.as_str(), reviews.shortname.as_str()), ("Kubernetes", "reviews"));
    assert_eq!((reviews.namespace.as_str(), reviews.ips.as_slice()), ("default", &["10.96.0.3".to_owned()][..]));
}

#[test]
fn a_headless_service_is_its_pods_and_they_have_names() {
    let yaml = "
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}]}
---
kind: Pod
metadata: {name: db-0, labels: {app: db}}
ip: 10.4.0.1
hostname: db-0
---
kind: Pod
metadata: {name: db-1, labels: {app: db}}
ip: 10.4.0.2
hostname: db-1
---
kind: Pod
metadata: {name: db-2, labels: {app: db}}
ip: 10.4.0.3
hostname: db-2
ready: false";
    let expected = [
        "db-0.db.default.svc.cluster.local Kubernetes db-0.db.default 10.4.0.1",
        "db-1.db.default.svc.cluster.local Kubernetes db-1.db.default 10.4.0.2",
        "db.default.svc.cluster.local Kubernetes db.default 10.4.0.1 10.4.0.2",
    ];
    assert_eq!(names(yaml), expected);
}

#[test]
fn hosts_of_entries_are_known_by_their_own_addresses_or_by_given_ones() {
    let yaml = "
kind: ServiceEntry
metadata: {name: own}
spec: {hosts: [own.example.org], addresses: [10.50.0.1, 10.51.0.0/16], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC}
---
kind: ServiceEntry
metadata: {name: given}
spec: {hosts: [given.example.org], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
---
kind: ServiceEntry
metadata: {name: dialled}
spec: {hosts: [dialled.example.org], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}
---
kind: Service
metadata: {name: other-name}
spec: {type: ExternalName, externalName: reviews.default.svc.cluster.local}";
    let names = names(yaml);
    let [given, own] = names.as_slice() else { panic!("{names:?}") };
    assert!(given.starts_with("given.example.org External . 240.240."), "{given}");
    assert!(given.contains(" 2001:2::"), "{given}");
    assert_eq!(own, "own.example.org External . 10.50.0.1");
}

#[test]
fn what_a_proxy_does_not_see_it_does_not_answer() {
    let yaml = "
kind: ServiceEntry
metadata: {name: e}
spec: {hosts: [e.example.org], exportTo: ['~'], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}";
    assert!(names(yaml).is_empty());
    let other = "
kind: ServiceEntry
metadata: {name: e}
spec: {hosts: [e.example.org], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
---
kind: Sidecar
metadata: {name: s}
spec: {egress: [{hosts: ['./reviews.default.svc.cluster.local']}]}";
    let mesh = Mesh::bookinfo(&format!("{POD}{other}"));
    let known: Vec<String> = mesh.names("default/asker").table.into_keys().collect();
    assert_eq!(known, ["reviews.default.svc.cluster.local"]);
}

#[test]
fn a_proxy_without_capture_is_told_no_given_addresses() {
    let yaml = "
kind: ServiceEntry
metadata: {name: e}
spec: {hosts: [e.example.org], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}";
    let table = Mesh::bookinfo(yaml).names("default/ratings-v1").table;
    assert!(!table.contains_key("e.example.org"));
}
