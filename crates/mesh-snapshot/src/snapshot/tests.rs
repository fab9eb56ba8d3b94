use std::time::Duration;

use mesh_proto::{
    envoy::{
        envoy::{
            config::{core::v3 as core, endpoint::v3::lb_endpoint::HostIdentifier},
            extensions::filters::network::{http_connection_manager::v3 as hcm, tcp_proxy::v3 as tcp},
        },
        google::protobuf::UInt32Value,
    },
    pack,
};

use super::*;
use crate::{PickContext, Tick};

fn address(host: &str, port: u32) -> core::Address {
    let socket = core::SocketAddress {
        address: host.into(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port)),
        ..Default::default()
    };
    core::Address { address: Some(core::address::Address::SocketAddress(socket)) }
}

fn tcp_filter(to: &str) -> listener::Filter {
    let proxy = tcp::TcpProxy {
        cluster_specifier: Some(tcp::tcp_proxy::ClusterSpecifier::Cluster(to.into())),
        ..Default::default()
    };
    filter(pack(&proxy))
}

fn filter(any: Any) -> listener::Filter {
    listener::Filter { name: "f".into(), config_type: Some(listener::filter::ConfigType::TypedConfig(any)) }
}

fn http_filter(routes: &str) -> listener::Filter {
    use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;
    let router = hcm::HttpFilter {
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(pack(&Router::default()))),
        ..Default::default()
    };
    let rds = hcm::Rds { route_config_name: routes.into(), config_source: None };
    filter(pack(&hcm::HttpConnectionManager {
        http_filters: vec![router],
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(rds)),
        ..Default::default()
    }))
}

fn a_listener(name: &str, host: &str, port: u32, filter: listener::Filter) -> listener::Listener {
    listener::Listener {
        name: name.into(),
        address: Some(address(host, port)),
        filter_chains: vec![listener::FilterChain { filters: vec![filter], ..Default::default() }],
        bind_to_port: Some(false.into_wrapped()),
        ..Default::default()
    }
}

trait Wrapped {
    fn into_wrapped(self) -> mesh_proto::envoy::google::protobuf::BoolValue;
}

impl Wrapped for bool {
    fn into_wrapped(self) -> mesh_proto::envoy::google::protobuf::BoolValue {
        mesh_proto::envoy::google::protobuf::BoolValue { value: self }
    }
}

fn eds_cluster(name: &str) -> cluster::Cluster {
    cluster::Cluster {
        name: name.into(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(3)),
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig::default()),
        ..Default::default()
    }
}

fn endpoints(name: &str, ips: &[&str]) -> endpoint::ClusterLoadAssignment {
    let one = |ip: &&str| endpoint::LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(endpoint::Endpoint {
            address: Some(address(ip, 80)),
            ..Default::default()
        })),
        load_balancing_weight: Some(UInt32Value { value: 1 }),
        ..Default::default()
    };
    endpoint::ClusterLoadAssignment {
        cluster_name: name.into(),
        endpoints: vec![endpoint::LocalityLbEndpoints {
            lb_endpoints: ips.iter().map(one).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn a_bad_resource_is_refused_by_name_and_the_good_one_stays() {
    let mut store = Store::default();
    let good = eds_cluster("c");
    store.put(Kind::Cluster, "c", &pack(&good)).unwrap();
    store.put(Kind::Endpoints, "c", &pack(&endpoints("c", &["10.0.0.1"]))).unwrap();
    let bad = cluster::Cluster { close_connections_on_host_health_failure: true, ..good };
    let refused = store.put(Kind::Cluster, "c", &pack(&bad)).unwrap_err();
    assert_eq!(refused.line(), "cluster `c`: close_connections_on_host_health_failure: is not supported");
    assert!(store.build(&Snapshot::default()).cluster("c").is_some());
    let misnamed = store.put(Kind::Cluster, "d", &pack(&eds_cluster("c"))).unwrap_err();
    assert_eq!(misnamed.bad.path(), "name");
}

#[test]
fn what_is_incomplete_stays_out_or_as_it_was() {
    let mut store = Store::default();
    store.put(Kind::Cluster, "c", &pack(&eds_cluster("c"))).unwrap();
    store.put(Kind::Listener, "l", &pack(&a_listener("l", "0.0.0.0", 80, http_filter("r")))).unwrap();
    let wanted = store.wanted();
    assert_eq!((wanted.endpoints, wanted.routes), (vec!["c".into()], vec!["r".into()]));
    let first = store.build(&Snapshot::default());
    assert!(first.cluster("c").is_none() && first.listener("l").is_none());
    store.put(Kind::Endpoints, "c", &pack(&endpoints("c", &[]))).unwrap();
    let table = route::RouteConfiguration { name: "r".into(), ..Default::default() };
    store.put(Kind::Route, "r", &pack(&table)).unwrap();
    let second = store.build(&first);
    assert!(second.cluster("c").is_some() && second.listener("l").is_some());
    store.put(Kind::Listener, "l", &pack(&a_listener("l", "0.0.0.0", 81, http_filter("later")))).unwrap();
    let third = store.build(&second);
    assert_eq!(third.listener("l").unwrap().addresses[0].port(), 80);
}

#[test]
fn connections_are_handed_over_by_destination() {
    let mut store = Store::default();
    let mut outbound = a_listener("virtualOutbound", "0.0.0.0", 15001, tcp_filter("PassthroughCluster"));
    outbound.bind_to_port = None;
    outbound.use_original_dst = Some(true.into_wrapped());
    let all = [
        outbound,
        a_listener("0.0.0.0_80", "0.0.0.0", 80, tcp_filter("any")),
        a_listener("10.1.0.1_80", "10.1.0.1", 80, tcp_filter("one")),
    ];
    for l in &all {
        store.put(Kind::Listener, &l.name, &pack(l)).unwrap();
    }
    let snapshot = store.build(&Snapshot::default());
    let bound = snapshot.listener("virtualOutbound").unwrap();
    let cases = [
        ("10.1.0.1:80", "10.1.0.1_80"),
        ("10.1.0.2:80", "0.0.0.0_80"),
        ("10.1.0.1:81", "virtualOutbound"),
        ("10.1.0.1:15001", "virtualOutbound"),
        ("[::1]:80", "virtualOutbound"),
    ];
    for (destination, wanted) in cases {
        assert_eq!(&*snapshot.listener_for(bound, destination.parse().unwrap()).name, wanted, "{destination}");
    }
}

#[test]
fn an_update_of_endpoints_resets_nothing() {
    let mut store = Store::default();
    store.put(Kind::Cluster, "c", &pack(&eds_cluster("c"))).unwrap();
    store.put(Kind::Endpoints, "c", &pack(&endpoints("c", &["10.0.0.1", "10.0.0.2"]))).unwrap();
    let first = store.build(&Snapshot::default());
    let host = |s: &Snapshot, i: usize| s.cluster("c").unwrap().hosts().nth(i).unwrap().1.clone();
    let _busy = host(&first, 0).begin();
    let _permit = first.cluster("c").unwrap().take(crate::Resource::Request).unwrap();
    store.put(Kind::Endpoints, "c", &pack(&endpoints("c", &["10.0.0.3", "10.0.0.1"]))).unwrap();
    let second = store.build(&first);
    assert_eq!((host(&second, 0).active(), host(&second, 1).active()), (0, 1));
    assert_eq!(second.cluster("c").unwrap().taken(crate::Resource::Request), 1);
    store.put(Kind::Endpoints, "c", &pack(&endpoints("c", &["10.0.0.3", "10.0.0.1"]))).unwrap();
    let third = store.build(&second);
    assert!(Arc::ptr_eq(second.cluster("c").unwrap(), third.cluster("c").unwrap()), "the same again is not rebuilt");
}

#[test]
fn names_become_endpoints_when_dns_answers() {
    let mut store = Store::default();
    let mut names = endpoints("c", &["example.org"]);
    names.cluster_name.clear();
    let config = cluster::Cluster {
        name: "c".into(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(1)),
        load_assignment: Some(names),
        dns_lookup_family: 1,
        ..Default::default()
    };
    store.put(Kind::Cluster, "c", &pack(&config)).unwrap();
    assert_eq!(store.wanted().names[0].0, "example.org");
    let first = store.build(&Snapshot::default());
    assert_eq!(first.cluster("c").unwrap().hosts().count(), 0);
    let ips = || vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
    assert!(store.resolve("example.org", ips()));
    assert!(!store.resolve("example.org", ips()));
    let second = store.build(&first);
    let found: Vec<String> = second.cluster("c").unwrap().hosts().map(|(_, h)| h.address.to_string()).collect();
    assert_eq!(found, ["192.0.2.1:80", "192.0.2.2:80"]);
    let context = PickContext {
        now: Tick::after(Duration::ZERO),
        random: 1,
        hash: None,
        original_destination: None,
        tried: &[],
        avoid: 0,
    };
    let picked = second.cluster("c").unwrap().pick(&context).unwrap();
    assert_eq!(picked.hostname.as_deref(), Some("example.org"));
}

#[test]
fn a_new_endpoint_gets_its_share_slowly() {
    use mesh_proto::envoy::google::protobuf::Duration as Span;
    let slow = cluster::cluster::SlowStartConfig {
        slow_start_window: Some(Span { seconds: 100, nanos: 0 }),
        ..Default::default()
    };
    let robin = cluster::cluster::RoundRobinLbConfig { slow_start_config: Some(slow) };
    let config = cluster::cluster::LbConfig::RoundRobinLbConfig(robin);
    let mut store = Store::default();
    store.put(Kind::Cluster, "c", &pack(&cluster::Cluster { lb_config: Some(config), ..eds_cluster("c") })).unwrap();
    store.put(Kind::Endpoints, "c", &pack(&endpoints("c", &["10.0.0.1"]))).unwrap();
    let first = store.build(&Snapshot::default());
    // How many of 1,000 go to the second endpoint.
    let seconds = |snapshot: &Snapshot, at: u64| {
        let cluster = snapshot.cluster("c").unwrap();
        let pick = |n: u64| {
            let random = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let now = Tick::after(Duration::from_secs(at));
            let original_destination = None;
            cluster.pick(&PickContext { now, random, hash: None, original_destination, tried: &[], avoid: 0 })
        };
        (0..1000).filter(|n| pick(*n).unwrap().address.to_string() == "10.0.0.2:80").count()
    };
    assert_eq!(seconds(&first, 0), 0);
    store.put(Kind::Endpoints, "c", &pack(&endpoints("c", &["10.0.0.1", "10.0.0.2"]))).unwrap();
    let second = store.build(&first);
    // The first endpoint has been there for its whole time by now. A tenth of a share is 1 in 11.
    for (at, expected) in [(200, 91), (250, 333), (301, 500)] {
        let found = seconds(&second, at);
        assert!(found.abs_diff(expected) < 50, "{found} of 1000 at {at}, not {expected}");
    }
}
