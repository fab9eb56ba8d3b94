//! Sidecar.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use istio_api::sidecar as api;

use super::{
    at::At,
    gateway::{UNIX, check_bind, protocol},
    mesh::outbound_mode,
    traffic_policy::connection_pool,
    words::{destination, dns_label, host, port, said, unix_path, workload_selector},
};
use crate::config::{
    CaptureMode, DefaultEndpoint, EgressHost, EgressNamespace, OutboundPolicy, OutboundPolicyMode, Sidecar,
    SidecarEgress, SidecarIngress, SidecarPort,
};

pub(super) fn sidecar(given: &istio_api::Sidecar, at: &At<'_>) -> Sidecar {
    let silent = given.outbound_traffic_policy.is_none() && given.inbound_connection_pool.is_none();
    if given.ingress.is_empty() && given.egress.is_empty() && silent {
        at.error("the Sidecar says nothing", "set ingress, egress, outboundTrafficPolicy or inboundConnectionPool");
    }
    let mut inbound = BTreeSet::new();
    let ingress = at.field("ingress").each(&given.ingress, |listener, at| {
        let listener = ingress(listener, at)?;
        if !inbound.insert(listener.port.number) {
            at.field("port").error(format!("port {} is there twice", listener.port.number), "keep one of the two");
        }
        Some(listener)
    });
    let last = given.egress.len().saturating_sub(1);
    let egress_at = &at.field("egress");
    let mut outbound = BTreeSet::new();
    let mut egress = Vec::new();
    for (index, listener) in given.egress.iter().enumerate() {
        let at = &egress_at.index(index);
        if listener.port.is_none() && index != last {
            at.error("a listener without a port takes all that follow", "put it last, and keep only one");
        }
        if let Some(port) = &listener.port
            && !outbound.insert(if port.number == 0 { listener.bind.clone() } else { port.number.to_string() })
        {
            at.field("port").error(format!("port {} is there twice", port.number), "put the hosts into one listener");
        }
        egress.extend(self::egress(listener, at));
    }
    let pool_at = &at.field("inboundConnectionPool");
    Sidecar {
        workload_selector: workload_selector(given.workload_selector.as_ref(), &at.field("workloadSelector")),
        ingress,
        egress,
        inbound_connection_pool: given.inbound_connection_pool.as_ref().map(|p| connection_pool(p, pool_at)),
        outbound: given
            .outbound_traffic_policy
            .as_ref()
            .map(|p| outbound_policy(p, &at.field("outboundTrafficPolicy"))),
    }
}

fn ingress(given: &api::IstioIngressListener, at: &At<'_>) -> Option<SidecarIngress> {
    if given.tls.is_some() {
        // Passing TLS on unopened would let in the clients that it is there to keep out.
        at.field("tls")
            .error("this version does not end TLS of what comes in", "remove it, and end TLS in the application");
    }
    let pool_at = &at.field("connectionPool");
    let connection_pool = given.connection_pool.as_ref().map(|p| connection_pool(p, pool_at));
    let default_endpoint = default_endpoint(&given.default_endpoint, &at.field("defaultEndpoint"));
    check_bind(&given.bind, 0, &at.field("bind"));
    let Some(wanted) = &given.port else {
        at.field("port").error("the listener has no port", "set number and protocol");
        return None;
    };
    if given.bind.starts_with(UNIX) {
        at.field("bind").error("what comes in arrives at an address", "write an IP address, or leave it out");
    }
    let port = sidecar_port(wanted, false, &at.field("port"))?;
    check_ingress(given, at);
    let http = given.connection_pool.as_ref().is_some_and(|p| p.http.is_some());
    if http && !port.protocol.is_http() {
        pool_at
            .field("http")
            .warn(format!("a {} port has no HTTP requests to limit", port.protocol), "set limits of tcp");
    }
    Some(SidecarIngress {
        port,
        bind: said(&given.bind),
        capture_mode: capture_mode(given.capture_mode),
        default_endpoint,
        connection_pool,
    })
}

/// What comes in arrives at the workload's addresses, redirected or not.
fn check_ingress(given: &api::IstioIngressListener, at: &At<'_>) {
    let opens = given.capture_mode == api::CaptureMode::None;
    let Ok(bind) = given.bind.parse::<IpAddr>() else { return };
    if bind.is_loopback() && !opens {
        at.field("bind").error(
            format!("nothing is redirected from {bind}"),
            "leave it out, or set captureMode to NONE for callers of the same pod",
        );
    }
    if opens && given.default_endpoint.is_empty() && (bind.is_loopback() || bind.is_unspecified()) {
        at.field("defaultEndpoint").error(
            format!("the proxy takes {bind}, where the application would listen"),
            "say where the application listens instead, such as 127.0.0.1:8080",
        );
    }
}

fn sidecar_port(given: &api::SidecarPort, may_be_unix: bool, at: &At<'_>) -> Option<SidecarPort> {
    if !given.name.is_empty() {
        dns_label(&given.name, "port", &at.field("name"));
    }
    if given.target_port != 0 {
        at.field("targetPort").error("a Sidecar has no target ports", "use defaultEndpoint");
    }
    let protocol = protocol(&given.protocol, true, &at.field("protocol"));
    let number = if given.number == 0 && may_be_unix { 0 } else { port(given.number, &at.field("number"))?.get() };
    Some(SidecarPort { number, protocol: protocol?, name: given.name.clone() })
}

fn default_endpoint(text: &str, at: &At<'_>) -> Option<DefaultEndpoint> {
    if text.is_empty() {
        return None;
    }
    if let Some(path) = text.strip_prefix(UNIX) {
        return unix_path(path, at).map(DefaultEndpoint::Unix);
    }
    // `:8080` is any address, as `0.0.0.0:8080` is.
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let address = full.parse::<SocketAddr>().ok();
    let port = address.and_then(|a| crate::config::PortNumber::new(a.port()));
    match (address, port) {
        (Some(address), Some(port)) if address.ip().is_unspecified() => Some(DefaultEndpoint::Workload(port)),
        (Some(address), Some(_)) if is_loopback(address.ip()) => Some(DefaultEndpoint::Loopback(address)),
        _ => {
            at.error(
                format!("`{text}` is not where an application listens"),
                "write 127.0.0.1:PORT, [::1]:PORT, 0.0.0.0:PORT, [::]:PORT or unix:///path",
            );
            None
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip == IpAddr::from([127, 0, 0, 1]) || ip == IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])
}

fn capture_mode(mode: api::CaptureMode) -> CaptureMode {
    match mode {
        api::CaptureMode::Default => CaptureMode::Default,
        api::CaptureMode::Iptables => CaptureMode::Iptables,
        api::CaptureMode::None => CaptureMode::None,
    }
}

fn egress(given: &api::IstioEgressListener, at: &At<'_>) -> Option<SidecarEgress> {
    let hosts_at = &at.field("hosts");
    if given.hosts.is_empty() {
        hosts_at.error("the listener reaches no host", "add hosts, such as ./*");
    }
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let hosts = hosts_at.each(&given.hosts, |text, at| {
        let host = egress_host(text, at)?;
        let (namespace, name) = text.split_once('/')?;
        let namespace = if namespace == "." { at.namespace().to_string() } else { namespace.to_owned() };
        let names = seen.entry(namespace).or_default();
        if names.contains(name) || names.contains("*") || (name == "*" && !names.is_empty()) {
            at.warn(format!("`{text}` is among the other hosts already"), "keep the wider one");
        }
        names.insert(name.to_owned());
        Some(host)
    });
    if given.hosts.iter().any(|h| h == "*/*") && given.hosts.len() > 1 {
        hosts_at.warn("`*/*` is every host there is", "remove the others");
    }
    check_bind(&given.bind, given.port.as_ref().map_or(0, |p| p.number), &at.field("bind"));
    let unix = given.bind.starts_with(UNIX);
    if unix && given.capture_mode == api::CaptureMode::Iptables {
        at.field("captureMode").error("nothing is redirected to a unix socket", "set it to DEFAULT or NONE");
    }
    let port = given.port.as_ref().map(|p| sidecar_port(p, unix, &at.field("port")));
    Some(SidecarEgress {
        port: match port {
            Some(None) => return None,
            Some(port) => port,
            None => None,
        },
        bind: said(&given.bind),
        capture_mode: capture_mode(given.capture_mode),
        hosts,
    })
}

fn egress_host(text: &str, at: &At<'_>) -> Option<EgressHost> {
    let Some((namespace, name)) = text.split_once('/') else {
        at.error(format!("`{text}` names no namespace"), format!("write */{text}, ./{text}, or NAMESPACE/{text}"));
        return None;
    };
    let namespace = match namespace {
        "*" => EgressNamespace::Any,
        "." => EgressNamespace::Own,
        "~" => EgressNamespace::Nobody,
        named => {
            dns_label(named, "namespace", at);
            EgressNamespace::Named(named.into())
        }
    };
    Some(EgressHost { namespace, host: host(name, at)? })
}

fn outbound_policy(given: &api::OutboundTrafficPolicy, at: &At<'_>) -> OutboundPolicy {
    let mode = outbound_mode(given.mode);
    let proxy_at = &at.field("egressProxy");
    let egress_proxy = given.egress_proxy.as_ref().and_then(|proxy| {
        if mode != OutboundPolicyMode::AllowAny {
            proxy_at.error("unknown hosts are refused, none gets to a proxy", "set mode to ALLOW_ANY");
        }
        if proxy.port.is_none() {
            proxy_at.field("port").error("the proxy has no port", "set port.number");
        }
        destination(Some(proxy), proxy_at)
    });
    OutboundPolicy { mode, egress_proxy }
}
