//! Who is at the other end.

use mesh_types::SpiffeId;
use rustls_pki_types::CertificateDer;

/// Which identities are let in, or may answer. The certificate itself is proven before this is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Every workload of these trust domains.
    Domains(Vec<String>),
    /// These workloads.
    Only(Vec<SpiffeId>),
}

impl Peers {
    /// Every workload of one trust domain.
    pub fn domain(name: &str) -> Self {
        Self::Domains(vec![name.to_owned()])
    }

    /// Whether `id` is one of them.
    pub fn contain(&self, id: &SpiffeId) -> bool {
        match self {
            Self::Domains(domains) => domains.iter().any(|domain| domain == id.trust_domain()),
            Self::Only(ids) => ids.contains(id),
        }
    }
}

/// The identity that a connection's peer has proven: hand in its certificates as TLS gives them, leaf first.
/// None: it showed none, or not a workload's.
pub fn peer_identity<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> Option<SpiffeId> {
    mesh_pki::identity_of(certificates.into_iter().next()?).ok()
}

#[cfg(test)]
mod tests;
