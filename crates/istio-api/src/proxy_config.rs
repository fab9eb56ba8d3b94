//! ProxyConfig, the kind: settings of the proxies of a namespace or of some workloads, used when pods are made.

use std::collections::BTreeMap;

use crate::{common::LabelSelector, declare::message};

message! {
    /// Settings of proxies. (MeshConfig's `defaultConfig` is [`crate::mesh::ProxyConfig`], another shape.)
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/proxy-config/>
    pub struct ProxyConfig {
        /// The workloads that it is for; all of the namespace (of the mesh, in the root namespace) when absent.
        pub selector: Option<LabelSelector>,
        /// Number of worker threads; by the container's limit when absent, one per core when zero.
        #[schemars(range(min = 0), extend("nullable" = true))]
        pub concurrency: Option<i32>,
        /// Variables of the proxy's environment.
        #[schemars(extend("x-lateen-value-length" = 2048))]
        pub environment_variables: BTreeMap<String, String>,
        /// The proxy's image.
        pub image: Option<ProxyImage>,
    }

    /// The proxy's image.
    pub struct ProxyImage {
        /// `default`, `debug` or `distroless`.
        pub image_type: String,
    }
}
