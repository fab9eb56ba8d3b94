//! Clusters towards services.

use mesh_model::{
    config::{ServerTlsMode, Subset},
    push_context::{EffectivePolicy, MergedRule},
    registry::{Port, Resolution, Service},
};
use mesh_types::Protocol;

use super::{
    cluster_of, policy,
    protocol::Upstream,
    set_http,
    tls::{self, Outcome},
};
use crate::{
    context::Context,
    dynamic, endpoint, names,
    pb::{
        self,
        cluster::{
            Cluster,
            cluster::{DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbConfig, OriginalDstLbConfig},
        },
        upstream_http::HttpProtocolOptions,
    },
    provenance::Provenance,
    wire::{ads, duration, number, text},
};

/// One per port of each service that the proxy sees, each followed by those of its subsets.
pub(super) fn clusters(context: &Context<'_>) -> Vec<Cluster> {
    let mut all = Vec::new();
    let passes_mesh_tls = passes_mesh_tls(context);
    for service in &context.scope.services {
        let rule = context.rule(service);
        for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
            let subsets = rule.map(|r| r.subsets.as_slice()).unwrap_or_default();
            for subset in std::iter::once(None).chain(subsets.iter().map(|(subset, _)| Some(subset))) {
                all.extend(build(context, service, port, rule, subset));
                if passes_mesh_tls {
                    all.extend(unopened(context, service, port, rule, subset));
                }
            }
        }
    }
    all
}

/// Whether some server of a gateway is of mode AUTO_PASSTHROUGH.
fn passes_mesh_tls(context: &Context<'_>) -> bool {
    let ports = if context.is_gateway() { context.gateway_ports() } else { Vec::new() };
    let mut servers = ports.iter().flat_map(|port| &port.servers).filter_map(|server| server.server().tls.as_ref());
    servers.any(|tls| tls.mode == ServerTlsMode::AutoPassthrough)
}

/// Nobody dials a service's own endpoints at a gateway, so that it has to know them.
fn discovery(context: &Context<'_>, service: &Service) -> Option<DiscoveryType> {
    Some(match service.resolution {
        Resolution::Endpoints => DiscoveryType::Eds,
        Resolution::Passthrough if context.is_gateway() => DiscoveryType::Eds,
        // What becomes of the latter has no name among these; it has no endpoints either.
        Resolution::Passthrough | Resolution::Dynamic => DiscoveryType::OriginalDst,
        Resolution::Dns => DiscoveryType::StrictDns,
        Resolution::DnsRoundRobin => DiscoveryType::LogicalDns,
        Resolution::Alias(_) => return None,
    })
}

/// A cluster, or `None` where DNS would have nothing to ask for.
fn build(
    context: &Context<'_>,
    service: &Service,
    port: &Port,
    rule: Option<&MergedRule>,
    subset: Option<&Subset>,
) -> Option<Cluster> {
    let effective = context.policy(service, port, subset);
    let name = names::outbound(port.number, subset.map_or("", |s| s.name.as_str()), &service.host);
    let (mut cluster, kind) = located(context, &name, service, port, subset)?;
    let user_tls = apply_policy(context, &mut cluster, service, port, &effective);
    let mut from = describe(service, port, rule, subset, &user_tls);
    if dynamic::is_dynamic(service) {
        if !matches!(user_tls, UserTls::Refused(_)) {
            dynamic::set_cluster(context, &mut cluster);
        }
        from = dynamic::describe(from, service, port);
    } else if kind == DiscoveryType::OriginalDst && cluster.lb_config.is_none() {
        cluster.lb_config = retarget(port);
    }
    cluster.metadata = Some(from.metadata());
    Some(cluster)
}

/// A cluster that knows where its endpoints are, or where it is told.
fn located(
    context: &Context<'_>,
    name: &str,
    service: &Service,
    port: &Port,
    subset: Option<&Subset>,
) -> Option<(Cluster, DiscoveryType)> {
    let kind = discovery(context, service)?;
    let mut cluster = cluster_of(context, name, kind);
    match kind {
        DiscoveryType::Eds => {
            cluster.eds_cluster_config =
                Some(EdsClusterConfig { eds_config: Some(ads()), service_name: cluster.name.clone() });
        }
        DiscoveryType::StrictDns | DiscoveryType::LogicalDns => set_dns(context, &mut cluster, service, port, subset)?,
        DiscoveryType::OriginalDst | DiscoveryType::Static => {}
    }
    Some((cluster, kind))
}

/// What AUTO_PASSTHROUGH leads to: TLS of the mesh passes unopened, so that nothing is said of TLS or HTTP.
fn unopened(
    context: &Context<'_>,
    service: &Service,
    port: &Port,
    rule: Option<&MergedRule>,
    subset: Option<&Subset>,
) -> Option<Cluster> {
    if dynamic::is_dynamic(service) {
        return None;
    }
    let name = names::server_name(port.number, subset.map_or("", |s| s.name.as_str()), &service.host);
    let (mut cluster, _) = located(context, &name, service, port, subset)?;
    let blocks = context.policy(service, port, subset).blocks;
    policy::apply_pool(&mut cluster, blocks.connection_pool.as_ref(), context.mesh());
    policy::apply_lb(&mut cluster, blocks.load_balancer.as_ref(), context.mesh());
    if let Some(outlier) = &blocks.outlier_detection {
        policy::apply_outlier(&mut cluster, outlier);
    }
    cluster.metadata = Some(describe(service, port, rule, subset, &UserTls::No).metadata());
    Some(cluster)
}

/// Whether TLS is the user's, and why it is refused if it is.
enum UserTls {
    No,
    Yes,
    Refused(String),
}

fn apply_policy(
    context: &Context<'_>,
    cluster: &mut Cluster,
    service: &Service,
    port: &Port,
    effective: &EffectivePolicy,
) -> UserTls {
    let (mesh, blocks) = (context.mesh(), &effective.blocks);
    let pool = blocks.connection_pool.as_ref();
    policy::apply_pool(cluster, pool, mesh);
    policy::apply_lb(cluster, blocks.load_balancer.as_ref(), mesh);
    if let Some(outlier) = &blocks.outlier_detection {
        policy::apply_outlier(cluster, outlier);
    }
    let (http, tcp) = (pool.map(|p| &p.http), pool.map(|p| &p.tcp));
    let upstream = Upstream::choose(port.protocol, http, mesh);
    let mut options = upstream.options(http, tcp);
    let detour = detour(effective).map(|reason| Outcome::Refused(reason.to_owned()));
    let tls =
        || tls::decide(blocks.tls.as_ref(), service, upstream == Upstream::Http2, may_have_secrets(context, service));
    let user_tls = match detour.unwrap_or_else(tls) {
        Outcome::Plain => UserTls::No,
        Outcome::Tls(socket, auto_sni) => {
            cluster.transport_socket = Some(*socket);
            if let Some(auto_sni) = auto_sni {
                let options = options.get_or_insert_with(|| upstream.explicit());
                options.upstream_http_protocol_options = Some(auto_sni);
            }
            UserTls::Yes
        }
        Outcome::Refused(reason) => {
            tls::refuse(cluster);
            UserTls::Refused(reason)
        }
    };
    if let Some(options) = options {
        set_http(cluster, &HttpProtocolOptions { ..options });
    }
    user_tls
}

/// Secrets go to gateways, and to those whom a rule selects.
fn may_have_secrets(context: &Context<'_>, service: &Service) -> bool {
    context.is_gateway() || context.rule(service).is_some_and(|rule| rule.selector.is_some())
}

/// Ways to a server that are not spoken yet: going there directly is not what was asked for.
fn detour(effective: &EffectivePolicy) -> Option<&'static str> {
    let tunnel =
        effective.tunnel.as_ref().map(|_| "tunnel is not available yet, and no direct connection was asked for");
    tunnel.or_else(|| effective.proxy_protocol.map(|_| "proxyProtocol is not available yet, and servers wait for it"))
}

/// `NONE` with a target port: the address that was dialled, at another port.
fn retarget(port: &Port) -> Option<LbConfig> {
    let mesh_model::registry::TargetPort::Number(target) = port.target else { return None };
    (target != port.number).then(|| {
        let upstream_port_override = number(u32::from(target));
        LbConfig::OriginalDstLbConfig(OriginalDstLbConfig { upstream_port_override, ..Default::default() })
    })
}

/// Endpoints that the proxy asks DNS for; `None` if there are none.
#[expect(deprecated, reason = "the fields that Istio 1.25 writes; their successor is another cluster type")]
fn set_dns(
    context: &Context<'_>,
    cluster: &mut Cluster,
    service: &Service,
    port: &Port,
    subset: Option<&Subset>,
) -> Option<()> {
    let assignment = endpoint::by_name(context, &cluster.name, service, port, subset)?;
    cluster.load_assignment = Some(assignment);
    cluster.dns_refresh_rate = Some(duration(context.mesh().dns_refresh_rate));
    cluster.respect_dns_ttl = true;
    cluster.dns_lookup_family =
        if context.view.is_ipv6() { DnsLookupFamily::V6Only } else { DnsLookupFamily::V4Only } as i32;
    Some(())
}

fn describe(
    service: &Service,
    port: &Port,
    rule: Option<&MergedRule>,
    subset: Option<&Subset>,
    user_tls: &UserTls,
) -> Provenance {
    let port_number = pb::Value { kind: Some(pb::Kind::NumberValue(f64::from(port.number))) };
    let mut from = Provenance::services([service]).istio("default_original_port", port_number).made_for(service);
    if let Some(rule) = rule {
        let subset_meta = subset.and_then(|s| rule.subsets.iter().position(|(known, _)| known.name == s.name));
        from = match subset_meta {
            Some(index) => from.decided_by(&rule.subsets[index].1, &subset_path(rule, index)),
            None => from.decided_by(rule.policy.as_ref().map_or(rule.meta(), |(_, meta)| meta), "spec.trafficPolicy"),
        };
    }
    if let Some(subset) = subset {
        from = from.istio("subset", text(subset.name.clone()));
    }
    match user_tls {
        UserTls::No => from,
        UserTls::Yes => from.istio("alpn_override", text("false")),
        UserTls::Refused(reason) => from.refused(reason),
    }
}

/// Where a merged subset stands in its own object.
fn subset_path(rule: &MergedRule, index: usize) -> String {
    let (subset, meta) = &rule.subsets[index];
    let object = rule.from.iter().find(|o| o.meta.object() == meta.object());
    let position = object.and_then(|o| o.spec.subsets.iter().position(|s| s.name == subset.name));
    format!("spec.subsets[{}]", position.unwrap_or(index))
}
