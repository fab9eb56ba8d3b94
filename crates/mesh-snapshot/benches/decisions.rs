//! What a request asks of the snapshot, in nanoseconds: its route, and an endpoint.
//!
//! `cargo xtask bench micro`, or `cargo bench -p mesh-snapshot -- pick` for some of them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros write undocumented code; the world is our own"
)]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use mesh_proto::{
    envoy::envoy::{
        config::{cluster::v3 as cluster, core::v3 as core, endpoint::v3 as endpoint, route::v3 as route},
        r#type::matcher::v3 as matcher,
    },
    pack,
};
use mesh_snapshot::{Cluster, Head, Kind, PathForm, PickContext, RouteTable, Snapshot, Store, Tick};

/// Services in the mesh.
const SERVICES: usize = 200;

fn route(name: &str, matching: route::RouteMatch) -> route::Route {
    let forward = route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(name.to_owned())),
        ..Default::default()
    };
    route::Route {
        name: name.to_owned(),
        r#match: Some(matching),
        action: Some(route::route::Action::Route(forward)),
        ..Default::default()
    }
}

fn prefix(text: &str) -> route::RouteMatch {
    let path_specifier = Some(route::route_match::PathSpecifier::Prefix(text.to_owned()));
    route::RouteMatch { path_specifier, ..Default::default() }
}

/// A virtual host as pilot writes it for a service with a VirtualService of three rules.
fn host(index: usize) -> route::VirtualHost {
    use route::{header_matcher::HeaderMatchSpecifier, route_match::PathSpecifier};
    let (name, exact) = (format!("s{index}"), matcher::string_matcher::MatchPattern::Exact("jason".to_owned()));
    let user = route::HeaderMatcher {
        name: "end-user".to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(matcher::StringMatcher {
            match_pattern: Some(exact),
            ..Default::default()
        })),
        ..Default::default()
    };
    let regex = matcher::RegexMatcher { regex: "/api/v[0-9]+/items/[^/]+".to_owned(), ..Default::default() };
    let pattern = PathSpecifier::SafeRegex(regex);
    let suffixes = ["", ".default", ".default.svc", ".default.svc.cluster.local"];
    route::VirtualHost {
        name: format!("{name}.default.svc.cluster.local:9080"),
        domains: suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect(),
        routes: vec![
            route("jason", route::RouteMatch { headers: vec![user], ..prefix("/") }),
            route("api", route::RouteMatch { path_specifier: Some(pattern), ..Default::default() }),
            route("rest", prefix("/")),
        ],
        ..Default::default()
    }
}

fn table() -> Arc<RouteTable> {
    let mut hosts: Vec<route::VirtualHost> = (0..SERVICES).map(host).collect();
    hosts.push(route::VirtualHost {
        name: "allow_any".to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![route("any", prefix("/"))],
        ..Default::default()
    });
    let message = route::RouteConfiguration {
        name: "9080".to_owned(),
        virtual_hosts: hosts,
        ignore_port_in_host_matching: true,
        ..Default::default()
    };
    let mut store = Store::default();
    store.put(Kind::Route, "9080", &pack(&message)).unwrap();
    let snapshot = store.build(&Snapshot::default());
    snapshot.route_tables().next().unwrap().clone()
}

fn routes(c: &mut Criterion) {
    let table = table();
    let mut headers = HeaderMap::new();
    for name in ["user-agent", "accept", "x-request-id", "x-forwarded-proto", "traceparent"] {
        headers.insert(name, HeaderValue::from_static("a-value-of-usual-length"));
    }
    let mut jason = headers.clone();
    jason.insert("end-user", HeaderValue::from_static("jason"));
    let method = Method::GET;
    let cases = [
        ("first rule, by a header", "s100.default.svc.cluster.local:9080", "/", &jason),
        ("second rule, by a regex", "s100:9080", "/api/v1/items/7", &headers),
        ("last rule, by a prefix", "s100.default:9080", "/reviews/0", &headers),
        ("no service", "www.example.com", "/", &headers),
    ];
    let mut group = c.benchmark_group("route");
    for (name, authority, path, headers) in cases {
        let head = Head { method: &method, scheme: "http", authority, path, query: None, headers };
        assert!(table.route(&head, 0).is_some());
        group.bench_function(name, |b| b.iter(|| table.route(black_box(&head), 0)));
    }
    group.finish();
}

/// A cluster of 100 endpoints.
fn cluster(policy: cluster::cluster::LbPolicy) -> Arc<Cluster> {
    let message = cluster::Cluster {
        name: "c".to_owned(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(
            cluster::cluster::DiscoveryType::Eds as i32,
        )),
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig {
            eds_config: Some(core::ConfigSource {
                config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
                    core::AggregatedConfigSource::default(),
                )),
                ..Default::default()
            }),
            ..Default::default()
        }),
        lb_policy: policy as i32,
        ..Default::default()
    };
    let one = |index: u32| {
        let socket = core::SocketAddress {
            address: format!("10.1.0.{index}"),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(9080)),
            ..Default::default()
        };
        let address = core::Address { address: Some(core::address::Address::SocketAddress(socket)) };
        let endpoint = endpoint::Endpoint { address: Some(address), ..Default::default() };
        endpoint::LbEndpoint {
            host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(endpoint)),
            ..Default::default()
        }
    };
    let all = endpoint::LocalityLbEndpoints { lb_endpoints: (1..=100).map(one).collect(), ..Default::default() };
    let assignment =
        endpoint::ClusterLoadAssignment { cluster_name: "c".to_owned(), endpoints: vec![all], ..Default::default() };
    let mut store = Store::default();
    store.put(Kind::Cluster, "c", &pack(&message)).unwrap();
    store.put(Kind::Endpoints, "c", &pack(&assignment)).unwrap();
    store.build(&Snapshot::default()).cluster("c").unwrap().clone()
}

fn picks(c: &mut Criterion) {
    use cluster::cluster::LbPolicy as P;
    let mut group = c.benchmark_group("pick");
    for policy in [P::RoundRobin, P::LeastRequest, P::Random, P::RingHash, P::Maglev] {
        let cluster = cluster(policy);
        let mut random = 0_u64;
        group.bench_function(BenchmarkId::from_parameter(policy.as_str_name()), |b| {
            b.iter(|| {
                random = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let context = PickContext {
                    now: Tick::after(Duration::from_secs(1)),
                    random,
                    hash: Some(random),
                    original_destination: None,
                    tried: &[],
                    avoid: 0,
                };
                cluster.pick(black_box(&context))
            });
        });
    }
    group.finish();
}

fn paths(c: &mut Criterion) {
    let form = PathForm { normalize: true, merge_slashes: true, ..PathForm::default() };
    let mut group = c.benchmark_group("path");
    for path in ["/reviews/0", "/a/./b//c/%7e/../d"] {
        group.bench_function(path, |b| b.iter(|| form.apply(black_box(path)).map(|path| path.len())));
    }
    group.finish();
}

/// Quick rather than exact: these show an order of magnitude, and what a change does to it.
fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! { name = decisions; config = quick(); targets = routes, picks, paths }
criterion_main!(decisions);
