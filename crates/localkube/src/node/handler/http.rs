//! One HTTP request from a node's network, in the manner of the kubelet's prober.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::dial;
use crate::net::netns::NetNs;

const REDIRECTS: usize = 10;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// HTTPS; the certificate is not looked at.
    pub tls: bool,
    /// Path and query.
    pub path: String,
}

impl Target {
    fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

/// The status of the answer. Redirects are followed while they stay on the host; one that leaves it is an answer.
/// The error is worded as Go's.
pub async fn get(netns: &NetNs, target: &Target, headers: &[(String, String)], limit: Duration) -> Result<u16, String> {
    let mut target = target.clone();
    let url = target.url();
    let follow = async {
        for _ in 0..=REDIRECTS {
            let response = once(netns, &target, headers, limit).await?;
            let status = response.status();
            let location = response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok());
            match location.filter(|_| status.is_redirection()).and_then(|text| redirect(&target, text)) {
                Some(next) => target = next,
                None => return Ok(status.as_u16()),
            }
        }
        Err(format!("stopped after {REDIRECTS} redirects"))
    };
    match timeout(limit, follow).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(error)) => Err(format!("Get {url:?}: {error}")),
        Err(_) => {
            Err(format!("Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"))
        }
    }
}

/// Where a redirect leads; None when it leaves the host.
fn redirect(from: &Target, location: &str) -> Option<Target> {
    if location.starts_with('/') && !location.starts_with("//") {
        return Some(Target { path: location.to_owned(), ..from.clone() });
    }
    let uri: http::Uri = location.parse().ok()?;
    let tls = uri.scheme_str()? == "https";
    let host = uri.host()?.to_owned();
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    (host == from.host).then_some(Target { host, port, tls, path })
}

async fn once(
    netns: &NetNs,
    target: &Target,
    headers: &[(String, String)],
    limit: Duration,
) -> Result<Response<Incoming>, String> {
    let stream = dial(netns, &target.host, target.port, limit).await?;
    if target.tls {
        let name = ServerName::try_from(target.host.clone()).map_err(|e| e.to_string())?;
        let config = blind_config().map_err(|e| e.to_string())?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|e| e.to_string())?;
        exchange(stream, target, headers).await
    } else {
        exchange(stream, target, headers).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    target: &Target,
    headers: &[(String, String)],
) -> Result<Response<Incoming>, String> {
    let own = |name: &header::HeaderName| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_str()));
    let mut request = Request::get(&target.path).header(header::CONNECTION, "close");
    for (name, value) in [
        (header::HOST, format!("{}:{}", target.host, target.port)),
        (header::USER_AGENT, "kube-probe/1.33".to_owned()),
        (header::ACCEPT, "*/*".to_owned()),
    ] {
        if !own(&name) {
            request = request.header(name, value);
        }
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| match error {
        error if error.is_incomplete_message() => "EOF".to_owned(),
        error => error.to_string(),
    });
    driver.abort();
    answer
}

/// TLS that accepts any certificate: a probe asks whether there is an answer, not who gives it.
fn blind_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Blind(provider)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Blind(Arc<CryptoProvider>);

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
