use serde_json::{Value, json};

use super::*;
use crate::{
    config::Kind,
    parse::{ParseContext, parse},
    push_context::PushContext,
};

fn entry(label: bool) -> Change {
    let labels = if label { json!({ egress::GATEWAY: "gone" }) } else { json!({}) };
    let spec: Value =
        serde_saphyr::from_str("{hosts: [a.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}")
            .unwrap();
    let metadata = json!({ "name": "a", "namespace": "shop", "labels": labels });
    let object =
        json!({ "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec });
    Change::config(parse(&object, &ParseContext::default()).unwrap().config)
}

/// How many VirtualServices a proxy sees, in a context that was built anew and in one that followed.
fn seen(push: &PushContext, store: &Store) -> usize {
    let anew = PushContext::build(store).scope("shop", &Default::default()).virtual_services.len();
    assert_eq!(push.scope("shop", &Default::default()).virtual_services.len(), anew);
    anew
}

#[test]
fn what_follows_comes_and_goes_with_what_it_follows_from() {
    let mut store = Store::default();
    let mut push = PushContext::build(&store);
    let mut step = |change: Change, wanted: usize| {
        let mut changes = ChangeSet::default();
        store.apply_noting(change, &mut changes);
        push = push.next(&store, &changes);
        assert_eq!(seen(&push, &store), wanted);
    };
    step(entry(true), 1);
    step(entry(false), 0);
    step(entry(true), 1);
    step(Change::Remove { kind: RecordKind::Config(Kind::ServiceEntry), name: "shop/a".into() }, 0);
}

fn change(kind: &str, name: &str, spec: serde_json::Value) -> Change {
    let object = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": kind,
        "metadata": { "name": name, "namespace": "shop" }, "spec": spec,
    });
    Change::config(parse(&object, &ParseContext::default()).expect("it is right").config)
}

fn gateway() -> Change {
    let listeners = json!([{ "name": "http", "port": 80, "protocol": "HTTP" }]);
    change("Gateway", "edge", json!({ "gatewayClassName": "istio", "listeners": listeners }))
}

fn route(host: &str) -> Change {
    change("HTTPRoute", "r", json!({ "parentRefs": [{ "name": "edge" }], "hostnames": [host], "rules": [{}] }))
}

#[test]
fn what_is_derived_comes_changes_and_goes_with_what_it_is_derived_from() {
    let mut store = Store::of([gateway(), route("a.example.com")]);
    let first = PushContext::build(&store);
    let routes = |push: &PushContext| push.store().virtual_services();
    assert_eq!(routes(&first)[0].spec.hosts[0].as_str(), "a.example.com");
    assert_eq!(routes(&first)[0].meta.user_object().to_string(), "HTTPRoute/shop/r");

    let mut changes = ChangeSet::default();
    store.apply_noting(route("b.example.com"), &mut changes);
    let second = first.next(&store, &changes);
    assert_eq!(routes(&second)[0].spec.hosts[0].as_str(), "b.example.com");
    let derived = derived_changes(first.store(), second.store());
    assert_eq!(derived.records.keys().collect::<Vec<_>>(), [&RecordKind::Config(Kind::VirtualService)]);

    let mut changes = ChangeSet::default();
    let removed = Change::Remove { kind: RecordKind::Config(Kind::KubernetesGateway), name: "shop/edge".into() };
    store.apply_noting(removed, &mut changes);
    let third = second.next(&store, &changes);
    assert!(routes(&third).is_empty() && third.store().configs().all(|config| config.meta().derived.is_none()));
}

#[test]
fn endpoints_leave_what_is_derived_alone() {
    let store = Store::of([gateway(), route("a.example.com")]);
    let first = PushContext::build(&store);
    let mut changes = ChangeSet::default();
    changes.note(RecordKind::Endpoints, "a.shop.svc.cluster.local".into());
    let second = first.next(&store, &changes);
    assert!(derived_changes(first.store(), second.store()).is_empty());
    assert_eq!(second.store().virtual_services().len(), 1);
}
