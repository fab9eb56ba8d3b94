//! What the proxy listens to, and what it does with what comes.

use serde_json::Value;

use super::{View, objects, text};

/// Which listeners are shown; empty fields choose all.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ListenerFilter {
    /// Address
    #[arg(long)]
    pub address: Option<String>,
    /// Port
    #[arg(long)]
    pub port: Option<u64>,
    /// HTTP or TCP
    #[arg(long = "type")]
    pub kind: Option<String>,
}

/// The table of listeners: a row for each way that a connection can take.
pub fn listeners(dump: &Value, filter: &ListenerFilter) -> View {
    let mut view = View::new(&["ADDRESSES", "PORT", "MATCH", "DESTINATION"]);
    let lists = [("static_listeners", "/listener"), ("dynamic_listeners", "/active_state/listener")];
    let mut found: Vec<(String, u64, &Value)> = Vec::new();
    for listener in objects(dump, "ListenersConfigDump", &lists) {
        let socket = &listener["address"]["socket_address"];
        let port = socket["port_value"].as_u64().unwrap_or_default();
        let more = listener["additional_addresses"].as_array().into_iter().flatten();
        let more = more.map(|other| text(&other["address"]["socket_address"]["address"]));
        let addresses: Vec<&str> = std::iter::once(text(&socket["address"])).chain(more).collect();
        let fits = filter.port.is_none_or(|wish| wish == port)
            && filter.address.as_ref().is_none_or(|wish| addresses.contains(&wish.as_str()))
            && filter.kind.as_ref().is_none_or(|wish| wish.eq_ignore_ascii_case(kind(listener)));
        if fits {
            found.push((addresses.join(","), port, listener));
        }
    }
    found.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
    for (addresses, port, listener) in found {
        let chains = listener["filter_chains"].as_array().into_iter().flatten();
        let rest = listener.get("default_filter_chain");
        for chain in chains.chain(rest) {
            view.table.row([addresses.clone(), port.to_string(), condition(chain), destination(chain)]);
        }
        view.objects.push(listener.clone());
    }
    view
}

/// What a listener speaks: HTTP if any of its chains does.
fn kind(listener: &Value) -> &'static str {
    let chains = listener["filter_chains"].as_array().into_iter().flatten();
    let mut chains = chains.chain(listener.get("default_filter_chain"));
    if chains.any(|chain| destination(chain).contains("Route: ")) { "HTTP" } else { "TCP" }
}

/// Which connections take a chain.
fn condition(chain: &Value) -> String {
    let condition = &chain["filter_chain_match"];
    let words = |field: &str| {
        let list = condition[field].as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
        list.join(",")
    };
    let mut parts = Vec::new();
    let names = words("server_names");
    if !names.is_empty() {
        parts.push(format!("SNI: {names}"));
    }
    let transport = text(&condition["transport_protocol"]);
    if !transport.is_empty() {
        parts.push(format!("Trans: {transport}"));
    }
    let protocols = words("application_protocols");
    if !protocols.is_empty() {
        parts.push(format!("App: {protocols}"));
    }
    let port = condition["destination_port"].as_u64();
    let ranges = condition["prefix_ranges"].as_array().into_iter().flatten().map(|range| {
        let address = text(&range["address_prefix"]);
        match range["prefix_len"].as_u64().unwrap_or_default() {
            32 if !address.contains(':') => address.to_owned(),
            128 => address.to_owned(),
            length => format!("{address}/{length}"),
        }
    });
    let ranges: Vec<String> = ranges.collect();
    if !ranges.is_empty() || port.is_some() {
        let place = if ranges.is_empty() { "*".to_owned() } else { ranges.join(",") };
        parts.push(format!("Addr: {place}{}", port.map(|port| format!(":{port}")).unwrap_or_default()));
    }
    if parts.is_empty() { "ALL".to_owned() } else { parts.join("; ") }
}

/// Where a chain leads.
fn destination(chain: &Value) -> String {
    let filters = chain["filters"].as_array().into_iter().flatten();
    let mut known = filters.filter_map(|filter| {
        let config = &filter["typed_config"];
        match text(&config["@type"]).rsplit('.').next() {
            Some("HttpConnectionManager") => Some(http(config)),
            Some("TcpProxy") => Some(tcp(config)),
            _ => None,
        }
    });
    known.next_back().unwrap_or_else(|| "Non-HTTP/Non-TCP".to_owned())
}

fn http(config: &Value) -> String {
    if let Some(name) = config.pointer("/rds/route_config_name").and_then(Value::as_str) {
        return format!("Route: {name}");
    }
    let hosts = config["route_config"]["virtual_hosts"].as_array().into_iter().flatten();
    let routes = hosts.flat_map(|host| host["routes"].as_array().into_iter().flatten());
    let paths: Vec<String> = routes.map(|route| super::routes::condition(&route["match"])).collect();
    format!("Inline Route: {}", paths.join(", "))
}

fn tcp(config: &Value) -> String {
    let name = match config["cluster"].as_str() {
        Some(name) => name.to_owned(),
        None => {
            let weighted = config["weighted_clusters"]["clusters"].as_array().into_iter().flatten();
            weighted.map(|cluster| text(&cluster["name"])).collect::<Vec<_>>().join(", ")
        }
    };
    if name == "PassthroughCluster" || name == "BlackHoleCluster" { name } else { format!("Cluster: {name}") }
}
