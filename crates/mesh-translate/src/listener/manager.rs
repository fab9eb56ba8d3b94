//! The HTTP connection manager of each direction.

use mesh_model::config::{ClientCertHeader, PathNormalization};
use mesh_types::Protocol;

use super::{access_log, filters};
use crate::{
    built::any_sorted,
    canonical,
    context::Context,
    dynamic,
    pb::{
        core::{Http1ProtocolOptions, HttpProtocolOptions},
        hcm::{
            HttpConnectionManager, Rds,
            http_connection_manager::{
                ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier, SetCurrentClientCertDetails,
                UpgradeConfig,
            },
        },
        listener::{Filter, filter::ConfigType},
        route::RouteConfiguration,
    },
    wire::{ZERO, ads, duration, flag},
};

/// HTTP of services, by the route table of this name.
pub(super) fn outbound(context: &Context<'_>, stat_prefix: &str, route_table: &str, protocol: Protocol) -> Filter {
    let mut manager = base(context, stat_prefix, protocol);
    manager.route_specifier =
        Some(RouteSpecifier::Rds(Rds { config_source: Some(ads()), route_config_name: route_table.to_owned() }));
    filter(&manager)
}

/// HTTP of the workload itself.
pub(super) fn inbound(
    context: &Context<'_>,
    stat_prefix: &str,
    routes: RouteConfiguration,
    protocol: Protocol,
) -> Filter {
    let mut manager = base(context, stat_prefix, protocol);
    manager.route_specifier = Some(RouteSpecifier::RouteConfig(routes));
    manager.server_name = "istio-envoy".to_owned();
    manager.forward_client_cert_details = ForwardClientCertDetails::AppendForward as i32;
    manager.set_current_client_cert_details =
        Some(SetCurrentClientCertDetails { subject: flag(true), dns: true, uri: true, ..Default::default() });
    filter(&manager)
}

/// HTTP that comes to a gateway from outside: it says who the client is, and believes nobody else about that.
pub(super) fn gateway(context: &Context<'_>, stat_prefix: &str, route_table: &str, protocol: Protocol) -> Filter {
    let mut manager = base(context, stat_prefix, protocol);
    manager.route_specifier =
        Some(RouteSpecifier::Rds(Rds { config_source: Some(ads()), route_config_name: route_table.to_owned() }));
    manager.server_name = "istio-envoy".to_owned();
    manager.use_remote_address = flag(true);
    let topology = context.view.topology.unwrap_or(context.mesh().default_config.gateway_topology);
    manager.xff_num_trusted_hops = topology.trusted_proxies;
    let details = match topology.client_cert {
        ClientCertHeader::Sanitize => ForwardClientCertDetails::Sanitize,
        ClientCertHeader::ForwardOnly => ForwardClientCertDetails::ForwardOnly,
        ClientCertHeader::AppendForward => ForwardClientCertDetails::AppendForward,
        ClientCertHeader::SanitizeSet => ForwardClientCertDetails::SanitizeSet,
        ClientCertHeader::AlwaysForwardOnly => ForwardClientCertDetails::AlwaysForwardOnly,
    };
    manager.forward_client_cert_details = details as i32;
    if matches!(topology.client_cert, ClientCertHeader::AppendForward | ClientCertHeader::SanitizeSet) {
        manager.set_current_client_cert_details = Some(SetCurrentClientCertDetails {
            subject: flag(true),
            cert: true,
            dns: true,
            uri: true,
            ..Default::default()
        });
    }
    filter(&manager)
}

fn filter(manager: &HttpConnectionManager) -> Filter {
    Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any_sorted(manager, &canonical::MANAGER))),
    }
}

fn base(context: &Context<'_>, stat_prefix: &str, protocol: Protocol) -> HttpConnectionManager {
    let (mesh, view) = (context.mesh(), context.view);
    let paths = mesh.path_normalization;
    let slashes = match paths {
        PathNormalization::DecodeAndMergeSlashes => PathWithEscapedSlashesAction::UnescapeAndForward,
        _ => PathWithEscapedSlashesAction::KeepUnchanged,
    };
    HttpConnectionManager {
        stat_prefix: stat_prefix.to_owned(),
        http_filters: filters::http_filters(protocol, dynamic::http_filter(context)),
        access_log: access_log::access_log(mesh),
        use_remote_address: flag(false),
        stream_idle_timeout: Some(ZERO),
        normalize_path: flag(paths > PathNormalization::None),
        merge_slashes: paths >= PathNormalization::MergeSlashes,
        path_with_escaped_slashes_action: slashes as i32,
        common_http_protocol_options: view
            .idle_timeout
            .map(|span| HttpProtocolOptions { idle_timeout: Some(duration(span)), ..Default::default() }),
        http_protocol_options: Some(Http1ProtocolOptions { accept_http_10: true, ..Default::default() }),
        upgrade_configs: vec![UpgradeConfig { upgrade_type: "websocket".to_owned(), ..Default::default() }],
        ..Default::default()
    }
}
