//! What a client says, in the words that both flavours of the protocol share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mesh_proto::envoy::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};

/// One message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The type it is about.
    pub type_url: String,
    /// Of the response that it answers; none for a request that answers nothing.
    pub nonce: Option<String>,
    /// Why the answered response was refused.
    pub error: Option<String>,
    /// What it says about its subscription.
    pub names: Names,
}

/// A word about a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Delta: the difference.
    Change {
        /// `*` among them stands for all.
        subscribe: BTreeSet<Arc<str>>,
        /// `*` among them ends that.
        unsubscribe: BTreeSet<Arc<str>>,
        /// What the client holds from an earlier stream, with versions. Read on the first request of a type only.
        initial: BTreeMap<Arc<str>, Arc<str>>,
    },
    /// State of the world: all names; empty is all or none, by type.
    All(BTreeSet<Arc<str>>),
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl From<DeltaDiscoveryRequest> for Request {
    fn from(request: DeltaDiscoveryRequest) -> Self {
        let set = |names: Vec<String>| names.into_iter().map(Into::into).collect();
        let initial = request.initial_resource_versions.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        Self {
            type_url: request.type_url,
            nonce: some(&request.response_nonce),
            error: request.error_detail.map(|status| status.message),
            names: Names::Change {
                subscribe: set(request.resource_names_subscribe),
                unsubscribe: set(request.resource_names_unsubscribe),
                initial,
            },
        }
    }
}

impl From<DiscoveryRequest> for Request {
    fn from(request: DiscoveryRequest) -> Self {
        Self {
            type_url: request.type_url,
            nonce: some(&request.response_nonce),
            error: request.error_detail.map(|status| status.message),
            names: Names::All(request.resource_names.into_iter().map(Into::into).collect()),
        }
    }
}
