//! The model of the mesh: what its users configured and what runs in it, in the mesh's own words.
//!
//! Pure: no IO, no clock, no Kubernetes client, no Envoy. Text comes in, nouns that carry their own invariants come out.
//!
//! ```text
//!   an object as JSON ──parse──► config::Config     or issues: object, field path, reason, way out
//! ```
//!
//! and what runs and what is configured, together:
//!
//! ```text
//!   records and objects ──read──► store::Store ──expand, build──► push_context::PushContext: services, endpoints, routes, rules
//! ```
//!
//! What it is not: it holds no opinion about listeners or clusters (mesh-translate does), and it writes no status.
//!
//! Start reading at [`config`], the nouns; then at [`parse`](mod@parse), the door.

pub mod config;
pub mod delegate;
pub mod expand;
pub mod issue;
pub mod parse;
pub mod push_context;
pub mod registry;
pub mod store;
mod without_effect;
