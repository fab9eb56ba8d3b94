//! Statistics: Envoy's names, and Istio's metrics for Prometheus.

use std::{collections::BTreeMap, fmt::Write, time::Instant};

use axum::{
    Json,
    extract::{Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use mesh_snapshot::Tick;
use regex::Regex;
use serde_json::json;

use super::{Admin, server::resident};
use crate::plane::{Shared, stats::escaped};

/// The form of metrics.
pub(super) const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is asked for.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Wish {
    filter: Option<String>,
    format: Option<String>,
    usedonly: Option<String>,
}

pub(super) async fn page(State(admin): State<Admin>, Query(wish): Query<Wish>) -> Response {
    if wish.format.as_deref() == Some("prometheus") {
        return prometheus_page(State(admin)).await;
    }
    let filter = match wish.filter.as_deref().map(Regex::new).transpose() {
        Ok(filter) => filter,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("Invalid regex: \"{error}\"\n")).into_response(),
    };
    let mut found: Vec<(String, u64)> = Vec::new();
    admin.visit(&mut |name, value| {
        let fits = filter.as_ref().is_none_or(|filter| filter.is_match(name));
        if fits && (wish.usedonly.is_none() || value > 0) {
            found.push((name.to_owned(), value));
        }
    });
    found.sort_unstable();
    if wish.format.as_deref() == Some("json") {
        let all: Vec<_> = found.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        return Json(json!({ "stats": all })).into_response();
    }
    found.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>().into_response()
}

pub(super) async fn prometheus_page(State(admin): State<Admin>) -> Response {
    ([(CONTENT_TYPE, TEXT_FORMAT)], prometheus(&admin.shared, admin.began)).into_response()
}

/// All metrics of the data plane.
pub(super) fn prometheus(shared: &Shared, began: Instant) -> String {
    let mut text = String::new();
    shared.stats.prometheus(&mut text);
    shared.telemetry.prometheus(&mut text);
    shared.reasons.prometheus(&mut text);
    let live = u64::from(shared.world.generation() > 0);
    let (resident, heap) = resident();
    for (name, value) in [
        ("server_live", live),
        ("server_uptime", began.elapsed().as_secs()),
        ("server_memory_allocated", heap),
        ("server_memory_physical_size", resident),
    ] {
        let _infallible = writeln!(text, "# TYPE envoy_{name} gauge\nenvoy_{name}{{}} {value}");
    }
    let mut families: BTreeMap<String, String> = BTreeMap::new();
    memberships(shared, began, &mut |cluster, kind, value| {
        let family = families.entry(kind.to_owned()).or_default();
        let cluster = escaped(cluster);
        let _infallible = writeln!(family, "envoy_cluster_membership_{kind}{{cluster_name=\"{cluster}\"}} {value}");
    });
    for (kind, lines) in families {
        let _infallible = write!(text, "# TYPE envoy_cluster_membership_{kind} gauge\n{lines}");
    }
    let lost = shared.logs.lost();
    let name = "istio_proxy_access_log_lines_lost_total";
    let _infallible =
        writeln!(text, "# HELP {name} Lines that could not be written\n# TYPE {name} counter\n{name} {lost}");
    text
}

impl Admin {
    /// Every statistic: those of the process and of what is published, and those that are counted.
    fn visit(&self, f: &mut dyn FnMut(&str, u64)) {
        let world = self.shared.world.current();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let is_configured = self.shared.world.generation() > 0;
        f("cluster_manager.active_clusters", count(world.clusters().count()));
        f("listener_manager.total_listeners_active", count(world.listeners().count()));
        f("listener_manager.workers_started", u64::from(is_configured && self.are_workers_started()));
        f("server.concurrency", self.workers.into());
        f("server.live", u64::from(is_configured));
        f("server.memory_physical_size", resident().0);
        f("server.state", self.phase() as u64);
        f("server.uptime", self.began.elapsed().as_secs());
        memberships(&self.shared, self.began, &mut |cluster, kind, value| {
            f(&format!("cluster.{}.membership_{kind}", cluster.replace(':', "_")), value);
        });
        self.shared.stats.visit(f);
        self.shared.reasons.stats(f);
    }
}

/// How many endpoints clusters have: `total`, then `healthy`.
fn memberships(shared: &Shared, began: Instant, f: &mut dyn FnMut(&str, &str, u64)) {
    let world = shared.world.current();
    let now = Tick::after(began.elapsed());
    for kind in ["total", "healthy"] {
        for cluster in world.clusters() {
            let counted = |host: &mesh_snapshot::Host| kind == "total" || host.healthy && !cluster.is_away(host, now);
            let members = cluster.hosts().filter(|(_, host)| counted(host)).count();
            f(&cluster.config.name, kind, u64::try_from(members).unwrap_or(u64::MAX));
        }
    }
}
