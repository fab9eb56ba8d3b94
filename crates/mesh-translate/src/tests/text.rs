//! Resources as text: what decides, one fact a line; what every resource has is left out.

use std::fmt::Write as _;

use prost::Message as _;

use crate::{
    built::Built,
    pb::{
        cluster::{Cluster, cluster},
        core::address::Address,
        endpoint::{ClusterLoadAssignment, lb_endpoint::HostIdentifier},
        hcm::{HttpConnectionManager, http_connection_manager::RouteSpecifier},
        listener::{FilterChain, Listener, filter::ConfigType},
        route::{
            HeaderMatcher, Route, RouteAction, RouteConfiguration, header_matcher::HeaderMatchSpecifier, route::Action,
            route_action::ClusterSpecifier, route_match::PathSpecifier,
        },
        tcp_proxy::{TcpProxy, tcp_proxy::ClusterSpecifier as TcpTo},
    },
};

pub(crate) fn duration(span: &crate::pb::Duration) -> String {
    if span.nanos == 0 {
        format!("{}s", span.seconds)
    } else {
        format!("{}.{:03}s", span.seconds, span.nanos / 1_000_000)
    }
}

fn address(address: Option<&crate::pb::core::Address>) -> String {
    match address.and_then(|a| a.address.as_ref()) {
        Some(Address::SocketAddress(socket)) => match &socket.port_specifier {
            Some(crate::pb::core::socket_address::PortSpecifier::PortValue(port)) => {
                format!("{}:{port}", socket.address)
            }
            _ => socket.address.clone(),
        },
        Some(Address::Pipe(pipe)) => format!("unix://{}", pipe.path),
        _ => "?".to_owned(),
    }
}

fn header(h: &HeaderMatcher) -> String {
    use crate::pb::matcher::string_matcher::MatchPattern;
    let not = if h.invert_match { "!" } else { "" };
    let value = match &h.header_match_specifier {
        Some(HeaderMatchSpecifier::PresentMatch(true)) => "?".to_owned(),
        Some(HeaderMatchSpecifier::StringMatch(m)) => match &m.match_pattern {
            Some(MatchPattern::Exact(s)) => format!("={s}"),
            Some(MatchPattern::Prefix(s)) => format!("^{s}"),
            Some(MatchPattern::SafeRegex(r)) => format!("~{}", r.regex),
            _ => "?".to_owned(),
        },
        _ => "?".to_owned(),
    };
    format!("{not}{}{value}", h.name)
}

fn forward(action: &RouteAction) -> String {
    let mut line = match &action.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => name.clone(),
        Some(ClusterSpecifier::WeightedClusters(w)) => w
            .clusters
            .iter()
            .map(|c| format!("{}*{}", c.name, c.weight.map_or(0, |w| w.value)))
            .collect::<Vec<_>>()
            .join(" + "),
        _ => "?".to_owned(),
    };
    if let Some(timeout) = action.timeout.filter(|t| *t != crate::wire::ZERO) {
        write!(line, " timeout={}", duration(&timeout)).unwrap();
    }
    match &action.retry_policy {
        None => line += " retries=off",
        Some(p) => {
            let tries = p.num_retries.map_or(0, |n| n.value);
            if tries != 2
                || !p
                    .retry_on
                    .starts_with("connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes")
            {
                write!(line, " retries={tries}({})", p.retry_on).unwrap();
            }
            if let Some(t) = &p.per_try_timeout {
                write!(line, " per-try={}", duration(t)).unwrap();
            }
            if !p.retriable_status_codes.is_empty() {
                write!(line, " codes={:?}", p.retriable_status_codes).unwrap();
            }
        }
    }
    if !action.prefix_rewrite.is_empty() {
        write!(line, " rewrite={}", action.prefix_rewrite).unwrap();
    }
    if let Some(r) = &action.regex_rewrite {
        write!(line, " rewrite=~{}→{}", r.pattern.as_ref().map_or("", |p| &p.regex), r.substitution).unwrap();
    }
    if let Some(crate::pb::route::route_action::HostRewriteSpecifier::HostRewriteLiteral(host)) =
        &action.host_rewrite_specifier
    {
        write!(line, " host={host}").unwrap();
    }
    for mirror in &action.request_mirror_policies {
        let share = mirror.runtime_fraction.as_ref().and_then(|f| f.default_value.as_ref()).map_or(0, |v| v.numerator);
        write!(line, " mirror={}@{}%", mirror.cluster, f64::from(share) / 10_000.0).unwrap();
    }
    if !action.hash_policy.is_empty() {
        write!(line, " hash").unwrap();
    }
    line
}

pub(crate) fn route(route: &Route) -> String {
    let m = route.r#match.as_ref().unwrap();
    let mut line = match &m.path_specifier {
        Some(PathSpecifier::Prefix(p)) => format!("{p}*"),
        Some(PathSpecifier::Path(p)) => p.clone(),
        Some(PathSpecifier::SafeRegex(r)) => format!("~{}", r.regex),
        _ => "?".to_owned(),
    };
    if m.case_sensitive.is_some_and(|c| !c.value) {
        line += " nocase";
    }
    for h in &m.headers {
        write!(line, " {}", header(h)).unwrap();
    }
    for q in &m.query_parameters {
        write!(line, " ?{}", q.name).unwrap();
    }
    line += " → ";
    line += &match &route.action {
        Some(Action::Route(action)) => forward(action),
        Some(Action::Redirect(r)) => format!("redirect {r:?}"),
        Some(Action::DirectResponse(d)) => format!("respond {}", d.status),
        _ => "?".to_owned(),
    };
    let mut filters: Vec<&String> = route.typed_per_filter_config.keys().collect();
    filters.sort();
    for name in filters {
        write!(line, " {}", name.rsplit('.').next().unwrap()).unwrap();
    }
    if route.name != "default" && !route.name.is_empty() {
        write!(line, " name={}", route.name).unwrap();
    }
    line
}

pub(crate) fn routes(built: &[Built]) -> String {
    let mut text = String::new();
    for config in built.iter().map(|b| RouteConfiguration::decode(&b.value[..]).unwrap()) {
        writeln!(text, "{}", config.name).unwrap();
        for host in config.virtual_hosts {
            writeln!(text, "  {} [{}]", host.name, host.domains.join(" ")).unwrap();
            for r in &host.routes {
                writeln!(text, "    {}", route(r)).unwrap();
            }
        }
    }
    text
}

fn chain(chain: &FilterChain) -> String {
    let mut line = String::new();
    if let Some(m) = &chain.filter_chain_match {
        if let Some(port) = m.destination_port {
            write!(line, "port {} ", port.value).unwrap();
        }
        for range in &m.prefix_ranges {
            write!(line, "{}/{} ", range.address_prefix, range.prefix_len.map_or(0, |l| l.value)).unwrap();
        }
        for word in [&m.server_names.join(","), &m.transport_protocol, &m.application_protocols.join(",")] {
            if !word.is_empty() {
                write!(line, "{word} ").unwrap();
            }
        }
    }
    let Some(ConfigType::TypedConfig(any)) = &chain.filters[0].config_type else { return line };
    if let Ok(manager) = mesh_proto::unpack::<HttpConnectionManager>(any) {
        line += &match &manager.route_specifier {
            Some(RouteSpecifier::Rds(rds)) => format!("→ http rds {}", rds.route_config_name),
            Some(RouteSpecifier::RouteConfig(config)) => {
                let host = &config.virtual_hosts[0];
                format!("→ http {} {}", host.name, route(&host.routes[0]))
            }
            _ => "→ http ?".to_owned(),
        };
    } else if let Ok(proxy) = mesh_proto::unpack::<TcpProxy>(any) {
        line += &match &proxy.cluster_specifier {
            Some(TcpTo::Cluster(name)) => format!("→ tcp {name}"),
            Some(TcpTo::WeightedClusters(w)) => {
                let parts: Vec<String> = w.clusters.iter().map(|c| format!("{}*{}", c.name, c.weight)).collect();
                format!("→ tcp {}", parts.join(" + "))
            }
            None => "→ tcp ?".to_owned(),
        };
    }
    if !chain.name.is_empty() {
        write!(line, "   ({})", chain.name).unwrap();
    }
    line
}

pub(crate) fn listeners(built: &[Built]) -> String {
    let mut text = String::new();
    for listener in built.iter().map(|b| Listener::decode(&b.value[..]).unwrap()) {
        let mut words = vec![listener.name.clone(), address(listener.address.as_ref())];
        if listener.use_original_dst.is_some_and(|b| b.value) {
            words.push("use_original_dst".to_owned());
        }
        if listener.bind_to_port.is_some_and(|b| !b.value) {
            words.push("unbound".to_owned());
        }
        words.extend(listener.listener_filters.iter().map(|f| f.name.rsplit('.').next().unwrap().to_owned()));
        writeln!(text, "{}", words.join(" ")).unwrap();
        for c in &listener.filter_chains {
            writeln!(text, "  {}", chain(c)).unwrap();
        }
        if let Some(c) = &listener.default_filter_chain {
            writeln!(text, "  else {}", chain(c)).unwrap();
        }
    }
    text
}

pub(crate) fn assignment(assignment: &ClusterLoadAssignment) -> String {
    let mut line = String::new();
    for group in &assignment.endpoints {
        let place = group.locality.clone().unwrap_or_default();
        let place = [place.region, place.zone, place.sub_zone].join("/").trim_end_matches('/').to_owned();
        let members: Vec<String> = group
            .lb_endpoints
            .iter()
            .map(|e| match &e.host_identifier {
                Some(HostIdentifier::Endpoint(e)) => address(e.address.as_ref()),
                _ => "?".to_owned(),
            })
            .collect();
        let weight = group.load_balancing_weight.map_or(0, |w| w.value);
        write!(line, " {place}p{}w{weight}[{}]", group.priority, members.join(" ")).unwrap();
    }
    line
}

pub(crate) fn endpoints(built: &[Built]) -> String {
    let mut text = String::new();
    for message in built.iter().map(|b| ClusterLoadAssignment::decode(&b.value[..]).unwrap()) {
        writeln!(text, "{}{}", message.cluster_name, assignment(&message)).unwrap();
    }
    text
}

pub(crate) fn cluster(c: &Cluster) -> String {
    let kind = match c.cluster_discovery_type {
        Some(cluster::ClusterDiscoveryType::Type(kind)) => {
            cluster::DiscoveryType::try_from(kind).unwrap().as_str_name()
        }
        _ => "?",
    };
    let policy = cluster::LbPolicy::try_from(c.lb_policy).unwrap().as_str_name();
    let mut line = format!("{} {kind} {policy}", c.name);
    for any in c.typed_extension_protocol_options.values() {
        use crate::pb::upstream_http::{
            HttpProtocolOptions,
            http_protocol_options::{UpstreamProtocolOptions, explicit_http_config::ProtocolConfig},
        };
        let options = mesh_proto::unpack::<HttpProtocolOptions>(any).unwrap();
        line += match &options.upstream_protocol_options {
            Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(_)) => " as-client",
            Some(UpstreamProtocolOptions::ExplicitHttpConfig(e)) => match &e.protocol_config {
                Some(ProtocolConfig::Http2ProtocolOptions(_)) => " h2",
                _ => " h1",
            },
            _ => " ?",
        };
        if options.upstream_http_protocol_options.is_some_and(|o| o.auto_sni) {
            line += " auto-sni";
        }
    }
    if let Some(threshold) = c.circuit_breakers.as_ref().and_then(|b| b.thresholds.first()) {
        let limits = [
            ("connections", threshold.max_connections),
            ("pending", threshold.max_pending_requests),
            ("requests", threshold.max_requests),
            ("retries", threshold.max_retries),
        ];
        for (word, limit) in limits {
            if let Some(limit) = limit.filter(|l| l.value != u32::MAX) {
                write!(line, " {word}≤{}", limit.value).unwrap();
            }
        }
    }
    if let Some(outlier) = &c.outlier_detection {
        write!(line, " ejects(5xx={:?})", outlier.consecutive_5xx.map(|n| n.value)).unwrap();
    }
    if let Some(timeout) = c.connect_timeout.as_ref().filter(|t| t.seconds != 10) {
        write!(line, " connect={}", duration(timeout)).unwrap();
    }
    if c.transport_socket.is_some() {
        line += " tls";
    }
    if let Some(reason) = metadata(c.metadata.as_ref(), "lateen", "refused") {
        write!(line, " refused: {reason}").unwrap();
    }
    if let Some(assigned) = &c.load_assignment {
        line += &assignment(assigned);
    }
    line
}

pub(crate) fn clusters(built: &[Built]) -> String {
    built.iter().map(|b| cluster(&Cluster::decode(&b.value[..]).unwrap()) + "\n").collect()
}

/// The text of a metadata field.
pub(crate) fn metadata(metadata: Option<&crate::pb::core::Metadata>, space: &str, key: &str) -> Option<String> {
    match metadata?.filter_metadata.get(space)?.fields.get(key)?.kind.as_ref()? {
        crate::pb::Kind::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}
