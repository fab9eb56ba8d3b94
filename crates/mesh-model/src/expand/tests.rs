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
