//! Whether a destination that is out of a proxy's scope is known to the mesh, and what would bring it in.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use mesh_model::{
    config::OutboundPolicyMode,
    registry::{Origin, Service},
};
use mesh_types::Hostname;

use super::{answer::Explanation, world::World};

impl World {
    /// The service that an address or a host stands for, be it in the proxy's scope or not.
    pub fn service_of(&self, ip: IpAddr, host: Option<&str>) -> Option<&Arc<Service>> {
        let of_address = || self.push.services().iter().find(|service| service.vips().any(|vip| vip == ip));
        let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
        of_address().or_else(|| self.known(name?)).or_else(|| self.service_of_endpoint(ip))
    }

    /// The service of a name, as the pod's resolver reads it.
    fn known(&self, name: &str) -> Option<&Arc<Service>> {
        let names = self.names(name);
        names.iter().find_map(|name| self.push.services_of_host(&Hostname::parse(name).ok()?).first())
    }

    /// The service behind whose name a pod is that was called by its own address.
    fn service_of_endpoint(&self, ip: IpAddr) -> Option<&Arc<Service>> {
        let has = |service: &&Arc<Service>| {
            let mut endpoints = service.ports.first().into_iter().flat_map(|port| self.push.endpoints(service, port));
            endpoints.any(|endpoint| endpoint.address.ip() == Some(ip))
        };
        self.push.services().iter().find(has)
    }

    /// Whether the proxy has a service in its scope.
    pub fn sees(&self, service: &Service) -> bool {
        self.scope.service(&service.host).is_some_and(|seen| seen.namespace == service.namespace)
    }

    /// The service of a full name, first of those in the proxy's scope.
    pub fn service_of_host(&self, host: &str) -> Option<&Arc<Service>> {
        let services = self.push.services_of_host(&Hostname::parse(host).ok()?);
        services.iter().find(|service| self.sees(service)).or_else(|| services.first())
    }

    /// What the Sidecar that applies says of unknown destinations, if there is one and it says anything.
    pub fn own_policy(&self) -> Option<OutboundPolicyMode> {
        Some(self.scope.sidecar.as_ref()?.spec.outbound.as_ref()?.mode)
    }

    /// The Sidecar that applies.
    pub fn own_sidecar(&self) -> Option<String> {
        let sidecar = self.scope.sidecar.as_ref()?;
        Some(sidecar.meta.object().to_string().replacen('/', " ", 1))
    }

    /// Says of a destination that nobody in scope takes who has it, and which line would bring it in.
    pub(super) fn note_scope(&self, host: &str, destination: SocketAddr, told: &mut Explanation) {
        let Some(service) = self.service_of(destination.ip(), Some(host)) else {
            return told.notes.push("the mesh knows no such destination at all".to_owned());
        };
        let (namespace, port) = (&service.namespace, destination.port());
        let what = match &service.origin {
            Origin::Kubernetes => format!("service {}", service.host),
            Origin::ServiceEntry(name) => format!("host {} of ServiceEntry {namespace}/{name}", service.host),
        };
        if service.ports.iter().all(|known| known.number != port) {
            let ports: Vec<String> = service.ports.iter().map(|port| port.number.to_string()).collect();
            return told.notes.push(format!("{what} has no port {port}, only {}", ports.join(", ")));
        }
        if self.sees(service) {
            return told.notes.push(format!(
                "{what} is in scope, but not for such a call: TLS on a port that is declared as plain HTTP, or another name"
            ));
        }
        told.notes.push(match self.own_sidecar() {
            Some(sidecar) => format!(
                "the mesh knows it as {what}, which {} does not import: add \"{namespace}/{}\" to the hosts of its egress",
                sidecar, service.host
            ),
            None => format!("the mesh knows it as {what}, which is not exported to namespace {}", self.view.namespace),
        });
    }
}
