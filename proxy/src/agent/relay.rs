//! Envoy's way to pilot: bytes of a unix socket over a connection of the agent's. What they say is between those two.

use std::{fs, io, path::Path, time::Duration};

use mesh_identity::Backoff;
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
};

use super::{metrics::AgentMetrics, pilot::Pilot};

/// Waiting times while pilot cannot be reached.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How often pilot is called for one connection of Envoy's. Then that is closed, and Envoy opens another.
const ATTEMPTS: usize = 6;

/// Listens on a unix socket, also where one was left over from before.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

/// Relays each connection of `listener` to pilot.
pub(crate) async fn serve(listener: UnixListener, pilot: Pilot, metrics: AgentMetrics) {
    loop {
        match listener.accept().await {
            Ok((envoy, _)) => {
                tokio::spawn(relay(envoy, pilot.clone(), metrics.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of Envoy's could not be accepted");
                tokio::time::sleep(FIRST_WAIT).await;
            }
        }
    }
}

async fn relay(mut envoy: UnixStream, pilot: Pilot, metrics: AgentMetrics) {
    if !pilot.ready().await {
        return;
    }
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    for _ in 0..ATTEMPTS {
        match pilot.connect().await {
            Ok(mut stream) => {
                tracing::info!(?pilot, "Envoy is connected to pilot");
                metrics.connected();
                let ended = copy_bidirectional(&mut envoy, &mut stream).await;
                metrics.disconnected();
                tracing::info!(reason = ?ended.err(), "Envoy's connection to pilot has ended");
                return;
            }
            Err(error) => {
                metrics.connect_failed();
                tracing::warn!(?pilot, %error, "pilot cannot be reached");
                tokio::time::sleep(backoff.next(rand::random())).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
