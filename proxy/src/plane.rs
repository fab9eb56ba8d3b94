//! The data plane: what carries traffic.
//!
//! Workers carry it: each is one thread with one single-threaded runtime, its own sockets (SO_REUSEPORT), its own pools
//! of upstream connections, and its own `Arc` of the snapshot. Everything else (configuration, DNS, admin) runs on the
//! program's main runtime, so that no request waits for it.
//!
//! ```text
//!   pilot ──ADS──► feed ─► Store ─► World ══ generation ══► worker 1 ─ accept ─ chain ─┬─ http ─ route ─ upstream
//!                    │                                      worker N                   └─ tcp ── copy
//!   admin (15000) ◄──┴── what was sent                         │
//!   stats, telemetry, logs ◄────────── counts and lines ───────┘
//! ```

mod admin;
mod control;
mod dns;
mod feed;
mod flags;
mod held;
mod life;
mod logs;
mod stats;
mod telemetry;
mod world;

use std::sync::Arc;

pub(crate) use self::{dns::Names, life::Life, logs::Logs, stats::Stats, telemetry::Telemetry, world::World};

/// What all threads of the data plane share. Nothing in it is waited for on the way of a request.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The published snapshot.
    pub(crate) world: World,
    /// Names that clusters speak of, resolved when somebody wants to go there.
    pub(crate) names: Names,
    /// Whether workers run, and whether the end has begun.
    pub(crate) life: Life,
    /// Counters by Envoy's names.
    pub(crate) stats: Arc<Stats>,
    /// Istio's metrics.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Access logs.
    pub(crate) logs: Logs,
}
