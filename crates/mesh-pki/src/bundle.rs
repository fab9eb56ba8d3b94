//! The roots that a process trusts.

use std::{fmt, sync::Arc};

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::pem;

/// Root certificates, in the order that they were found. A clone costs nothing.
#[derive(Clone)]
pub struct TrustBundle {
    certificates: Arc<[CertificateDer<'static>]>,
    store: Arc<RootCertStore>,
}

/// Why a text is no bundle of roots.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Not PEM.
    #[error("the root certificates are no PEM text")]
    Text(#[source] rustls_pki_types::pem::Error),
    /// A certificate that can be nobody's root.
    #[error("root certificate {index} cannot be used (it must be X.509 version 3)")]
    Unusable {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        source: rustls::Error,
    },
}

impl TrustBundle {
    /// Reads a text of PEM certificates. A text without any is a bundle that trusts nobody.
    ///
    /// # Errors
    /// The text is no PEM or a certificate cannot be a root.
    pub fn parse(text: &str) -> Result<Self, BundleError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        Self::new(certificates.map_err(BundleError::Text)?)
    }

    /// From certificates; one that stands twice is taken once.
    ///
    /// # Errors
    /// A certificate cannot be a root.
    pub fn new(all: Vec<CertificateDer<'static>>) -> Result<Self, BundleError> {
        let mut certificates: Vec<CertificateDer<'static>> = Vec::new();
        let mut store = RootCertStore::empty();
        for (index, certificate) in all.into_iter().enumerate() {
            if !certificates.contains(&certificate) {
                store.add(certificate.clone()).map_err(|source| BundleError::Unusable { index, source })?;
                certificates.push(certificate);
            }
        }
        Ok(Self { certificates: certificates.into(), store: Arc::new(store) })
    }

    /// Whoever is trusted by one of both.
    pub fn union(&self, other: &Self) -> Self {
        let all = self.certificates.iter().chain(other.certificates.iter()).cloned().collect();
        // Each of them was taken once before.
        Self::new(all).unwrap_or_else(|_| self.clone())
    }

    /// Whether it trusts nobody.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// The certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// As verifiers take it.
    pub fn store(&self) -> &Arc<RootCertStore> {
        &self.store
    }

    /// All of them as PEM.
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(|certificate| pem::encode("CERTIFICATE", certificate)).collect()
    }
}

impl Default for TrustBundle {
    fn default() -> Self {
        Self { certificates: Arc::default(), store: Arc::new(RootCertStore::empty()) }
    }
}

impl PartialEq for TrustBundle {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

impl Eq for TrustBundle {}

impl fmt::Debug for TrustBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustBundle").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
