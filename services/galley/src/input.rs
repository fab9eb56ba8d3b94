//! What the sources (a cluster, a folder) tell the [`crate::world::World`].

use std::fmt;

use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace, Node, Pod, Secret, Service},
    discovery::v1::EndpointSlice,
};
use mesh_kube::Key;
use mesh_model::config::Kind;
use serde_json::Value;

/// The kinds of configuration that are read, in the order of the reference.
pub const KINDS: [Kind; 20] = [
    Kind::VirtualService,
    Kind::DestinationRule,
    Kind::Gateway,
    Kind::ServiceEntry,
    Kind::Sidecar,
    Kind::WorkloadEntry,
    Kind::WorkloadGroup,
    Kind::ProxyConfig,
    Kind::EnvoyFilter,
    Kind::PeerAuthentication,
    Kind::RequestAuthentication,
    Kind::AuthorizationPolicy,
    Kind::Telemetry,
    Kind::WasmPlugin,
    Kind::GatewayClass,
    Kind::KubernetesGateway,
    Kind::HttpRoute,
    Kind::GrpcRoute,
    Kind::TlsRoute,
    Kind::ReferenceGrant,
];

/// A set of objects that is listed and followed as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Collection {
    /// Services.
    Services,
    /// EndpointSlices.
    Slices,
    /// Pods.
    Pods,
    /// Nodes.
    Nodes,
    /// Namespaces.
    Namespaces,
    /// Secrets, of which only those count that configuration names.
    Secrets,
    /// The ConfigMap that holds the mesh's settings.
    Mesh,
    /// Objects of one kind of configuration.
    Config(Kind),
}

impl Collection {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        use Collection::{Config, Mesh, Namespaces, Nodes, Pods, Secrets, Services, Slices};
        [Services, Slices, Pods, Nodes, Namespaces, Secrets, Mesh].into_iter().chain(KINDS.map(Config))
    }
}

/// An object of some collection.
#[derive(Clone, PartialEq)]
pub enum Object {
    /// A Service.
    Service(Box<Service>),
    /// An EndpointSlice.
    Slice(Box<EndpointSlice>),
    /// A Pod.
    Pod(Box<Pod>),
    /// A Node.
    Node(Box<Node>),
    /// A Namespace.
    Namespace(Box<Namespace>),
    /// A Secret.
    Secret(Box<Secret>),
    /// The ConfigMap that holds the mesh's settings.
    Mesh(Box<ConfigMap>),
    /// An object of configuration as JSON, with apiVersion and kind.
    Config(Kind, Value),
}

/// What a Secret holds is nobody's to see.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(object) => write!(f, "Service {}", Key::of(&**object)),
            Self::Slice(object) => write!(f, "EndpointSlice {}", Key::of(&**object)),
            Self::Pod(object) => write!(f, "Pod {}", Key::of(&**object)),
            Self::Node(object) => write!(f, "Node {}", Key::of(&**object)),
            Self::Namespace(object) => write!(f, "Namespace {}", Key::of(&**object)),
            Self::Secret(object) => write!(f, "Secret {}", Key::of(&**object)),
            Self::Mesh(object) => write!(f, "ConfigMap {}", Key::of(&**object)),
            Self::Config(kind, object) => write!(f, "{kind} {object}"),
        }
    }
}

/// Something that a source saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// An object is new or changed.
    Applied(Object),
    /// An object is gone.
    Deleted(Collection, Key),
    /// All objects of the collection were told once.
    Complete(Collection),
    /// The collection's kind is served here; its objects were told.
    Installed(Collection),
    /// What is wrong with something that is no object yet, such as a file; nothing: it is right again.
    Noted(String, Vec<String>),
}
