//! What `lateenctl explain` says, from pilot's answer on; without a cluster.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, in helpers too")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ctl::explain::{Explanation, Proxy, Record, Request, Standing, Told, World};
use mesh_proto::{
    Any,
    envoy::{envoy::config::core::v3::Node, google::protobuf},
    mcp, pack,
    registry::{self, ServicePort},
    type_url, unpack,
};
use serde_json::{Value, json};

const TYPES: [&str; 4] = [type_url::LISTENER, type_url::ROUTE, type_url::CLUSTER, type_url::ENDPOINT];

fn record(type_url: &str, name: &str, any: Any) -> Record {
    let body = STANDARD.encode(&any.value);
    Record { type_url: type_url.to_owned(), name: name.to_owned(), body_type: any.type_url, body }
}

/// A service of bookinfo with its pods, by version.
fn service(records: &mut Vec<Record>, number: u8, name: &str, versions: &[&str]) {
    let host = format!("{name}.default.svc.cluster.local");
    let port = ServicePort { name: "http".into(), number: 9080, transport: "TCP".into(), ..ServicePort::default() };
    let service = registry::Service {
        host: host.clone(),
        name: name.into(),
        namespace: "default".into(),
        vips: vec![format!("10.96.0.{number}")],
        ports: vec![port],
        created: number.into(),
        selector: [("app".to_owned(), name.to_owned())].into(),
        ..registry::Service::default()
    };
    let mut endpoints = registry::Endpoints { host: host.clone(), namespace: "default".into(), endpoints: Vec::new() };
    for (index, version) in versions.iter().enumerate() {
        let pod = format!("{name}-{version}");
        let address = format!("10.1.{number}.{index}");
        let workload = registry::Workload {
            name: pod.clone(),
            namespace: "default".into(),
            addresses: vec![address.clone()],
            labels: [("app".to_owned(), name.to_owned()), ("version".to_owned(), (*version).to_owned())].into(),
            workload_name: pod.clone(),
            ready: true,
            ..registry::Workload::default()
        };
        records.push(record(type_url::WORKLOAD, &format!("default/{pod}"), pack(&workload)));
        endpoints.endpoints.push(registry::Endpoint {
            address,
            ports: [("http".to_owned(), 9080)].into(),
            ready: true,
            workload: format!("default/{pod}"),
            ..registry::Endpoint::default()
        });
    }
    records.push(record(type_url::SERVICE, &host, pack(&service)));
    records.push(record(type_url::ENDPOINTS, &host, pack(&endpoints)));
}

/// An object as galley sends it.
fn config(object: &Value) -> Record {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let url = type_url::config("networking.istio.io", "v1", &text("/kind"));
    let body = mcp::ConfigObject { json: object.to_string() };
    record(&url, &format!("{}/{}", text("/metadata/namespace"), text("/metadata/name")), pack(&body))
}

/// Bookinfo with these objects, as pilot tells it of productpage's proxy.
fn told(yaml: &str) -> Told {
    let mut records = Vec::new();
    service(&mut records, 1, "details", &["v1"]);
    service(&mut records, 2, "ratings", &["v1"]);
    service(&mut records, 3, "reviews", &["v1", "v2", "v3"]);
    service(&mut records, 4, "productpage", &["v1"]);
    for document in yaml.split("\n---").filter(|text| !text.trim().is_empty()) {
        records.push(config(&serde_saphyr::from_str(document).unwrap()));
    }
    told_of(records)
}

/// The same, and one more object.
fn told_with(yaml: &str, object: &Value) -> Told {
    let Told { mut records, .. } = told(yaml);
    records.push(config(object));
    told_of(records)
}

fn told_of(records: Vec<Record>) -> Told {
    told_by("sidecar~10.1.4.0~productpage-v1.default~default.svc.cluster.local", records)
}

/// Of the proxy with this node id.
fn told_by(id: &str, records: Vec<Record>) -> Told {
    let node = Node { id: id.to_owned(), ..Node::default() };
    let proxy = Proxy {
        name: id.split('~').nth(2).unwrap().to_owned(),
        node: STANDARD.encode(pack(&node).value),
        types: TYPES.iter().map(|url| ((*url).to_owned(), Standing::default())).collect(),
    };
    Told { records, proxy: Some(proxy) }
}

const REVIEWS: &str = include_str!("reviews.yaml");

fn explain(yaml: &str, method: &str, url: &str, headers: &[&str]) -> Explanation {
    let headers: Vec<String> = headers.iter().map(|h| (*h).to_owned()).collect();
    World::of(&told(yaml)).unwrap().explain(&Request::read(method, url, &headers).unwrap()).unwrap()
}

/// Compares with a file, and shows the whole of what was said where it differs.
fn assert_says(explanation: &Explanation, golden: &str) {
    let said = explanation.to_string();
    assert!(said.trim_end() == golden.trim_end(), "it says\n{said}\n");
}

#[test]
fn a_header_that_matches() {
    let told = explain(REVIEWS, "GET", "http://reviews:9080/reviews/0", &["end-user: jason"]);
    assert_says(&told, include_str!("by_header.txt"));
}

#[test]
fn a_request_that_falls_through() {
    let told = explain(REVIEWS, "get", "reviews.default:9080/reviews/0?full=1", &["End-User: other"]);
    assert_says(&told, include_str!("fall_through.txt"));
}

#[test]
fn a_subset_that_nobody_defines() {
    let told = explain(REVIEWS, "GET", "http://ratings:9080/ratings/0", &[]);
    assert_says(&told, include_str!("no_subset.txt"));
}

const ENTRY: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: default, creationTimestamp: '2025-01-01T00:00:00Z'}
spec:
  hosts: [db.example.com]
  addresses: [10.50.0.1]
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 5432, name: tcp, protocol: TCP}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: all, namespace: default, creationTimestamp: '2025-01-01T00:00:00Z'}
spec: {egress: [{hosts: ['*/*']}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
";

/// Each end that a request may take, as code, and words that stand somewhere in the text.
#[test]
fn every_outcome_has_a_code_and_says_what_to_try() {
    type Case = (&'static str, &'static str, Option<&'static str>, Option<&'static str>, &'static str);
    let cases: [Case; 18] = [
        ("", "http://details:9080/", None, None, "default: the service itself, no VirtualService is for it"),
        ("", "http://details:9080/", None, None, "sent to the one endpoint"),
        ("", "http://unknown.example.com/", None, Some("PASSTHROUGH"), "explained as if it led to 192.0.2.1"),
        (
            "",
            "http://10.9.9.9:9080/",
            None,
            Some("PASSTHROUGH"),
            "(ConfigMap istio-system/istio meshConfig.outboundTrafficPolicy)",
        ),
        ("", "http://10.9.9.9:9080/", None, Some("PASSTHROUGH"), "the mesh knows no such destination at all"),
        (
            "",
            "tcp://10.96.0.3:22",
            None,
            Some("PASSTHROUGH"),
            "service reviews.default.svc.cluster.local has no port 22, only 9080",
        ),
        ("", "http://localhost:9080/", None, None, "do not pass through its proxy"),
        ("", "https://details:9080/", None, Some("PASSTHROUGH"), "PassthroughFilterChain"),
        ("", "tcp://10.0.0.1:15001", Some("closed UH"), Some("OWN_PORT"), "would go in a circle"),
        (ENTRY, "http://db.example.com/", None, None, "has this address for db.example.com"),
        (ENTRY, "http://db.example.com/", None, None, "db.example.com:80  by DNS"),
        (ENTRY, "tcp://10.50.0.1:5432", None, None, "10.50.0.1_5432 (ServiceEntry default/db)"),
        (
            ENTRY,
            "http://unknown.example.com/",
            Some("502"),
            Some("BLACKHOLE"),
            "(Sidecar default/all spec.outboundTrafficPolicy)",
        ),
        (ENTRY, "tls://google.com:443", Some("closed UH"), Some("BLACKHOLE"), "BLACKHOLE google.com: "),
        (REVIEWS, "http://details:9080/moved", Some("301"), None, "301, location: http://details:9080/here"),
        (
            REVIEWS,
            "http://details:9080/other",
            Some("404 NR"),
            Some("NO_ROUTE"),
            "proxy-config route productpage-v1.default --name 9080",
        ),
        (
            REVIEWS,
            "http://productpage:9080/",
            Some("503 UH"),
            Some("CLUSTER_REFUSED"),
            "kubectl -n default get pods,endpoints productpage",
        ),
        (
            NARROW,
            "http://reviews:9080/",
            None,
            Some("PASSTHROUGH"),
            "which Sidecar default/narrow does not import: add \"default/reviews.default.svc.cluster.local\" to the hosts of its egress",
        ),
    ];
    for (yaml, url, code, reason, words) in cases {
        let told = explain(yaml, "GET", url, &[]);
        assert_eq!((told.code.as_deref(), told.reason), (code, reason), "{told}");
        assert!(told.to_string().contains(words), "no \"{words}\" in\n{told}");
    }
}

/// A scope that has `details` only.
const NARROW: &str = "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: narrow, namespace: default, creationTimestamp: '2025-01-01T00:00:00Z'}
spec: {egress: [{hosts: ['./details.default.svc.cluster.local']}], outboundTrafficPolicy: {mode: ALLOW_ANY}}
";

/// What two pods of productpage remember: a host in scope, two services out of it by address and by name, one outside.
fn learned(world: &World) -> ctl::scope::Learned {
    let first = json!({
        "called": [
            { "cluster": "outbound|9080||details.default.svc.cluster.local", "calls": 3 },
            { "cluster": "outbound|9080|v1|details.default.svc.cluster.local", "calls": 1 },
        ],
        "missed": [{ "address": "10.96.0.3:9080", "host": null, "reason": "PASSTHROUGH", "calls": 2, "lastSeen": 1 }],
        "misses": 2,
    });
    let second = json!({
        "called": [],
        "missed": [
            { "address": "10.96.0.3:9080", "host": "reviews:9080", "reason": "PASSTHROUGH", "calls": 5, "lastSeen": 1 },
            { "address": "192.0.2.7:9080", "host": "ratings.default", "reason": "PASSTHROUGH", "calls": 1, "lastSeen": 1 },
            { "address": "192.0.2.8:443", "host": "ifconfig.me", "reason": "PASSTHROUGH", "calls": 4, "lastSeen": 1 },
        ],
        "misses": 10,
    });
    let pages: Vec<ctl::scope::Page> = [first, second].map(|page| serde_json::from_value(page).unwrap()).into();
    ctl::scope::Learned::of(world, &pages)
}

#[test]
fn a_workload_is_told_whom_it_really_calls() {
    let world = World::of(&told(NARROW)).unwrap();
    assert_eq!(
        learned(&world).table().to_string(),
        "\
HOST                                  PORT     CALLS     SCOPE        WHAT IT IS
details.default.svc.cluster.local     9080     4         in scope     Service default/details
ratings.default.svc.cluster.local     9080     1         missed       Service default/ratings
reviews.default.svc.cluster.local     9080     7         missed       Service default/reviews
ifconfig.me                           443      4         unknown      the mesh does not know it
"
    );
}

#[test]
fn a_sidecar_covers_what_was_called() {
    let world = World::of(&told(NARROW)).unwrap();
    let labels = [("app".to_owned(), "productpage".to_owned())].into();
    let sidecar = learned(&world).sidecar(&world, "productpage-v1", "default", &labels).unwrap();
    assert_eq!(sidecar["metadata"], json!({ "name": "productpage-v1", "namespace": "default" }));
    let hosts = json!([
        "default/details.default.svc.cluster.local",
        "default/ratings.default.svc.cluster.local",
        "default/reviews.default.svc.cluster.local",
    ]);
    assert_eq!(sidecar["spec"]["egress"], json!([{ "hosts": hosts }]));
    assert_eq!(sidecar["spec"]["workloadSelector"], json!({ "labels": { "app": "productpage" } }));
    assert_eq!(sidecar["spec"]["outboundTrafficPolicy"], json!({ "mode": "ALLOW_ANY" }));
    let comments = learned(&world).comments(&world);
    assert!(comments[0].contains("takes the place of Sidecar default/narrow"), "{comments:?}");
    assert!(comments[1].starts_with("not here: ifconfig.me port 443 (4 calls)"), "{comments:?}");
    // Under the Sidecar that was written, what was missed is in scope.
    let mut text = sidecar.clone();
    text["metadata"]["creationTimestamp"] = json!("2025-01-01T00:00:00Z");
    let world = World::of(&told_with(NARROW, &text)).unwrap();
    let scopes: Vec<_> = learned(&world).called.into_iter().map(|call| call.scope).collect();
    use ctl::scope::Seen::{InScope, Unknown};
    assert_eq!(scopes, [InScope, InScope, InScope, Unknown]);
    assert!(ctl::scope::Learned::default().sidecar(&world, "a", "b", &labels).is_none());
}

/// Two hosts without addresses at one port, of bytes: each needs a listener of its own.
const WITHOUT_ADDRESSES: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: one, namespace: default, creationTimestamp: '2025-01-01T00:00:00Z'}
spec: {hosts: [one.example.com], ports: [{number: 5432, name: tcp, protocol: TCP}], resolution: DNS}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: two, namespace: default, creationTimestamp: '2025-01-02T00:00:00Z'}
spec: {hosts: [two.example.com], ports: [{number: 5432, name: tcp, protocol: TCP}], resolution: DNS}
";

/// The same, of a pod whose DNS questions its proxy answers.
fn capturing_dns(mut told: Told) -> Told {
    let proxy = told.proxy.as_mut().unwrap();
    let type_url = pack(&Node::default()).type_url;
    let mut node: Node = unpack(&Any { type_url, value: STANDARD.decode(&proxy.node).unwrap() }).unwrap();
    let yes = protobuf::Value { kind: Some(protobuf::value::Kind::StringValue("true".to_owned())) };
    node.metadata = Some(protobuf::Struct { fields: [("DNS_CAPTURE".to_owned(), yes)].into() });
    proxy.node = STANDARD.encode(pack(&node).value);
    told
}

#[test]
fn a_host_without_addresses_has_the_one_that_its_proxy_answers() {
    let explain = |told: &Told, url: &str| {
        let request = Request::read("GET", url, &[]).unwrap();
        World::of(told).unwrap().explain(&request).unwrap()
    };
    let capturing = capturing_dns(told(WITHOUT_ADDRESSES));
    let hosts = ["one.example.com", "two.example.com"];
    for host in hosts {
        let said = explain(&capturing, &format!("tcp://{host}:5432"));
        assert!(said.destination.starts_with("240.240."), "{said}");
        let listener = said.listener.as_ref().unwrap();
        assert_eq!(listener.name, said.destination.replace(':', "_"), "{said}");
        assert_eq!(said.clusters[0].cluster.name, format!("outbound|5432||{host}"), "{said}");
        assert!(said.to_string().contains(&format!("the pod's proxy answers this for {host}")), "{said}");
        let said = explain(&told(WITHOUT_ADDRESSES), &format!("tcp://{host}:5432"));
        assert_eq!(said.destination, "192.0.2.1:5432", "without capture it is not known: {said}");
    }
    let [one, two] = hosts.map(|host| explain(&capturing, &format!("tcp://{host}:5432")).destination);
    assert_ne!(one, two);
    let service = explain(&capturing, "http://reviews:9080/");
    assert_eq!(service.destination, "10.96.0.3:9080", "{service}");
}

#[test]
fn a_proxy_that_lags_behind_is_told_of() {
    let mut behind = told(REVIEWS);
    let types = &mut behind.proxy.as_mut().unwrap().types;
    types.get_mut(type_url::ROUTE).unwrap().told.insert("9080".into(), "an older hash".into());
    types
        .get_mut(type_url::CLUSTER)
        .unwrap()
        .unanswered
        .insert("outbound|9080||details.default.svc.cluster.local".into());
    let refused = types.get_mut(type_url::LISTENER).unwrap();
    refused.refused.insert("0.0.0.0_9080".into());
    refused.error = Some("a matter of taste".into());
    types.remove(type_url::ENDPOINT);
    let request = Request::read("GET", "http://details:9080/details/0", &[]).unwrap();
    let explanation = World::of(&behind).unwrap().explain(&request).unwrap();
    assert_eq!(
        explanation.behind,
        [
            "this proxy refused the newest listener `0.0.0.0_9080`: a matter of taste",
            "this proxy was not sent the newest routes `9080` yet",
            "this proxy has not acknowledged the newest cluster `outbound|9080||details.default.svc.cluster.local`",
            "this proxy never asked for endpoints `outbound|9080||details.default.svc.cluster.local`",
        ]
    );
    assert!(explanation.to_string().contains("NOT IN STEP   this proxy was not sent the newest routes `9080` yet"));
}

#[test]
fn programs_read_the_same() {
    let told = serde_json::to_value(explain(REVIEWS, "GET", "http://reviews:9080/", &[])).unwrap();
    assert_eq!(
        told["route"],
        json!({ "name": "rest", "object": "VirtualService default/reviews", "field": "spec.http[1]" })
    );
    assert_eq!(told["clusters"][0]["name"], "outbound|9080|v1|reviews.default.svc.cluster.local");
    assert_eq!(told["clusters"][0]["percent"], 80.0);
    assert_eq!(told["clusters"][0]["endpoints"][0]["address"], "10.1.3.0:9080");
    assert_eq!(told["passed"][0]["because"], json!(["header `end-user` is absent, should be `jason`"]));
}

const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: default, creationTimestamp: '2025-01-01T00:00:00Z'}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [www.example.com]}
  - {port: {number: 443, name: tls, protocol: TLS}, hosts: ['*.example.com'], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: www, namespace: default, creationTimestamp: '2025-01-01T00:00:00Z'}
spec:
  hosts: [www.example.com]
  gateways: [public]
  http:
  - {match: [{uri: {prefix: /reviews}}], route: [{destination: {host: reviews, port: {number: 9080}}}]}
  tls:
  - {match: [{port: 443, sniHosts: [www.example.com]}], route: [{destination: {host: details, port: {number: 9080}}}]}
";

/// At an ingress gateway: the Service's port leads to the pod's, then by name.
#[test]
fn a_gateway_is_asked_by_the_port_of_its_service() {
    let mut records = told(GATEWAY).records;
    let port = |name: &str, number| ServicePort {
        name: name.into(),
        number,
        transport: "TCP".into(),
        target_port: (number + 8000).to_string(),
        ..ServicePort::default()
    };
    let host = "istio-ingressgateway.istio-system.svc.cluster.local".to_owned();
    let service = registry::Service {
        host: host.clone(),
        name: "istio-ingressgateway".into(),
        namespace: "istio-system".into(),
        vips: vec!["10.96.0.9".into()],
        ports: vec![port("http2", 80), port("https", 443)],
        ..registry::Service::default()
    };
    let labels = [("istio".to_owned(), "ingressgateway".to_owned())];
    let workload = registry::Workload {
        name: "ingress-1".into(),
        namespace: "istio-system".into(),
        addresses: vec!["10.1.9.0".into()],
        labels: labels.into(),
        ready: true,
        ..registry::Workload::default()
    };
    let endpoint = registry::Endpoint {
        address: "10.1.9.0".into(),
        ports: [("http2".to_owned(), 8080), ("https".to_owned(), 8443)].into(),
        ready: true,
        workload: "istio-system/ingress-1".into(),
        ..registry::Endpoint::default()
    };
    let endpoints =
        registry::Endpoints { host: host.clone(), namespace: "istio-system".into(), endpoints: vec![endpoint] };
    records.push(record(type_url::SERVICE, &host, pack(&service)));
    records.push(record(type_url::ENDPOINTS, &host, pack(&endpoints)));
    records.push(record(type_url::WORKLOAD, "istio-system/ingress-1", pack(&workload)));
    let told = told_by("router~10.1.9.0~ingress-1.istio-system~istio-system.svc.cluster.local", records);
    let world = World::of(&told).unwrap();
    let cases: [(&str, Option<&str>, Option<&str>, &str); 7] = [
        (
            "http://www.example.com/reviews/0",
            None,
            None,
            "10.1.9.0:8080 (port 80 of service istio-system/istio-ingressgateway",
        ),
        ("http://www.example.com/reviews/0", None, None, "Route         VirtualService default/www spec.http[0]"),
        ("http://www.example.com/reviews/0", None, None, "outbound|9080||reviews.default.svc.cluster.local"),
        ("http://www.example.com/other", Some("404 NR"), Some("NO_ROUTE"), "(VirtualService default/www"),
        ("http://else.example.com/", Some("404 NR"), Some("NO_HOST"), "proxy-config route ingress-1.istio-system"),
        ("tls://www.example.com", None, None, "outbound|9080||details.default.svc.cluster.local"),
        ("http://www.example.com:81/", Some("no connection"), None, "does not listen on port 81"),
    ];
    for (url, code, reason, words) in cases {
        let told = world.explain(&Request::read("GET", url, &[]).unwrap()).unwrap();
        assert_eq!((told.code.as_deref(), told.reason), (code, reason), "{told}");
        assert!(told.to_string().contains(words), "no \"{words}\" in\n{told}");
    }
    let elsewhere = world.explain(&Request::read("GET", "tls://b.example.org", &[]).unwrap()).unwrap();
    assert_eq!(
        (elsewhere.code.as_deref(), elsewhere.reason),
        (Some("closed NR"), Some("NO_FILTER_CHAIN")),
        "{elsewhere}"
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (method, url, header, said) in [
        ("GE T", "http://a", "a: b", "\"GE T\" is no method such as GET"),
        ("GET", "ftp://a", "a: b", "\"ftp://a\" is no URL such as http://reviews:9080/reviews/0"),
        ("GET", "tcp://a", "a: b", "\"tcp://a\" is no URL such as http://reviews:9080/reviews/0"),
        ("GET", "http://a", "a", "-H \"a\": should be \"Name: value\""),
    ] {
        let refused = Request::read(method, url, &[header.to_owned()]).unwrap_err();
        assert_eq!(refused.to_string(), said);
    }
    let nobody = Told { proxy: None, ..told("") };
    assert_eq!(World::of(&nobody).unwrap_err().to_string(), "the proxy is not connected to pilot");
}
