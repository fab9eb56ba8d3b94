//! The way to pilot.

use std::{fmt, io, sync::Arc, time::Duration};

use mesh_identity::Credentials;
use mesh_tls::{DialError, Dialer, Servers, TlsError, alpn, client_config};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time,
};

use super::{proxy_config::ControlPlaneAuth, settings::Settings};

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where pilot is, and what it takes to be let in.
#[derive(Clone)]
pub(crate) enum Pilot {
    /// With the mesh's TLS, once there is a certificate to show.
    MutualTls(Dialer, Credentials),
    /// Without.
    Plaintext(Arc<str>),
}

/// Where it is, for logs.
impl fmt::Debug for Pilot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MutualTls(dialer, _) => dialer.fmt(f),
            Self::Plaintext(address) => write!(f, "{address} (plaintext)"),
        }
    }
}

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum PilotError {
    /// The address of pilot.
    #[error("pilot cannot be called (discoveryAddress)")]
    Address(#[from] DialError),
    /// TLS.
    #[error("TLS for the call to pilot cannot be set up")]
    Tls(#[from] TlsError),
}

/// A connection, of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Pilot {
    pub(crate) fn new(settings: &Settings, credentials: &Credentials) -> Result<Self, PilotError> {
        Ok(match settings.control_plane_auth {
            ControlPlaneAuth::None => Self::Plaintext(settings.discovery.as_str().into()),
            ControlPlaneAuth::MutualTls => {
                let config = client_config(credentials, Servers::Named, &[alpn::H2])?;
                Self::MutualTls(Dialer::new(&settings.discovery, config)?, credentials.clone())
            }
        })
    }

    /// Waits until there is what it takes; `false`: there never will be.
    pub(crate) async fn ready(&self) -> bool {
        match self {
            Self::MutualTls(_, credentials) => credentials.ready().await.is_some(),
            Self::Plaintext(_) => true,
        }
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::MutualTls(dialer, _) => Ok(Box::new(dialer.connect().await?)),
            Self::Plaintext(address) => {
                let connected = time::timeout(PATIENCE, TcpStream::connect(&**address)).await;
                let stream = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}
