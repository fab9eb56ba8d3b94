use k8s_openapi::api::core::v1 as core;
use mesh_model::parse::ParseContext;
use serde_json::json;

use crate::{
    input::{Collection, Input, Object},
    world::{Beside, Finding, World},
};

use super::*;

fn world() -> World {
    let mut world = World::new(ParseContext::default());
    Collection::all().for_each(|collection| world.hear(Input::Complete(collection)));
    world.hear(Input::Installed(Collection::Config(Kind::GatewayClass)));
    world
}

fn object(kind: Kind, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("{}/{}", kind.group(), kind.version()), "kind": kind.word(),
        "metadata": { "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "generation": 2, "resourceVersion": "5" },
        "spec": spec,
    })
}

fn gateway() -> Value {
    let listeners = json!([{ "name": "http", "port": 80, "protocol": "HTTP" }]);
    object(Kind::KubernetesGateway, "edge", json!({ "gatewayClassName": "istio", "listeners": listeners }))
}

fn route() -> Value {
    let rules = json!([{ "backendRefs": [{ "name": "web", "port": 80 }] }]);
    object(Kind::HttpRoute, "r", json!({ "parentRefs": [{ "name": "edge" }], "rules": rules }))
}

fn service(name: &str, kind: &str, address: Option<&str>) -> Input {
    let ports = json!([{ "name": "status-port", "port": 15021 }, { "name": "http", "port": 80 }]);
    let mut service = json!({
        "metadata": { "name": name, "namespace": "shop" },
        "spec": { "type": kind, "clusterIP": "10.96.0.1", "ports": ports },
    });
    if let Some(ip) = address {
        service["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": ip }] } });
    }
    let service: core::Service = serde_json::from_value(service).expect("a Service");
    Input::Applied(Object::Service(Box::new(service)))
}

fn apply(kind: Kind, object: Value) -> Input {
    Input::Applied(Object::Config(kind, object))
}

/// What is said after these inputs, by kind.
fn said(world: &mut World, inputs: impl IntoIterator<Item = Input>) -> BTreeMap<Kind, Finding> {
    inputs.into_iter().for_each(|input| world.hear(input));
    let _ = world.settle();
    world.take_reports().into_iter().filter_map(|report| Some((report.kind, report.finding?))).collect()
}

fn condition<'a>(all: &'a [Condition], kind: &str) -> (&'static str, bool) {
    let found: &'a Condition = all.iter().find(|c| c.kind == kind).expect("the condition");
    (found.reason, found.is_true)
}

#[test]
fn classes_are_made_once_their_definition_is_there_and_only_where_nobody_wrote_them() {
    let mut world = World::new(ParseContext::default());
    Collection::all().for_each(|collection| world.hear(Input::Complete(collection)));
    let _ = world.settle();
    assert!(world.fleet().classes.is_empty());
    world.hear(Input::Installed(Collection::Config(Kind::GatewayClass)));
    let _ = world.settle();
    assert_eq!(world.fleet().classes, CLASSES);
    let mut class = object(Kind::GatewayClass, "istio", json!({ "controllerName": "istio.io/gateway-controller" }));
    class["metadata"].as_object_mut().unwrap().remove("namespace");
    let said = said(&mut world, [apply(Kind::GatewayClass, class)]);
    assert_eq!(condition(&said[&Kind::GatewayClass].conditions, "Accepted"), ("Accepted", true));
    assert_eq!(world.fleet().classes, [CLASSES[1]]);
}

#[test]
fn a_gateway_is_programmed_when_its_service_has_an_address() {
    let mut world = world();
    let first = said(&mut world, [apply(Kind::KubernetesGateway, gateway())]);
    let finding = &first[&Kind::KubernetesGateway];
    assert_eq!(condition(&finding.conditions, "Accepted"), ("Accepted", true));
    assert_eq!(condition(&finding.conditions, "Programmed"), ("Pending", false));
    assert_eq!((finding.resource_version.as_str(), finding.conditions[0].observed_generation), ("5", 2));
    let [gateway] = world.fleet().gateways.clone().try_into().expect("one Gateway");
    assert_eq!((gateway.uid.as_str(), gateway.deployed_name().as_str()), ("uid-edge", "edge-istio"));

    let pending = said(&mut world, [service("edge-istio", "LoadBalancer", None)]);
    assert_eq!(condition(&pending[&Kind::KubernetesGateway].conditions, "Programmed"), ("AddressNotAssigned", false));
    let done = said(&mut world, [service("edge-istio", "LoadBalancer", Some("192.0.2.1"))]);
    assert_eq!(condition(&done[&Kind::KubernetesGateway].conditions, "Programmed"), ("Programmed", true));
    let Beside::Gateway { addresses, listeners } = &done[&Kind::KubernetesGateway].beside else { panic!("{done:?}") };
    assert_eq!(addresses, &[json!({ "type": "IPAddress", "value": "192.0.2.1" })]);
    assert_eq!(listeners[0].0["name"], "http");
    assert!(said(&mut world, [service("other", "ClusterIP", None)]).is_empty(), "nothing new");
}

#[test]
fn a_gateway_that_goes_is_not_made_again() {
    let mut world = world();
    let mut going = gateway();
    going["metadata"]["deletionTimestamp"] = json!("2025-01-01T00:00:00Z");
    let _ = said(&mut world, [apply(Kind::KubernetesGateway, going)]);
    assert!(world.fleet().gateways.is_empty());
}

#[test]
fn a_routes_parents_follow_its_backends_and_its_gateway() {
    let mut world = world();
    let first = said(&mut world, [apply(Kind::KubernetesGateway, gateway()), apply(Kind::HttpRoute, route())]);
    let parents = |finding: &Finding| match &finding.beside {
        Beside::Route(parents) => parents.clone(),
        other => panic!("{other:?}"),
    };
    let [(parent, conditions)] = parents(&first[&Kind::HttpRoute]).try_into().expect("one parent");
    assert_eq!(parent, json!({ "name": "edge" }));
    assert_eq!(condition(&conditions, "Accepted"), ("Accepted", true));
    assert_eq!(condition(&conditions, "ResolvedRefs"), ("BackendNotFound", false));
    let second = said(&mut world, [service("web", "ClusterIP", None)]);
    assert_eq!(condition(&parents(&second[&Kind::HttpRoute])[0].1, "ResolvedRefs"), ("ResolvedRefs", true));
    let key = Key { namespace: "shop".to_owned(), name: "edge".to_owned() };
    let third = said(&mut world, [Input::Deleted(Collection::Config(Kind::KubernetesGateway), key)]);
    assert!(parents(&third[&Kind::HttpRoute]).is_empty());
}
