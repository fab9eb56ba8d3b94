//! The bridge: what is made here is what our own proxy takes, and decides by.

use mesh_proto::Any;
use mesh_snapshot::{Kind, Snapshot, Store};

use super::{envoy::EVERYTHING, fixture::Mesh};
use crate::Built;

fn put(store: &mut Store, built: &[Built]) -> Vec<String> {
    let refused = built.iter().filter_map(|b| {
        let any = Any { type_url: b.type_url.to_owned(), value: b.value.clone() };
        store.put(Kind::of_type_url(b.type_url).unwrap(), &b.name, &any).err().map(|refused| refused.line())
    });
    refused.collect()
}

#[test]
fn our_proxy_takes_everything_but_what_it_names() {
    for (encoding, mode, pod) in
        [("TEXT", "ALLOW_ANY", "default/ratings-v1"), ("JSON", "REGISTRY_ONLY", "default/reviews-v1")]
    {
        let mesh = Mesh::bookinfo(&EVERYTHING.replace("ENCODING", encoding).replace("MODE", mode));
        let view = mesh.view(pod);
        let mut store = Store::default();
        let mut refused = put(&mut store, &crate::clusters(&view, &mesh.push));
        refused.extend(put(&mut store, &crate::listeners(&view, &mesh.push)));
        assert_eq!(refused, [""; 0]);
        let wanted = store.wanted();
        let sockets = put(&mut store, &crate::endpoints(&view, &mesh.push, &wanted.endpoints));
        assert!(sockets.len() == 1 && sockets[0].contains("`outbound|5000||sock.example.com`"), "{sockets:#?}");
        assert_eq!(put(&mut store, &crate::routes(&view, &mesh.push, &wanted.routes)), [""; 0]);
        let snapshot = store.build(&Snapshot::default());
        assert_eq!(snapshot.listeners().count(), crate::listeners(&view, &mesh.push).len());
        assert!(snapshot.cluster("outbound|9080|v2|reviews.default.svc.cluster.local").is_some());
    }
}
