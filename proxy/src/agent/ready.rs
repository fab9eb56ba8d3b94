//! Whether the data plane is ready: configured, live, working.
//!
//! Each condition counts from when it first held: a proxy that has lost pilot still serves what it knows.

use std::{
    fmt::Write,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::http::{Call, call};

/// The questions, as one regular expression over names of Envoy's statistics.
const STATS: &str = "/stats?filter=^(server\\.state|listener_manager\\.workers_started|cluster_manager\\.cds\\.update_(success|rejected)|listener_manager\\.lds\\.update_(success|rejected))$";

/// How long Envoy's admin may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has held so far.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    configured: AtomicBool,
    live: AtomicBool,
    draining: AtomicBool,
}

/// Statistics that readiness is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stats {
    clusters: u64,
    clusters_rejected: u64,
    listeners: u64,
    listeners_rejected: u64,
    state: Option<u64>,
    workers: u64,
}

impl Readiness {
    /// The proxy ends: not ready any more.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Asks Envoy's admin on `port`, if that is still needed.
    ///
    /// # Errors
    /// Why it is not ready, in the words of Istio's agent.
    pub(crate) async fn check(&self, port: u16) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("server is terminating".to_owned());
        }
        if self.configured.load(Ordering::Relaxed) && self.live.load(Ordering::Relaxed) {
            return Ok(());
        }
        let url =
            format!("http://127.0.0.1:{port}{STATS}").replace('\\', "%5C").replace('^', "%5E").replace('|', "%7C");
        let request = Call::new("GET", &url).map_err(|error| error.to_string())?.patience(PATIENCE);
        let reply = call(request).await.map_err(|error| format!("failed to get readiness stats: {error}"))?;
        self.judge(parse(&String::from_utf8_lossy(&reply.body)))
    }

    fn judge(&self, stats: Stats) -> Result<(), String> {
        if !self.configured.load(Ordering::Relaxed) {
            configured(stats)?;
            self.configured.store(true, Ordering::Relaxed);
        }
        match (stats.state, stats.workers) {
            (Some(0), 1..) => self.live.store(true, Ordering::Relaxed),
            (Some(0), 0) => return Err("workers have not yet started".to_owned()),
            (state, _) => return Err(format!("server is not live, current state is: {}", name(state))),
        }
        Ok(())
    }
}

fn configured(stats: Stats) -> Result<(), String> {
    if stats.clusters > 0 && stats.listeners > 0 {
        return Ok(());
    }
    let part = |accepted: u64, rejected: u64| format!("{accepted} successful, {rejected} rejected");
    let (clusters, listeners) =
        (part(stats.clusters, stats.clusters_rejected), part(stats.listeners, stats.listeners_rejected));
    let mut why = if stats.clusters_rejected + stats.listeners_rejected > 0 {
        "config received from XDS server, but was rejected".to_owned()
    } else {
        "config not received from XDS server (is Istiod running?)".to_owned()
    };
    // Writing to a String cannot fail.
    write!(why, ": cds updates: {clusters}; lds updates: {listeners}").ok();
    Err(why)
}

/// `NAME: VALUE` lines.
fn parse(text: &str) -> Stats {
    let mut stats = Stats::default();
    for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
        let Ok(value) = value.trim().parse() else { continue };
        match name {
            "cluster_manager.cds.update_success" => stats.clusters = value,
            "cluster_manager.cds.update_rejected" => stats.clusters_rejected = value,
            "listener_manager.lds.update_success" => stats.listeners = value,
            "listener_manager.lds.update_rejected" => stats.listeners_rejected = value,
            "listener_manager.workers_started" => stats.workers = value,
            "server.state" => stats.state = Some(value),
            _ => {}
        }
    }
    stats
}

/// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/server_info.proto#enum-admin-v3-serverinfo-state>
fn name(state: Option<u64>) -> &'static str {
    match state {
        Some(0) => "LIVE",
        Some(1) => "DRAINING",
        Some(2) => "PRE_INITIALIZING",
        Some(3) => "INITIALIZING",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests;
