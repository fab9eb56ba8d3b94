//! A workload's certificate, proven.

use std::{fmt, sync::Arc, time::SystemTime};

use mesh_types::SpiffeId;
use rustls::{
    client::verify_server_cert_signed_by_trust_anchor, crypto::aws_lc_rs, server::ParsedCertificate, sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{
    Key, TrustBundle,
    names::{Names, NamesError},
    pem,
    schedule::from_unix,
};

/// A certificate and its key, of which was proven: the key is the certificate's, it names exactly one workload, it was
/// good at the time of the check, and it chains to a root that is trusted.
#[derive(Clone)]
pub struct WorkloadCert {
    id: SpiffeId,
    dns_names: Vec<String>,
    not_before: SystemTime,
    not_after: SystemTime,
    certified: Arc<CertifiedKey>,
    key_pem: Arc<str>,
}

/// Why a certificate is not taken. The old one stays in use.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadCertError {
    /// No certificate in the text.
    #[error("the chain holds no certificate in PEM form")]
    Empty,
    /// Its names are not those of one workload.
    #[error("the certificate names no workload")]
    Names(#[from] NamesError),
    /// Somebody else's.
    #[error("the certificate is for `{found}`, not for `{expected}`")]
    Identity {
        /// Who it is for.
        found: Box<SpiffeId>,
        /// Who it was asked for.
        expected: Box<SpiffeId>,
    },
    /// The key belongs to another certificate.
    #[error("the certificate is not for this private key")]
    Key(#[source] rustls::Error),
    /// No root vouches for it, or not now.
    #[error("the certificate does not chain to a trusted root, or is not valid now")]
    Chain(#[source] rustls::Error),
}

impl WorkloadCert {
    /// Checks a chain (PEM, leaf first, without the root) for `key`.
    ///
    /// # Errors
    /// Something could not be proven.
    pub fn parse(
        chain: &str,
        key: &Key,
        expected: &SpiffeId,
        roots: &TrustBundle,
        now: SystemTime,
    ) -> Result<Self, WorkloadCertError> {
        let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        let chain = chain.map_err(|_| WorkloadCertError::Empty)?;
        let (leaf, intermediates) = chain.split_first().ok_or(WorkloadCertError::Empty)?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| NamesError::NotX509)?;
        let names = Names::of(&parsed)?;
        let id = names.identity()?;
        if id != *expected {
            return Err(WorkloadCertError::Identity { found: id.into(), expected: expected.clone().into() });
        }
        verify(leaf, intermediates, roots, now).map_err(WorkloadCertError::Chain)?;
        let validity = parsed.validity();
        let (not_before, not_after) =
            (from_unix(validity.not_before.timestamp()), from_unix(validity.not_after.timestamp()));
        let signer = aws_lc_rs::sign::any_supported_type(key.der()).map_err(WorkloadCertError::Key)?;
        let certified = CertifiedKey::new(chain, signer);
        certified.keys_match().map_err(WorkloadCertError::Key)?;
        Ok(Self {
            id,
            dns_names: names.dns,
            not_before,
            not_after,
            certified: Arc::new(certified),
            key_pem: key.to_pem().into(),
        })
    }

    /// Who it is for.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The DNS names that it is for besides; control-plane programs have some.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// Good from.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Good until.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Leaf first, without the root.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The chain as PEM, for SDS and files.
    pub fn chain_pem(&self) -> String {
        self.chain().iter().map(|certificate| pem::encode("CERTIFICATE", certificate)).collect()
    }

    /// The private key as PEM, for SDS. It is a secret.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// As rustls takes it.
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

impl fmt::Debug for WorkloadCert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkloadCert").field("id", &self.id).field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

fn verify(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &TrustBundle,
    now: SystemTime,
) -> Result<(), rustls::Error> {
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let leaf = ParsedCertificate::try_from(leaf)?;
    verify_server_cert_signed_by_trust_anchor(&leaf, roots.store(), intermediates, now, algorithms)
}

#[cfg(test)]
mod tests;
