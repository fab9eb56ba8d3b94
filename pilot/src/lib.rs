//! Pilot: services and configuration in, xDS out.
//!
//! It knows no Kubernetes: galley tells it what there is. It validates nothing that galley validated, and writes no status.
//!
//! ```text
//!   galley ─ADS─► intake ─debounce─► world (immutable, published by a watch)
//!                                      │
//!                     each proxy's session ── generate (kept as long as its inputs stand) ──ADS──► proxy
//!                                      │
//!                     proxies (who is connected, how each stands) ──► /debug/syncz and metrics
//! ```
//!
//! A change after silence is published within [`debounce::Pace::gather`]; storms are gathered. A proxy is sent only what
//! differs from what it was sent before, whatever was made anew (`mesh_xds` compares versions, which are hashes of
//! content).
//!
//! Start reading at [`intake`], then [`source`].

pub mod auth;
pub mod config;
pub mod debounce;
pub mod debug;
pub mod generate;
pub mod intake;
pub mod metrics;
pub mod proxies;
pub mod source;
pub mod world;
