//! Where a resource comes from, as Envoy metadata.
//!
//! Istio's own keys stand under `istio` (`config`, `services`, `subset`, `workload`, ...), read by istioctl and dashboards.
//! Ours stand under `lateen`: `object` names the deciding object (`VirtualService/ns/name`), `path` the field in it, and
//! `refused` says why a cluster cannot connect.

use std::collections::HashMap;

use mesh_model::{
    config::{MeshConfig, Meta},
    push_context::Scope,
    registry::Service,
};

use crate::{
    pb::{self, core},
    wire::text,
};

/// Namespace of Istio's keys.
pub const ISTIO: &str = "istio";
/// Namespace of ours.
pub const LATEEN: &str = "lateen";

/// Metadata in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Provenance {
    istio: HashMap<String, pb::Value>,
    lateen: HashMap<String, pb::Value>,
}

impl Provenance {
    /// Of a service's cluster: `services`, as metrics read it.
    pub(crate) fn services<'a>(services: impl IntoIterator<Item = &'a Service>) -> Self {
        let list = services.into_iter().map(|service| {
            let fields = [("host", service.host.as_str()), ("name", &service.name), ("namespace", &service.namespace)];
            let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), text(value))).collect();
            pb::Value { kind: Some(pb::Kind::StructValue(pb::Struct { fields })) }
        });
        let list = mesh_proto::envoy::google::protobuf::ListValue { values: list.collect() };
        Self::default().istio("services", pb::Value { kind: Some(pb::Kind::ListValue(list)) })
    }

    /// Of a resource that a user's object decides.
    pub(crate) fn object(meta: &Meta, path: &str) -> Self {
        Self::default().decided_by(meta, path)
    }

    /// Of a resource that exists because a service does.
    pub(crate) fn of_service(service: &Service) -> Self {
        Self::default().made_for(service)
    }

    /// Of calls that leave the mesh: by the Sidecar that draws the scope, else by whoever sets the policy.
    pub(crate) fn of_departures(scope: &Scope, mesh: &MeshConfig) -> Self {
        match scope.sidecar.as_ref().filter(|sidecar| !sidecar.spec.egress.is_empty()) {
            Some(sidecar) => Self::object(&sidecar.meta, "spec.egress"),
            None => Self::of_outbound_policy(scope, mesh),
        }
    }

    /// Of calls of unknown destinations: by the Sidecar that says what becomes of them, else by the mesh's settings.
    pub(crate) fn of_outbound_policy(scope: &Scope, mesh: &MeshConfig) -> Self {
        match scope.sidecar.as_ref().filter(|sidecar| sidecar.spec.outbound.is_some()) {
            Some(sidecar) => Self::object(&sidecar.meta, "spec.outboundTrafficPolicy"),
            None => Self::default()
                .lateen("object", text(format!("ConfigMap/{}/istio", mesh.root_namespace)))
                .lateen("path", text("meshConfig.outboundTrafficPolicy")),
        }
    }

    /// Names the service that it exists for, as its object.
    pub(crate) fn made_for(self, service: &Service) -> Self {
        use mesh_model::registry::Origin;
        let object = match &service.origin {
            Origin::Kubernetes => format!("Service/{}/{}", service.namespace, service.name),
            Origin::ServiceEntry(name) => format!("ServiceEntry/{}/{name}", service.namespace),
        };
        self.lateen("object", text(object))
    }

    /// Names the first of several services as its object.
    pub(crate) fn made_for_first<'a>(self, mut services: impl Iterator<Item = &'a Service>) -> Self {
        match services.next() {
            Some(service) => self.made_for(service),
            None => self,
        }
    }

    /// Adds the object that decides, and the field in it. Of a derived object Istio's key names it, and ours what it
    /// was derived from.
    pub(crate) fn decided_by(self, meta: &Meta, path: &str) -> Self {
        let path = meta.derived.as_ref().map_or(path, |derived| &derived.path);
        self.istio("config", text(meta.config_path()))
            .lateen("object", text(meta.user_object().to_string()))
            .lateen("path", text(path))
    }

    /// Says why it refuses to work.
    pub(crate) fn refused(self, reason: &str) -> Self {
        self.lateen("refused", text(reason))
    }

    /// One of Istio's keys.
    pub(crate) fn istio(mut self, key: &str, value: pb::Value) -> Self {
        self.istio.insert(key.to_owned(), value);
        self
    }

    /// One of ours.
    pub(crate) fn lateen(mut self, key: &str, value: pb::Value) -> Self {
        self.lateen.insert(key.to_owned(), value);
        self
    }

    /// As Envoy carries it.
    pub(crate) fn metadata(self) -> core::Metadata {
        let parts = [(ISTIO, self.istio), (LATEEN, self.lateen)];
        let filled = parts.into_iter().filter(|(_, fields)| !fields.is_empty());
        core::Metadata {
            filter_metadata: filled.map(|(key, fields)| (key.to_owned(), pb::Struct { fields })).collect(),
            ..Default::default()
        }
    }
}
