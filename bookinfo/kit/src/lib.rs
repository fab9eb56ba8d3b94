//! What the four bookinfo services share: a small HTTP server with a gentle stop, a client that
//! passes tracing headers on, metrics, JSON logs and settings from the environment.
//!
//! It is not a framework: a service is an [`App`] of axum routes, and [`run`] is its whole `main`.
//!
//! ```text
//!   environment --Env--> Config --> App (routes, /health, /metrics) --> serve(listener, stop)
//!                                     |
//!                                     +-- Upstream::get --> another service
//! ```
//!
//! Start reading at [`App`]; [`run`] shows how the parts meet.

mod app;
mod client;
mod env;
mod headers;
mod metrics;
mod names;
mod run;
mod server;

pub use app::{App, Identity, SERVED_BY, json};
pub use client::{CallError, Reply, Reuse, Upstream};
pub use env::{ConfigError, Env};
pub use headers::{FORWARDED, forward};
pub use run::run;
pub use server::{Pace, bind, serve};
