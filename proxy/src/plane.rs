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

mod accept;
mod admin;
mod body;
mod control;
mod copy;
mod dns;
mod feed;
mod files;
mod flags;
mod gather;
mod held;
mod http;
mod io;
mod life;
mod logs;
mod reasons;
mod record;
mod stats;
mod tcp;
mod telemetry;
#[cfg(test)]
mod testing;
mod tls;
mod upstream;
mod worker;
mod world;

use std::{io as std_io, sync::Arc, time::Instant};

use mesh_xds::client::Dial;
use serde_json::Value;

pub(crate) use self::{
    control::{AskReady, Control, ControlPorts, ControlSettings, node_message},
    dns::Names,
    life::Life,
    logs::Logs,
    reasons::Reasons,
    stats::Stats,
    telemetry::{Telemetry, Workload},
    world::World,
};

/// What all threads of the data plane share. Nothing in it is waited for on the way of a request.
#[derive(Debug)]
pub(crate) struct Shared {
    /// When the data plane began; times of ejections count from here.
    pub(crate) started: Instant,
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
    /// Refusals and departures.
    pub(crate) reasons: Reasons,
}

/// What the data plane is told at its start.
#[derive(Debug)]
pub(crate) struct PlaneSettings {
    /// How many threads carry traffic.
    pub(crate) workers: usize,
    /// The workload beside which it runs.
    pub(crate) own: Workload,
    /// The node's id.
    pub(crate) id: String,
    /// What the control side is told.
    pub(crate) control: ControlSettings,
}

/// The data plane at work. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Plane {
    shared: Arc<Shared>,
    _control: Control,
    workers: Vec<worker::Running>,
}

impl Plane {
    /// Starts it: workers on threads of their own, everything else on the current runtime.
    ///
    /// # Errors
    /// A port is taken, or the system gives no threads.
    pub(crate) async fn start(settings: PlaneSettings, dial: impl Dial, node: Value) -> std_io::Result<Self> {
        let shared = Arc::new(Shared {
            started: settings.control.began,
            world: World::default(),
            names: Names::default(),
            life: Life::default(),
            stats: Arc::default(),
            telemetry: Arc::new(Telemetry::new(settings.own, &settings.id)),
            logs: Logs::default(),
            reasons: Reasons::new(&settings.id),
        });
        let control = control::start(shared.clone(), settings.control, dial, node).await?;
        let (admin, health, prometheus) = (control.admin, control.health, control.prometheus);
        tracing::info!(%admin, %health, %prometheus, workers = settings.workers, "the data plane starts");
        let workers = (0..settings.workers.max(1)).map(|number| worker::start(shared.clone(), number));
        Ok(Self { workers: workers.collect::<Result<_, _>>()?, shared, _control: control })
    }

    /// Ends it: connections that are still open break, and what was logged is written.
    pub(crate) fn stop(mut self) {
        self.workers.clear();
        self.shared.logs.drain();
    }
}

#[cfg(test)]
mod tests;
