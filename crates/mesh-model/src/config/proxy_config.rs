//! How proxies are started.

use std::{collections::BTreeMap, num::NonZeroU32};

use mesh_types::Labels;

/// Settings of proxies at injection.
///
/// <https://istio.io/latest/docs/reference/config/networking/proxy-config/#ProxyConfig>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyConfig {
    /// Absent: all of the namespace, or of the mesh in the root namespace.
    pub selector: Option<Labels>,
    /// Worker threads.
    pub concurrency: Concurrency,
    /// Environment of the proxy.
    pub environment: BTreeMap<String, String>,
    /// Such as `distroless`.
    pub image_type: Option<String>,
}

/// How many worker threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Concurrency {
    /// By the CPU limit of the container; Istio's default.
    #[default]
    OfLimit,
    /// As many as the machine has cores (written 0).
    AllCores,
    /// So many.
    Threads(NonZeroU32),
}
