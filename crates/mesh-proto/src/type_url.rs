//! The type URLs of every resource that is discovered.

/// Envoy's listeners (LDS).
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// Envoy's routes (RDS).
pub const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// Envoy's clusters (CDS).
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// Envoy's endpoints (EDS).
pub const ENDPOINT: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// Envoy's secrets (SDS).
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// Istio's name table for the DNS proxy (NDS).
pub const NAME_TABLE: &str = "type.googleapis.com/istio.networking.nds.v1.NameTable";

/// Registry records, galley to pilot (see [`crate::registry`]).
pub const SERVICE: &str = "type.googleapis.com/lateen.registry.v1.Service";
/// See [`crate::registry::Endpoints`].
pub const ENDPOINTS: &str = "type.googleapis.com/lateen.registry.v1.Endpoints";
/// See [`crate::registry::Workload`].
pub const WORKLOAD: &str = "type.googleapis.com/lateen.registry.v1.Workload";
/// See [`crate::registry::Namespace`].
pub const NAMESPACE: &str = "type.googleapis.com/lateen.registry.v1.Namespace";
/// See [`crate::registry::Secret`].
pub const REGISTRY_SECRET: &str = "type.googleapis.com/lateen.registry.v1.Secret";
/// See [`crate::registry::MeshConfig`].
pub const MESH_CONFIG: &str = "type.googleapis.com/lateen.registry.v1.MeshConfig";

/// The collection of a configuration kind, as MCP over xDS names it: `networking.istio.io/v1/VirtualService`.
pub fn config(group: &str, version: &str, kind: &str) -> String {
    format!("{group}/{version}/{kind}")
}
