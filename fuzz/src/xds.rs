//! What a control plane sends.

use mesh_proto::{Any, type_url};
use mesh_snapshot::{Kind, Snapshot, Store};

use crate::{
    mesh::World,
    mutate::{frame, unframe},
    request::{REQUESTS, Request},
    route, see,
};

const KINDS: [(&str, Kind); 5] = [
    (type_url::LISTENER, Kind::Listener),
    (type_url::ROUTE, Kind::Route),
    (type_url::CLUSTER, Kind::Cluster),
    (type_url::ENDPOINT, Kind::Endpoints),
    (type_url::SECRET, Kind::Secret),
];

/// Nothing panics, neither when the resource comes in nor when the world is built from it and asked; a refused resource
/// changes nothing.
pub(crate) fn run(bytes: &[u8]) {
    let (kind, value) = unframe(bytes);
    let (url, kind) = KINDS[usize::from(kind.first().copied().unwrap_or_default()) % KINDS.len()];
    let any = Any { type_url: url.to_owned(), value: value.to_vec() };
    let mut store = Store::default();
    // Under the name that it has itself, as far as that can be told: the first field of each kind.
    let name = route::first_text(value);
    let taken = store.put(kind, &name, &any);
    assert_eq!(taken.is_ok(), store.put(kind, &name, &any).is_ok(), "the same resource has two answers");
    let wanted = store.wanted();
    let first = store.build(&Snapshot::default());
    if taken.is_err() {
        assert!(wanted.routes.is_empty() && wanted.endpoints.is_empty() && wanted.names.is_empty());
        assert_eq!(first.listeners().count() + first.clusters().count() + first.route_tables().count(), 0);
        return;
    }
    for (name, _) in &wanted.names {
        store.resolve(name, vec![[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]);
    }
    let second = store.build(&first);
    ask(&second);
}

fn ask(snapshot: &Snapshot) {
    for listener in snapshot.listeners() {
        World::connections(|connection| {
            see(listener.inspection(connection.destination.port()));
            see(listener.chain(connection));
            see(snapshot.listener_for(listener, connection.destination));
        });
    }
    for cluster in snapshot.clusters() {
        World::picks(cluster);
    }
    for table in snapshot.route_tables() {
        for request in REQUESTS.iter().filter_map(|text| Request::read(text.as_bytes())) {
            route::ask(table, &request);
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let all = World::seeds();
    let index = |url: &str| KINDS.iter().position(|(known, _)| *known == url).unwrap_or_default();
    all.iter().map(|built| frame(&[u8::try_from(index(built.type_url)).unwrap_or_default()], &built.value)).collect()
}
