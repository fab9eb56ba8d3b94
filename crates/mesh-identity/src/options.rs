//! Who one is and whom one asks.

use std::{path::PathBuf, time::Duration};

use mesh_pki::KeyKind;
use mesh_types::{BadSpiffeId, SpiffeId};

/// How long a certificate is wished for (`SECRET_TTL` of Istio's agent).
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// A program's identity, as options and environment variables under the names of Istio's agent. Flatten this into a
/// program's own options.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    /// The ca, as HOST:PORT. Its certificate must be for HOST.
    #[arg(long = "ca-addr", env = "CA_ADDR", default_value = "ca.istio-system.svc:15012")]
    pub ca: String,
    /// The namespace of this pod.
    #[arg(long, env = "POD_NAMESPACE", default_value = "istio-system")]
    pub namespace: String,
    /// The service account of this pod; the program's own name if it is not given.
    #[arg(long = "service-account", env = "SERVICE_ACCOUNT")]
    pub account: Option<String>,
    /// The trust domain.
    #[arg(long = "trust-domain", env = "TRUST_DOMAIN", default_value = "cluster.local")]
    pub trust_domain: String,
    /// The cluster, as the ca knows it.
    #[arg(long = "cluster-id", env = "ISTIO_META_CLUSTER_ID", default_value = "Kubernetes")]
    pub cluster: String,
    /// A projected token for the audience `istio-ca`.
    #[arg(long, env = "TOKEN_FILE", default_value = "/var/run/secrets/tokens/istio-token")]
    pub token_file: PathBuf,
    /// The roots of the mesh.
    #[arg(long, env = "CA_ROOT_CA", default_value = "/var/run/secrets/istio/root-cert.pem")]
    pub root_file: PathBuf,
}

/// What is needed to get and keep a certificate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The ca, as HOST:PORT.
    pub ca: String,
    /// Who one is.
    pub id: SpiffeId,
    /// Sent as metadata `clusterid`.
    pub cluster: String,
    /// The token; it is read for each request, because the kubelet renews it.
    pub token_file: PathBuf,
    /// Roots of the mesh; looked at now and then, because they may change.
    pub root_file: PathBuf,
    /// The kind of key.
    pub key: KeyKind,
    /// Wished lifetime. The ca decides.
    pub lifetime: Duration,
}

impl Options {
    /// The settings of this program.
    ///
    /// # Errors
    /// Namespace, account and trust domain make no identity.
    pub fn settings(&self, program: &str) -> Result<Settings, BadSpiffeId> {
        let account = self.account.as_deref().filter(|account| !account.is_empty()).unwrap_or(program);
        Ok(Settings {
            ca: self.ca.clone(),
            id: SpiffeId::new(&self.trust_domain, &self.namespace, account)?,
            cluster: self.cluster.clone(),
            token_file: self.token_file.clone(),
            root_file: self.root_file.clone(),
            key: KeyKind::default(),
            lifetime: LIFETIME,
        })
    }
}

#[cfg(test)]
mod tests;
