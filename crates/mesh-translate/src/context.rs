//! What every generator starts from.

use std::{net::IpAddr, sync::Arc};

use mesh_model::{
    config::{MeshConfig, OutboundPolicyMode, Subset},
    push_context::{EffectivePolicy, GatewayPort, MergedRule, PushContext, Scope},
    registry::{Port, Service},
};
use mesh_types::NodeKind;

use crate::{
    dynamic,
    view::{OwnPort, ProxyView},
};

/// A proxy and the part of the mesh that it sees.
pub(crate) struct Context<'a> {
    pub(crate) view: &'a ProxyView,
    pub(crate) push: &'a PushContext,
    pub(crate) scope: Arc<Scope>,
    /// Whether it sees services that are known once somebody asks for them; few proxies do.
    pub(crate) sees_dynamic: bool,
}

impl<'a> Context<'a> {
    pub(crate) fn new(view: &'a ProxyView, push: &'a PushContext) -> Self {
        let scope = match view.kind {
            NodeKind::Sidecar => push.scope(&view.namespace, &view.labels),
            NodeKind::Router => push.scope_of_gateway(&view.namespace),
        };
        let sees_dynamic = scope.services.iter().any(|service| dynamic::is_dynamic(service));
        Self { view, push, scope, sees_dynamic }
    }

    /// Whether the proxy is a gateway.
    pub(crate) fn is_gateway(&self) -> bool {
        self.view.kind == NodeKind::Router
    }

    /// The ports that a gateway opens.
    pub(crate) fn gateway_ports(&self) -> Vec<GatewayPort> {
        let resolve = |port| self.view.pod_ports(port);
        self.push.gateway_ports(&self.view.namespace, &self.view.labels, resolve).0
    }

    pub(crate) fn mesh(&self) -> &'a MeshConfig {
        self.push.mesh()
    }

    /// Whether calls of unknown hosts go where they were dialled.
    pub(crate) fn allows_any(&self) -> bool {
        self.scope.outbound_mode == OutboundPolicyMode::AllowAny
    }

    /// Single addresses at which this proxy's workload dials a service: the service's own; where it has none, those that
    /// the mesh allocated, which only a proxy that answers DNS questions tells anybody.
    pub(crate) fn vips(&self, service: &Service) -> Vec<IpAddr> {
        if service.addresses.is_empty() && self.view.captures_dns {
            return service.allocated.clone();
        }
        service.vips().collect()
    }

    /// The rule for this proxy's calls of a service.
    pub(crate) fn rule(&self, service: &Service) -> Option<&'a MergedRule> {
        self.push.destination_rule(&self.view.namespace, &self.view.labels, service).map(AsRef::as_ref)
    }

    /// The service of one of the workload's own ports.
    pub(crate) fn own_service(&self, own: &OwnPort) -> Option<&'a Service> {
        let services = self.push.services_of_host(&own.host).iter();
        services.map(AsRef::as_ref).find(|s| s.namespace == own.namespace)
    }

    /// What holds for this proxy's calls of a port of a service, or of a subset of it.
    pub(crate) fn policy(&self, service: &Service, port: &Port, subset: Option<&Subset>) -> EffectivePolicy {
        let rule = self.rule(service).and_then(MergedRule::policy);
        EffectivePolicy::of(rule, subset.and_then(|s| s.policy.as_ref()), port.number)
    }
}
