//! Services.
//!
//! <https://kubernetes.io/docs/concepts/services-networking/service/>

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use mesh_proto::registry::{self, Resolution};

use super::{labels, value};

/// `NAME.NAMESPACE.svc.DOMAIN`.
pub fn host(name: &str, namespace: &str, domain: &str) -> String {
    format!("{name}.{namespace}.svc.{domain}")
}

/// The record of a Service.
pub fn record(service: &Service, domain: &str) -> registry::Service {
    let meta = &service.metadata;
    let nothing = ServiceSpec::default();
    let spec = service.spec.as_ref().unwrap_or(&nothing);
    let (name, namespace) = (meta.name.clone().unwrap_or_default(), meta.namespace.clone().unwrap_or_default());
    let annotations = meta.annotations.as_ref();
    let is = |value: Option<&String>, word: &str| value.is_some_and(|value| value == word);
    let resolution = resolution(spec);
    registry::Service {
        host: host(&name, &namespace, domain),
        name,
        namespace,
        vips: if resolution == Resolution::ClusterIp { vips(spec) } else { Vec::new() },
        ports: spec.ports.iter().flatten().map(port).collect(),
        export_to: export_to(value(annotations, "networking.istio.io/exportTo")),
        resolution: resolution.into(),
        external_name: external_name(spec, resolution),
        created: meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
        selector: labels(spec.selector.as_ref()),
        labels: labels(meta.labels.as_ref()),
        publish_not_ready: spec.publish_not_ready_addresses.unwrap_or(false),
        node_local: is(spec.internal_traffic_policy.as_ref(), "Local"),
        client_ip_affinity: is(spec.session_affinity.as_ref(), "ClientIP"),
        external_addresses: external_addresses(service, spec),
        traffic_distribution: spec
            .traffic_distribution
            .as_deref()
            .or(value(annotations, "networking.istio.io/traffic-distribution"))
            .unwrap_or_default()
            .to_owned(),
    }
}

fn resolution(spec: &ServiceSpec) -> Resolution {
    if spec.type_.as_deref() == Some("ExternalName") {
        Resolution::ExternalName
    } else if spec.cluster_ip.as_deref() == Some("None") {
        Resolution::Headless
    } else {
        Resolution::ClusterIp
    }
}

/// Both families of a dual-stack service; servers before 1.20 know `clusterIP` only.
fn vips(spec: &ServiceSpec) -> Vec<String> {
    let all = spec.cluster_ips.iter().flatten().chain(spec.cluster_ip.as_ref());
    let mut vips: Vec<String> = Vec::new();
    for vip in all.filter(|vip| !vip.is_empty() && *vip != "None") {
        if !vips.contains(vip) {
            vips.push(vip.clone());
        }
    }
    vips
}

fn external_name(spec: &ServiceSpec, resolution: Resolution) -> String {
    let name = spec.external_name.as_deref().filter(|_| resolution == Resolution::ExternalName).unwrap_or_default();
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn port(port: &ServicePort) -> registry::ServicePort {
    registry::ServicePort {
        name: port.name.clone().unwrap_or_default(),
        number: u32::try_from(port.port).unwrap_or_default(),
        transport: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
        app_protocol: port.app_protocol.clone().unwrap_or_default(),
        target_port: match &port.target_port {
            Some(IntOrString::Int(number)) if *number != 0 => number.to_string(),
            Some(IntOrString::String(name)) => name.clone(),
            _ => String::new(),
        },
        node_port: port.node_port.and_then(|number| u32::try_from(number).ok()).unwrap_or_default(),
    }
}

/// `.,team-a`: the words between commas.
fn export_to(text: Option<&str>) -> Vec<String> {
    let words = text.unwrap_or_default().split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn external_addresses(service: &Service, spec: &ServiceSpec) -> Vec<String> {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let balanced = status.and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
    let balanced = balanced.iter().filter_map(|ingress| ingress.ip.as_ref().or(ingress.hostname.as_ref()));
    spec.external_ips.iter().flatten().chain(balanced).cloned().collect()
}

#[cfg(test)]
mod tests;
