//! ServiceEntries of every resolution, headless services, aliases.

use super::{fixture::Mesh, text};

fn entry(spec: &str) -> String {
    format!("kind: ServiceEntry\nmetadata: {{name: e}}\nspec: {spec}\n---\n")
}

/// Outbound clusters of a host, then the listeners of its port, as ratings' proxy has them.
fn both(yaml: &str, host: &str, port: u16) -> String {
    let mesh = Mesh::bookinfo(yaml);
    let view = mesh.view("default/ratings-v1");
    let clusters = text::clusters(&crate::clusters(&view, &mesh.push));
    let clusters: String = clusters.lines().filter(|l| l.contains(host)).map(|l| format!("{l}\n")).collect();
    let listeners = text::listeners(&crate::listeners(&view, &mesh.push));
    let mut here = false;
    let listeners: String = listeners
        .lines()
        .filter(|line| {
            if !line.starts_with(' ') {
                here = line.split(' ').next().unwrap().ends_with(&format!("_{port}"));
            }
            here
        })
        .map(|line| format!("{line}\n"))
        .collect();
    clusters + &listeners
}

#[test]
fn dns_with_tls_is_told_apart_by_server_name() {
    let yaml = entry("{hosts: [api.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}");
    assert_eq!(
        both(&yaml, "api.example.com", 443)
            .replace("10.96.0.7_443", "\n10.96.0.7_443")
            .split("\n\n")
            .next()
            .unwrap()
            .trim(),
        "outbound|443||api.example.com STRICT_DNS LEAST_REQUEST p0w1[api.example.com:443]
0.0.0.0_443 0.0.0.0:443 unbound tls_inspector
  api.example.com → tcp outbound|443||api.example.com
  else → tcp PassthroughCluster   (PassthroughFilterChain)"
    );
}

#[test]
fn dns_http_shares_the_ports_table() {
    let yaml = entry(
        "{hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}], resolution: DNS_ROUND_ROBIN}",
    );
    assert_eq!(
        both(&yaml, "a.example.com", 80),
        "outbound|80||a.example.com LOGICAL_DNS LEAST_REQUEST p0w1[a.example.com:8080]
0.0.0.0_80 0.0.0.0:80 unbound tls_inspector http_inspector
  raw_buffer http/1.0,http/1.1,h2c → http rds 80
  else → tcp PassthroughCluster   (PassthroughFilterChain)
"
    );
}

#[test]
fn static_endpoints_with_an_address() {
    let yaml = entry(
        "{hosts: [db.example.com], addresses: [10.50.0.1], ports: [{number: 5432, name: tcp, protocol: TCP}], resolution: STATIC, \
         location: MESH_INTERNAL, endpoints: [{address: 1.1.1.1, weight: 3}, {address: 1.1.1.2, ports: {tcp: 6000}, locality: r/z}]}",
    );
    assert_eq!(
        both(&yaml, "db.example.com", 5432),
        "outbound|5432||db.example.com EDS LEAST_REQUEST
10.50.0.1_5432 10.50.0.1:5432 unbound
  → tcp outbound|5432||db.example.com
"
    );
    let mesh = Mesh::bookinfo(&yaml);
    let name = "outbound|5432||db.example.com";
    assert_eq!(
        text::endpoints(&crate::endpoints(&mesh.view("default/ratings-v1"), &mesh.push, &[name])),
        format!("{name} p0w3[1.1.1.1:5432] r/zp0w1[1.1.1.2:6000]\n")
    );
}

#[test]
fn none_keeps_what_was_dialled() {
    let yaml =
        entry("{hosts: ['*.wild.example.com'], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}");
    let mesh = Mesh::bookinfo(&yaml);
    let view = mesh.view("default/ratings-v1");
    let cluster = mesh.cluster("default/ratings-v1", "outbound|80||*.wild.example.com").unwrap();
    assert_eq!(text::cluster(&cluster), "outbound|80||*.wild.example.com ORIGINAL_DST CLUSTER_PROVIDED");
    let routes = text::routes(&crate::routes(&view, &mesh.push, &["80"]));
    assert!(routes.contains("*.wild.example.com:80 [*.wild.example.com]"), "{routes}");
}

#[test]
fn pods_and_entries_by_selector() {
    let yaml = entry(
        "{hosts: [sel.example.com], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 9080}], resolution: STATIC, \
         location: MESH_INTERNAL, workloadSelector: {labels: {app: details}}}",
    ) + "kind: WorkloadEntry\nmetadata: {name: vm}\nspec: {address: 9.9.9.9, labels: {app: details}}";
    let mesh = Mesh::bookinfo(&yaml);
    let names = ["outbound|80||sel.example.com", "outbound|9080||details.default.svc.cluster.local"];
    let text = text::endpoints(&crate::endpoints(&mesh.view("default/ratings-v1"), &mesh.push, &names));
    assert_eq!(
        text,
        "outbound|80||sel.example.com p0w2[9.9.9.9:9080 10.1.0.1:9080]
outbound|9080||details.default.svc.cluster.local p0w2[9.9.9.9:9080 10.1.0.1:9080]
"
    );
}

#[test]
fn headless_services_keep_the_pod() {
    let yaml = "
kind: Service
metadata: {name: heads}
spec: {clusterIP: None, selector: {app: reviews}, ports: [{name: tcp, port: 7000}, {name: http, port: 9080}]}
";
    assert_eq!(
        both(yaml, "heads.default", 7000),
        "outbound|7000||heads.default.svc.cluster.local ORIGINAL_DST CLUSTER_PROVIDED
outbound|9080||heads.default.svc.cluster.local ORIGINAL_DST CLUSTER_PROVIDED
10.1.0.3_7000 10.1.0.3:7000 unbound
  → tcp outbound|7000||heads.default.svc.cluster.local
10.1.0.4_7000 10.1.0.4:7000 unbound
  → tcp outbound|7000||heads.default.svc.cluster.local
10.1.0.5_7000 10.1.0.5:7000 unbound
  → tcp outbound|7000||heads.default.svc.cluster.local
"
    );
    let mesh = Mesh::bookinfo(yaml);
    let routes = text::routes(&crate::routes(&mesh.view("data/mongo"), &mesh.push, &["9080"]));
    let domains = "[heads.default.svc.cluster.local heads.default.svc heads.default *.heads.default.svc.cluster.local \
                   *.heads.default.svc *.heads.default]";
    assert!(routes.contains(domains), "{routes}");
}

#[test]
fn an_external_name_is_another_name() {
    let yaml = "
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: reviews.default.svc.cluster.local}
---
kind: VirtualService
metadata: {name: r}
spec: {hosts: [details], http: [{route: [{destination: {host: alias}}]}]}
";
    let mesh = Mesh::bookinfo(yaml);
    let routes = text::routes(&crate::routes(&mesh.view("default/ratings-v1"), &mesh.push, &["9080"]));
    assert!(routes.contains("alias.default.svc.cluster.local alias alias.default.svc alias.default]"), "{routes}");
    let details = routes.lines().skip_while(|l| !l.contains("details.default.svc.cluster.local:9080")).nth(1).unwrap();
    assert_eq!(details.trim(), "/* → outbound|9080||reviews.default.svc.cluster.local");
}
