//! What the proxy tells pilot about itself: the `node` of xDS.
//!
//! <https://github.com/istio/istio/blob/1.25.1/pkg/model/proxy.go>

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use serde_json::{Map, Value, json};

use super::settings::Settings;
use crate::plane::Workload;

/// The Istio whose proxies this one behaves like; control planes switch features by it.
const ISTIO_VERSION: &str = "1.25.1";

/// The node, as Envoy's bootstrap has it.
pub(crate) fn node(settings: &Settings) -> Value {
    node_with(settings, &addresses(settings.node.ip))
}

fn node_with(settings: &Settings, addresses: &[IpAddr]) -> Value {
    let mut node = json!({
        "id": settings.node.to_string(),
        "cluster": cluster(settings),
        "metadata": metadata(settings, addresses),
    });
    if let Some(locality) = locality(settings) {
        node["locality"] = locality;
    }
    node
}

/// The workload, as metrics name it.
pub(crate) fn workload(settings: &Settings) -> Workload {
    let label = |names: &[&str]| names.iter().find_map(|name| settings.labels.get(*name)).map_or("", String::as_str);
    let name = settings.metadata.get("WORKLOAD_NAME").and_then(Value::as_str).unwrap_or(&settings.node.name);
    let canonical = label(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]);
    let revision = label(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]);
    Workload {
        name: name.into(),
        namespace: settings.node.namespace.as_str().into(),
        app: label(&["app"]).into(),
        version: label(&["version"]).into(),
        canonical_service: if canonical.is_empty() { name } else { canonical }.into(),
        canonical_revision: if revision.is_empty() { "latest" } else { revision }.into(),
        cluster: settings.cluster.as_str().into(),
    }
}

/// The application's name and namespace, for logs and traces.
fn cluster(settings: &Settings) -> String {
    let workload = settings.metadata.get("WORKLOAD_NAME").and_then(Value::as_str);
    let name = settings.labels.get("app").map(String::as_str).or(workload);
    format!("{}.{}", name.filter(|name| !name.is_empty()).unwrap_or("istio-proxy"), settings.node.namespace)
}

fn metadata(settings: &Settings, addresses: &[IpAddr]) -> Value {
    let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    let pilot = settings.discovery.rsplit_once(':').map_or(settings.discovery.as_str(), |(host, _)| host);
    let mut metadata = Map::from_iter([
        ("NAME".to_owned(), json!(settings.node.name)),
        ("NAMESPACE".to_owned(), json!(settings.node.namespace)),
        ("SERVICE_ACCOUNT".to_owned(), json!(settings.id.account())),
        ("INSTANCE_IPS".to_owned(), json!(addresses.join(","))),
        ("CLUSTER_ID".to_owned(), json!(settings.cluster)),
        ("LABELS".to_owned(), json!(settings.labels)),
        ("ANNOTATIONS".to_owned(), json!(settings.annotations)),
        ("PROXY_CONFIG".to_owned(), settings.proxy_config.clone()),
        ("PILOT_SAN".to_owned(), json!([pilot])),
        ("ISTIO_VERSION".to_owned(), json!(ISTIO_VERSION)),
        ("ENVOY_STATUS_PORT".to_owned(), json!(settings.ports.health)),
        ("ENVOY_PROMETHEUS_PORT".to_owned(), json!(settings.ports.prometheus)),
    ]);
    // What the environment says explicitly counts.
    metadata.extend(settings.metadata.clone());
    Value::Object(metadata)
}

/// Label `istio-locality`, whose parts are divided by dots because labels know no slashes.
fn locality(settings: &Settings) -> Option<Value> {
    let label = settings.labels.get("istio-locality").filter(|label| !label.is_empty())?;
    let mut parts = label.split(['.', '/']);
    let mut part = || parts.next().unwrap_or_default();
    Some(json!({ "region": part(), "zone": part(), "sub_zone": part() }))
}

/// The pod's address first, then the others of this machine that may be called from elsewhere.
fn addresses(primary: IpAddr) -> Vec<IpAddr> {
    let mut all = vec![primary];
    let interfaces = getifaddrs().into_iter().flatten();
    for address in interfaces.filter_map(|interface| interface.address) {
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let v6 = address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
        let link_local = v6.is_some_and(|ip| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
        if let Some(ip) = v4.or(v6).filter(|ip| !ip.is_loopback() && !link_local && !all.contains(ip)) {
            all.push(ip);
        }
    }
    all
}

#[cfg(test)]
mod tests;
