//! Envoy's way to pilot: bytes of a unix socket over mutual TLS. What they say is between those two.

use std::{fs, io, path::Path, time::Duration};

use mesh_identity::{Backoff, Credentials};
use mesh_tls::{DialError, Dialer, Servers, TlsError, alpn, client_config};
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
};

use super::metrics::AgentMetrics;

/// Waiting times while pilot cannot be reached.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How often pilot is called for one connection of Envoy's. Then that is closed, and Envoy opens another.
const ATTEMPTS: usize = 6;

/// Why nothing can be relayed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The address of pilot.
    #[error("pilot cannot be called (discoveryAddress)")]
    Address(#[from] DialError),
    /// TLS.
    #[error("TLS for the call to pilot cannot be set up")]
    Tls(#[from] TlsError),
}

/// Listens on a unix socket, also where one was left over from before.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

/// Relays each connection of `listener` to pilot at `discovery`.
pub(crate) fn serve(
    listener: UnixListener,
    credentials: Credentials,
    discovery: String,
    metrics: AgentMetrics,
) -> Result<impl Future<Output = ()> + Send + 'static, RelayError> {
    let config = client_config(&credentials, Servers::Named, &[alpn::H2])?;
    let dialer = Dialer::new(&discovery, config)?;
    Ok(async move {
        loop {
            match listener.accept().await {
                Ok((envoy, _)) => {
                    tokio::spawn(relay(envoy, dialer.clone(), credentials.clone(), metrics.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection of Envoy's could not be accepted");
                    tokio::time::sleep(FIRST_WAIT).await;
                }
            }
        }
    })
}

async fn relay(mut envoy: UnixStream, dialer: Dialer, credentials: Credentials, metrics: AgentMetrics) {
    if credentials.ready().await.is_none() {
        return;
    }
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    for _ in 0..ATTEMPTS {
        match dialer.connect().await {
            Ok(mut pilot) => {
                tracing::info!(?dialer, "Envoy is connected to pilot");
                metrics.connected();
                let ended = copy_bidirectional(&mut envoy, &mut pilot).await;
                metrics.disconnected();
                tracing::info!(reason = ?ended.err(), "Envoy's connection to pilot has ended");
                return;
            }
            Err(error) => {
                metrics.connect_failed();
                tracing::warn!(?dialer, %error, "pilot cannot be reached");
                tokio::time::sleep(backoff.next(rand::random())).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
