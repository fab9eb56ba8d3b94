//! What `lateenctl explain` says, from pilot's answer on; without a cluster.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, in helpers too")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ctl::explain::{Explanation, Proxy, Record, Request, Standing, Told, World};
use mesh_proto::{
    Any,
    envoy::envoy::config::core::v3::Node,
    mcp, pack,
    registry::{self, ServicePort},
    type_url,
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

/// Bookinfo with these objects, as pilot tells it of productpage's proxy.
fn told(yaml: &str) -> Told {
    let mut records = Vec::new();
    service(&mut records, 1, "details", &["v1"]);
    service(&mut records, 2, "ratings", &["v1"]);
    service(&mut records, 3, "reviews", &["v1", "v2", "v3"]);
    service(&mut records, 4, "productpage", &["v1"]);
    for document in yaml.split("\n---").filter(|text| !text.trim().is_empty()) {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let url = type_url::config("networking.istio.io", "v1", &text("/kind"));
        let body = mcp::ConfigObject { json: object.to_string() };
        records.push(record(&url, &format!("{}/{}", text("/metadata/namespace"), text("/metadata/name")), pack(&body)));
    }
    let id = "sidecar~10.1.4.0~productpage-v1.default~default.svc.cluster.local";
    let node = Node { id: id.to_owned(), ..Node::default() };
    let proxy = Proxy {
        name: "productpage-v1.default".to_owned(),
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
    let cases: [(&str, &str, Option<&str>, &str); 13] = [
        ("", "http://details:9080/", None, "default: the service itself, no VirtualService is for it"),
        ("", "http://details:9080/", None, "sent to the one endpoint"),
        ("", "http://unknown.example.com/", None, "explained as if it led to 192.0.2.1"),
        ("", "http://10.9.9.9:9080/", None, "PassthroughCluster"),
        ("", "http://localhost:9080/", None, "do not pass through its proxy"),
        ("", "https://details:9080/", None, "PassthroughFilterChain"),
        (ENTRY, "http://db.example.com/", None, "has this address for db.example.com"),
        (ENTRY, "http://db.example.com/", None, "db.example.com:80  by DNS"),
        (ENTRY, "tcp://10.50.0.1:5432", None, "10.50.0.1_5432 (ServiceEntry default/db)"),
        (ENTRY, "http://unknown.example.com/", Some("502"), "outboundTrafficPolicy is REGISTRY_ONLY"),
        (REVIEWS, "http://details:9080/moved", Some("301"), "301, location: http://details:9080/here"),
        (REVIEWS, "http://details:9080/other", Some("404 NR"), "proxy-config route productpage-v1.default --name 9080"),
        (REVIEWS, "http://productpage:9080/", Some("503 UH"), "kubectl -n default get pods,endpoints productpage"),
    ];
    for (yaml, url, code, words) in cases {
        let told = explain(yaml, "GET", url, &[]);
        assert_eq!(told.code.as_deref(), code, "{told}");
        assert!(told.to_string().contains(words), "no \"{words}\" in\n{told}");
    }
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
