use std::{
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::atomic::Ordering,
    time::Duration,
};

use axum::serve::ListenerExt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::app::App;

/// How a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long it keeps serving while its health check fails.
    pub linger: Duration,
    /// How long running requests may then take before they are cut.
    pub drain: Duration,
}

impl Pace {
    /// For SIGTERM. Endpoints and proxies hear of a pod's end some time after the pod does; until
    /// then they still send requests here. Both parts fit into Kubernetes' 30 seconds.
    pub const GENTLE: Self = Self { linger: Duration::from_secs(5), drain: Duration::from_secs(20) };
    /// For SIGINT: a person waits at the terminal.
    pub const QUICK: Self = Self { linger: Duration::ZERO, drain: Duration::from_secs(1) };
}

/// Listens on `port` of all addresses, both families where the machine has IPv6.
///
/// # Errors
/// When the port is taken or not permitted.
pub async fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        result => result,
    }
}

/// Serves `app` until `stop` ends, then stops at the pace that it gives.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: App,
    stop: impl Future<Output = Pace> + Send + 'static,
) -> io::Result<()> {
    let (router, draining) = app.into_parts();
    let (closing, closed) = oneshot::channel();
    let shutdown = async move {
        let pace = stop.await;
        draining.store(true, Ordering::Relaxed);
        tokio::time::sleep(pace.linger).await;
        closing.send(pace.drain).ok();
    };
    let listener = listener.tap_io(no_delay);
    let server = axum::serve(listener, router).with_graceful_shutdown(shutdown);
    tokio::select! {
        result = server => result,
        () = cut_off(closed) => {
            tracing::warn!("requests were still running at the end of the drain time and were cut");
            Ok(())
        }
    }
}

fn no_delay(stream: &mut TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
}

/// Ends when the drain time, which comes through `closed`, is over.
async fn cut_off(closed: oneshot::Receiver<Duration>) {
    match closed.await {
        Ok(drain) => tokio::time::sleep(drain).await,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
