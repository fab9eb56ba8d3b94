//! The workload's DNS, where it is captured (`ISTIO_META_DNS_CAPTURE=true`): questions for what the mesh knows are answered
//! here, all others are passed on to the servers of `resolv.conf`.
//!
//! The table of names comes from pilot by a stream of the agent's own, with either data plane.
//!
//! ```text
//!   application ─ 53 ─iptables─► 15053 ─ Names ─► answer
//!                                          └────► Servers (resolv.conf)      pilot ─NDS─► Names
//! ```
//!
//! <https://istio.io/latest/docs/ops/configuration/traffic-management/dns-proxy/>

mod follow;
mod serve;

use std::{io, sync::Arc};

use arc_swap::ArcSwapOption;
use mesh_identity::Credentials;
use mesh_snapshot::names::{Asker, Names};
use mesh_xds::client::{Plaintext, Tls, TlsDialError};
use serde_json::Value;

use self::serve::Responder;
use super::{proxy_config::ControlPlaneAuth, settings::Settings};
use crate::dns::{Servers, conf::ResolvConf};

/// Where captured questions arrive.
const PORT: u16 = 15053;

/// Why names are not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NamesError {
    /// The port.
    #[error("port {PORT} cannot be listened on")]
    Port(#[from] io::Error),
    /// No way to pilot.
    #[error("pilot cannot be called (discoveryAddress)")]
    Dial(#[from] TlsDialError),
}

/// The table in force; none until the first one has come.
pub(crate) type Tables = Arc<ArcSwapOption<Names>>;

/// Starts to answer, if DNS is captured.
///
/// # Errors
/// The port is taken, or there is no way to pilot.
pub(crate) async fn start(settings: &Settings, credentials: &Credentials, node: &Value) -> Result<(), NamesError> {
    if !settings.captures_dns() {
        return Ok(());
    }
    let conf = ResolvConf::parse(&tokio::fs::read_to_string("/etc/resolv.conf").await.unwrap_or_default());
    let tables = Tables::default();
    let asker = Asker {
        namespace: settings.node.namespace.clone(),
        domain: settings.node.dns_domain.clone(),
        search: conf.search.first().cloned(),
    };
    match settings.control_plane_auth {
        ControlPlaneAuth::MutualTls => {
            follow::start(Tls::new(&settings.discovery, credentials)?, node, asker, tables.clone());
        }
        ControlPlaneAuth::None => follow::start(Plaintext::new(&*settings.discovery), node, asker, tables.clone()),
    }
    serve::start(PORT, Responder::new(tables, Servers::new(conf.servers))).await?;
    tracing::info!(port = PORT, "DNS of the workload is answered");
    Ok(())
}
