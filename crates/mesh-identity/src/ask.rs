//! One question to the ca.

use std::{path::Path, time::Duration};

use http::uri::PathAndQuery;
use mesh_proto::ca::{CREATE_CERTIFICATE, CertificateRequest, CertificateResponse};
use mesh_tls::{Credentials, DialError, Dialer, Servers, TlsError, alpn, client_config};
use tonic::{Request, Status, metadata::MetadataValue, transport::Endpoint};
use tonic_prost::ProstCodec;

use crate::Settings;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the ca answered, unchecked.
#[derive(Debug)]
pub(crate) struct Answer {
    /// PEM, leaf first, without the root.
    pub(crate) chain: String,
    /// PEM.
    pub(crate) roots: String,
}

/// Why there is no new certificate. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The ca's address is wrong.
    #[error("the ca cannot be called")]
    Address(#[from] DialError),
    /// TLS cannot be set up.
    #[error("TLS for the call to the ca cannot be set up")]
    Tls(#[from] TlsError),
    /// Neither a token nor a certificate to prove oneself by.
    #[error("there is neither a token nor a certificate to prove this workload's identity by")]
    NoProof(#[source] std::io::Error),
    /// The token has characters that no header may have.
    #[error("the token file holds no token")]
    Token,
    /// The call failed, or the ca refused.
    #[error("the ca gave no certificate")]
    Call(#[from] Box<Status>),
    /// An answer without a chain and roots.
    #[error("the ca's answer has {0} parts, it needs a certificate and roots")]
    Short(usize),
    /// Our own key or request.
    #[error("the request could not be made")]
    Request(#[from] mesh_pki::CsrError),
    /// Our own key.
    #[error("the key could not be made")]
    Key(#[from] mesh_pki::KeyError),
    /// Roots that cannot be read.
    #[error("the roots of the mesh cannot be used")]
    Roots(#[from] mesh_pki::BundleError),
    /// The roots cannot be read.
    #[error("the file of the mesh's roots cannot be read")]
    RootFile(#[source] std::io::Error),
    /// The certificate is not what was asked for.
    #[error("the ca's certificate is not taken")]
    Certificate(#[from] mesh_pki::WorkloadCertError),
}

/// Asks for a certificate: by the token, and by the certificate in use if there is one.
pub(crate) async fn ask(settings: &Settings, credentials: &Credentials, csr: String) -> Result<Answer, AskError> {
    let config = client_config(credentials, Servers::Named, &[alpn::H2])?;
    let channel = Endpoint::from_static("http://ca")
        .timeout(PATIENCE)
        .connect_with_connector_lazy(Dialer::new(&settings.ca, config)?);
    let validity_duration = settings.lifetime.as_secs().try_into().unwrap_or(i64::MAX);
    let mut request = Request::new(CertificateRequest { csr, validity_duration, metadata: None });
    match token(&settings.token_file).await {
        Ok(token) => {
            let bearer = MetadataValue::try_from(format!("Bearer {token}")).map_err(|_| AskError::Token)?;
            request.metadata_mut().insert("authorization", bearer);
        }
        Err(error) if credentials.current().is_none() => return Err(AskError::NoProof(error)),
        Err(error) => tracing::debug!(%error, "no token; the certificate in use proves the identity"),
    }
    if let Ok(cluster) = MetadataValue::try_from(settings.cluster.as_str()) {
        request.metadata_mut().insert("clusterid", cluster);
    }
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|error| Box::new(Status::from_error(error.into())))?;
    let codec = ProstCodec::<CertificateRequest, CertificateResponse>::new();
    let answer = client.unary(request, PathAndQuery::from_static(CREATE_CERTIFICATE), codec).await.map_err(Box::new)?;
    let mut parts = answer.into_inner().cert_chain;
    // Istio's clients refuse fewer than two parts as well.
    match parts.pop() {
        Some(roots) if !parts.is_empty() => Ok(Answer { chain: parts.concat(), roots }),
        last => Err(AskError::Short(parts.len() + usize::from(last.is_some()))),
    }
}

async fn token(file: &Path) -> std::io::Result<String> {
    let text = tokio::fs::read_to_string(file).await?;
    let token = text.trim();
    if token.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(token.to_owned()) }
}
