//! What Kubernetes must know of a kind besides its fields, and the list of all kinds.

use std::fmt::Debug;

use serde::Serialize;
use serde_json::Value;

use crate::{
    gateway_api,
    shape::{Shape, Shaped, shaped},
};

mod table;

/// A kind, by its `spec`. [`crate::Object`] puts the rest around it.
pub trait Kind: Shaped + Serialize + Clone + Debug + Default + PartialEq + Send + Sync + 'static {
    /// Everything else about it.
    const INFO: KindInfo;
    /// The API group, `networking.istio.io`.
    const GROUP: &'static str = Self::INFO.group;
    /// The newest version that is served; the one that the mesh itself uses.
    const VERSION: &'static str = Self::INFO.version();
    /// The versions that are served, newest first. All have the same fields.
    const VERSIONS: &'static [Version] = Self::INFO.versions;
    /// The kind, `VirtualService`.
    const KIND: &'static str = Self::INFO.kind;
    /// Its name in URLs, `virtualservices`.
    const PLURAL: &'static str = Self::INFO.plural;
    /// Its name for people, `virtualservice`.
    const SINGULAR: &'static str = Self::INFO.singular;
    /// Its short names, `vs`.
    const SHORT_NAMES: &'static [&'static str] = Self::INFO.short_names;
    /// Groups of kinds that `kubectl get` knows, `istio-io`.
    const CATEGORIES: &'static [&'static str] = Self::INFO.categories;
}

/// What Kubernetes must know of a kind besides its fields.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// The API group.
    pub group: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// Its name in URLs.
    pub plural: &'static str,
    /// Its name for people.
    pub singular: &'static str,
    /// Its short names.
    pub short_names: &'static [&'static str],
    /// Groups of kinds that it is in.
    pub categories: &'static [&'static str],
    /// The versions that are served, newest first.
    pub versions: &'static [Version],
    /// What `kubectl get` shows besides the name.
    pub columns: &'static [Column],
    /// Whether an object without `spec` is refused.
    pub spec_required: bool,
    /// The shape of its `spec`.
    pub shape: fn() -> &'static Shape,
    /// The shape of its `status`; absent for kinds without one.
    pub status: Option<fn() -> &'static Shape>,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
    /// Annotations that its definition must carry.
    pub annotations: &'static [(&'static str, &'static str)],
}

/// A version of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its name.
    pub name: &'static str,
    /// Whether the cluster keeps objects in it. The same as Istio's, so that a cluster that has Istio's definitions
    /// takes ours without moving objects; it is not always the newest.
    pub storage: bool,
}

/// A column of `kubectl get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its head.
    pub name: &'static str,
    /// `string`, `date`, ...
    pub r#type: &'static str,
    /// Where its value is.
    pub json_path: &'static str,
    /// What it means.
    pub description: &'static str,
    /// 0: always shown; 1: with `-o wide`.
    pub priority: u8,
}

impl KindInfo {
    /// The newest version.
    pub const fn version(&self) -> &'static str {
        match self.versions {
            [newest, ..] => newest.name,
            [] => "",
        }
    }

    /// `GROUP/VERSION` of the newest version, as objects carry it.
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version())
    }

    /// Whether an object of this `apiVersion` and `kind` is one of these, in any version that is served.
    pub fn serves(&self, api_version: &str, kind: &str) -> bool {
        let version = api_version.strip_prefix(self.group).and_then(|rest| rest.strip_prefix('/'));
        self.kind == kind && version.is_some_and(|v| self.versions.iter().any(|served| served.name == v))
    }

    /// The shape of its `spec`.
    pub fn shape(&self) -> &'static Shape {
        (self.shape)()
    }
}

/// Every kind: Istio's, then those of the Gateway API.
pub const KINDS: &[KindInfo] = table::KINDS;

/// The kind of an object, by its `apiVersion` and `kind`.
pub fn kind_of(object: &Value) -> Option<&'static KindInfo> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    KINDS.iter().find(|info| info.serves(text("apiVersion"), text("kind")))
}

/// Paths of fields of an object that its kind does not know: `spec.http[0].rout`.
pub fn unknown_fields(info: &KindInfo, object: &Value) -> Vec<String> {
    const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
    let Value::Object(fields) = object else { return Vec::new() };
    let mut unknown: Vec<String> = fields.keys().filter(|name| !TOP.contains(&name.as_str())).cloned().collect();
    if let Some(spec) = fields.get("spec") {
        unknown.extend(info.shape().unknown_fields(spec, "spec"));
    }
    unknown
}

/// Ties each `spec` to its row of the table.
macro_rules! kinds {
    ($($type:ty => $info:ident),* $(,)?) => {
        shaped!($($type),*);
        $(impl Kind for $type {
            const INFO: KindInfo = table::$info;
        })*
    };
}

kinds! {
    crate::AuthorizationPolicy => AUTHORIZATION_POLICY,
    crate::DestinationRule => DESTINATION_RULE,
    crate::EnvoyFilter => ENVOY_FILTER,
    crate::Gateway => GATEWAY,
    crate::PeerAuthentication => PEER_AUTHENTICATION,
    crate::ProxyConfig => PROXY_CONFIG,
    crate::RequestAuthentication => REQUEST_AUTHENTICATION,
    crate::ServiceEntry => SERVICE_ENTRY,
    crate::Sidecar => SIDECAR,
    crate::Telemetry => TELEMETRY,
    crate::VirtualService => VIRTUAL_SERVICE,
    crate::WasmPlugin => WASM_PLUGIN,
    crate::WorkloadEntry => WORKLOAD_ENTRY,
    crate::WorkloadGroup => WORKLOAD_GROUP,
    gateway_api::GatewayClass => GATEWAY_CLASS,
    gateway_api::Gateway => KUBERNETES_GATEWAY,
    gateway_api::HttpRoute => HTTP_ROUTE,
    gateway_api::GrpcRoute => GRPC_ROUTE,
    gateway_api::TlsRoute => TLS_ROUTE,
    gateway_api::ReferenceGrant => REFERENCE_GRANT,
}

#[cfg(test)]
mod tests;
