//! How to reach the server.

use std::time::Duration;

use futures::future::BoxFuture;
use tonic::transport::{Channel, Endpoint};

/// Why there is no connection. Trying again may help.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address is none.
    #[error("`{address}` is not an address to connect to")]
    Address {
        /// As configured.
        address: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// Nobody answered, or the handshake failed.
    #[error("`{address}` cannot be reached")]
    Connect {
        /// As configured.
        address: String,
        /// What happened.
        source: tonic::transport::Error,
    },
    /// What this side needs before it may connect is not there yet, such as a certificate.
    #[error("not ready to connect: {0}")]
    NotReady(String),
}

/// Makes a connection, each time anew (addresses and certificates change).
pub trait Dial: Send + Sync + 'static {
    /// Connects once.
    fn dial(&self) -> BoxFuture<'_, Result<Channel, DialError>>;
}

/// Dials without TLS: for tests, and for a relay on this machine.
#[derive(Clone, Debug)]
pub struct Plaintext {
    address: String,
}

impl Plaintext {
    /// To `HOST:PORT`.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }
}

impl Dial for Plaintext {
    fn dial(&self) -> BoxFuture<'_, Result<Channel, DialError>> {
        Box::pin(async {
            let address = &self.address;
            let connected = endpoint(address)?.connect().await;
            connected.map_err(|source| DialError::Connect { address: address.clone(), source })
        })
    }
}

/// The settings of each connection: a dead peer is noticed within 40 seconds.
pub(crate) fn endpoint(address: &str) -> Result<Endpoint, DialError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|source| DialError::Address { address: address.to_owned(), source })?;
    Ok(endpoint
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .tcp_nodelay(true))
}
