//! HTTP filters, in Istio's order, as far as stock Envoy has them.

use mesh_types::Protocol;

use crate::{
    pb::{
        cors::Cors,
        fault::HttpFault,
        grpc_web::GrpcWeb,
        hcm::{HttpFilter, http_filter::ConfigType},
        router::Router,
    },
    wire::any,
};

/// Name of the fault filter, under which routes configure it.
pub(crate) const FAULT: &str = "envoy.filters.http.fault";
/// Name of the CORS filter, under which routes configure it.
pub(crate) const CORS: &str = "envoy.filters.http.cors";

fn filter(name: &str, config: crate::pb::Any) -> HttpFilter {
    HttpFilter { name: name.to_owned(), config_type: Some(ConfigType::TypedConfig(config)), ..Default::default() }
}

/// The filters of a port; `names` is the one that has names resolved, for routes that go to where they are asked to.
pub(super) fn http_filters(protocol: Protocol, names: Option<HttpFilter>) -> Vec<HttpFilter> {
    let grpc_web =
        (protocol == Protocol::GrpcWeb).then(|| filter("envoy.filters.http.grpc_web", any(&GrpcWeb::default())));
    let policies = [filter(FAULT, any(&HttpFault::default())), filter(CORS, any(&Cors::default()))];
    let router = filter("envoy.filters.http.router", any(&Router::default()));
    grpc_web.into_iter().chain(policies).chain(names).chain([router]).collect()
}
