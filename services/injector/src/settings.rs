//! The injector's own settings: what Istio keeps in the values of its injection template.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity};
use mesh_types::Labels;
use serde::{Deserialize, Serialize};

/// The proxy's container.
pub(crate) const PROXY: &str = "istio-proxy";
/// The container that sets up capture.
pub(crate) const INIT: &str = "istio-init";
/// What was added to a pod; a pod that carries it is not injected again.
pub(crate) const ANNOTATION_STATUS: &str = "sidecar.istio.io/status";

/// Which program moves the bytes in the proxy's container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataPlane {
    /// Lateen's own.
    #[default]
    Lateen,
    /// Stock Envoy, driven by the same agent.
    Envoy,
}

/// Settings of injection. Everything has a working default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Where images come from.
    pub hub: String,
    /// Their tag.
    pub tag: String,
    /// The proxy's image: a name below the hub, or a whole reference with a `/`.
    pub proxy_image: String,
    /// The image of `istio-init`, likewise.
    pub init_image: String,
    /// When images are pulled; as Kubernetes decides when absent.
    pub image_pull_policy: Option<String>,
    /// Names of Secrets for pulling them.
    pub image_pull_secrets: Vec<String>,
    /// This control plane's revision.
    pub revision: String,
    /// Other names of it (revision tags).
    pub revision_tags: Vec<String>,
    /// Whether pods get a proxy where neither they nor their namespace say anything.
    pub enable_namespaces_by_default: bool,
    /// Pods with any of these label sets get none, unless they say so themselves.
    pub never_inject: Vec<Labels>,
    /// Pods with any of these label sets get one, unless they say no themselves.
    pub always_inject: Vec<Labels>,
    /// Where certificates are signed, `host:port`.
    pub ca_address: String,
    /// The cluster's name in the mesh.
    pub cluster_id: String,
    /// The network that pods are in; none when empty.
    pub network: String,
    /// The mesh's name; the trust domain when empty.
    pub mesh_id: String,
    /// The cluster's DNS domain.
    pub domain: String,
    /// Envoy's log level.
    pub proxy_log_level: String,
    /// Envoy's log levels by component.
    pub proxy_component_log_level: String,
    /// The agent's log level.
    pub log_level: String,
    /// Whether logs are JSON.
    pub log_as_json: bool,
    /// Destinations that are captured.
    pub include_outbound_ip_ranges: String,
    /// Destinations that are not.
    pub exclude_outbound_ip_ranges: String,
    /// Incoming ports that are captured.
    pub include_inbound_ports: String,
    /// Incoming ports that are not.
    pub exclude_inbound_ports: String,
    /// Outgoing ports that are captured whatever their address.
    pub include_outbound_ports: String,
    /// Outgoing ports that are not captured.
    pub exclude_outbound_ports: String,
    /// Whether the agent answers the application's probes.
    pub rewrite_app_http_probers: bool,
    /// Whether the proxy is a native sidecar (an init container that goes on running).
    pub native_sidecars: bool,
    /// Which program moves the bytes.
    pub data_plane: DataPlane,
    /// What the proxy and `istio-init` may use.
    pub resources: ResourceRequirements,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hub: "lateen".into(),
            tag: env!("CARGO_PKG_VERSION").into(),
            proxy_image: "proxy".into(),
            init_image: "init".into(),
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            revision: "default".into(),
            revision_tags: Vec::new(),
            enable_namespaces_by_default: false,
            never_inject: Vec::new(),
            always_inject: Vec::new(),
            ca_address: "ca.istio-system.svc:15012".into(),
            cluster_id: "Kubernetes".into(),
            network: String::new(),
            mesh_id: String::new(),
            domain: "cluster.local".into(),
            proxy_log_level: "warning".into(),
            proxy_component_log_level: "misc:error".into(),
            log_level: "default:info".into(),
            log_as_json: false,
            include_outbound_ip_ranges: "*".into(),
            exclude_outbound_ip_ranges: String::new(),
            include_inbound_ports: "*".into(),
            exclude_inbound_ports: String::new(),
            include_outbound_ports: String::new(),
            exclude_outbound_ports: String::new(),
            rewrite_app_http_probers: true,
            native_sidecars: false,
            data_plane: DataPlane::Lateen,
            resources: resources(&[("cpu", "100m"), ("memory", "128Mi")], &[("cpu", "2"), ("memory", "1Gi")]),
        }
    }
}

impl Settings {
    /// The image reference of a name below the hub; a name with a `/` is one already.
    pub(crate) fn image(&self, name: &str, variant: &str) -> String {
        if name.contains('/') {
            return name.to_owned();
        }
        let suffix = if variant.is_empty() || variant == "default" { String::new() } else { format!("-{variant}") };
        format!("{}/{name}:{}{suffix}", self.hub, self.tag)
    }
}

/// Requests and limits.
pub(crate) fn resources(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let quantities = |pairs: &[(&str, &str)]| -> Option<BTreeMap<String, Quantity>> {
        let map: BTreeMap<_, _> =
            pairs.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned()))).collect();
        (!map.is_empty()).then_some(map)
    };
    ResourceRequirements {
        requests: quantities(requests),
        limits: quantities(limits),
        ..ResourceRequirements::default()
    }
}
