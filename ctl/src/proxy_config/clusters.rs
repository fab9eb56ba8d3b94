//! Where requests can go.

use serde_json::Value;

use super::{View, objects, origin, text};

/// Which clusters are shown; empty fields choose all.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterFilter {
    /// Host name of the service
    #[arg(long)]
    pub fqdn: Option<String>,
    /// Port of the service
    #[arg(long)]
    pub port: Option<u16>,
    /// Subset
    #[arg(long)]
    pub subset: Option<String>,
    /// inbound or outbound
    #[arg(long)]
    pub direction: Option<String>,
}

/// The table of clusters.
pub fn clusters(dump: &Value, filter: &ClusterFilter) -> View {
    let mut view = View::new(&["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"]);
    let lists = [("static_clusters", "/cluster"), ("dynamic_active_clusters", "/cluster")];
    for cluster in objects(dump, "ClustersConfigDump", &lists) {
        let name = text(&cluster["name"]);
        let parts: Vec<&str> = name.split('|').collect();
        let (direction, port, subset, host) = match parts.as_slice() {
            [direction, port, subset, host] => (*direction, *port, *subset, *host),
            _ => ("-", "-", "-", name),
        };
        let fits = |wish: &Option<String>, value: &str| wish.as_ref().is_none_or(|wish| wish == value);
        let port_fits = filter.port.is_none_or(|wish| wish.to_string() == port);
        if !fits(&filter.fqdn, host)
            || !fits(&filter.subset, subset)
            || !fits(&filter.direction, direction)
            || !port_fits
        {
            continue;
        }
        let or_dash = |part: &str| if part.is_empty() { "-".to_owned() } else { part.to_owned() };
        view.table.row([
            host.to_owned(),
            or_dash(port),
            or_dash(subset),
            or_dash(direction),
            discovery(cluster).to_owned(),
            origin(cluster, "destination-rule"),
        ]);
        view.objects.push(cluster.clone());
    }
    view.table = view.table.sorted();
    view
}

fn discovery(cluster: &Value) -> &str {
    let custom = cluster.pointer("/cluster_type/name").map(text);
    // Envoy leaves out what is zero, and STATIC is.
    custom.or_else(|| cluster["type"].as_str()).unwrap_or("STATIC")
}
