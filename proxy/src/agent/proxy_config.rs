//! The settings of a proxy that injection writes into `PROXY_CONFIG`.
//!
//! <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig>

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

/// What of `ProxyConfig` the agent acts on. Absent fields have Istio's defaults, which stand where they are used.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ProxyConfig {
    pub(crate) concurrency: Option<u32>,
    pub(crate) discovery_address: Option<String>,
    pub(crate) control_plane_auth_policy: ControlPlaneAuth,
    pub(crate) status_port: Option<u16>,
    pub(crate) proxy_admin_port: Option<u16>,
    #[serde(deserialize_with = "duration")]
    pub(crate) drain_duration: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(crate) termination_drain_duration: Option<Duration>,
    /// Variables of the proxy's container; injection has set them in the environment.
    pub(crate) proxy_metadata: BTreeMap<String, String>,
    /// Injection acts on it.
    pub(crate) hold_application_until_proxy_starts: bool,
    /// Injection acts on it.
    pub(crate) image: Option<Value>,
    /// Injection acts on it.
    pub(crate) interception_mode: Option<String>,
    /// Everything else: without effect here.
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// How the way to pilot is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ControlPlaneAuth {
    /// TLS, and both sides show a certificate of the mesh.
    #[default]
    #[serde(rename = "MUTUAL_TLS")]
    MutualTls,
    /// Nothing: pilot's plaintext port, and no certificate is asked of the ca. For machines that trust their network.
    #[serde(rename = "NONE")]
    None,
}

/// Protobuf's form: `5s`, `0.25s`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let seconds = text.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok());
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.map(Some).ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration such as 5s")))
}

#[cfg(test)]
mod tests;
