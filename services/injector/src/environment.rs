//! The proxy's environment: who it is, whom it belongs to, and what it should do.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, EnvVarSource, ObjectFieldSelector, ResourceFieldSelector,
};

use crate::{
    Context,
    probes::Probers,
    prometheus::Scrape,
    settings::{DataPlane, PROXY},
};

fn value(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), value_from: None }
}

/// A field of the pod.
fn field(name: &str, path: &str) -> EnvVar {
    let reference = ObjectFieldSelector { field_path: path.to_owned(), api_version: None };
    let source = EnvVarSource { field_ref: Some(reference), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}

/// What the container may use.
fn limit(name: &str, resource: &str) -> EnvVar {
    let reference = ResourceFieldSelector { resource: resource.to_owned(), ..ResourceFieldSelector::default() };
    let source = EnvVarSource { resource_field_ref: Some(reference), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}

/// All variables, in Istio's order.
pub(crate) fn variables(
    context: &Context<'_>,
    probers: &Probers,
    scrape: Option<&Scrape>,
) -> Result<Vec<EnvVar>, serde_json::Error> {
    let settings = context.request.settings;
    let apps: Vec<&Container> = containers(context).filter(|container| container.name != PROXY).collect();
    // A gateway's ports are those of the proxy itself.
    let open = if context.is_gateway() { containers(context).collect() } else { apps.clone() };
    let mut variables = vec![
        value("PILOT_CERT_PROVIDER", "istiod"),
        value("CA_ADDR", &settings.ca_address),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field("HOST_IP", "status.hostIP"),
        limit("ISTIO_CPU_LIMIT", "limits.cpu"),
        value("PROXY_CONFIG", format!("{}\n", context.effective.written)),
        value("ISTIO_META_POD_PORTS", pod_ports(&open)?),
        value("ISTIO_META_APP_CONTAINERS", apps.iter().map(|app| app.name.as_str()).collect::<Vec<_>>().join(",")),
        limit("GOMEMLIMIT", "limits.memory"),
        limit("GOMAXPROCS", "limits.cpu"),
        value("ISTIO_META_CLUSTER_ID", &settings.cluster_id),
        field("ISTIO_META_NODE_NAME", "spec.nodeName"),
        value("ISTIO_META_INTERCEPTION_MODE", context.effective.interception_mode().as_str()),
    ];
    if !settings.network.is_empty() {
        variables.push(value("ISTIO_META_NETWORK", &settings.network));
    }
    let workload = &context.workload;
    if !workload.name.is_empty() {
        variables.push(value("ISTIO_META_WORKLOAD_NAME", &workload.name));
        variables.push(value("ISTIO_META_OWNER", workload.owner(context.request.namespace)));
    }
    if context.wishes.bootstrap_override.is_some() {
        variables.push(value("ISTIO_BOOTSTRAP_OVERRIDE", "/etc/istio/custom-bootstrap/custom_bootstrap.json"));
    }
    let trust_domain = match context.request.mesh.trust_domain.as_str() {
        "" => "cluster.local",
        domain => domain,
    };
    let mesh_id = if settings.mesh_id.is_empty() { trust_domain } else { &settings.mesh_id };
    variables.push(value("ISTIO_META_MESH_ID", mesh_id));
    variables.push(value("TRUST_DOMAIN", trust_domain));
    if context.wishes.data_plane.unwrap_or(settings.data_plane) == DataPlane::Envoy {
        variables.push(value("LATEEN_DATA_PLANE", "envoy"));
    }
    // A variable that the settings name again is theirs.
    let named = of_metadata(context);
    variables.retain(|variable| !named.iter().any(|other| other.name == variable.name));
    variables.extend(named);
    if let Some(scrape) = scrape {
        variables.push(value("ISTIO_PROMETHEUS_ANNOTATIONS", serde_json::to_string(scrape)?));
    }
    if !probers.is_empty() {
        variables.push(value("ISTIO_KUBE_APP_PROBERS", serde_json::to_string(probers)?));
    }
    Ok(variables)
}

/// What `proxyMetadata` adds, also to `istio-init`: some of it (DNS capture) is for both.
pub(crate) fn of_metadata(context: &Context<'_>) -> Vec<EnvVar> {
    let metadata: &BTreeMap<String, String> = &context.effective.config.proxy_metadata;
    metadata.iter().map(|(name, text)| value(name, text)).collect()
}

/// The containers as the pod's author wrote them; the proxy may be among them.
fn containers<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a Container> {
    context.pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default().iter()
}

/// The ports that the pod declares, as a JSON list with a line for each.
fn pod_ports(containers: &[&Container]) -> Result<String, serde_json::Error> {
    let ports = containers.iter().flat_map(|container| container.ports.iter().flatten());
    let lines: Vec<String> = ports
        .map(|port: &ContainerPort| serde_json::to_string(port).map(|json| format!("    {json}")))
        .collect::<Result<_, _>>()?;
    Ok(if lines.is_empty() { "[\n]".to_owned() } else { format!("[\n{}\n]", lines.join(",\n")) })
}
