//! Mesh configuration protocol: the envelope of each resource between galley and pilot.
//!
//! <https://github.com/istio/api/blob/master/mcp/v1alpha1/resource.proto>: the numbers of the fields are Istio's, so that
//! an unmodified istiod can read galley through `configSources`.

use std::collections::BTreeMap;

use envoy_types::pb::google::protobuf::{Any, Timestamp};

/// A resource with its metadata.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    /// Who it is.
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<Metadata>,
    /// A [`crate::registry`] record, or a [`ConfigObject`].
    #[prost(message, optional, tag = "2")]
    pub body: Option<Any>,
}

impl prost::Name for Resource {
    const NAME: &'static str = "Resource";
    const PACKAGE: &'static str = "istio.mcp.v1alpha1";
}

/// What every resource carries.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metadata {
    /// `NAMESPACE/NAME`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// creationTimestamp of the object.
    #[prost(message, optional, tag = "2")]
    pub create_time: Option<Timestamp>,
    /// Changes when the content changes.
    #[prost(string, tag = "3")]
    pub version: String,
    /// Labels of the object.
    #[prost(btree_map = "string, string", tag = "4")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the object.
    #[prost(btree_map = "string, string", tag = "5")]
    pub annotations: BTreeMap<String, String>,
}

/// An object of a configuration kind as its user wrote it: metadata (name, namespace, labels, annotations, generation,
/// uid, creationTimestamp), apiVersion, kind and spec.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfigObject {
    /// The object as JSON text.
    #[prost(string, tag = "1")]
    pub json: String,
}

impl prost::Name for ConfigObject {
    const NAME: &'static str = "ConfigObject";
    const PACKAGE: &'static str = "lateen.mcp.v1";
}
