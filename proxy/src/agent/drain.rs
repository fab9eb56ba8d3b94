//! The end of a proxy: listeners close, connections get time.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    http::{Call, CallError, call},
    settings::Settings,
};

/// How long Envoy's admin may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often connections are counted.
const INTERVAL: Duration = Duration::from_secs(1);

/// Closes listeners gently and waits: for a fixed time, or until nobody is connected.
pub(crate) async fn drain(settings: &Settings) {
    let admin = settings.ports.admin;
    begin(admin).await;
    let Some(minimum) = settings.exit_on_zero else {
        tracing::info!(duration = ?settings.termination_drain, "connections drain");
        return sleep(settings.termination_drain).await;
    };
    tracing::info!(at_least = ?minimum, "connections drain until none is left");
    sleep(minimum).await;
    loop {
        match active(admin, settings).await {
            Some(0) => return tracing::info!("no connection is left"),
            Some(connections) => tracing::info!(connections, "waiting for connections to end"),
            // Envoy is gone, and with it the connections.
            None => return,
        }
        sleep(INTERVAL).await;
    }
}

/// Tells Envoy to fail health checks and to close its listeners gently. Safe to be told twice.
pub(crate) async fn begin(admin: u16) {
    for path in ["healthcheck/fail", "drain_listeners?graceful"] {
        if let Err(error) = post(admin, path).await {
            tracing::warn!(%error, path, "Envoy did not take the request to drain");
        }
    }
}

async fn post(admin: u16, path: &str) -> Result<(), CallError> {
    let reply = call(Call::new("POST", &format!("http://127.0.0.1:{admin}/{path}"))?.patience(PATIENCE)).await?;
    if reply.status.is_success() { Ok(()) } else { Err(CallError::Refused(reply.status)) }
}

/// Connections of clients, without those to the proxy's own listeners. None: Envoy does not answer.
async fn active(admin: u16, settings: &Settings) -> Option<u64> {
    let url = format!("http://127.0.0.1:{admin}/stats?filter=downstream_cx_active");
    let reply = call(Call::new("GET", &url).ok()?.patience(PATIENCE)).await.ok()?;
    Some(count(&String::from_utf8_lossy(&reply.body), &[settings.ports.health, settings.ports.prometheus]))
}

/// Sums `listener.ADDRESS_PORT.downstream_cx_active`, without the ports given.
fn count(stats: &str, without: &[u16]) -> u64 {
    stats
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let address = name.strip_prefix("listener.")?.strip_suffix(".downstream_cx_active")?;
            // `ADDRESS_PORT.worker_N` counts the same connections again.
            let port = address.rsplit('_').next()?.parse().ok().filter(|_| !address.contains(".worker_"))?;
            (!without.contains(&port)).then(|| value.trim().parse::<u64>().ok())?
        })
        .sum()
}

#[cfg(test)]
mod tests;
