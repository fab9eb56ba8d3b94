//! What a process shows and what it trusts, at this moment.

use std::sync::Arc;

use mesh_pki::{TrustBundle, WorkloadCert};
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::sync::watch;

/// The reader's side of a workload's identity. Clones read the same.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The certificate; none before the first one came.
    pub cert: watch::Receiver<Option<Arc<WorkloadCert>>>,
    /// The roots of the mesh.
    pub roots: watch::Receiver<TrustBundle>,
}

impl Credentials {
    /// Credentials that never change, for tests and for certificates from files.
    pub fn fixed(cert: Option<WorkloadCert>, roots: TrustBundle) -> Self {
        Self { cert: watch::channel(cert.map(Arc::new)).1, roots: watch::channel(roots).1 }
    }

    /// The certificate of now.
    pub fn current(&self) -> Option<Arc<WorkloadCert>> {
        self.cert.borrow().clone()
    }

    /// The roots of now.
    pub fn trusted(&self) -> TrustBundle {
        self.roots.borrow().clone()
    }

    /// Waits until there is a certificate. None: whoever fetches it has ended.
    pub async fn ready(&self) -> Option<Arc<WorkloadCert>> {
        self.cert.clone().wait_for(Option::is_some).await.ok()?.clone()
    }

    fn certified(&self) -> Option<Arc<CertifiedKey>> {
        self.cert.borrow().as_ref().map(|cert| Arc::clone(cert.certified_key()))
    }
}

impl ResolvesServerCert for Credentials {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certified()
    }
}

impl ResolvesClientCert for Credentials {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.certified()
    }

    fn has_certs(&self) -> bool {
        self.cert.borrow().is_some()
    }
}
