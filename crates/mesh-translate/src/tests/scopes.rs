//! What proxies see: `exportTo` and Sidecars.

use std::sync::Arc;

use mesh_model::{
    parse::{ParseContext, parse_mesh},
    store::{Change, ChangeSet, Record},
};

use super::{fixture::Mesh, text};

/// Hosts of the outbound clusters of a proxy, sorted.
fn hosts(yaml: &str, pod: &str) -> Vec<String> {
    let mesh = Mesh::bookinfo(yaml);
    let clusters = crate::clusters(&mesh.view(pod), &mesh.push);
    let mut hosts: Vec<String> = clusters
        .iter()
        .filter_map(|c| crate::names::Outbound::parse(&c.name))
        .map(|o| o.host.as_str().split(".svc").next().unwrap().to_owned())
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

const ALL: [&str; 7] = [
    "data.mongo",
    "data.plain",
    "default.details",
    "default.kubernetes",
    "default.productpage",
    "default.ratings",
    "default.reviews",
];

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names
        .iter()
        .map(|n| {
            let (namespace, name) = n.split_once('.').unwrap();
            format!("{name}.{namespace}")
        })
        .collect();
    names.sort();
    names
}

fn sidecar(namespace: &str, name: &str, spec: &str) -> String {
    format!("kind: Sidecar\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n")
}

#[test]
fn s1_selection_and_s2_the_pods_own_namespace() {
    assert_eq!(hosts("", "data/mongo"), sorted(&ALL));
    let root = sidecar("istio-system", "d", "{egress: [{hosts: ['./*']}]}");
    assert_eq!(hosts(&root, "data/mongo"), sorted(&["data.mongo", "data.plain"]));
    let own = sidecar("data", "own", "{egress: [{hosts: ['default/ratings.default.svc.cluster.local']}]}");
    assert_eq!(hosts(&format!("{root}{own}"), "data/mongo"), sorted(&["default.ratings"]));
    let chosen = sidecar(
        "data",
        "z",
        "{workloadSelector: {labels: {app: mongo}}, egress: [{hosts: ['*/reviews.default.svc.cluster.local']}]}",
    );
    assert_eq!(hosts(&format!("{root}{own}{chosen}"), "data/mongo"), sorted(&["default.reviews"]));
    let other = sidecar("data", "z", "{workloadSelector: {labels: {app: other}}, egress: [{hosts: ['~/*']}]}");
    assert_eq!(hosts(&other, "data/mongo"), sorted(&ALL));
}

#[test]
fn s3_and_s4_services_that_stay_at_home() {
    let yaml = "
kind: Service
metadata: {name: shy, annotations: {networking.istio.io/exportTo: '.'}}
spec: {clusterIP: 10.96.9.1, ports: [{name: http, port: 80}]}
---
kind: Service
metadata: {name: hidden, annotations: {networking.istio.io/exportTo: '~'}}
spec: {clusterIP: 10.96.9.2, ports: [{name: http, port: 80}]}
---
kind: Service
metadata: {name: lent, annotations: {networking.istio.io/exportTo: 'data,other'}}
spec: {clusterIP: 10.96.9.3, ports: [{name: http, port: 80}]}
";
    let data = [ALL.as_slice(), &["default.lent"]].concat();
    assert_eq!(hosts(yaml, "data/mongo"), sorted(&data));
    let own = [ALL.as_slice(), &["default.shy"]].concat();
    assert_eq!(hosts(yaml, "default/ratings-v1"), sorted(&own));
}

#[test]
fn s6_a_listener_with_a_port_owns_it() {
    let yaml = sidecar(
        "default",
        "d",
        "{egress: [{port: {number: 9080, protocol: HTTP, name: http}, hosts: ['./ratings.default.svc.cluster.local']}, {hosts: ['data/*', './details.default.svc.cluster.local']}]}",
    );
    let mesh = Mesh::bookinfo(&yaml);
    let view = mesh.view("default/ratings-v1");
    let routes = text::routes(&crate::routes(&view, &mesh.push, &["9080"]));
    assert!(routes.contains("ratings.default.svc.cluster.local:9080") && !routes.contains("details."), "{routes}");
    let listeners = text::listeners(&crate::listeners(&view, &mesh.push));
    let names: Vec<&str> =
        listeners.lines().filter(|l| !l.starts_with(' ')).map(|l| l.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["0.0.0.0_9080", "10.96.0.5_27017", "10.96.0.6_8000", "virtualOutbound", "virtualInbound"]);
}

#[test]
fn s7_destinations_of_imported_routes_come_along() {
    let yaml = sidecar("default", "d", "{egress: [{hosts: ['./reviews.default.svc.cluster.local']}]}")
        + "kind: VirtualService\nmetadata: {name: r}\nspec: {hosts: [reviews], http: [{route: [{destination: {host: plain.data.svc.cluster.local}}]}]}";
    assert_eq!(hosts(&yaml, "default/ratings-v1"), sorted(&["default.reviews", "data.plain"]));
}

#[test]
fn s9_the_sidecars_mode() {
    let yaml = sidecar("default", "d", "{egress: [{hosts: ['*/*']}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}");
    let mesh = Mesh::bookinfo(&yaml);
    let routes = text::routes(&crate::routes(&mesh.view("default/ratings-v1"), &mesh.push, &["9080"]));
    assert!(routes.contains("block_all [*]\n    /* → respond 502"), "{routes}");
}

#[test]
fn s8_a_sidecar_that_lists_ports_lists_all() {
    let yaml = sidecar(
        "default",
        "d",
        "{ingress: [{port: {number: 9080, protocol: HTTP, name: http}, defaultEndpoint: '127.0.0.1:8080'}, \
         {port: {number: 7000, protocol: TCP, name: tcp}}], egress: [{hosts: ['*/*']}], inboundConnectionPool: {tcp: {maxConnections: 4}}}",
    );
    let mesh = Mesh::bookinfo(&yaml);
    let view = mesh.view("default/ratings-v1");
    let clusters = text::clusters(&crate::clusters(&view, &mesh.push));
    let inbound: Vec<&str> = clusters.lines().filter(|l| l.starts_with("inbound|")).collect();
    assert_eq!(
        inbound,
        [
            "inbound|7000|| ORIGINAL_DST CLUSTER_PROVIDED connections≤4",
            "inbound|9080|| STATIC LEAST_REQUEST connections≤4 p0w0[127.0.0.1:8080]",
        ]
    );
    let listeners = text::listeners(&crate::listeners(&view, &mesh.push));
    assert!(listeners.contains("port 7000 → tcp inbound|7000||   (0.0.0.0_7000)"), "{listeners}");
}

#[test]
fn proxies_share_what_they_see_until_it_changes() {
    let chosen = sidecar("default", "d", "{workloadSelector: {labels: {app: ratings}}, egress: [{hosts: ['./*']}]}");
    let mesh = Mesh::bookinfo(&chosen);
    let scope = |push: &mesh_model::push_context::PushContext, pod: &str| {
        let workload = push.workload(pod).unwrap();
        push.scope(&workload.namespace, &workload.labels)
    };
    let [details, reviews, ratings] =
        ["default/details-v1", "default/reviews-v1", "default/ratings-v1"].map(|pod| scope(&mesh.push, pod));
    assert!(Arc::ptr_eq(&details, &reviews) && !Arc::ptr_eq(&details, &ratings));
    assert!(!Arc::ptr_eq(&details, &scope(&mesh.push, "data/mongo")));

    let nothing = mesh.push.next(&mesh.store, &ChangeSet::default());
    assert!(Arc::ptr_eq(&details, &scope(&nothing, "default/details-v1")));

    let (mut store, mut changes) = (mesh.store.clone(), ChangeSet::default());
    let strict = serde_json::json!({ "outboundTrafficPolicy": { "mode": "REGISTRY_ONLY" } });
    let strict = parse_mesh(&strict, &ParseContext::default()).unwrap().config;
    store.apply_noting(Change::put("istio", Record::Mesh(Box::new(strict))), &mut changes);
    let next = mesh.push.next(&store, &changes);
    for (push, vhost) in [(&mesh.push, "allow_any"), (&next, "block_all")] {
        let routes = text::routes(&crate::routes(&mesh.view("default/details-v1"), push, &["9080"]));
        assert!(routes.contains(vhost), "{routes}");
    }
    let last = text::listeners(&crate::listeners(&mesh.view("default/details-v1"), &next));
    assert!(last.contains("BlackHoleCluster") && !last.contains("→ tcp PassthroughCluster"), "{last}");
}
