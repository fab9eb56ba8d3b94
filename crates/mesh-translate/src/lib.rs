//! Mesh in, Envoy out: for one proxy, the listeners, routes, clusters and endpoints that its place in the mesh means.
//!
//! Pure functions of a [`ProxyView`] (who asks) and a [`mesh_model::push_context::PushContext`] (what the mesh is):
//! they can read nothing else, so the two together are the key of any cache. Names, defaults and orders are those of
//! Istio 1.25. Every resource is accepted by stock Envoy, and only filters that stock Envoy has are used.
//!
//! ```text
//!   Node ──ProxyView::new──┐
//!                          ├─► clusters() listeners() routes(..) endpoints(..) secrets(..) name_tables() ─► Vec<Built>
//!   Store ──PushContext────┘
//! ```
//!
//! What it is not: it validates nothing (mesh-model did), it sends nothing (mesh-xds does), it secures nothing yet:
//! traffic between applications is plaintext, and a destination that asks for the mesh's TLS gets a cluster that cannot
//! connect, with the reason in its metadata.
//!
//! Each resource says where it comes from, in Envoy metadata: Istio's `istio.config`, and `lateen.object` and
//! `lateen.path` ([`provenance`]).
//!
//! Start reading at [`view`], then [`listener`], which names the routes and clusters that the others make.

mod built;
mod canonical;
pub mod cluster;
mod context;
mod dynamic;
pub mod endpoint;
mod inbound;
pub mod listener;
pub mod name_table;
pub mod names;
mod pb;
pub mod provenance;
pub mod route;
pub mod secret;
pub mod view;
mod wire;

pub use built::Built;
pub use cluster::clusters;
pub use endpoint::endpoints;
pub use listener::listeners;
pub use name_table::name_tables;
pub use route::routes;
pub use secret::secrets;
pub use view::{BadNode, OwnPort, ProxyView};

/// The Envoy type URLs that this crate makes resources of, in the order in which a proxy needs them.
pub const TYPES: [&str; 5] = [
    mesh_proto::type_url::CLUSTER,
    mesh_proto::type_url::ENDPOINT,
    mesh_proto::type_url::LISTENER,
    mesh_proto::type_url::ROUTE,
    mesh_proto::type_url::SECRET,
];

#[cfg(test)]
mod tests;
