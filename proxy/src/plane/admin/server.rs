//! The server itself: its state, version, memory, certificates.

use std::{fs, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use mesh_bootstrap::VERSION;
use serde_json::{Value, json};

use super::Admin;

/// How far the server is, with Envoy's numbers.
/// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/server_info.proto#enum-admin-v3-serverinfo-state>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Live = 0,
    Draining = 1,
    PreInitializing = 2,
    Initializing = 3,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Draining => "DRAINING",
            Self::PreInitializing => "PRE_INITIALIZING",
            Self::Initializing => "INITIALIZING",
        }
    }
}

impl Admin {
    /// Live: the first snapshot is published and every worker has opened its sockets.
    pub(super) fn phase(&self) -> Phase {
        if self.shared.life.is_failing_health() {
            Phase::Draining
        } else if self.shared.world.generation() == 0 {
            Phase::PreInitializing
        } else if self.are_workers_started() {
            Phase::Live
        } else {
            Phase::Initializing
        }
    }

    pub(super) fn are_workers_started(&self) -> bool {
        self.shared.life.workers() >= self.workers
    }
}

pub(super) async fn ready(State(admin): State<Admin>) -> Response {
    let phase = admin.phase();
    let status = if phase == Phase::Live { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{}\n", phase.name())).into_response()
}

pub(super) async fn info(State(admin): State<Admin>) -> Json<Value> {
    let uptime = seconds(admin.began.elapsed());
    Json(json!({
        "version": format!("lateen/{VERSION}"),
        "state": admin.phase().name(),
        "hot_restart_version": "disabled",
        "command_line_options": {
            "concurrency": admin.workers,
            "mode": "Serve",
            "service_cluster": admin.node["cluster"],
            "service_node": admin.node["id"],
        },
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "node": admin.node,
    }))
}

/// In whole seconds, as a protobuf duration is written.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

/// None are listed here: what listeners and clusters hold is in `/config_dump`.
pub(super) async fn certs() -> Json<Value> {
    Json(json!({ "certificates": [] }))
}

pub(super) async fn memory() -> Json<Value> {
    let (resident, heap) = resident();
    let bytes = |bytes: u64| bytes.to_string();
    Json(json!({
        "allocated": bytes(heap),
        "heap_size": bytes(heap),
        "pageheap_unmapped": "0",
        "pageheap_free": "0",
        "total_thread_cache": "0",
        "total_physical_bytes": bytes(resident),
    }))
}

/// Bytes in memory, all and without what files are behind, as the kernel counts them; 0 where it does not tell.
pub(super) fn resident() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    let kilobytes = |name| of(name).unwrap_or_default() * 1024;
    (kilobytes("VmRSS"), kilobytes("RssAnon"))
}
