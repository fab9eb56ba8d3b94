//! Everything that can be chosen about a ca.

use std::time::Duration;

use mesh_bootstrap::LogOptions;

/// The options of `lateen-ca`. Each has a default that works.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "lateen-ca", version, about = "The certificate authority of the mesh")]
pub struct Config {
    /// The namespace that the ca and its Secrets are in.
    #[arg(long, env = "POD_NAMESPACE", default_value = "istio-system")]
    pub namespace: String,
    /// The trust domain of all identities.
    #[arg(long, env = "TRUST_DOMAIN", default_value = "cluster.local")]
    pub trust_domain: String,
    /// The DNS domain of the cluster.
    #[arg(long, env = "DOMAIN", default_value = "cluster.local")]
    pub domain: String,
    /// Lifetime in hours of a certificate whose request wishes for none (Istio's `DEFAULT_WORKLOAD_CERT_TTL`).
    #[arg(long, env = "DEFAULT_WORKLOAD_CERT_HOURS", default_value_t = 24)]
    pub default_hours: u64,
    /// Longest lifetime in hours that is granted (Istio's `MAX_WORKLOAD_CERT_TTL`).
    #[arg(long, env = "MAX_WORKLOAD_CERT_HOURS", default_value_t = 90 * 24)]
    pub max_hours: u64,
    /// Port of the certificate service.
    #[arg(long, default_value_t = 15012)]
    pub port: u16,
    /// Port of `/metrics`, `/ready` and `/version`.
    #[arg(long, default_value_t = 15014)]
    pub admin_port: u16,
    /// Logs.
    #[command(flatten)]
    pub logs: LogOptions,
}

impl Config {
    /// Lifetime of a certificate whose request wishes for none.
    pub fn default_lifetime(&self) -> Duration {
        Duration::from_secs(self.default_hours * 3600)
    }

    /// Longest lifetime that is granted.
    pub fn max_lifetime(&self) -> Duration {
        Duration::from_secs(self.max_hours * 3600)
    }
}
