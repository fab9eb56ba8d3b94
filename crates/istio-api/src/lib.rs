//! Istio's kinds, and those of the Kubernetes Gateway API ([`gateway_api`]), exactly as users write them.
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
//! A document is read by [`Shaped::read`], which lists all its troubles with their paths and every field that it does not
//! know; Kubernetes' own objects come as [`Object`]. [`KINDS`] is the table of kinds, and [`all_crds`] their definitions.
//!
//! Start reading at [`VirtualService`], then [`MeshConfig`], then [`Shape`].

pub mod authorization_policy;
pub mod common;
mod crd;
mod declare;
pub mod destination_rule;
mod duration;
pub mod envoy_filter;
pub mod gateway;
pub mod gateway_api;
mod kind;
pub mod mesh;
pub mod object;
pub mod peer_authentication;
pub mod proxy_config;
pub mod request_authentication;
pub mod service_entry;
mod shape;
pub mod sidecar;
pub mod telemetry;
pub mod traffic_policy;
pub mod virtual_service;
pub mod wasm_plugin;
pub mod workload_entry;
pub mod workload_group;

pub use authorization_policy::AuthorizationPolicy;
pub use crd::{all_crds, crd, definition, gateway_api_crds};
pub use destination_rule::DestinationRule;
pub use duration::{BadDuration, Duration};
pub use envoy_filter::EnvoyFilter;
pub use gateway::Gateway;
pub use kind::{Column, KINDS, Kind, KindInfo, Version, kind_of, unknown_fields};
pub use mesh::MeshConfig;
pub use object::{Metadata, Object, Status};
pub use peer_authentication::PeerAuthentication;
pub use proxy_config::ProxyConfig;
pub use request_authentication::RequestAuthentication;
pub use service_entry::ServiceEntry;
pub use shape::{Finding, Problem, Read, Shape, Shaped};
pub use sidecar::Sidecar;
pub use telemetry::Telemetry;
pub use virtual_service::VirtualService;
pub use wasm_plugin::WasmPlugin;
pub use workload_entry::WorkloadEntry;
pub use workload_group::WorkloadGroup;
