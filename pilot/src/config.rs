//! Pilot's options: one struct, with defaults that fit an ordinary installation.

use std::time::Duration;

use mesh_bootstrap::LogOptions;

use crate::debounce::Pace;

/// Turns services and configuration into what proxies do.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "lateen-pilot", version)]
pub struct Config {
    /// Where galley tells of services and configuration, `HOST:PORT`.
    #[arg(long, env = "GALLEY_ADDR", default_value = "galley.istio-system.svc:9901")]
    pub galley: String,
    /// Speak to galley without TLS.
    #[arg(long, env = "LATEEN_GALLEY_PLAINTEXT")]
    pub galley_plaintext: bool,
    /// Port for proxies with certificates.
    #[arg(long, env = "LATEEN_XDS_PORT", default_value_t = 15012)]
    pub xds_port: u16,
    /// Also serve proxies without certificates, on this port; they are believed what they say of themselves.
    #[arg(long, env = "LATEEN_PLAINTEXT_PORT", num_args = 0..=1, default_missing_value = "15010", value_name = "PORT")]
    pub plaintext: Option<u16>,
    /// Serve proxies with certificates too; without it no certificate is asked of the CA. For tests.
    #[arg(long, env = "LATEEN_MTLS", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub mtls: bool,
    /// Port for /metrics, /ready, /version, and /debug from this machine only.
    #[arg(long, env = "LATEEN_ADMIN_PORT", default_value_t = 15014)]
    pub admin_port: u16,
    /// Port for /ready, and /debug from this machine only.
    #[arg(long, env = "LATEEN_READY_PORT", default_value_t = 8080)]
    pub ready_port: u16,
    /// Who pilot is, and who certifies that.
    #[command(flatten)]
    pub identity: mesh_identity::Options,
    /// How this instance calls itself.
    #[arg(long, env = "POD_NAME", default_value = "pilot")]
    pub name: String,
    /// In a storm of changes, publish once it was quiet for so many milliseconds.
    #[arg(long, env = "PILOT_DEBOUNCE_AFTER_MS", default_value_t = 100, value_name = "MS")]
    pub debounce_after: u64,
    /// No change waits longer than so many milliseconds.
    #[arg(long, env = "PILOT_DEBOUNCE_MAX_MS", default_value_t = 1_000, value_name = "MS")]
    pub debounce_max: u64,
    /// How it logs.
    #[command(flatten)]
    pub logs: LogOptions,
}

impl Config {
    /// The times of the debounce.
    pub fn pace(&self) -> Pace {
        Pace {
            quiet: Duration::from_millis(self.debounce_after),
            most: Duration::from_millis(self.debounce_max),
            ..Pace::default()
        }
    }
}
