//! A client's way to a server: TCP, then TLS.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::Service;

/// How long TCP may take. A pod that has gone answers nothing, and what is sent again goes to it again, as connections are
/// tracked; a new attempt goes to one that lives.
const REACHED: Duration = Duration::from_secs(2);
/// How long the handshake may take. A server that is ending may still take connections, and never look at them.
const SHAKEN: Duration = Duration::from_secs(5);

/// Connects to one server, whatever URI it is asked for. A connector for tonic and hyper.
#[derive(Clone)]
pub struct Dialer {
    address: Arc<str>,
    name: ServerName<'static>,
    connector: TlsConnector,
}

/// An address that cannot be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address of the form HOST:PORT")]
pub struct DialError(String);

impl Dialer {
    /// Dials `HOST:PORT` and expects a certificate for HOST there (unless `config` judges by identity).
    ///
    /// # Errors
    /// The address has another form.
    pub fn new(address: &str, config: Arc<ClientConfig>) -> Result<Self, DialError> {
        let host = address.rsplit_once(':').map(|(host, _)| host).unwrap_or_default();
        Self::with_name(address, host.trim_start_matches('[').trim_end_matches(']'), config)
    }

    /// Dials `HOST:PORT` and expects a certificate for `name` there.
    ///
    /// # Errors
    /// The address has another form, or the name is none.
    pub fn with_name(address: &str, name: &str, config: Arc<ClientConfig>) -> Result<Self, DialError> {
        let bad = || DialError(address.to_owned());
        let (_, port) = address.rsplit_once(':').ok_or_else(bad)?;
        port.parse::<u16>().map_err(|_| bad())?;
        let name = ServerName::try_from(name.to_owned()).map_err(|_| bad())?;
        Ok(Self { address: address.into(), name, connector: TlsConnector::from(config) })
    }

    /// Connects.
    ///
    /// # Errors
    /// Name resolution and TCP fail or take longer than two seconds, or the handshake fails or takes longer than five.
    pub async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = time::timeout(REACHED, TcpStream::connect(&*self.address)).await??;
        stream.set_nodelay(true)?;
        time::timeout(SHAKEN, self.connector.connect(self.name.clone(), stream)).await?
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("address", &self.address).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.connect().await.map(TokioIo::new) })
    }
}
