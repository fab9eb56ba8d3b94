//! The door: an object as JSON becomes a noun of [`crate::config`], or a list of everything that is wrong with it.
//!
//! One function for the webhook, the intake, and the command line, so that nothing is refused in one place and accepted
//! in another. All issues of an object are found in one go. What concerns several objects (a subset that nobody
//! defines, a host that two objects claim) is not seen here.
//!
//! ```text
//!   JSON ──shape──► istio_api structs ──words, one file per kind──► Config
//!     │                                                              + warnings
//!     └──► unknown fields, fields without effect ──────────────────► + without_effect
//! ```

mod at;
mod destination_rule;
mod gateway;
mod gateway_api;
mod headers;
mod http_action;
mod http_match;
mod http_route;
mod l4_route;
mod load_balancer;
mod mesh;
mod meta;
mod policies;
mod proxy_config;
mod service_entry;
mod shape;
mod sidecar;
mod telemetry;
mod tls;
mod traffic_policy;
mod unreachable;
mod virtual_service;
mod words;
mod workload;

use std::sync::Arc;

use serde_json::Value;

use self::at::Desk;
use crate::{
    config::{Config, Kind, MeshConfig, Meta, Object, ServiceEntry},
    issue::{FieldPath, Issue},
    without_effect,
};

/// What an object's meaning depends on besides its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseContext {
    /// Completes short host names: `cluster.local`.
    pub domain: String,
}

impl Default for ParseContext {
    fn default() -> Self {
        Self { domain: "cluster.local".to_owned() }
    }
}

/// An object that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<T = Config> {
    /// What it says.
    pub config: T,
    /// What its writer should know. All are of [`crate::issue::Severity::Warning`].
    pub warnings: Vec<Issue>,
    /// Fields that are set, and that this version of the mesh does not act on.
    pub without_effect: Vec<FieldPath>,
}

/// Reads an object of any kind, in any version that Istio serves.
///
/// # Errors
/// Everything that is wrong with the object; warnings stand behind the errors.
pub fn parse(json: &Value, ctx: &ParseContext) -> Result<Parsed, Vec<Issue>> {
    let (meta, early) = meta::meta(json);
    let desk = Desk::new(ctx, meta, early);
    let spec = json.get("spec").unwrap_or(&Value::Null);
    shape::unknown_at_the_top(&desk, json);
    let config = of_kind(&desk, spec, json.get("status").unwrap_or(&Value::Null));
    let kind = desk.meta.kind;
    desk.close(config, || without_effect::of(kind, json))
}

/// Reads the settings of the mesh (key `mesh` of ConfigMap `istio`); what they leave out gets Istio's defaults.
///
/// # Errors
/// Everything that is wrong with them; warnings stand behind the errors.
pub fn parse_mesh(json: &Value, ctx: &ParseContext) -> Result<Parsed<MeshConfig>, Vec<Issue>> {
    let desk = Desk::new(ctx, meta::mesh(), Vec::new());
    let config = {
        let at = desk.at("");
        shape::read(json, &at).map(|mesh| mesh::mesh(&mesh, &at))
    };
    desk.close(config, || without_effect::of(Kind::MeshConfig, json))
}

fn of_kind(desk: &Desk<'_>, spec: &Value, status: &Value) -> Option<Config> {
    let at = &desk.at("spec");
    let meta = &desk.meta;
    match meta.kind {
        Kind::VirtualService => {
            Some(Config::VirtualService(object(meta, virtual_service::virtual_service(&shape::read(spec, at)?, at))))
        }
        Kind::DestinationRule => Some(Config::DestinationRule(object(
            meta,
            destination_rule::destination_rule(&shape::read(spec, at)?, at)?,
        ))),
        Kind::Gateway => Some(Config::Gateway(object(meta, gateway::gateway(&shape::read(spec, at)?, at)))),
        Kind::ServiceEntry => {
            let entry = service_entry::service_entry(&shape::read(spec, at)?, at);
            let allocated = service_entry::allocated(&entry, status);
            Some(Config::ServiceEntry(object(meta, ServiceEntry { allocated, ..entry })))
        }
        Kind::Sidecar => Some(Config::Sidecar(object(meta, sidecar::sidecar(&shape::read(spec, at)?, at)))),
        Kind::WorkloadEntry => {
            Some(Config::WorkloadEntry(object(meta, workload::workload_entry(&shape::read(spec, at)?, at))))
        }
        Kind::WorkloadGroup => {
            Some(Config::WorkloadGroup(object(meta, workload::workload_group(&shape::read(spec, at)?, at)?)))
        }
        Kind::ProxyConfig => {
            Some(Config::ProxyConfig(object(meta, proxy_config::proxy_config(&shape::read(spec, at)?, at))))
        }
        Kind::PeerAuthentication => {
            Some(Config::PeerAuthentication(object(meta, policies::peer_authentication(&shape::read(spec, at)?, at))))
        }
        Kind::Telemetry => {
            let telemetry = telemetry::telemetry(&shape::read(spec, at)?, at);
            Some(telemetry.map_or_else(|| inert(meta), |t| Config::Telemetry(object(meta, t))))
        }
        Kind::EnvoyFilter | Kind::WasmPlugin => {
            policies::no_effect(at);
            Some(inert(meta))
        }
        Kind::AuthorizationPolicy | Kind::RequestAuthentication => {
            policies::refused(at);
            None
        }
        Kind::GatewayClass => Some(Config::GatewayClass(object(meta, shape::read(spec, at)?))),
        Kind::KubernetesGateway => {
            Some(Config::KubernetesGateway(object(meta, gateway_api::gateway(shape::read(spec, at)?, at))))
        }
        Kind::HttpRoute => Some(Config::HttpRoute(object(meta, gateway_api::http_route(shape::read(spec, at)?, at)))),
        Kind::GrpcRoute => Some(Config::GrpcRoute(object(meta, gateway_api::grpc_route(shape::read(spec, at)?, at)))),
        Kind::TlsRoute => Some(Config::TlsRoute(object(meta, shape::read(spec, at)?))),
        Kind::ReferenceGrant => Some(Config::ReferenceGrant(object(meta, shape::read(spec, at)?))),
        Kind::MeshConfig => None,
    }
}

fn object<T>(meta: &Meta, spec: T) -> Arc<Object<T>> {
    Arc::new(Object { meta: meta.clone(), spec })
}

fn inert(meta: &Meta) -> Config {
    Config::Inert(Arc::new(meta.clone()))
}

#[cfg(test)]
mod tests;
