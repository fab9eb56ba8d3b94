//! AUTO_PASSTHROUGH: the server name says service, port and subset; for TLS of the mesh, from one network to another.
//!
//! <https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings-TLSmode>

use mesh_model::{
    push_context::GatewayServer,
    registry::{Resolution, Service},
};
use mesh_types::Protocol;

use super::{
    super::chain::{self, Match, Passing, chain as chain_of},
    Taken,
};
use crate::{context::Context, names, pb::listener::FilterChain, provenance::Provenance};

/// What TLS of the mesh offers; nobody else may come in here.
const MESH: [&str; 5] = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

/// One chain per port, and subset, of each service that one of the server's hosts names.
pub(super) fn chains(context: &Context<'_>, server: &GatewayServer, taken: &mut Taken) -> Vec<FilterChain> {
    let spec = server.server();
    let named = |service: &&std::sync::Arc<Service>| {
        spec.hosts.iter().any(|h| h.scope.admits(&service.namespace) && h.host.contains(&service.host))
    };
    let mut chains = Vec::new();
    let has_endpoints =
        |service: &&std::sync::Arc<Service>| !matches!(service.resolution, Resolution::Alias(_) | Resolution::Dynamic);
    for service in context.scope.services.iter().filter(named).filter(has_endpoints) {
        let subsets = context.rule(service).map(|rule| rule.subsets.as_slice()).unwrap_or_default();
        let subsets: Vec<&str> =
            std::iter::once("").chain(subsets.iter().map(|(subset, _)| subset.name.as_str())).collect();
        for port in service.ports.iter().filter(|port| port.protocol != Protocol::Udp) {
            for subset in &subsets {
                let cluster = names::server_name(port.number, subset, &service.host);
                let Some(server_names) = taken.take([cluster.clone()]) else { continue };
                let applications = MESH.map(str::to_owned).to_vec();
                let matching = Match { server_names, applications, ..Match::default() };
                let metadata = Provenance::object(&server.gateway.meta, &server.path()).metadata();
                let filter = chain::tcp(context, &cluster, Passing::default());
                chains.push(chain_of("", &matching, filter, Some(metadata)));
            }
        }
    }
    chains
}
