//! The words of the mesh: host names, protocols, labels, places and identities.
//!
//! Every room speaks with these. A word is a type with one grammar: it is parsed once, at a door, and then believed.
//! There is no IO here, no Kubernetes, no Envoy, and no opinion about configuration.
//!
//! ```text
//!   Hostname   reviews.default.svc.cluster.local, *.example.org      Labels    app=reviews, version=v1
//!   Protocol   what a port speaks, by appProtocol or by name         Locality  region/zone/subzone
//!   NodeId     sidecar~10.0.0.7~pod.ns~ns.svc.cluster.local          SpiffeId  spiffe://cluster.local/ns/a/sa/b
//! ```
//!
//! Start reading at [`Hostname`].

mod hostname;
mod labels;
mod locality;
mod node;
mod protocol;
mod spiffe;

pub use hostname::{BadHostname, Hostname};
pub use labels::Labels;
pub use locality::Locality;
pub use node::{BadNodeId, NodeId, NodeKind};
pub use protocol::Protocol;
pub use spiffe::{BadSpiffeId, SpiffeId};
