//! The addresses behind clusters, as the proxy sees their health.

use serde_json::Value;

use super::{View, text};

/// Which endpoints are shown; empty fields choose all.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct EndpointFilter {
    /// Cluster, such as "outbound|9080||reviews.default.svc.cluster.local"
    #[arg(long)]
    pub cluster: Option<String>,
    /// Address
    #[arg(long)]
    pub address: Option<String>,
    /// Port
    #[arg(long)]
    pub port: Option<u16>,
    /// healthy or unhealthy
    #[arg(long)]
    pub status: Option<String>,
}

/// The table of endpoints, from `/clusters?format=json`.
pub fn endpoints(clusters: &Value, filter: &EndpointFilter) -> View {
    let mut found: Vec<(String, Option<u64>, &str, &Value)> = Vec::new();
    for cluster in clusters["cluster_statuses"].as_array().into_iter().flatten() {
        let name = text(&cluster["name"]);
        if filter.cluster.as_ref().is_some_and(|wish| wish != name) {
            continue;
        }
        for host in cluster["host_statuses"].as_array().into_iter().flatten() {
            let (status, _) = health(host);
            let (address, port) = address(&host["address"]);
            let fits = filter.address.as_ref().is_none_or(|wish| *wish == address)
                && filter.port.is_none_or(|wish| port == Some(u64::from(wish)))
                && filter.status.as_ref().is_none_or(|wish| wish.eq_ignore_ascii_case(status));
            if fits {
                found.push((address, port, name, host));
            }
        }
    }
    // As istioctl: by address as a text, by port as a number.
    found.sort_by(|a, b| (&a.0, a.1, a.2).cmp(&(&b.0, b.1, b.2)));
    let mut view = View::new(&["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"]);
    for (address, port, cluster, host) in found {
        let endpoint = port.map_or_else(|| address.clone(), |port| joined(&address, port));
        let (status, outlier) = health(host);
        view.table.row([endpoint.as_str(), status, outlier, cluster]);
        view.objects.push(host.clone());
    }
    view
}

/// What the control plane says of a host, and whether the proxy has left it out for a while.
fn health(host: &Value) -> (&str, &'static str) {
    let health = &host["health_status"];
    let outlier = if health["failed_outlier_check"] == true { "FAILED" } else { "OK" };
    (health["eds_health_status"].as_str().unwrap_or("HEALTHY"), outlier)
}

fn address(address: &Value) -> (String, Option<u64>) {
    if let Some(path) = address.pointer("/pipe/path").and_then(Value::as_str) {
        return (format!("unix://{path}"), None);
    }
    if let Some(name) = address.pointer("/envoy_internal_address/server_listener_name").and_then(Value::as_str) {
        return (format!("envoy://{name}"), None);
    }
    let socket = &address["socket_address"];
    (text(&socket["address"]).to_owned(), Some(socket["port_value"].as_u64().unwrap_or_default()))
}

fn joined(address: &str, port: u64) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
