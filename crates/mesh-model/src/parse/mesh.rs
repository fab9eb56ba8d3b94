//! The settings of the mesh.

use istio_api::{mesh as api, sidecar::OutboundTrafficPolicyMode};

use super::{
    at::At,
    http_action::retries,
    load_balancer::locality,
    proxy_config::concurrency,
    traffic_policy::keepalive,
    words::{Export, export_to, percent, port, time, time_or_zero},
};
use crate::config::{
    AccessLogEncoding, ClientCertHeader, ExportTo, GatewayTopology, H2Upgrade, InboundPolicyMode,
    IngressControllerMode, MeshConfig, MeshProviders, MeshProxyConfig, OutboundPolicyMode, PathNormalization,
    PortNumber,
};

pub(super) fn mesh(given: &istio_api::MeshConfig, at: &At<'_>) -> MeshConfig {
    let default = MeshConfig::default();
    let text = |given: &String, default: String| if given.is_empty() { default } else { given.clone() };
    let ports = |given: i32, default: PortNumber, field| given_port(given, &at.field(field)).unwrap_or(default);
    let exports = |given: &[String], default: ExportTo, field| {
        export_to(given, Export::Service, &at.field(field)).unwrap_or(default)
    };
    let outbound = given.outbound_traffic_policy.as_ref().map(|p| p.mode);
    let inbound = given.inbound_traffic_policy.as_ref().map(|p| p.mode);
    let mut extension_providers = default.extension_providers;
    let named = given.extension_providers.iter().map(|p| p.name.clone());
    extension_providers.extend(named.filter(|name| !["prometheus", "stackdriver", "envoy"].contains(&name.as_str())));
    MeshConfig {
        proxy_listen_port: ports(given.proxy_listen_port, default.proxy_listen_port, "proxyListenPort"),
        proxy_inbound_listen_port: ports(
            given.proxy_inbound_listen_port,
            default.proxy_inbound_listen_port,
            "proxyInboundListenPort",
        ),
        proxy_http_port: given_port(given.proxy_http_port, &at.field("proxyHttpPort")),
        connect_timeout: time(given.connect_timeout, &at.field("connectTimeout")).unwrap_or(default.connect_timeout),
        protocol_detection_timeout: time_or_zero(
            given.protocol_detection_timeout,
            &at.field("protocolDetectionTimeout"),
        )
        .unwrap_or(default.protocol_detection_timeout),
        dns_refresh_rate: time(given.dns_refresh_rate, &at.field("dnsRefreshRate")).unwrap_or(default.dns_refresh_rate),
        tcp_keepalive: given.tcp_keepalive.as_ref().map(|k| keepalive(k, &at.field("tcpKeepalive"))),
        trust_domain: text(&given.trust_domain, default.trust_domain),
        trust_domain_aliases: given.trust_domain_aliases.clone(),
        enable_auto_mtls: given.enable_auto_mtls.unwrap_or(default.enable_auto_mtls),
        root_namespace: text(&given.root_namespace, default.root_namespace),
        outbound_policy: outbound.map_or(default.outbound_policy, outbound_mode),
        inbound_policy: inbound.map_or(default.inbound_policy, inbound_mode),
        default_service_export_to: exports(
            &given.default_service_export_to,
            default.default_service_export_to,
            "defaultServiceExportTo",
        ),
        default_virtual_service_export_to: exports(
            &given.default_virtual_service_export_to,
            default.default_virtual_service_export_to,
            "defaultVirtualServiceExportTo",
        ),
        default_destination_rule_export_to: exports(
            &given.default_destination_rule_export_to,
            default.default_destination_rule_export_to,
            "defaultDestinationRuleExportTo",
        ),
        locality_lb: given.locality_lb_setting.as_ref().map_or(default.locality_lb, |l| {
            let lb = locality(l, &at.field("localityLbSetting"));
            crate::config::LocalityLb { enabled: lb.enabled.or(Some(true)), ..lb }
        }),
        h2_upgrade: h2_upgrade(given.h2_upgrade_policy),
        path_normalization: given.path_normalization.as_ref().map_or(default.path_normalization, path_normalization),
        default_http_retry: given
            .default_http_retry_policy
            .as_ref()
            .map(|r| retries(r, &at.field("defaultHttpRetryPolicy"))),
        access_log_file: given.access_log_file.clone(),
        access_log_format: given.access_log_format.clone(),
        access_log_encoding: match given.access_log_encoding {
            api::AccessLogEncoding::Text => AccessLogEncoding::Text,
            api::AccessLogEncoding::Json => AccessLogEncoding::Json,
        },
        enable_tracing: given.enable_tracing.unwrap_or(default.enable_tracing),
        enable_prometheus_merge: given.enable_prometheus_merge.unwrap_or(default.enable_prometheus_merge),
        default_providers: given.default_providers.as_ref().map_or(default.default_providers, |p| MeshProviders {
            access_logging: p.access_logging.clone(),
            metrics: p.metrics.clone(),
            tracing: p.tracing.clone(),
        }),
        extension_providers,
        ingress_service: text(&given.ingress_service, default.ingress_service),
        ingress_class: text(&given.ingress_class, default.ingress_class),
        ingress_controller_mode: ingress_mode(given.ingress_controller_mode),
        default_config: given
            .default_config
            .as_ref()
            .map_or(default.default_config, |c| proxy(c, &at.field("defaultConfig"))),
    }
}

/// A Sidecar says it in the same words.
pub(super) fn outbound_mode(mode: OutboundTrafficPolicyMode) -> OutboundPolicyMode {
    match mode {
        OutboundTrafficPolicyMode::RegistryOnly => OutboundPolicyMode::RegistryOnly,
        OutboundTrafficPolicyMode::AllowAny => OutboundPolicyMode::AllowAny,
    }
}

fn inbound_mode(mode: api::InboundTrafficPolicyMode) -> InboundPolicyMode {
    match mode {
        api::InboundTrafficPolicyMode::Passthrough => InboundPolicyMode::Passthrough,
        api::InboundTrafficPolicyMode::Localhost => InboundPolicyMode::Localhost,
    }
}

fn h2_upgrade(policy: api::MeshH2UpgradePolicy) -> H2Upgrade {
    match policy {
        api::MeshH2UpgradePolicy::DoNotUpgrade => H2Upgrade::Never,
        api::MeshH2UpgradePolicy::Upgrade => H2Upgrade::Always,
    }
}

fn ingress_mode(mode: api::IngressControllerMode) -> IngressControllerMode {
    match mode {
        api::IngressControllerMode::Off => IngressControllerMode::Off,
        api::IngressControllerMode::Default => IngressControllerMode::Default,
        api::IngressControllerMode::Unspecified | api::IngressControllerMode::Strict => IngressControllerMode::Strict,
    }
}

fn given_port(number: i32, at: &At<'_>) -> Option<PortNumber> {
    if number == 0 { None } else { port(u32::try_from(number).unwrap_or(u32::MAX), at) }
}

fn path_normalization(given: &api::ProxyPathNormalization) -> PathNormalization {
    match given.normalization {
        api::PathNormalizationType::Default | api::PathNormalizationType::Base => PathNormalization::Base,
        api::PathNormalizationType::None => PathNormalization::None,
        api::PathNormalizationType::MergeSlashes => PathNormalization::MergeSlashes,
        api::PathNormalizationType::DecodeAndMergeSlashes => PathNormalization::DecodeAndMergeSlashes,
    }
}

fn topology(given: &api::Topology) -> GatewayTopology {
    use api::ForwardClientCertDetails as Details;
    GatewayTopology {
        trusted_proxies: given.num_trusted_proxies,
        client_cert: match given.forward_client_cert_details {
            Details::Undefined | Details::SanitizeSet => ClientCertHeader::SanitizeSet,
            Details::Sanitize => ClientCertHeader::Sanitize,
            Details::ForwardOnly => ClientCertHeader::ForwardOnly,
            Details::AppendForward => ClientCertHeader::AppendForward,
            Details::AlwaysForwardOnly => ClientCertHeader::AlwaysForwardOnly,
        },
    }
}

/// Settings of proxies; also those of annotation `proxy.istio.io/config`.
fn proxy(given: &api::ProxyConfig, at: &At<'_>) -> MeshProxyConfig {
    let default = MeshProxyConfig::default();
    let text = |given: &str, default: String| if given.is_empty() { default } else { given.to_owned() };
    let ports = |given: i32, default: PortNumber, field| given_port(given, &at.field(field)).unwrap_or(default);
    let stat_name_length = u32::try_from(given.stat_name_length).unwrap_or_else(|_| {
        at.field("statNameLength").error(format!("{} is no length", given.stat_name_length), "write a number above 0");
        0
    });
    let tracing_at = &at.field("tracing");
    MeshProxyConfig {
        config_path: text(&given.config_path, default.config_path),
        binary_path: text(&given.binary_path, default.binary_path),
        service_cluster: text(given.service_cluster.as_deref().unwrap_or_default(), default.service_cluster),
        drain_duration: time(given.drain_duration, &at.field("drainDuration")).unwrap_or(default.drain_duration),
        termination_drain_duration: time_or_zero(
            given.termination_drain_duration,
            &at.field("terminationDrainDuration"),
        )
        .unwrap_or(default.termination_drain_duration),
        proxy_admin_port: ports(given.proxy_admin_port, default.proxy_admin_port, "proxyAdminPort"),
        discovery_address: text(&given.discovery_address, default.discovery_address),
        status_port: ports(given.status_port, default.status_port, "statusPort"),
        concurrency: concurrency(given.concurrency, &at.field("concurrency")),
        stat_name_length: if stat_name_length == 0 { default.stat_name_length } else { stat_name_length },
        hold_application_until_proxy_starts: given.hold_application_until_proxy_starts.unwrap_or(false),
        tracing_sampling: given
            .tracing
            .as_ref()
            .and_then(|t| t.sampling)
            .map_or(default.tracing_sampling, |share| percent(share, &tracing_at.field("sampling"))),
        proxy_metadata: given.proxy_metadata.clone(),
        gateway_topology: given.gateway_topology.as_ref().map(topology).unwrap_or_default(),
    }
}
