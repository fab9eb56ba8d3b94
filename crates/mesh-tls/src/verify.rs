//! The verifiers: chains are judged by webpki against the roots of the moment, names by us.

use std::{fmt, sync::Arc};

use mesh_pki::{TrustBundle, identity_of};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::sync::watch;

use crate::{Clients, Peers, Servers};

/// A peer's certificate is right, but it is somebody else's.
#[derive(Debug, thiserror::Error)]
#[error("the peer is `{0}`, who is not admitted here")]
struct NotAdmitted(mesh_types::SpiffeId);

/// Judges the server that was called.
pub(crate) struct ServerVerifier {
    pub(crate) roots: watch::Receiver<TrustBundle>,
    pub(crate) servers: Servers,
    pub(crate) provider: Arc<CryptoProvider>,
}

/// Judges the client that calls.
pub(crate) struct ClientVerifier {
    pub(crate) roots: watch::Receiver<TrustBundle>,
    pub(crate) clients: Clients,
    pub(crate) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        let roots = Arc::clone(self.roots.borrow().store());
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, now, algorithms)?;
        match &self.servers {
            Servers::Named => verify_server_name(&parsed, name)?,
            Servers::Workloads(peers) => admit(leaf, peers)?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for ClientVerifier {
    /// None: a mesh's clients have one certificate, there is nothing to choose by.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        matches!(self.clients, Clients::Required(_))
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let roots = Arc::clone(self.roots.borrow().store());
        // Built for each handshake: the roots may be new, and it is a list of references.
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::Other(OtherError(Arc::new(error))))?
            .verify_client_cert(leaf, intermediates, now)?;
        match &self.clients {
            Clients::Required(peers) | Clients::Optional(peers) => admit(leaf, peers)?,
            // Never asked then: the configuration has no verifier.
            Clients::Anonymous => {}
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn admit(leaf: &CertificateDer<'_>, peers: &Peers) -> Result<(), Error> {
    let refuse = |error: Arc<dyn std::error::Error + Send + Sync>| {
        Error::InvalidCertificate(CertificateError::Other(OtherError(error)))
    };
    let id = identity_of(leaf).map_err(|error| refuse(Arc::new(error)))?;
    if peers.contain(&id) { Ok(()) } else { Err(refuse(Arc::new(NotAdmitted(id)))) }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerVerifier").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier").field("clients", &self.clients).finish_non_exhaustive()
    }
}
