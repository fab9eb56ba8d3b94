//! Who an object is.

use std::{cmp::Ordering, collections::BTreeMap, fmt, sync::Arc};

use mesh_types::Labels;

/// The kinds of configuration that the mesh reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `networking.istio.io`.
    VirtualService,
    /// `networking.istio.io`.
    DestinationRule,
    /// `networking.istio.io`.
    Gateway,
    /// `networking.istio.io`.
    ServiceEntry,
    /// `networking.istio.io`.
    Sidecar,
    /// `networking.istio.io`.
    WorkloadEntry,
    /// `networking.istio.io`.
    WorkloadGroup,
    /// `networking.istio.io`.
    ProxyConfig,
    /// `networking.istio.io`.
    EnvoyFilter,
    /// `security.istio.io`.
    PeerAuthentication,
    /// `security.istio.io`.
    RequestAuthentication,
    /// `security.istio.io`.
    AuthorizationPolicy,
    /// `telemetry.istio.io`.
    Telemetry,
    /// `extensions.istio.io`.
    WasmPlugin,
    /// `gateway.networking.k8s.io`; of the whole cluster.
    GatewayClass,
    /// `gateway.networking.k8s.io` Gateway, which is another kind than Istio's of the same word.
    KubernetesGateway,
    /// `gateway.networking.k8s.io`.
    HttpRoute,
    /// `gateway.networking.k8s.io`.
    GrpcRoute,
    /// `gateway.networking.k8s.io`.
    TlsRoute,
    /// `gateway.networking.k8s.io`.
    ReferenceGrant,
    /// The mesh's own settings, key `mesh` of ConfigMap `istio`; not an object of the API.
    MeshConfig,
}

/// One line per kind: kind, word, group, newest served version, plural as in the API's path, kebab-case singular.
const KINDS: &[(Kind, &str, &str, &str, &str, &str)] = &[
    (Kind::VirtualService, "VirtualService", NETWORKING, "v1", "virtualservices", "virtual-service"),
    (Kind::DestinationRule, "DestinationRule", NETWORKING, "v1", "destinationrules", "destination-rule"),
    (Kind::Gateway, "Gateway", NETWORKING, "v1", "gateways", "gateway"),
    (Kind::ServiceEntry, "ServiceEntry", NETWORKING, "v1", "serviceentries", "service-entry"),
    (Kind::Sidecar, "Sidecar", NETWORKING, "v1", "sidecars", "sidecar"),
    (Kind::WorkloadEntry, "WorkloadEntry", NETWORKING, "v1", "workloadentries", "workload-entry"),
    (Kind::WorkloadGroup, "WorkloadGroup", NETWORKING, "v1", "workloadgroups", "workload-group"),
    (Kind::ProxyConfig, "ProxyConfig", NETWORKING, "v1beta1", "proxyconfigs", "proxy-config"),
    (Kind::EnvoyFilter, "EnvoyFilter", NETWORKING, "v1alpha3", "envoyfilters", "envoy-filter"),
    (Kind::PeerAuthentication, "PeerAuthentication", SECURITY, "v1", "peerauthentications", "peer-authentication"),
    (
        Kind::RequestAuthentication,
        "RequestAuthentication",
        SECURITY,
        "v1",
        "requestauthentications",
        "request-authentication",
    ),
    (Kind::AuthorizationPolicy, "AuthorizationPolicy", SECURITY, "v1", "authorizationpolicies", "authorization-policy"),
    (Kind::Telemetry, "Telemetry", "telemetry.istio.io", "v1", "telemetries", "telemetry"),
    (Kind::WasmPlugin, "WasmPlugin", "extensions.istio.io", "v1alpha1", "wasmplugins", "wasm-plugin"),
    (Kind::GatewayClass, "GatewayClass", GATEWAY_API, "v1", "gatewayclasses", "gateway-class"),
    (Kind::KubernetesGateway, "Gateway", GATEWAY_API, "v1", "gateways", "kubernetes-gateway"),
    (Kind::HttpRoute, "HTTPRoute", GATEWAY_API, "v1", "httproutes", "http-route"),
    (Kind::GrpcRoute, "GRPCRoute", GATEWAY_API, "v1", "grpcroutes", "grpc-route"),
    (Kind::TlsRoute, "TLSRoute", GATEWAY_API, "v1alpha2", "tlsroutes", "tls-route"),
    (Kind::ReferenceGrant, "ReferenceGrant", GATEWAY_API, "v1beta1", "referencegrants", "reference-grant"),
    (Kind::MeshConfig, "MeshConfig", "", "v1", "meshconfigs", "mesh-config"),
];

const NETWORKING: &str = "networking.istio.io";
const SECURITY: &str = "security.istio.io";
const GATEWAY_API: &str = istio_api::gateway_api::GROUP;

impl Kind {
    /// The kind of this group (`networking.istio.io`) and word (`VirtualService`), in whatever version.
    pub fn find(group: &str, word: &str) -> Option<Self> {
        KINDS.iter().find(|row| row.1 == word && row.2 == group).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static str, &'static str, &'static str) {
        // The table lists the kinds in the order of the enum; a test holds it to that.
        &KINDS[self as usize]
    }

    /// Whether it is a kind of the Gateway API.
    pub fn is_gateway_api(self) -> bool {
        self.group() == GATEWAY_API
    }

    /// Whether its objects lie in no namespace.
    pub fn is_of_the_cluster(self) -> bool {
        self == Self::GatewayClass
    }

    /// Such as `VirtualService`.
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// Such as `networking.istio.io`.
    pub fn group(self) -> &'static str {
        self.row().2
    }

    /// The newest served version, such as `v1`.
    pub fn version(self) -> &'static str {
        self.row().3
    }

    /// Such as `virtualservices`.
    pub fn plural(self) -> &'static str {
        self.row().4
    }

    /// Such as `virtual-service`, the word in Istio's paths of configuration in Envoy metadata.
    pub fn kebab(self) -> &'static str {
        self.row().5
    }
}

/// The word; with its group, as `kubectl get` takes it, where Istio has a kind of the same word.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::KubernetesGateway => write!(f, ".{}", self.group()),
            _ => Ok(()),
        }
    }
}

/// Names an object: `VirtualService/default/reviews`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

/// An object's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Meta {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// creationTimestamp in seconds since 1970; 0 when the object was never in a cluster.
    pub created: i64,
    /// Counts the changes of its spec; 0 when the object was never in a cluster.
    pub generation: i64,
    /// Empty when the object was never in a cluster.
    pub uid: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Set on objects that the mesh made from users' objects ([`crate::expand`]).
    pub derived: Option<Derived>,
}

/// What a derived object was made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Derived {
    /// The user's object.
    pub object: ObjectRef,
    /// The field in it, such as `spec.listeners[0]`.
    pub path: String,
}

impl Meta {
    /// Its name as one value.
    pub fn object(&self) -> ObjectRef {
        ObjectRef { kind: self.kind, namespace: Arc::clone(&self.namespace), name: Arc::clone(&self.name) }
    }

    /// The object that a user wrote: its own name, or the one that it was derived from.
    pub fn user_object(&self) -> ObjectRef {
        self.derived.as_ref().map_or_else(|| self.object(), |derived| derived.object.clone())
    }

    /// The order in which objects of a kind are asked: oldest first, then by name, then by namespace.
    pub fn age(&self, other: &Self) -> Ordering {
        (self.created, &self.name, &self.namespace).cmp(&(other.created, &other.name, &other.namespace))
    }

    /// Istio's path of a configuration, as it stands in Envoy's `filter_metadata["istio"]["config"]`:
    /// `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews`.
    pub fn config_path(&self) -> String {
        let Self { kind, namespace, name, .. } = self;
        format!("/apis/{}/{}/namespaces/{namespace}/{}/{name}", kind.group(), kind.version(), kind.kebab())
    }
}

#[cfg(test)]
mod tests;
