//! Handshakes, at both ends: with clients that call, and with servers that are called.
//!
//! What is shown and whom to trust is in the snapshot; each handshake takes what holds at its beginning, and connections
//! that stand live on. How one failed is counted by Envoy's names
//! (<https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/stats#tls-statistics>).

use std::{error::Error, io};

use mesh_snapshot::{ClientTls, Distrust, NotReady, PeerFacts, Reason, ServerTls, Speaks};
use rustls::{CertificateError, CommonState};
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{
    io::{Io, Seen, Wire},
    stats::TlsStats,
};

/// What is known of a client's TLS.
#[derive(Debug)]
pub(crate) struct Secured {
    /// The protocol that was agreed on.
    pub(crate) protocol: Option<Box<[u8]>>,
    /// `TLSv1.3`, as logs have it.
    pub(crate) version: &'static str,
    /// Who the client has proven to be, if it was asked.
    pub(crate) peer: Option<PeerFacts>,
    /// The URI in the certificate that it was shown.
    pub(crate) own_uri: Option<Box<str>>,
}

/// Why a handshake came to nothing.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Something that it takes is not there.
    NotReady(NotReady),
    /// It took too long.
    Late,
    /// One of both did not like what the other said, or left.
    Broken(io::Error),
}

/// In words, as `TLS_error:|...:TLS_error_end` in logs.
impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotReady(why) => write!(f, "TLS_error:|secret is not supplied by SDS: {why}:TLS_error_end"),
            Self::Late => f.write_str("TLS_error:|the handshake took too long:TLS_error_end"),
            Self::Broken(error) => match tls_error(error) {
                Some(error @ rustls::Error::InvalidCertificate(_)) => {
                    let why = distrust(error).map_or_else(|| error.to_string(), ToString::to_string);
                    write!(f, "TLS_error:|CERTIFICATE_VERIFY_FAILED: {why}:TLS_error_end")
                }
                Some(error) => write!(f, "TLS_error:|{error}:TLS_error_end"),
                None => write!(f, "TLS_error:|{error}:TLS_error_end"),
            },
        }
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Why a certificate that is good in itself was refused.
fn distrust(error: &rustls::Error) -> Option<&Distrust> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            let inner: &(dyn Error + 'static) = &*other.0;
            inner.downcast_ref()
        }
        _ => None,
    }
}

impl Failed {
    /// Its code.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::NotReady(_) => Reason::NoSecret,
            Self::Late | Self::Broken(_) => Reason::TlsFailed,
        }
    }

    fn count(&self, stats: &TlsStats) {
        let error = match self {
            Self::Broken(error) => tls_error(error),
            Self::NotReady(_) | Self::Late => None,
        };
        let verification = match error {
            Some(rustls::Error::NoCertificatesPresented) => Some(&stats.ssl_fail_verify_no_cert),
            Some(error @ rustls::Error::InvalidCertificate(_)) => Some(match distrust(error) {
                Some(Distrust::Name(_)) => &stats.ssl_fail_verify_san,
                Some(Distrust::Pin) => &stats.ssl_fail_verify_cert_hash,
                Some(Distrust::Chain(_)) | None => &stats.ssl_fail_verify_error,
            }),
            _ => None,
        };
        verification.unwrap_or(&stats.ssl_connection_error).inc();
    }
}

/// Shakes hands with a client.
pub(crate) async fn accept(tls: &ServerTls, seen: Seen, stats: &TlsStats) -> Result<(Io, Secured), Failed> {
    let shaking = async {
        let config = tls.config().map_err(|why| Failed::NotReady(why.clone()))?;
        let accepting = TlsAcceptor::from(config.clone()).accept(seen);
        timeout(tls.patience, accepting).await.map_err(|_| Failed::Late)?.map_err(Failed::Broken)
    };
    let stream = shaking.await.inspect_err(|failed| failed.count(stats))?;
    stats.ssl_handshake.inc();
    let state: &CommonState = stream.get_ref().1;
    let peer = state.peer_certificates().and_then(PeerFacts::of);
    if peer.is_none() {
        stats.ssl_no_certificate.inc();
    }
    let secured = Secured {
        protocol: state.alpn_protocol().map(Into::into),
        version: version(state),
        peer,
        own_uri: tls.own_uri().map(Into::into),
    };
    Ok((Wire::Tls(Box::new(TlsStream::Server(stream))), secured))
}

/// Shakes hands with a server. How long that may take is for the caller to say.
pub(crate) async fn connect(
    tls: &ClientTls,
    speaks: Speaks,
    name: ServerName<'static>,
    stream: TcpStream,
    stats: &TlsStats,
) -> Result<Wire<TcpStream>, Failed> {
    let shaking = async {
        let config = tls.config(speaks).map_err(|why| Failed::NotReady(why.clone()))?;
        TlsConnector::from(config.clone()).connect(name, stream).await.map_err(Failed::Broken)
    };
    let stream = shaking.await.inspect_err(|failed| failed.count(stats))?;
    stats.ssl_handshake.inc();
    Ok(Wire::Tls(Box::new(TlsStream::Client(stream))))
}

fn version(state: &CommonState) -> &'static str {
    match state.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "",
    }
}
