//! Who may ask for what: a proxy gets the configuration of the workload that its certificate names.

use std::collections::BTreeMap;

use mesh_proto::envoy::{
    envoy::config::core::v3::Node,
    google::protobuf::{Value, value::Kind},
};
use mesh_types::NodeId;
use mesh_xds::transport::Peer;

/// Why a proxy gets nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No certificate where one is needed.
    #[error("a client certificate is needed here")]
    NoCertificate,
    /// The node id is not one.
    #[error("the node cannot be told apart: {0}")]
    NodeId(#[from] mesh_types::BadNodeId),
    /// Certificate and metadata differ, or the metadata says nothing.
    #[error("node metadata {key} is `{claimed}`, but the certificate is of {proved}")]
    Mismatch {
        /// `NAMESPACE` or `SERVICE_ACCOUNT`.
        key: &'static str,
        /// In the metadata.
        claimed: String,
        /// The whole identity of the certificate.
        proved: String,
    },
    /// The node's id names another namespace than its metadata.
    #[error("node id and metadata NAMESPACE differ: `{id}` and `{metadata}`")]
    Namespace {
        /// In the id.
        id: String,
        /// In the metadata.
        metadata: String,
    },
}

/// Checks a proxy's claims against what its connection proved, and gives its id.
///
/// Istio's `PILOT_ENABLE_XDS_IDENTITY_CHECK`. `plaintext` tells that the connection came over a port that asks for no
/// certificate; then a proxy is believed.
///
/// # Errors
/// See [`Denied`].
pub fn admit(peer: &Peer, node: &Node, plaintext: bool) -> Result<NodeId, Denied> {
    let id: NodeId = node.id.parse()?;
    let namespace = metadata(node, "NAMESPACE").unwrap_or_default();
    match &peer.identity {
        None if plaintext => {}
        None => return Err(Denied::NoCertificate),
        Some(identity) => {
            let account = metadata(node, "SERVICE_ACCOUNT").unwrap_or_default();
            for (key, claimed, proved) in
                [("NAMESPACE", namespace, identity.namespace()), ("SERVICE_ACCOUNT", account, identity.account())]
            {
                if claimed != proved {
                    return Err(Denied::Mismatch { key, claimed: claimed.to_owned(), proved: identity.to_string() });
                }
            }
        }
    }
    if !namespace.is_empty() && namespace != id.namespace {
        return Err(Denied::Namespace { id: id.namespace, metadata: namespace.to_owned() });
    }
    Ok(id)
}

/// A text among a node's metadata.
pub fn metadata<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    match node.metadata.as_ref()?.fields.get(key)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text),
        _ => None,
    }
}

/// A node as a proxy tells it, for tests and fakes: an id and metadata texts.
pub fn node(id: &str, metadata: &BTreeMap<&str, &str>) -> Node {
    let text = |v: &str| Value { kind: Some(Kind::StringValue(v.to_owned())) };
    let fields = metadata.iter().map(|(k, v)| ((*k).to_owned(), text(v))).collect();
    Node {
        id: id.to_owned(),
        metadata: Some(mesh_proto::envoy::google::protobuf::Struct { fields }),
        ..Node::default()
    }
}

#[cfg(test)]
mod tests;
