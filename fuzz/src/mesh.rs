//! A mesh that uses many fields, as its proxies are told it.

use std::net::SocketAddr;

use mesh_model::{
    parse::{ParseContext, parse, parse_mesh},
    push_context::PushContext,
    registry,
    store::{Change, Record, Store},
};
use mesh_proto::{envoy::envoy::config::core::v3::Node, registry as wire};
use mesh_snapshot::{Cluster, Connection, Kind, PickContext, Snapshot, Tick, Transport};
use mesh_translate::{Built, ProxyView};
use serde_json::Value;

use crate::see;

/// Objects as users write them.
const OBJECTS: &str = include_str!("../corpus/mesh.yaml");

/// One object each.
pub(crate) fn documents() -> impl Iterator<Item = &'static str> {
    OBJECTS.split("\n---\n")
}

/// Resources, and what is asked of them.
pub(crate) struct World;

impl World {
    /// Everything that the proxy of one pod is sent.
    pub(crate) fn seeds() -> Vec<Built> {
        let push = PushContext::build(&store());
        let id = "sidecar~10.1.0.3~reviews-v1.default~default.svc.cluster.local".to_owned();
        let view = ProxyView::new(&Node { id, ..Default::default() }, &push).unwrap();
        let mut all = mesh_translate::clusters(&view, &push);
        all.extend(mesh_translate::listeners(&view, &push));
        let mut taken = mesh_snapshot::Store::default();
        for built in &all {
            let any = mesh_proto::Any { type_url: built.type_url.to_owned(), value: built.value.clone() };
            // What is not supported is a seed too.
            see(taken.put(Kind::of_type_url(built.type_url).unwrap(), &built.name, &any));
        }
        let wanted = taken.wanted();
        see(taken.build(&Snapshot::default()));
        all.extend(mesh_translate::routes(&view, &push, &wanted.routes));
        all.extend(mesh_translate::endpoints(&view, &push, &wanted.endpoints));
        all
    }

    /// Some connections.
    pub(crate) fn connections(mut ask: impl FnMut(&Connection<'_>)) {
        let addresses: [SocketAddr; 4] = [
            ([10, 96, 0, 3], 9080).into(),
            ([10, 61, 0, 1], 5000).into(),
            ([127, 0, 0, 1], 0).into(),
            (std::net::Ipv6Addr::LOCALHOST, 443).into(),
        ];
        let protocols: [Box<str>; 2] = ["h2c".into(), "http/1.1".into()];
        for destination in addresses {
            for source in addresses {
                let raw =
                    Connection { destination, source, transport: Transport::Raw, server_name: None, protocols: &[] };
                ask(&raw);
                ask(&Connection { protocols: &protocols, ..raw });
                ask(&Connection { transport: Transport::Tls, server_name: Some("a.wild.example.com"), ..raw });
            }
        }
    }

    /// Some choices of an endpoint.
    pub(crate) fn picks(cluster: &Cluster) {
        let original = ([10, 9, 8, 7], 80).into();
        let first = PickContext {
            now: Tick::after(std::time::Duration::ZERO),
            random: 0,
            hash: None,
            original_destination: Some(original),
            tried: &[],
            avoid: 0,
        };
        for random in [0, 1, 1 << 63, u64::MAX] {
            let host = cluster.pick(&PickContext { random, ..first });
            let tried: Vec<SocketAddr> = host.iter().map(|host| host.address).collect();
            see(cluster.pick(&PickContext { random, hash: Some(random), tried: &tried, avoid: 3, ..first }));
            see(cluster.pick(&PickContext { random, original_destination: None, ..first }));
        }
    }
}

fn store() -> Store {
    let mut store = Store::default();
    let port = |name: &str, number: u32| wire::ServicePort {
        name: name.to_owned(),
        number,
        transport: "TCP".to_owned(),
        target_port: number.to_string(),
        ..Default::default()
    };
    let pods = [("reviews-v1", "v1", "10.1.0.3"), ("reviews-v2", "v2", "10.1.0.4"), ("reviews-v3", "v3", "10.1.0.5")];
    for (name, version, address) in pods {
        let pod = wire::Workload {
            name: name.to_owned(),
            namespace: "default".to_owned(),
            labels: [("app", "reviews"), ("version", version)].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            addresses: vec![address.to_owned()],
            account: "default".to_owned(),
            ready: true,
            ..Default::default()
        };
        let record = Record::Workload(registry::Workload::try_from(&pod).unwrap());
        store.apply(Change::put(&format!("default/{name}"), record));
    }
    for (name, vip, port) in [
        ("reviews", "10.96.0.3", port("http", 9080)),
        ("details", "10.96.0.4", port("grpc", 9080)),
        ("plain", "10.96.0.6", port("", 8000)),
        ("mongo", "10.96.0.5", port("tcp-mongo", 27017)),
    ] {
        let host = format!("{name}.default.svc.cluster.local");
        let endpoint = |(pod, _, address): (&str, &str, &str)| wire::Endpoint {
            address: address.to_owned(),
            ports: [(port.name.clone(), port.number)].into(),
            ready: true,
            workload: format!("default/{pod}"),
            ..Default::default()
        };
        let endpoints = wire::Endpoints {
            host: host.clone(),
            namespace: "default".to_owned(),
            endpoints: pods.map(endpoint).into(),
        };
        let service = wire::Service {
            host: host.clone(),
            name: name.to_owned(),
            namespace: "default".to_owned(),
            vips: vec![vip.to_owned()],
            selector: [("app".to_owned(), "reviews".to_owned())].into(),
            ports: vec![port],
            ..Default::default()
        };
        store.apply(Change::put(&host, Record::Endpoints(registry::Endpoints::try_from(&endpoints).unwrap())));
        store.apply(Change::put(&host, Record::Service(registry::Service::try_from(&service).unwrap())));
    }
    for text in documents() {
        let json: Value = serde_saphyr::from_str(text).unwrap();
        if json["kind"] == "MeshConfig" {
            let mesh = parse_mesh(&json["mesh"], &ParseContext::default()).unwrap();
            store.apply(Change::put("istio", Record::Mesh(Box::new(mesh.config))));
        } else if let Ok(parsed) = parse(&json, &ParseContext::default()) {
            store.apply(Change::config(parsed.config));
        }
    }
    store
}
