//! How galley is configured. Everything has a default that is right in a cluster.

use std::path::PathBuf;

use mesh_bootstrap::LogOptions;

/// Watches Kubernetes (or a folder of YAML), validates, injects, and serves configuration to pilot.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "lateen-galley", version)]
// The options of identity are a group of the same name.
#[group(id = "galley")]
pub struct Options {
    /// Read objects from this folder instead of a cluster. There are no webhooks and no statuses then.
    #[arg(long, env = "LATEEN_CONFIG_DIR")]
    pub config_dir: Option<PathBuf>,
    /// Serve configuration without TLS, to whoever connects. For tests.
    #[arg(long)]
    pub plaintext: bool,
    /// DNS domain of the cluster.
    #[arg(long, env = "DOMAIN", default_value = "cluster.local")]
    pub domain: String,
    /// Holds the mesh's settings and the objects that count everywhere.
    #[arg(long, env = "ROOT_NAMESPACE", default_value = "istio-system")]
    pub root_namespace: String,
    /// Service account (in this pod's namespace) that configuration is served to.
    #[arg(long, default_value = "pilot")]
    pub reader: String,
    /// Port for pilot: MCP over ADS. 0: any that is free.
    #[arg(long, default_value_t = 9901)]
    pub mcp_port: u16,
    /// Port of the webhooks. 0: any that is free.
    #[arg(long, default_value_t = 15017)]
    pub webhook_port: u16,
    /// Port of the admin server. 0: any that is free.
    #[arg(long, default_value_t = 15014)]
    pub admin_port: u16,
    /// Settings of injection (YAML or JSON); without it, the injector's defaults.
    #[arg(long, env = "LATEEN_INJECTION_SETTINGS")]
    pub injection_settings: Option<PathBuf>,
    /// Name of this pod, by which it holds the lease.
    #[arg(long, env = "POD_NAME", default_value = "galley")]
    pub pod_name: String,
    /// Who this program is.
    #[command(flatten)]
    pub identity: mesh_identity::Options,
    /// Logs.
    #[command(flatten)]
    pub logs: LogOptions,
}
