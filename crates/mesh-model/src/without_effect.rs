//! Fields that users may set and that this version of the mesh does not act on.
//!
//! One line per field; the table shrinks as features come. What stands here is accepted, and reported: by galley as
//! condition `Honoured=False`, by the command line in words. A field that would make the mesh less safe when it is not
//! acted on does not stand here: its object is refused.

use serde_json::Value;

use crate::{config::Kind, issue::FieldPath};

/// Kind, field, and which values count; `[]` is every element of a list or every value of a map.
type Row = (Kind, &'static str, fn(&Value) -> bool);

const TABLE: &[Row] = &[
    // Retries go to any locality.
    (Kind::VirtualService, "spec.http[].retries.retryRemoteLocalities", says_something),
    // As in Istio.
    (Kind::VirtualService, "spec.tcp[].match[].sourceSubnet", says_something),
    // Sockets of the file system are not opened for applications, and our own proxy does not dial them.
    (Kind::Sidecar, "spec.egress[].bind", is_unix),
    (Kind::Sidecar, "spec.ingress[].defaultEndpoint", is_unix),
    // There is one network, and no traffic between applications is the mesh's TLS yet.
    (Kind::ServiceEntry, "spec.endpoints[].network", says_something),
    (Kind::ServiceEntry, "spec.endpoints[].serviceAccount", says_something),
    (Kind::WorkloadEntry, "spec.network", says_something),
    (Kind::WorkloadEntry, "spec.serviceAccount", says_something),
    // Workloads do not register themselves yet.
    (Kind::WorkloadGroup, "spec", says_something),
    (Kind::EnvoyFilter, "spec", says_something),
    (Kind::WasmPlugin, "spec", says_something),
    // Proxies log by the settings of the mesh.
    (Kind::Telemetry, "spec.targetRef", says_something),
    (Kind::Telemetry, "spec.targetRefs", says_something),
    (Kind::Telemetry, "spec.accessLogging", says_something),
    (Kind::Telemetry, "spec.metrics", says_something),
    (Kind::Telemetry, "spec.tracing", says_something),
    (Kind::MeshConfig, "ca", says_something),
    (Kind::MeshConfig, "caCertificates", says_something),
    (Kind::MeshConfig, "certificates", says_something),
    (Kind::MeshConfig, "configSources", says_something),
    (Kind::MeshConfig, "defaultProviders", says_something),
    (Kind::MeshConfig, "discoverySelectors", says_something),
    (Kind::MeshConfig, "enableAutoMtls", says_something),
    (Kind::MeshConfig, "enableEnvoyAccessLogService", says_something),
    (Kind::MeshConfig, "enableTracing", says_something),
    (Kind::MeshConfig, "extensionProviders", says_something),
    (Kind::MeshConfig, "inboundClusterStatName", says_something),
    (Kind::MeshConfig, "ingressClass", says_something),
    (Kind::MeshConfig, "ingressControllerMode", says_something),
    (Kind::MeshConfig, "ingressSelector", says_something),
    (Kind::MeshConfig, "ingressService", says_something),
    (Kind::MeshConfig, "meshMTLS", says_something),
    (Kind::MeshConfig, "outboundClusterStatName", says_something),
    (Kind::MeshConfig, "proxyHttpPort", says_something),
    (Kind::MeshConfig, "serviceSettings", says_something),
    (Kind::MeshConfig, "tlsDefaults", says_something),
    (Kind::MeshConfig, "trustDomainAliases", says_something),
    (Kind::MeshConfig, "verifyCertificateAtClient", says_something),
    (Kind::MeshConfig, "defaultConfig.customConfigFile", says_something),
    (Kind::MeshConfig, "defaultConfig.envoyAccessLogService", says_something),
    (Kind::MeshConfig, "defaultConfig.envoyMetricsService", says_something),
    (Kind::MeshConfig, "defaultConfig.extraStatTags", says_something),
    (Kind::MeshConfig, "defaultConfig.gatewayTopology.proxyProtocol", says_something),
    (Kind::MeshConfig, "defaultConfig.privateKeyProvider", says_something),
    (Kind::MeshConfig, "defaultConfig.proxyBootstrapTemplatePath", says_something),
    (Kind::MeshConfig, "defaultConfig.proxyHeaders", says_something),
    (Kind::MeshConfig, "defaultConfig.proxyStatsMatcher", says_something),
    (Kind::MeshConfig, "defaultConfig.runtimeValues", says_something),
    (Kind::MeshConfig, "defaultConfig.statsdUdpAddress", says_something),
    (Kind::MeshConfig, "defaultConfig.tracing", says_something),
    (Kind::MeshConfig, "defaultConfig.zipkinAddress", says_something),
];

/// The fields of an object that are set and without effect.
pub(crate) fn of(kind: Kind, object: &Value) -> Vec<FieldPath> {
    let mut found = Vec::new();
    for (_, path, counts) in TABLE.iter().filter(|row| row.0 == kind) {
        walk(object, path, FieldPath::default(), &mut |path, value| {
            if counts(value) {
                found.push(path);
            }
        });
    }
    found
}

fn walk(value: &Value, pattern: &str, path: FieldPath, found: &mut dyn FnMut(FieldPath, &Value)) {
    if let Some(rest) = pattern.strip_prefix("[]") {
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        match value {
            Value::Array(list) => {
                for (index, element) in list.iter().enumerate() {
                    walk(element, rest, path.index(index), found);
                }
            }
            Value::Object(map) => {
                for (key, element) in map {
                    walk(element, rest, path.key(key), found);
                }
            }
            _ => {}
        }
        return;
    }
    if pattern.is_empty() {
        found(path, value);
        return;
    }
    let end = pattern.find(['.', '[']).unwrap_or(pattern.len());
    let (field, rest) = pattern.split_at(end);
    if let Some(value) = value.get(field) {
        walk(value, rest.strip_prefix('.').unwrap_or(rest), path.field(field), found);
    }
}

/// As in protobuf's JSON `null` and a type's zero are as good as absent.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(_) => true,
    }
}

fn is_unix(address: &Value) -> bool {
    address.as_str().is_some_and(|address| address.starts_with("unix://"))
}
