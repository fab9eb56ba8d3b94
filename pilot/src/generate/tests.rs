use std::{collections::BTreeMap, time::Instant};

use mesh_model::{
    push_context::PushContext,
    registry,
    store::{Change, ChangeSet, Record, Store},
};
use mesh_proto::registry as wire;

use super::*;
use crate::auth;

const NAME: &str = "kubernetes://tls";

fn secret(chain: &str) -> Change {
    let data = [("tls.crt", chain), ("tls.key", "key")].map(|(key, text)| (key.to_owned(), text.as_bytes().to_vec()));
    let secret = wire::Secret {
        name: "tls".to_owned(),
        namespace: "edge".to_owned(),
        data: data.into(),
        ..wire::Secret::default()
    };
    Change::put("edge/tls", Record::Secret(secret.into()))
}

fn store() -> Store {
    let pod = wire::Workload {
        name: "gw".to_owned(),
        namespace: "edge".to_owned(),
        addresses: vec!["10.0.0.9".to_owned()],
        account: "gateway".to_owned(),
        ..wire::Workload::default()
    };
    let pod = registry::Workload::try_from(&pod).unwrap();
    Store::of([Change::put("edge/gw", Record::Workload(pod)), secret("chain")])
}

fn secrets(generation: &mut Generation, world: &World) -> Vec<Arc<str>> {
    let wanted = Wanted { names: [NAME.into()].into(), ..Wanted::default() };
    let found = generation.resources(world, type_url::SECRET, &wanted).unwrap();
    found.iter().map(|resource| resource.version.clone()).collect()
}

fn generation(id: &str, account: Option<&str>) -> Generation {
    Generation::new(&auth::node(id, &BTreeMap::from([("NAMESPACE", "edge")])), account.map(Into::into))
}

#[test]
fn secrets_are_for_the_pod_whose_account_was_proved() {
    let world = World::first(PushContext::build(&store()), Instant::now(), Arc::default());
    let cases = [
        ("router~10.0.0.9~gw.edge~edge.svc.cluster.local", Some("gateway"), 1),
        ("router~10.0.0.9~gw.edge~edge.svc.cluster.local", Some("other"), 0),
        ("router~10.0.0.9~gw.edge~edge.svc.cluster.local", None, 0),
        ("router~10.0.0.9~unknown.edge~edge.svc.cluster.local", Some("gateway"), 0),
        ("sidecar~10.0.0.9~gw.edge~edge.svc.cluster.local", Some("gateway"), 0),
    ];
    for (id, account, count) in cases {
        assert_eq!(secrets(&mut generation(id, account), &world).len(), count, "{id} {account:?}");
    }
}

#[test]
fn another_certificate_is_another_version_and_nothing_else_is_made_anew() {
    let mut store = store();
    let first = World::first(PushContext::build(&store), Instant::now(), Arc::default());
    let mut gateway = generation("router~10.0.0.9~gw.edge~edge.svc.cluster.local", Some("gateway"));
    let all = Wanted { all: true, ..Wanted::default() };
    let before = (secrets(&mut gateway, &first), gateway.resources(&first, type_url::CLUSTER, &all).unwrap());
    let mut changes = ChangeSet::default();
    store.apply_noting(secret("another"), &mut changes);
    let mesh = first.mesh.next(&store, &changes);
    let second = first.next(mesh, &changes, Instant::now(), Arc::default());
    let after = (secrets(&mut gateway, &second), gateway.resources(&second, type_url::CLUSTER, &all).unwrap());
    assert_ne!(before.0, after.0);
    assert!(before.1.iter().zip(&after.1).all(|(a, b)| Arc::ptr_eq(a, b)));
}
