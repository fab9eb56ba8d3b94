//! Which route a request takes.

use std::sync::Arc;

use mesh_proto::{Any, type_url};
use mesh_snapshot::{Action, Affinity, Fact, Facts, HashInput, Kind, RouteTable, Snapshot, Store, TryOutcome};

use crate::{
    mesh::World,
    mutate::{frame, unframe},
    request::{REQUESTS, Request},
    see,
};

/// Nothing panics, whatever the table and the request; and the same request finds the same route twice.
pub(crate) fn run(bytes: &[u8]) {
    let (request, table) = unframe(bytes);
    let any = Any { type_url: type_url::ROUTE.to_owned(), value: table.to_vec() };
    let name = first_text(table);
    let mut store = Store::default();
    if store.put(Kind::Route, &name, &any).is_err() {
        return;
    }
    let snapshot = store.build(&Snapshot::default());
    let table: Option<&Arc<RouteTable>> = snapshot.route_tables().next();
    if let (Some(table), Some(request)) = (table, Request::read(request)) {
        ask(table, &request);
    }
}

/// Takes a request through everything that a route decides.
pub(crate) fn ask(table: &RouteTable, request: &Request) {
    let head = request.head();
    for random in [0, 1 << 32, u64::MAX] {
        let (once, twice) = (table.route(&head, random), table.route(&head, random));
        let place = |found: Option<mesh_snapshot::Routed<'_>>| found.map(|routed| std::ptr::from_ref(routed.route));
        assert_eq!(place(once), place(twice), "the same request takes two routes");
        let Some(routed) = once else { continue };
        let matched = routed.matched(&head);
        let mut headers = head.headers.clone();
        match &routed.route.action {
            Action::Forward(forward) => {
                let target = forward.target(random);
                assert!(forward.targets().iter().any(|other| std::ptr::eq(other, target)), "a target of another route");
                see(forward.rewritten_path(&head, matched));
                see(forward.rewritten_host(target, &head));
                let source = [10, 0, 0, 1].into();
                see(Affinity::of(&forward.affinity, &HashInput { head: &head, source, random }));
                if let Some(retry) = &forward.retry {
                    see(retry.retries_after(&TryOutcome::Response(http::StatusCode::SERVICE_UNAVAILABLE, head.headers)));
                    see(retry.back_off(u32::MAX, random));
                    see(retry.back_off(0, random));
                }
                routed.changes(Some(target)).for_each(|changes| changes.request.apply(&mut headers, &Nothing));
            }
            Action::Redirect(redirect) => see(redirect.location(&head, matched)),
            Action::Direct(_) => {}
        }
        routed.changes(None).for_each(|changes| changes.response.apply(&mut headers, &Nothing));
        if let Some(fault) = routed.fault() {
            see((fault.concerns(&head, "c"), fault.delay(random), fault.abort(random)));
        }
        if let Some(cors) = routed.cors() {
            see(cors.check(&head, random));
        }
    }
}

/// No fact is known.
struct Nothing;

impl Facts for Nothing {
    fn write(&self, _: &Fact, _: &mut String) -> bool {
        false
    }
}

/// The text in field 1 of a message, where all kinds of resources have their names; the last one counts.
pub(crate) fn first_text(message: &[u8]) -> String {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Named {
        #[prost(string, tag = "1")]
        name: String,
    }
    prost::Message::decode(message).map(|named: Named| named.name).unwrap_or_default()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let tables: Vec<_> = World::seeds().into_iter().filter(|built| built.type_url == type_url::ROUTE).collect();
    let pairs = REQUESTS.iter().flat_map(|request| tables.iter().map(move |table| (request, table)));
    pairs.map(|(request, table)| frame(request.as_bytes(), &table.value)).collect()
}
