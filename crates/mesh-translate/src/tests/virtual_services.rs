//! The rules V1 to V20 of VirtualServices, each with the smallest mesh that shows it.

use super::{fixture::Mesh, text};
use crate::routes;

/// The routes of one host in the table of a port, as lines.
fn lines(mesh: &Mesh, pod: &str, table: &str, host: &str) -> Vec<String> {
    let all = text::routes(&routes(&mesh.view(pod), &mesh.push, &[table]));
    let mut found = Vec::new();
    let mut here = false;
    for line in all.lines() {
        match line.strip_prefix("    ") {
            Some(route) if here => found.push(route.to_owned()),
            Some(_) => {}
            None => here = line.trim_start().starts_with(&format!("{host}:")),
        }
    }
    found
}

const REVIEWS: &str = "reviews.default.svc.cluster.local";

/// The routes of reviews as ratings' proxy has them.
fn reviews(yaml: &str) -> Vec<String> {
    lines(&Mesh::bookinfo(yaml), "default/ratings-v1", "9080", REVIEWS)
}

fn vs(name: &str, rest: &str) -> String {
    format!("kind: VirtualService\nmetadata: {{name: {name}}}\nspec:\n{rest}\n---\n")
}

#[test]
fn v1_and_v2_the_oldest_owns_the_host() {
    let older = "kind: VirtualService\nmetadata: {name: z, created: 7}\nspec: {hosts: [reviews], http: [{route: [{destination: {host: ratings}}]}]}\n---\n";
    let newer = "kind: VirtualService\nmetadata: {name: a, created: 9}\nspec: {hosts: [reviews], http: [{route: [{destination: {host: details}}]}]}";
    assert_eq!(reviews(&format!("{older}{newer}")), ["/* → outbound|9080||ratings.default.svc.cluster.local"]);
    let mesh = Mesh::bookinfo(&format!("{older}{newer}"));
    let issues: Vec<String> = mesh.push.issues().iter().map(ToString::to_string).collect();
    assert!(
        issues[0].starts_with(
            "VirtualService/default/a: spec.hosts[0]: `reviews.default.svc.cluster.local` already belongs"
        ),
        "{issues:?}"
    );
}

#[test]
fn v1_private_before_public() {
    let public = "kind: VirtualService\nmetadata: {name: a, created: 1}\nspec: {hosts: [reviews], http: [{route: [{destination: {host: details}}]}]}\n---\n";
    let private = "kind: VirtualService\nmetadata: {name: z, created: 9}\nspec: {hosts: [reviews], exportTo: ['.'], http: [{route: [{destination: {host: ratings}}]}]}";
    assert_eq!(reviews(&format!("{public}{private}")), ["/* → outbound|9080||ratings.default.svc.cluster.local"]);
}

#[test]
fn v2_the_most_specific_host_wins() {
    let wide =
        vs("wide", "  hosts: ['*.default.svc.cluster.local']\n  http: [{route: [{destination: {host: details}}]}]");
    let exact = vs("exact", "  hosts: [reviews]\n  http: [{route: [{destination: {host: ratings}}]}]");
    let mesh = Mesh::bookinfo(&format!("{wide}{exact}"));
    let of = |host| lines(&mesh, "default/ratings-v1", "9080", host);
    assert_eq!(of(REVIEWS), ["/* → outbound|9080||ratings.default.svc.cluster.local"]);
    assert_eq!(of("productpage.default.svc.cluster.local"), ["/* → outbound|9080||details.default.svc.cluster.local"]);
}

#[test]
fn v4_to_v6_written_order_and_the_first_catch_all_ends() {
    let yaml = vs(
        "r",
        "  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /a}}, {uri: {exact: /b}, method: {exact: GET}}, {uri: {regex: '/c.*'}, ignoreUriCase: true}]
    route: [{destination: {host: ratings}}]
  - match: [{headers: {x: {prefix: v}, y: {}}, withoutHeaders: {z: {exact: q}, w: {}}, queryParams: {k: {exact: v}}}]
    route: [{destination: {host: details}}]
  - match: [{authority: {exact: a.b}, scheme: {exact: http}}]
    route: [{destination: {host: details}}]
  - route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /never}}]
    route: [{destination: {host: details}}]",
    );
    assert_eq!(
        reviews(&yaml),
        [
            "/a* → outbound|9080||ratings.default.svc.cluster.local",
            "/b :method=GET → outbound|9080||ratings.default.svc.cluster.local",
            "~/c.* nocase → outbound|9080||ratings.default.svc.cluster.local",
            "/* x^v y? !w? !z=q ?k → outbound|9080||details.default.svc.cluster.local",
            "/* :authority=a.b :scheme=http → outbound|9080||details.default.svc.cluster.local",
            "/* → outbound|9080||reviews.default.svc.cluster.local",
        ]
    );
}

#[test]
fn v5_a_catch_all_match_ends_too() {
    let yaml = vs(
        "r",
        "  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /}}, {uri: {prefix: /x}}]
    route: [{destination: {host: ratings}}]
  - route: [{destination: {host: details}}]",
    );
    assert_eq!(reviews(&yaml), ["/* → outbound|9080||ratings.default.svc.cluster.local"]);
}

#[test]
fn v6_matches_by_port_and_source() {
    let yaml = vs(
        "r",
        "  hosts: [reviews]
  http:
  - match: [{port: 80}]
    route: [{destination: {host: details}}]
  - match: [{sourceLabels: {app: ratings}, uri: {prefix: /mine}}, {sourceLabels: {app: other}, uri: {prefix: /other}}]
    route: [{destination: {host: ratings}}]
  - match: [{sourceNamespace: elsewhere}]
    route: [{destination: {host: details}}]
  - route: [{destination: {host: reviews}}]",
    );
    assert_eq!(
        reviews(&yaml),
        [
            "/mine* → outbound|9080||ratings.default.svc.cluster.local",
            "/* → outbound|9080||reviews.default.svc.cluster.local",
        ]
    );
}

#[test]
fn v7_listed_gateways_decide_alone() {
    let yaml = vs(
        "r",
        "  hosts: [reviews]
  gateways: [mesh, gw]
  http:
  - match: [{gateways: [gw], uri: {prefix: /gw}}, {gateways: [mesh], sourceLabels: {app: other}, uri: {prefix: /mesh}}]
    route: [{destination: {host: ratings}}]
  - route: [{destination: {host: reviews}}]",
    );
    assert_eq!(
        reviews(&yaml),
        [
            "/mesh* → outbound|9080||ratings.default.svc.cluster.local",
            "/* → outbound|9080||reviews.default.svc.cluster.local",
        ]
    );
}

#[test]
fn v8_gateways_without_mesh_are_not_for_sidecars() {
    let yaml = vs("r", "  hosts: [reviews]\n  gateways: [gw]\n  http: [{route: [{destination: {host: ratings}}]}]");
    assert_eq!(reviews(&yaml), ["/* → outbound|9080||reviews.default.svc.cluster.local"]);
}

#[test]
fn v9_short_names_get_the_namespace_of_the_object() {
    let yaml = "
kind: VirtualService
metadata: {name: p, namespace: data}
spec: {hosts: [plain], http: [{route: [{destination: {host: mongo}}]}]}
";
    let mesh = Mesh::bookinfo(yaml);
    let host = "plain.data.svc.cluster.local";
    assert_eq!(
        lines(&mesh, "default/ratings-v1", &format!("{host}:8000"), host),
        ["/* → outbound|27017||mongo.data.svc.cluster.local"],
    );
}

#[test]
fn v10_ports_of_destinations() {
    let several = "
kind: Service
metadata: {name: several}
spec: {clusterIP: 10.96.1.1, ports: [{name: http-a, port: 81}, {name: http-b, port: 9080}]}
---
kind: VirtualService
metadata: {name: r}
spec:
  hosts: [reviews]
  http:
  - {match: [{uri: {prefix: /listener}}], route: [{destination: {host: several}}]}
  - {match: [{uri: {prefix: /given}}], route: [{destination: {host: several, port: {number: 81}}}]}
  - {match: [{uri: {prefix: /only}}], route: [{destination: {host: plain.data.svc.cluster.local}}]}
  - {match: [{uri: {prefix: /unknown}}], route: [{destination: {host: nowhere.example.com}}]}
";
    assert_eq!(
        reviews(several),
        [
            "/listener* → outbound|9080||several.default.svc.cluster.local",
            "/given* → outbound|81||several.default.svc.cluster.local",
            "/only* → outbound|8000||plain.data.svc.cluster.local",
            "/unknown* → outbound|9080||nowhere.example.com",
        ]
    );
}

#[test]
fn v11_a_missing_subset_is_an_issue_and_no_cluster() {
    let yaml = vs("r", "  hosts: [reviews]\n  http: [{route: [{destination: {host: reviews, subset: v9}}]}]");
    assert_eq!(reviews(&yaml), ["/* → outbound|9080|v9|reviews.default.svc.cluster.local"]);
    let mesh = Mesh::bookinfo(&yaml);
    assert!(mesh.cluster("default/ratings-v1", "outbound|9080|v9|reviews.default.svc.cluster.local").is_none());
    let issues: Vec<String> = mesh.push.issues().iter().map(ToString::to_string).collect();
    assert_eq!(
        issues,
        [
            "VirtualService/default/r: spec.http[0].route[0].destination.subset: no DestinationRule defines subset `v9` of \
          `reviews.default.svc.cluster.local`; requests sent there fail with 503 (NC); add a DestinationRule for \
          `reviews.default.svc.cluster.local` that defines it"
        ]
    );
}

#[test]
fn v12_weights() {
    let yaml = vs(
        "r",
        "  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /a}}]
    route: [{destination: {host: reviews}, weight: 3}, {destination: {host: ratings}, weight: 1}, {destination: {host: details}, weight: 0}]
  - route: [{destination: {host: reviews}, weight: 7}]",
    );
    assert_eq!(
        reviews(&yaml),
        [
            "/a* → outbound|9080||reviews.default.svc.cluster.local*3 + outbound|9080||ratings.default.svc.cluster.local*1",
            "/* → outbound|9080||reviews.default.svc.cluster.local",
        ]
    );
}

#[test]
fn v16_hosts_without_a_service_live_on_port_80() {
    let yaml = vs("r", "  hosts: [new.example.com]\n  http: [{route: [{destination: {host: reviews}}]}]");
    let mesh = Mesh::bookinfo(&yaml);
    let of = |table: &str| lines(&mesh, "default/ratings-v1", table, "new.example.com");
    assert_eq!(of("80"), ["/* → outbound|9080||reviews.default.svc.cluster.local"]);
    assert!(of("9080").is_empty());
}

#[test]
fn v17_redirects_rewrites_and_direct_responses() {
    let yaml = vs(
        "r",
        "  hosts: [reviews]
  http:
  - {match: [{uri: {exact: /gone}}], directResponse: {status: 410, body: {string: gone}}}
  - {match: [{uri: {prefix: /old}}], rewrite: {uri: /new, authority: other}, route: [{destination: {host: reviews}}]}
  - match: [{uri: {prefix: /re}}]
    rewrite: {uriRegexRewrite: {match: '/re/(.*)', rewrite: '/\\1'}}
    route: [{destination: {host: reviews}}]
  - {name: here, match: [{name: there, uri: {prefix: /named}}], route: [{destination: {host: reviews}}]}",
    );
    assert_eq!(
        reviews(&yaml),
        [
            "/gone → respond 410",
            "/old* → outbound|9080||reviews.default.svc.cluster.local rewrite=/new host=other",
            "/re* → outbound|9080||reviews.default.svc.cluster.local rewrite=~/re/(.*)→/\\1",
            "/named* → outbound|9080||reviews.default.svc.cluster.local name=here.there",
        ]
    );
}

#[test]
fn v19_timeouts_retries_faults_and_mirrors() {
    let yaml = vs(
        "r",
        "  hosts: [reviews]
  http:
  - {match: [{uri: {prefix: /t}}], timeout: 1.5s, route: [{destination: {host: reviews}}]}
  - match: [{uri: {prefix: /r}}]
    retries: {attempts: 5, perTryTimeout: 2s, retryOn: '5xx,503'}
    route: [{destination: {host: reviews}}]
  - {match: [{uri: {prefix: /n}}], retries: {attempts: 0}, route: [{destination: {host: reviews}}]}
  - match: [{uri: {prefix: /f}}]
    fault: {delay: {percentage: {value: 10}, fixedDelay: 7s}, abort: {percentage: {value: 0.1}, httpStatus: 500}}
    route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /m}}]
    mirror: {host: details}
    mirrorPercentage: {value: 50}
    corsPolicy: {allowOrigins: [{exact: 'http://a.b'}], allowMethods: [GET]}
    route: [{destination: {host: reviews}}]
  - route: [{destination: {host: reviews}}]",
    );
    let to = "outbound|9080||reviews.default.svc.cluster.local";
    assert_eq!(
        reviews(&yaml),
        [
            format!("/t* → {to} timeout=1.500s"),
            format!("/r* → {to} retries=5(5xx,retriable-status-codes) per-try=2s codes=[503]"),
            format!("/n* → {to} retries=off"),
            format!("/f* → {to} fault"),
            format!("/m* → {to} mirror=outbound|9080||details.default.svc.cluster.local@50% cors"),
            format!("/* → {to}"),
        ]
    );
}

#[test]
fn v14_and_v15_tls_and_tcp_routes_become_chains() {
    let yaml = "
kind: Service
metadata: {name: secure}
spec: {clusterIP: 10.96.2.1, ports: [{name: tls, port: 443}]}
---
kind: VirtualService
metadata: {name: s}
spec:
  hosts: [secure, a.example.com, b.example.com]
  tls:
  - {match: [{port: 443, sniHosts: [a.example.com]}], route: [{destination: {host: secure}}]}
  - match: [{sniHosts: [b.example.com]}, {sniHosts: [a.example.com]}]
    route: [{destination: {host: secure}, weight: 1}, {destination: {host: details}, weight: 3}]
---
kind: VirtualService
metadata: {name: m, namespace: data}
spec:
  hosts: [mongo]
  tcp:
  - {match: [{destinationSubnets: [10.0.0.0/8], sourceLabels: {app: ratings}}], route: [{destination: {host: plain}}]}
  - {match: [{port: 27017}], route: [{destination: {host: mongo}}]}
  - {route: [{destination: {host: plain}}]}
";
    let mesh = Mesh::bookinfo(yaml);
    let text = text::listeners(&crate::listeners(&mesh.view("default/ratings-v1"), &mesh.push));
    let of = |name: &str| {
        let from = text.find(name).map(|at| &text[at..]).unwrap();
        from.lines().skip(1).take_while(|l| l.starts_with("  ")).map(str::trim).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        of("10.96.2.1_443"),
        "a.example.com → tcp outbound|443||secure.default.svc.cluster.local
b.example.com → tcp outbound|443||secure.default.svc.cluster.local*1 + outbound|9080||details.default.svc.cluster.local*3
else → tcp PassthroughCluster   (PassthroughFilterChain)"
    );
    assert_eq!(
        of("10.96.0.5_27017"),
        "10.0.0.0/8 → tcp outbound|8000||plain.data.svc.cluster.local
else → tcp outbound|27017||mongo.data.svc.cluster.local   (PassthroughFilterChain)"
    );
}

#[test]
fn v13_delegates() {
    let yaml = vs(
        "root",
        "  hosts: [reviews]
  http:
  - name: a
    match: [{uri: {prefix: /a}}, {uri: {prefix: /x}, headers: {h: {exact: v}}}]
    timeout: 5s
    delegate: {name: leaf, namespace: data}
  - {match: [{uri: {prefix: /gone}}], delegate: {name: nobody}}
  - route: [{destination: {host: reviews}}]",
    ) + "
kind: VirtualService
metadata: {name: leaf, namespace: data}
spec:
  http:
  - {name: b, match: [{uri: {prefix: /a/b}}, {uri: {exact: /x/y}}], timeout: 1s, route: [{destination: {host: plain}}]}
  - {match: [{uri: {prefix: /elsewhere}}, {uri: {prefix: /a/c}}], route: [{destination: {host: plain}}]}
  - {route: [{destination: {host: plain}}]}
";
    let plain = "outbound|8000||plain.data.svc.cluster.local";
    assert_eq!(
        reviews(&yaml),
        [
            format!("/a/b* → {plain} timeout=1s name=a-b"),
            format!("/x/y h=v → {plain} timeout=1s name=a-b"),
            format!("/a* → {plain} timeout=5s name=a"),
            format!("/x* h=v → {plain} timeout=5s name=a"),
            "/* → outbound|9080||reviews.default.svc.cluster.local".to_owned(),
        ]
    );
    let about_hosts = |yaml: &str| {
        let issues = Mesh::bookinfo(yaml).push.issues();
        let found = issues.iter().filter(|issue| issue.path.as_str() == "spec.hosts").map(ToString::to_string);
        found.collect::<Vec<_>>()
    };
    assert!(about_hosts(&yaml).is_empty());
    assert_eq!(
        about_hosts(
            &yaml.replace("name: leaf, namespace: data}\n  - {match", "name: other, namespace: data}\n  - {match")
        ),
        [
            "VirtualService/data/leaf: spec.hosts: a VirtualService without hosts is a delegate, and none delegates to it; \
          it does nothing; add hosts, or name it as the delegate of a rule that has them"
        ]
    );
}
