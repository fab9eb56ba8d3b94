use k8s_openapi::api::core::v1 as core;
use mesh_proto::{mcp, registry as records, unpack};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;

fn typed<K: DeserializeOwned>(value: Value) -> Box<K> {
    Box::new(serde_json::from_value(value).expect("an object"))
}

fn service(name: &str) -> Input {
    let service = json!({ "metadata": { "name": name, "namespace": "default" }, "spec": { "clusterIP": "10.96.0.1" } });
    Input::Applied(Object::Service(typed(service)))
}

fn slice(name: &str, service: &str, endpoint: Value) -> Input {
    let labels = json!({ "kubernetes.io/service-name": service });
    let slice = json!({
        "metadata": { "name": name, "namespace": "default", "labels": labels }, "addressType": "IPv4",
        "endpoints": [endpoint], "ports": [{ "name": "http", "port": 9080 }],
    });
    Input::Applied(Object::Slice(typed(slice)))
}

fn pod(name: &str, address: &str, node: &str) -> Input {
    let pod = json!({
        "metadata": { "name": name, "namespace": "default" }, "spec": { "nodeName": node, "containers": [] },
        "status": { "podIP": address, "phase": "Running" },
    });
    Input::Applied(Object::Pod(typed(pod)))
}

fn node(name: &str, region: &str) -> Input {
    let node = json!({ "metadata": { "name": name, "labels": { "topology.kubernetes.io/region": region } } });
    Input::Applied(Object::Node(typed(node)))
}

fn route(name: &str, weight: i64) -> Input {
    let destination = json!({ "destination": { "host": "a" }, "weight": weight });
    Input::Applied(Object::Config(
        Kind::VirtualService,
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": { "name": name, "namespace": "default", "generation": 3, "resourceVersion": "7" },
            "spec": { "hosts": [name], "http": [{ "route": [destination, { "destination": { "host": "b" }, "weight": 1 }] }] },
        }),
    ))
}

fn key(name: &str) -> Key {
    Key { namespace: "default".to_owned(), name: name.to_owned() }
}

fn settled(world: &mut World, inputs: impl IntoIterator<Item = Input>) -> Published {
    inputs.into_iter().for_each(|input| world.hear(input));
    world.settle().expect("something changed")
}

fn body<M: prost::Name + Default>(published: &Published, type_url: &str, name: &str) -> M {
    let resource: mcp::Resource = unpack(&published.types[type_url][name].body).expect("an envelope");
    unpack(&resource.body.expect("a body")).expect("a record")
}

fn world() -> World {
    World::new(ParseContext::default())
}

#[test]
fn it_is_complete_when_every_collection_was_listed() {
    let mut world = world();
    let all: Vec<Collection> = Collection::all().collect();
    let (last, others) = all.split_last().expect("collections");
    assert!(!settled(&mut world, others.iter().copied().map(Input::Complete)).is_complete);
    assert!(settled(&mut world, [Input::Complete(*last)]).is_complete);
    assert!(world.settle().is_none(), "nothing more");
}

#[test]
fn every_type_is_there_from_the_start_and_the_settings_with_them() {
    let published = settled(&mut world(), []);
    assert!(published.types.contains_key("networking.istio.io/v1/VirtualService"));
    assert!(published.types[type_url::SERVICE].is_empty());
    let mesh: records::MeshConfig = body(&published, type_url::MESH_CONFIG, "istio");
    assert_eq!(mesh.json, "{}");
}

#[test]
fn endpoints_follow_their_slices() {
    let (mut world, host) = (world(), "a.default.svc.cluster.local");
    let target = json!({ "addresses": ["10.0.0.1"], "targetRef": { "kind": "Pod", "name": "a-1" } });
    let published = settled(&mut world, [service("a"), slice("a-x", "a", target)]);
    assert!(published.types[type_url::SERVICE].contains_key(host));
    let endpoints: records::Endpoints = body(&published, type_url::ENDPOINTS, host);
    assert_eq!(endpoints.endpoints[0].workload, "default/a-1");
    // The slice goes over to another service.
    let published = settled(&mut world, [slice("a-x", "b", json!({ "addresses": ["10.0.0.1"] }))]);
    assert_eq!(
        published.types[type_url::ENDPOINTS].keys().map(|k| &**k).collect::<Vec<_>>(),
        ["b.default.svc.cluster.local"]
    );
    let published = settled(&mut world, [Input::Deleted(Collection::Slices, key("a-x"))]);
    assert!(published.types[type_url::ENDPOINTS].is_empty());
}

#[test]
fn endpoints_without_a_target_find_the_pod_when_it_comes() {
    let (mut world, host) = (world(), "a.default.svc.cluster.local");
    let found = |published: &Published| {
        body::<records::Endpoints>(published, type_url::ENDPOINTS, host).endpoints[0].workload.clone()
    };
    let published = settled(&mut world, [slice("a-x", "a", json!({ "addresses": ["10.0.0.1"] }))]);
    assert_eq!(found(&published), "");
    let published = settled(&mut world, [pod("a-1", "10.0.0.1", "n")]);
    assert_eq!(found(&published), "default/a-1");
    let published = settled(&mut world, [Input::Deleted(Collection::Pods, key("a-1"))]);
    assert_eq!(found(&published), "");
}

#[test]
fn pods_take_the_locality_of_their_node_whichever_comes_first() {
    let mut world = world();
    let locality = |published: &Published, name: &str| {
        body::<records::Workload>(published, type_url::WORKLOAD, &format!("default/{name}")).locality
    };
    let published = settled(&mut world, [pod("a", "10.0.0.1", "n1"), node("n1", "eu"), pod("b", "10.0.0.2", "n1")]);
    assert_eq!((locality(&published, "a"), locality(&published, "b")), ("eu".to_owned(), "eu".to_owned()));
    let published = settled(&mut world, [node("n1", "us")]);
    assert_eq!(locality(&published, "a"), "us");
}

#[test]
fn what_did_not_change_is_not_published() {
    let mut world = world();
    settled(&mut world, [service("a"), pod("a", "10.0.0.1", "n")]);
    [service("a"), pod("a", "10.0.0.1", "n")].into_iter().for_each(|input| world.hear(input));
    assert!(world.settle().is_none());
}

#[test]
fn a_wrong_object_is_kept_back_and_reported_and_the_others_flow() {
    let (mut world, routes) = (world(), "networking.istio.io/v1/VirtualService");
    let published = settled(&mut world, [route("good", 1), route("bad", -1)]);
    assert_eq!(published.types[routes].keys().map(|k| &**k).collect::<Vec<_>>(), ["default/good"]);
    let issues = &published.issues["VirtualService/default/bad"];
    assert!(issues[0].contains("spec.http[0].route[0].weight"), "{issues:?}");
    let reports = world.take_reports();
    let said = |report: &Report| {
        let conditions = report.finding.as_ref().map(|f| f.conditions.clone()).unwrap_or_default();
        conditions.iter().map(|c| (c.kind, c.is_true, c.observed_generation)).collect::<Vec<_>>()
    };
    assert_eq!(said(&reports[0]), [("Accepted", true, 3), ("Honoured", true, 3)]);
    assert_eq!(said(&reports[1]), [("Accepted", false, 3), ("Honoured", false, 3)]);
    // It is mended.
    let published = settled(&mut world, [route("bad", 1)]);
    assert!(published.issues.is_empty() && published.types[routes].len() == 2);
}

#[test]
fn an_object_that_goes_wrong_is_taken_back() {
    let (mut world, routes) = (world(), "networking.istio.io/v1/VirtualService");
    settled(&mut world, [route("a", 1)]);
    assert!(settled(&mut world, [route("a", -1)]).types[routes].is_empty());
    let published = settled(&mut world, [Input::Deleted(Collection::Config(Kind::VirtualService), key("a"))]);
    assert!(published.issues.is_empty());
}

#[test]
fn wrong_settings_leave_the_last_good_ones() {
    let mut world = world();
    let settings = |text: &str| {
        let map = core::ConfigMap { data: Some([("mesh".to_owned(), text.to_owned())].into()), ..Default::default() };
        Input::Applied(Object::Mesh(Box::new(map)))
    };
    let json = |published: &Published| body::<records::MeshConfig>(published, type_url::MESH_CONFIG, "istio").json;
    let published = settled(&mut world, [settings("accessLogFile: /dev/stdout")]);
    assert_eq!(json(&published), r#"{"accessLogFile":"/dev/stdout"}"#);
    assert_eq!(published.mesh.access_log_file, "/dev/stdout");
    let published = settled(&mut world, [settings("accessLogFile: [")]);
    assert_eq!(json(&published), r#"{"accessLogFile":"/dev/stdout"}"#);
    assert!(published.issues.contains_key("ConfigMap/istio"));
    let published = settled(&mut world, [Input::Deleted(Collection::Mesh, key("istio"))]);
    assert_eq!(json(&published), "{}");
}

#[test]
fn namespaces_keep_their_labels_for_injection() {
    let namespace = json!({ "metadata": { "name": "team", "labels": { "istio-injection": "enabled" } } });
    let mut world = world();
    let published = settled(&mut world, [Input::Applied(Object::Namespace(typed(namespace)))]);
    assert_eq!(published.namespaces["team"]["istio-injection"], "enabled");
    let team = Key { namespace: String::new(), name: "team".to_owned() };
    assert!(settled(&mut world, [Input::Deleted(Collection::Namespaces, team)]).namespaces.is_empty());
}

fn entry(name: &str, status: Value) -> Input {
    Input::Applied(Object::Config(
        Kind::ServiceEntry,
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
            "metadata": { "name": name, "namespace": "default", "generation": 1, "resourceVersion": "7" },
            "spec": {
                "hosts": [format!("{name}.example.org")], "resolution": "DNS",
                "ports": [{ "number": 5432, "name": "tcp", "protocol": "TCP" }],
            },
            "status": status,
        }),
    ))
}

/// What is to be written as `status.addresses`, by name of the entry.
fn addresses(world: &mut World) -> Vec<(String, Vec<String>)> {
    let read = |report: Report| {
        let patch = report.finding?.patch(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)?;
        let values = patch.get("addresses")?.as_array()?.iter().map(|a| a["value"].as_str().unwrap().to_owned());
        Some((report.key.name, values.collect()))
    };
    world.take_reports().into_iter().filter_map(read).collect()
}

#[test]
fn hosts_without_addresses_are_given_some_once_all_entries_are_known() {
    let mut world = world();
    world.hear(entry("db", Value::Null));
    world.settle();
    assert!(addresses(&mut world).is_empty(), "another entry may have them");
    let taken = json!({ "addresses": [{ "value": "240.240.7.7", "host": "old.example.org" }] });
    world.hear(entry("old", taken));
    world.hear(Input::Complete(Collection::Config(Kind::ServiceEntry)));
    let published = world.settle().expect("the entries");
    let said = addresses(&mut world);
    let [(db, of_db), (old, of_old)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((db.as_str(), old.as_str()), ("db", "old"));
    assert!(of_db[0].starts_with("240.240.") && of_db[1].starts_with("2001:2::"), "{said:?}");
    assert_eq!(of_old[0], "240.240.7.7");
    // Readers are told of what stands in the status, and not of its conditions.
    let object: mcp::ConfigObject = body(&published, "networking.istio.io/v1/ServiceEntry", "default/old");
    assert!(object.json.contains("240.240.7.7") && !object.json.contains("conditions"), "{}", object.json);
    // It was written: nothing more is due.
    let written = of_db.iter().map(|ip| json!({ "value": ip, "host": "db.example.org" })).collect::<Vec<_>>();
    world.hear(entry("db", json!({ "addresses": written })));
    world.settle();
    assert!(addresses(&mut world).is_empty());
}

#[test]
fn an_entry_that_gets_addresses_of_its_own_loses_the_given_ones() {
    let mut world = world();
    world.hear(Input::Complete(Collection::Config(Kind::ServiceEntry)));
    let Input::Applied(Object::Config(kind, mut own)) =
        entry("db", json!({ "addresses": [{ "value": "240.240.7.7", "host": "db.example.org" }] }))
    else {
        panic!("an object")
    };
    own["spec"]["addresses"] = json!(["10.0.0.1"]);
    world.hear(Input::Applied(Object::Config(kind, own)));
    world.settle();
    assert_eq!(addresses(&mut world), [("db".to_owned(), Vec::new())]);
}
