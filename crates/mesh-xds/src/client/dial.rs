//! How to reach the server.

use std::time::Duration;

use futures::future::BoxFuture;
use mesh_tls::{Credentials, Dialer, Servers, alpn};
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

/// Dials with the mesh's TLS, once there is a certificate to show.
#[derive(Clone, Debug)]
pub struct Tls {
    address: String,
    dialer: Dialer,
    credentials: Credentials,
}

impl Tls {
    /// To `HOST:PORT`, where a certificate of the mesh for HOST is expected.
    ///
    /// # Errors
    /// The address has another form, or the TLS library refuses its configuration.
    pub fn new(address: &str, credentials: &Credentials) -> Result<Self, TlsDialError> {
        let config = mesh_tls::client_config(credentials, Servers::Named, &[alpn::H2])?;
        let dialer = Dialer::new(address, config)?;
        Ok(Self { address: address.to_owned(), dialer, credentials: credentials.clone() })
    }

    /// As [`Tls::new`], but the certificate is expected to be for `name`.
    ///
    /// # Errors
    /// The address has another form, or the name is none.
    pub fn with_name(address: &str, name: &str, credentials: &Credentials) -> Result<Self, TlsDialError> {
        let config = mesh_tls::client_config(credentials, Servers::Named, &[alpn::H2])?;
        let dialer = Dialer::with_name(address, name, config)?;
        Ok(Self { address: address.to_owned(), dialer, credentials: credentials.clone() })
    }
}

/// Why there is no way to dial with TLS. Trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum TlsDialError {
    /// The address has another form.
    #[error("a server cannot be dialled")]
    Address(#[from] mesh_tls::DialError),
    /// The TLS library refuses.
    #[error("TLS cannot be configured")]
    Config(#[from] mesh_tls::TlsError),
}

impl Dial for Tls {
    fn dial(&self) -> BoxFuture<'_, Result<Channel, DialError>> {
        Box::pin(async {
            let ready = self.credentials.ready().await;
            ready.ok_or_else(|| DialError::NotReady("nobody fetches a certificate any more".to_owned()))?;
            let connected = endpoint(&self.address)?.connect_with_connector(self.dialer.clone()).await;
            connected.map_err(|source| DialError::Connect { address: self.address.clone(), source })
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
