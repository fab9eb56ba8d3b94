//! The settings of one proxy, from all places that may say something: the mesh, the pod, and objects of kind ProxyConfig.

use istio_api::{
    ProxyConfig as ProxyConfigKind,
    mesh::{InboundInterceptionMode, ProxyConfig},
};
use k8s_openapi::api::core::v1::Pod;
use mesh_types::Labels;
use serde_json::{Map, Value, json};

use crate::{Request, annotations::Wishes};

/// An object of kind ProxyConfig.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyConfigObject {
    /// Its namespace.
    pub namespace: String,
    /// What it says.
    pub spec: ProxyConfigKind,
}

/// Settings of a proxy that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadProxyConfig {
    /// The annotation is no YAML.
    #[error("annotation proxy.istio.io/config is not YAML: {0}")]
    Yaml(String),
    /// The annotation is something else than settings.
    #[error("annotation proxy.istio.io/config is not a ProxyConfig")]
    Shape(#[source] serde_json::Error),
    /// The mesh's own cannot be written as JSON.
    #[error("meshConfig.defaultConfig cannot be combined with the pod's settings")]
    Mesh(#[source] serde_json::Error),
}

/// What the mesh's documentation calls the default of a field; a proxy that has it needs not be told.
const DEFAULTS: &[(&str, &str)] = &[
    ("configPath", "\"./etc/istio/proxy\""),
    ("binaryPath", "\"/usr/local/bin/envoy\""),
    ("serviceCluster", "\"istio-proxy\""),
    ("drainDuration", "\"45s\""),
    ("terminationDrainDuration", "\"5s\""),
    ("discoveryAddress", "\"istiod.istio-system.svc:15012\""),
    ("proxyAdminPort", "15000"),
    ("statusPort", "15020"),
    ("controlPlaneAuthPolicy", "\"MUTUAL_TLS\""),
    ("statNameLength", "189"),
];

/// The settings that count.
pub(crate) struct Effective {
    pub(crate) config: ProxyConfig,
    /// What the proxy is told: the settings that are not the default.
    pub(crate) written: String,
    pub(crate) warnings: Vec<String>,
    /// Whether the pod has an agent that answers for it at all.
    status_port: u16,
}

impl Effective {
    pub(crate) fn new(request: &Request<'_>, pod: &Pod, wishes: &Wishes) -> Result<Self, BadProxyConfig> {
        let mut warnings = Vec::new();
        let base = request.mesh.default_config.clone().unwrap_or_default();
        let mut settings = object(serde_json::to_value(base).map_err(BadProxyConfig::Mesh)?);
        if let Some(text) = &wishes.proxy_config {
            lay_over(&mut settings, annotation(text, &mut warnings)?);
        }
        for layer in kinds(request, pod) {
            lay_over(&mut settings, layer);
        }
        if let Some(address) = &wishes.discovery_address {
            settings.insert("discoveryAddress".to_owned(), json!(address));
        }
        if let Some(mode) = wishes.interception_mode {
            settings.insert("interceptionMode".to_owned(), json!(mode.as_str()));
        }
        if let Some(port) = wishes.status_port.filter(|port| *port > 0) {
            settings.insert("statusPort".to_owned(), json!(port));
        }
        let config: ProxyConfig =
            serde_json::from_value(Value::Object(settings.clone())).map_err(BadProxyConfig::Shape)?;
        settings.retain(|field, value| !is_default(field, value));
        let status_port = match wishes.status_port {
            Some(port) => port,
            None => u16::try_from(config.status_port).ok().filter(|port| *port > 0).unwrap_or(15020),
        };
        Ok(Self { config, written: Value::Object(settings).to_string(), warnings, status_port })
    }

    /// Whether the application waits for its proxy. On unless somebody says no: a first request that fails because the
    /// proxy is a second late helps nobody.
    pub(crate) fn holds_application(&self) -> bool {
        self.config.hold_application_until_proxy_starts.unwrap_or(true)
    }

    pub(crate) fn interception_mode(&self) -> InboundInterceptionMode {
        self.config.interception_mode
    }

    /// Where the agent answers; 0 when it does not.
    pub(crate) fn status_port(&self) -> u16 {
        self.status_port
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The annotation's settings. What is no setting at all is reported, not refused: Istio takes it, too.
fn annotation(text: &str, warnings: &mut Vec<String>) -> Result<Map<String, Value>, BadProxyConfig> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| BadProxyConfig::Yaml(error.to_string()))?;
    let config: ProxyConfig = serde_json::from_value(value.clone()).map_err(BadProxyConfig::Shape)?;
    let known = object(serde_json::to_value(config).map_err(BadProxyConfig::Shape)?);
    let zero = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    };
    for (field, value) in object(value) {
        if !known.contains_key(&field) && !zero(&value) {
            warnings.push(format!("annotation proxy.istio.io/config: \"{field}\" is not a setting of proxies"));
        }
    }
    Ok(known)
}

/// What objects of kind ProxyConfig say: the mesh's, the namespace's, the workload's, the later over the earlier. Of
/// several in one place the first counts.
fn kinds(request: &Request<'_>, pod: &Pod) -> Vec<Map<String, Value>> {
    let root = match request.mesh.root_namespace.as_str() {
        "" => "istio-system",
        root => root,
    };
    let labels = Labels(pod.metadata.labels.clone().unwrap_or_default());
    let of = |namespace: &str, selecting: bool| {
        let namespace = namespace.to_owned();
        let labels = labels.clone();
        request.proxy_configs.iter().find(move |object| {
            let selector = object.spec.selector.as_ref().map(|selector| Labels(selector.match_labels.clone()));
            let selector = selector.filter(|selector| !selector.is_empty());
            let fits = match selector {
                None => !selecting,
                Some(selector) => selecting && selector.selects(&labels),
            };
            object.namespace == namespace && fits
        })
    };
    let mut found = vec![of(root, false)];
    if request.namespace != root {
        found.push(of(request.namespace, false));
    }
    found.push(of(request.namespace, true));
    found.into_iter().flatten().map(|object| layer(&object.spec)).collect()
}

fn layer(spec: &ProxyConfigKind) -> Map<String, Value> {
    let mut layer = Map::new();
    if let Some(concurrency) = spec.concurrency {
        layer.insert("concurrency".to_owned(), json!(concurrency));
    }
    if !spec.environment_variables.is_empty() {
        layer.insert("proxyMetadata".to_owned(), json!(spec.environment_variables));
    }
    if let Some(image) = &spec.image {
        layer.insert("image".to_owned(), json!({ "imageType": image.image_type }));
    }
    layer
}

/// A later setting replaces an earlier one as a whole, but for the proxy's environment, where both count.
fn lay_over(settings: &mut Map<String, Value>, layer: Map<String, Value>) {
    for (field, value) in layer {
        match (settings.get_mut(&field), value) {
            (Some(Value::Object(earlier)), Value::Object(later)) if field == "proxyMetadata" => earlier.extend(later),
            (_, value) => {
                settings.insert(field, value);
            }
        }
    }
}

fn is_default(field: &str, value: &Value) -> bool {
    let default = DEFAULTS.iter().find(|(name, _)| *name == field);
    let written = value.to_string();
    default.is_some_and(|(_, default)| written == *default)
}
