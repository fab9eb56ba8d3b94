//! Istio's kinds exactly as users write them.
//!
//! Plain data: each kind is a struct that reads and writes Istio's JSON, and from which its schema is derived. There is
//! no opinion here about what a setting means or whether two settings go together; `mesh-model` parses these into the
//! mesh's own nouns. Nothing here talks to Kubernetes.
//!
//! ```text
//!   YAML -> JSON -> VirtualService { hosts, http: [HttpRoute ..] .. }      (this crate: fields, names, numbers)
//!                        |
//!                        +-> mesh-model: hosts resolved, exclusive fields chosen, defaults filled in
//! ```
//!
//! As in protobuf's JSON, an absent field, `null` and a type's zero are the same, so plain fields carry their zero and
//! only messages, and fields whose absence differs from zero, are `Option`s. Fields of which at most one may be set are
//! all `Option`s of one struct. Names are camelCase in JSON and snake_case here.
//!
//! Start reading at [`VirtualService`], then [`MeshConfig`].

pub mod common;
pub mod destination_rule;
mod duration;
pub mod gateway;
pub mod mesh;
pub mod proxy_config;
pub mod service_entry;
mod shape;
pub mod sidecar;
pub mod traffic_policy;
pub mod virtual_service;
pub mod workload_entry;
pub mod workload_group;

pub use destination_rule::DestinationRule;
pub use duration::{BadDuration, Duration};
pub use gateway::Gateway;
pub use mesh::MeshConfig;
pub use proxy_config::ProxyConfig;
pub use service_entry::ServiceEntry;
pub use sidecar::Sidecar;
pub use virtual_service::VirtualService;
pub use workload_entry::WorkloadEntry;
pub use workload_group::WorkloadGroup;
