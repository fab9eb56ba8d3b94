//! The rules D1 to D12 of DestinationRules, each with the smallest mesh that shows it.

use super::{fixture::Mesh, text};

const WHOLE: &str = "outbound|9080||reviews.default.svc.cluster.local";

fn cluster(yaml: &str, pod: &str, name: &str) -> String {
    let mesh = Mesh::bookinfo(yaml);
    mesh.cluster(pod, name)
        .map_or_else(|| "none".to_owned(), |c| text::cluster(&c).replacen(name, "", 1).trim().to_owned())
}

/// What is said of connections to all of reviews, as ratings' proxy has it.
fn reviews(yaml: &str) -> String {
    cluster(yaml, "default/ratings-v1", WHOLE)
}

/// A rule in short: name, namespace, further metadata fields, spec.
fn rule(name: &str, namespace: &str, spec: &str) -> String {
    format!("kind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n")
}

fn limit(host: &str, connections: u32) -> String {
    format!("{{host: {host}, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {connections}}}}}}}}}")
}

#[test]
fn d1_the_clients_namespace_then_the_services_then_the_roots() {
    let root = rule("r", "istio-system", &limit(WHOLE_HOST, 1));
    let services = rule("s", "default", &limit(WHOLE_HOST, 2));
    let clients = rule("c", "data", &limit(WHOLE_HOST, 3));
    let from_data = |yaml: &str| cluster(yaml, "data/mongo", WHOLE);
    assert_eq!(from_data(&root), "EDS LEAST_REQUEST connections≤1");
    assert_eq!(from_data(&format!("{root}{services}")), "EDS LEAST_REQUEST connections≤2");
    assert_eq!(from_data(&format!("{root}{services}{clients}")), "EDS LEAST_REQUEST connections≤3");
    // A rule of the client's namespace hides the others whole: nothing is merged across namespaces.
    assert_eq!(reviews(&format!("{root}{clients}")), "EDS LEAST_REQUEST connections≤1");
}

const WHOLE_HOST: &str = "reviews.default.svc.cluster.local";

#[test]
fn d1_rules_that_stay_at_home_are_not_seen_elsewhere() {
    let private = rule(
        "s",
        "default",
        "{host: reviews, exportTo: ['.'], trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}}",
    );
    assert_eq!(cluster(&private, "data/mongo", WHOLE), "EDS LEAST_REQUEST");
    assert_eq!(reviews(&private), "EDS LEAST_REQUEST connections≤2");
}

#[test]
fn d2_exact_beats_wildcard_and_longer_beats_shorter() {
    let any = rule("a", "default", &limit("'*'", 1));
    let local = rule("b", "default", &limit("'*.local'", 2));
    let exact = rule("c", "default", &limit("reviews", 3));
    assert_eq!(reviews(&any), "EDS LEAST_REQUEST connections≤1");
    assert_eq!(reviews(&format!("{any}{local}")), "EDS LEAST_REQUEST connections≤2");
    assert_eq!(reviews(&format!("{any}{local}{exact}")), "EDS LEAST_REQUEST connections≤3");
}

#[test]
fn d2_and_d4_a_selector_beats_and_stays_at_home() {
    let plain = rule("p", "default", &limit("reviews", 1));
    let chosen = rule(
        "s",
        "default",
        "{host: reviews, workloadSelector: {matchLabels: {app: ratings}}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}",
    );
    let both = format!("{plain}{chosen}");
    assert_eq!(reviews(&both), "EDS RANDOM", "its policy is not completed from the plain one");
    assert_eq!(cluster(&both, "default/details-v1", WHOLE), "EDS LEAST_REQUEST connections≤1");
    assert_eq!(cluster(&chosen, "data/mongo", WHOLE), "EDS LEAST_REQUEST");
}

#[test]
fn d3_rules_of_a_host_merge() {
    let yaml = [
        rule("a", "default", "{host: reviews, subsets: [{name: v1, labels: {version: v1}}]}"),
        rule("b", "default", &limit("reviews", 5)),
        rule("c", "default", "{host: reviews, subsets: [{name: v1, labels: {version: x}}, {name: v2, labels: {version: v2}}], trafficPolicy: {connectionPool: {tcp: {maxConnections: 9}}}}"),
    ]
    .concat();
    let mesh = Mesh::bookinfo(&yaml);
    let view = mesh.view("default/ratings-v1");
    let names = ["v1", "v2"].map(|v| format!("outbound|9080|{v}|{WHOLE_HOST}"));
    assert_eq!(
        text::endpoints(&crate::endpoints(&view, &mesh.push, &names)),
        format!("{} p0w1[10.1.0.3:9080]\n{} p0w1[10.1.0.4:9080]\n", names[0], names[1])
    );
    assert_eq!(reviews(&yaml), "EDS LEAST_REQUEST connections≤5");
    let issues: Vec<String> = mesh.push.issues().iter().map(ToString::to_string).collect();
    assert_eq!(
        issues,
        [
            "DestinationRule/default/c: spec.subsets[0].name: subset `v1` of `reviews.default.svc.cluster.local` is already \
          defined by the older DestinationRule/default/a; rename it, or define it in one place"
        ]
    );
}

#[test]
fn d5_a_subset_replaces_whole_blocks() {
    let yaml = rule(
        "a",
        "default",
        "
  host: reviews
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, connectionPool: {tcp: {maxConnections: 5}, http: {maxRetries: 3}}}
  subsets:
  - {name: v1, labels: {version: v1}, trafficPolicy: {connectionPool: {tcp: {maxConnections: 6}}}}
  - name: v2
    labels: {version: v2}
    trafficPolicy: {portLevelSettings: [{port: {number: 9080}, outlierDetection: {consecutive5xxErrors: 3}}]}",
    );
    let of = |subset: &str| cluster(&yaml, "default/ratings-v1", &format!("outbound|9080|{subset}|{WHOLE_HOST}"));
    assert_eq!(of(""), "EDS ROUND_ROBIN connections≤5 retries≤3");
    assert_eq!(of("v1"), "EDS ROUND_ROBIN connections≤6");
    assert_eq!(of("v2"), "EDS LEAST_REQUEST ejects(5xx=Some(3))", "a port's entry clears the other blocks");
}

#[test]
fn d6_a_port_entry_inherits_nothing() {
    let yaml = rule(
        "a",
        "default",
        "
  host: reviews
  trafficPolicy:
    connectionPool: {tcp: {maxConnections: 5}}
    portLevelSettings: [{port: {number: 9080}, loadBalancer: {simple: RANDOM}}]",
    );
    assert_eq!(reviews(&yaml), "EDS RANDOM");
}

#[test]
fn d7_a_subsets_policy_is_not_the_services() {
    let yaml = rule(
        "a",
        "default",
        "{host: reviews, subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]}",
    );
    assert_eq!(reviews(&yaml), "EDS LEAST_REQUEST");
}

#[test]
fn d8_and_d9_tls() {
    let tls = |settings: &str| {
        reviews(&rule("a", "default", &format!("{{host: reviews, trafficPolicy: {{tls: {settings}}}}}")))
    };
    assert_eq!(tls("{mode: DISABLE}"), "EDS LEAST_REQUEST");
    assert_eq!(tls("{mode: SIMPLE}"), "EDS LEAST_REQUEST h1 auto-sni tls");
    assert_eq!(tls("{mode: SIMPLE, sni: a.b}"), "EDS LEAST_REQUEST tls");
    assert_eq!(
        tls("{mode: MUTUAL, clientCertificate: /a.pem, privateKey: /k.pem, caCertificates: /ca.pem, sni: a.b}"),
        "EDS LEAST_REQUEST tls"
    );
    assert!(tls("{mode: ISTIO_MUTUAL}").starts_with("STATIC ROUND_ROBIN refused: ISTIO_MUTUAL"));
    assert!(tls("{mode: SIMPLE, credentialName: c}").starts_with("STATIC ROUND_ROBIN refused: credentialName"));
}

#[test]
fn d10_balancing_by_hash() {
    let yaml = rule(
        "a",
        "default",
        "{host: reviews, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}",
    );
    assert_eq!(reviews(&yaml), "EDS RING_HASH");
    let mesh = Mesh::bookinfo(&yaml);
    let routes = text::routes(&crate::routes(&mesh.view("default/ratings-v1"), &mesh.push, &["9080"]));
    assert!(routes.contains("/* → outbound|9080||reviews.default.svc.cluster.local hash\n"), "{routes}");
}

#[test]
fn pools_and_protocols() {
    let pool = |settings: &str| {
        reviews(&rule("a", "default", &format!("{{host: reviews, trafficPolicy: {{connectionPool: {settings}}}}}")))
    };
    assert_eq!(
        pool(
            "{tcp: {connectTimeout: 3s}, http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, maxRequestsPerConnection: 4}}"
        ),
        "EDS LEAST_REQUEST h1 pending≤1 requests≤2 connect=3s"
    );
    assert_eq!(pool("{http: {h2UpgradePolicy: UPGRADE}}"), "EDS LEAST_REQUEST h2");
    assert_eq!(pool("{http: {useClientProtocol: true}}"), "EDS LEAST_REQUEST as-client");
    let simple = |word: &str| {
        reviews(&rule(
            "a",
            "default",
            &format!("{{host: reviews, trafficPolicy: {{loadBalancer: {{simple: {word}}}}}}}"),
        ))
    };
    assert_eq!(simple("PASSTHROUGH"), "ORIGINAL_DST CLUSTER_PROVIDED");
}

#[test]
fn d11_failover_needs_ejection() {
    let places = "
kind: Service
metadata: {name: far}
spec: {clusterIP: 10.96.3.1, selector: {app: far}, ports: [{name: http, port: 80}]}
---
kind: Pod
metadata: {name: here, labels: {app: far}}
ip: 10.3.0.1
locality: r1/z1/s1
---
kind: Pod
metadata: {name: zone, labels: {app: far}}
ip: 10.3.0.2
locality: r1/z2
---
kind: Pod
metadata: {name: away, labels: {app: far}}
ip: 10.3.0.3
locality: r3/z1
---
kind: Pod
metadata: {name: late, labels: {app: far}}
ip: 10.3.0.4
ready: false
---
kind: Pod
metadata: {name: ending, labels: {app: far}}
ip: 10.3.0.5
draining: true
---
";
    let of = |policy: &str| {
        let rule = match policy {
            "" => String::new(),
            policy => rule("f", "default", &format!("{{host: far, trafficPolicy: {policy}}}")),
        };
        let mesh = Mesh::bookinfo(&format!("{places}{rule}"));
        let name = "outbound|80||far.default.svc.cluster.local";
        let text = text::endpoints(&crate::endpoints(&mesh.view("default/here"), &mesh.push, &[name]));
        text.replacen(name, "", 1).trim().to_owned()
    };
    let flat = "r1/z1/s1p0w1[10.3.0.1:80] r1/z2p0w1[10.3.0.2:80] r3/z1p0w1[10.3.0.3:80]";
    assert_eq!(of(""), flat);
    assert_eq!(
        of("{outlierDetection: {consecutive5xxErrors: 1}}"),
        "r1/z1/s1p0w1[10.3.0.1:80] r1/z2p1w1[10.3.0.2:80] r3/z1p2w1[10.3.0.3:80]"
    );
    let distribute = "{loadBalancer: {localityLbSetting: {distribute: [{from: r1/*, to: {'r1/*': 80, 'r3/*': 20}}]}}}";
    assert_eq!(of(distribute), "r1/z1/s1p0w40[10.3.0.1:80] r1/z2p0w40[10.3.0.2:80] r3/z1p0w20[10.3.0.3:80]");
    let labels = "{outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: [topology.kubernetes.io/region]}}}";
    assert_eq!(of(labels), "r1/z1/s1p0w1[10.3.0.1:80] r1/z2p0w1[10.3.0.2:80] r3/z1p1w1[10.3.0.3:80]");
}

#[test]
fn detours_are_refused_not_ignored() {
    let policy =
        |settings: &str| reviews(&rule("a", "default", &format!("{{host: reviews, trafficPolicy: {settings}}}")));
    let tunnel = policy("{tunnel: {protocol: CONNECT, targetHost: a.example.com, targetPort: 443}}");
    assert!(tunnel.starts_with("STATIC ROUND_ROBIN refused: tunnel"), "{tunnel}");
    let header = policy("{proxyProtocol: {version: V2}}");
    assert!(header.starts_with("STATIC ROUND_ROBIN refused: proxyProtocol"), "{header}");
}
